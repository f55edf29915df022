package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/transfer"
)

// A crossing is what a command is given in TestNoCommandCrosses: arguments with
// OTHER, KEY and SPACE for the name, a key and a space of the other workspace.
type crossing struct {
	args string
	// apart says that the command is about the server, or about files here, and
	// why that is no matter of workspaces.
	apart string
	// ids says that the arguments name something of the other workspace, so that
	// the command is tried in one's own workspace too.
	ids bool
}

var crossings = map[string]crossing{
	"archive verify": {}, "audit list": {}, "audit export": {}, "audit verify": {}, "log verify": {},
	"backup list": {}, "backup delete": {apart: "of the folder that is named"}, "backup key": {apart: "asks no server"},
	"backup verify": {apart: "of the folder that is named"}, "backup": {apart: "of the server"}, "restore": {apart: "asks no server"}, "export": {args: "--to OUT"}, "import": {args: "--from EXPORT"},
	"owner create": {apart: "works on the data folder"}, "owner key": {apart: "works on the data folder"}, "owner recover": {apart: "works on the data folder"},
	"environment create": {args: "staging"}, "environment default": {args: "SPACE", ids: true}, "environment delete": {args: "SPACE", ids: true}, "environment list": {},
	"environment rename": {args: "SPACE e2e", ids: true}, "environment undelete": {args: "SPACE", ids: true},
	"key create": {args: "k --role viewer"}, "key list": {}, "key revoke": {args: "KEY", ids: true}, "key rotate": {args: "KEY", ids: true},
	"plan": {args: "DIR"}, "deploy": {args: "DIR"}, "pull": {args: "DIR"},
	"release deploys": {}, "release diff": {args: "VERSION 1", ids: true}, "release list": {}, "release promote": {args: "VERSION --to OTHER@production", ids: true}, "release rollback": {args: "VERSION", ids: true}, "release show": {args: "VERSION", ids: true},
	"query": {args: "SELECT/**/1"}, "reader list": {}, "reader pause": {args: "warehouse"}, "reader reset": {args: "warehouse --yes"}, "reader resume": {args: "warehouse"},
	"rejected list": {}, "rejected resend": {args: "REJECTED", ids: true}, "rejected show": {args: "REJECTED", ids: true}, "send": {args: "FILE --source theirs", ids: true}, "status": {}, "tail": {args: "--limit 1"},
	"secret allow": {args: "theirs/key --resource sources/web", ids: true}, "secret delete": {args: "theirs/key", ids: true}, "secret destroy": {args: "theirs/key --version 1", ids: true},
	"secret get": {args: "theirs/key", ids: true}, "secret history": {args: "theirs/key", ids: true}, "secret list": {}, "secret rekey": {}, "secret restore": {args: "theirs/key", ids: true},
	"secret rollback": {args: "theirs/key --to 1", ids: true}, "secret rotate": {args: "theirs/key", ids: true}, "secret set": {args: "a"},
	"member invite": {args: "ada@example.com --role viewer"}, "member list": {}, "member remove": {args: "zebra@example.com", ids: true}, "member role": {args: "zebra@example.com viewer", ids: true},
	"person list": {}, "person suspend": {args: "p_x"}, "person resume": {args: "p_x"}, "person delete": {args: "p_x --yes"},
	"warehouse rebuild": {args: "--yes --source theirs", ids: true},
	"workspace create":  {args: "mine"}, "workspace owner": {args: "OTHER", ids: true}, "workspace list": {}, "workspace delete": {args: "OTHER", ids: true}, "workspace quota": {args: "OTHER", ids: true}, "workspace rename": {args: "OTHER mine", ids: true},
	"workspace resume": {args: "OTHER", ids: true}, "workspace show": {args: "OTHER", ids: true}, "workspace suspend": {args: "OTHER", ids: true}, "workspace undelete": {args: "OTHER", ids: true}, "workspace usage": {args: "OTHER", ids: true},
}

// TestNoCommandCrosses runs every command with a key of one workspace in another,
// and with what is the other's in its own: each is told that there is no such
// thing. A command that is not in the table fails it.
func TestNoCommandCrosses(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	api, err := client.New(client.Options{Server: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	other, err := api.CreateWorkspace(t.Context(), "other", "", "")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := api.In("other").CreateKey(t.Context(), client.NewKey{Name: "theirs", Role: "owner", AllEnvironments: true})
	if err != nil {
		t.Fatal(err)
	}
	mine, err := api.CreateKey(t.Context(), client.NewKey{Name: "mine", Role: "owner", AllEnvironments: true})
	if err != nil {
		t.Fatal(err)
	}
	version, rejected := fillOther(t, s)
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	exported := filepath.Join(t.TempDir(), "export")
	writeExport(t, exported)
	values := strings.NewReplacer("VERSION", version, "REJECTED", rejected, "OUT", filepath.Join(t.TempDir(), "out"), "EXPORT", exported, "OTHER", "other", "KEY", theirs.Key.ID, "SPACE", other.Environments[0].Space, "DIR", s.Dir, "FILE", file, "/**/", " ")
	run := func(name, args, workspace string) (int, string) {
		stdin, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		var out bytes.Buffer
		p := &program{stdin: stdin, stdout: &out, stderr: &out, version: "test", getenv: func(variable string) string {
			return map[string]string{"MILLRACE_SERVER": s.URL, "MILLRACE_TOKEN": mine.Token, "MILLRACE_WORKSPACE": workspace}[variable]
		}}
		words := strings.Fields(name)
		for _, word := range strings.Fields(args) {
			words = append(words, values.Replace(word))
		}
		return p.run(t.Context(), words), out.String()
	}
	told := func(text string) bool {
		for _, words := range []string{"there is no workspace", "is no member of it", "no key", "has no environment", "no environment", "no secret", "no version", "no member", "no source", "no rejected record", "is not set in the vault", "on this server", "404"} {
			if strings.Contains(text, words) {
				return true
			}
		}
		return false
	}
	known := map[string]bool{}
	for _, name := range leaves(testProgram(&bytes.Buffer{}).root(), "") {
		known[name] = true
		c, covered := crossings[name]
		switch {
		case !covered:
			t.Errorf("%s is not in the table of crossings: say what of another workspace it could be given", name)
		case c.apart != "":
			continue
		}
		if code, text := run(name, c.args, "other"); code != exitFailed || !told(text) {
			t.Errorf("millrace %s in another workspace ends with %d: %s", name, code, text)
		}
		if !c.ids {
			continue
		}
		if code, text := run(name, c.args, ""); code != exitFailed || !told(text) {
			t.Errorf("millrace %s %s with what is another's ends with %d: %s", name, values.Replace(c.args), code, text)
		}
	}
	for name := range crossings {
		if !known[name] {
			t.Errorf("there is no command %s", name)
		}
	}
	now, err := api.Workspace(t.Context(), "other")
	if err != nil || now.State != "active" || now.Name != "other" || len(now.Environments) != 1 || now.Environments[0].Name != "production" {
		t.Errorf("the other workspace is %+v, %v", now, err)
	}
}

// fillOther gives the other workspace a source, versions, a member, a secret and a
// record that was rejected.
func fillOther(t *testing.T, s *apptest.Server) (version, rejected string) {
	t.Helper()
	ask := func(method, path, body, part string) string {
		t.Helper()
		status, text, err := s.Do(method, path, []byte(body))
		found := regexp.MustCompile(part).FindSubmatch(text)
		if err != nil || status >= 300 || found == nil {
			t.Fatalf("%s %s: %d %s, %v", method, path, status, text, err)
		}
		return string(found[len(found)-1])
	}
	const there = "/api/v1/w/other/"
	ask("PUT", there+"files/text?path=millrace.yaml", `{"text":"name: other\n"}`, "")
	ask("PUT", there+"files/text?path=sources/theirs.yaml", `{"text":"kind: http\nwrite_keys: [dev_theirs]\n"}`, "")
	for i := range 5 {
		ask("PUT", there+"files/text?path=queries/q"+fmt.Sprint(i)+".sql", `{"text":"SELECT 1"}`, "")
	}
	ask("PUT", there+"secrets", `{"path":"theirs/key","value":"x","resources":["sources/theirs"]}`, "")
	link := ask("POST", there+"members/invitations", `{"email":"zebra@example.com","role":"admin"}`, `"link":"[^"#]*#([^"]+)"`)
	ask("POST", "/api/v1/invitations/accept", fmt.Sprintf(`{"token":%q,"name":"Zebra","password":"stripes of many savannas"}`, link), "")
	if status, text, err := s.DoKey("POST", "/v1/track", "dev_theirs", `{"userId":"u"}`); err != nil || status != 400 {
		t.Fatalf("%d %s, %v", status, text, err)
	}
	return ask("GET", there+"releases/running", "", `"version":(\d+)`), ask("GET", there+"rejected?after=last", "", `"id":"([^"]+)"`)
}

// leaves are the commands that do something and may ask a server.
func leaves(c *cobra.Command, path string) (all []string) {
	for _, sub := range c.Commands() {
		name := strings.TrimSpace(path + " " + sub.Name())
		switch name {
		case "init", "dev", "serve", "check", "version", "completion", "help":
			continue
		}
		if within := leaves(sub, name); len(within) > 0 {
			all = append(all, within...)
			if sub.Flags().HasAvailableFlags() && name == "backup" {
				all = append(all, name)
			}
			continue
		}
		all = append(all, name)
	}
	return all
}

// writeExport writes an export of one record.
func writeExport(t *testing.T, dir string) {
	t.Helper()
	bucket, err := app.OpenPlace(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	w, err := transfer.NewWriter(t.Context(), bucket)
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	if err == nil {
		err = w.Add(t.Context(), &eventlog.Entry{Time: at, Record: millrace.Record{ID: "1", Workspace: "default", Source: "web", Stream: "page", Received: at, Occurred: at, Body: []byte("{}")}})
	}
	if err == nil {
		_, err = w.Finish(t.Context(), at, millrace.Position{})
	}
	if err != nil {
		t.Fatal(err)
	}
}
