package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/serve"
)

// TestNothingIsLeft deletes a workspace with canaries in everything that it has,
// and looks for them in every byte of the data folder. What others have stays.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	grace := 500 * time.Millisecond
	o := app.Options{Dir: project(t, map[string]string{"millrace.yaml": "name: small\narchive_interval: 1s\n", "sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n"}), Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev}
	r := startWith(t, o.WithGrace(grace))
	doomed := project(t, map[string]string{"millrace.yaml": "name: doomed\n", "sources/canarysource.yaml": "kind: http\nwrite_keys: [dev_canarykey]\n"})
	if err := r.OpenSpace("canaryspace", doomed); err != nil {
		t.Fatal(err)
	}
	var last string
	send := func(key, word string, n int) {
		t.Helper()
		for i := range n {
			status, answer, header := r.in("", key, "POST", "/v1/track", fmt.Sprintf(`{"messageId":"%[1]sid%[2]d","userId":"%[1]suser","event":"%[1]sevent","properties":{"what":"%[1]svalue%[2]d"}}`, word, i))
			if status != http.StatusOK {
				t.Fatalf("track answers %d %s", status, answer)
			}
			last = header.Get("Millrace-Position")
		}
	}
	send("dev_canarykey", "canary", 50)
	send("dev_web", "other", 1)
	must := func(status int, answer string, _ http.Header) string {
		t.Helper()
		if status >= 300 {
			t.Fatalf("%d %s", status, answer)
		}
		return answer
	}
	must(r.in("canaryspace", "", "POST", "/api/v1/query", fmt.Sprintf(`{"sql":"SELECT * FROM canarysource.canaryevent","after":%q}`, last)))
	must(r.in("canaryspace", "", "POST", "/api/v1/keys", `{"name":"canaryname","role":"viewer"}`))
	must(r.in("canaryspace", "", "PUT", "/api/v1/secrets", `{"path":"canarypath","value":"canarysecret"}`))
	must(r.in("canaryspace", "", "POST", "/api/v1/results", `{"sql":"SELECT * FROM canarysource.canaryevent"}`))
	space := r.SpaceOf("canaryspace")
	eventually(t, 20*time.Second, "the archive has it", func() bool { return len(holding(t, filepath.Join(data, "archive"), space)) > 0 })
	// What a backup has left that was killed, and verdicts that were set aside.
	for _, name := range []string{"backup.tmp/catalog", "backup.tmp/dedup/index/1.run", "dedup.damaged-1760000002000/verdicts/1.seg"} {
		plant(t, filepath.Join(data, name), "canary of "+space)
	}
	if before := holding(t, data, "canary"); len(before) < 7 {
		t.Errorf("only %s have a canary before", before)
	}
	must(r.in("", "", "DELETE", "/api/v1/workspaces/canaryspace", ""))
	eventually(t, 60*time.Second, "the workspace is gone", func() bool {
		return !strings.Contains(must(r.in("", "", "GET", "/api/v1/workspaces", "")), "canary")
	})
	eventually(t, 20*time.Second, "nothing of it is left", func() bool { return len(holding(t, data, "canary")) == 0 })
	for _, file := range holding(t, data, "canary") {
		t.Errorf("%s still has a canary", file)
	}
	for _, dir := range []string{"warehouse", "spaces", "results"} {
		for _, file := range holding(t, filepath.Join(data, dir), space) {
			t.Errorf("%s is still there in %s", file, dir)
		}
	}
	if got := must(r.in("", "", "POST", "/api/v1/query", fmt.Sprintf(`{"sql":"SELECT count(*) FROM web.tracks","after":%q}`, last))); !strings.Contains(got, "[1]") {
		t.Errorf("what another workspace has: %s", got)
	}
	r.stop()
}

func plant(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAStartRemovesWhatABackupLeft that was killed: nobody else would, when no other
// is taken.
func TestAStartRemovesWhatABackupLeft(t *testing.T) {
	t.Parallel()
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	plant(t, filepath.Join(data, "backup.tmp", "catalog"), "metadata")
	start(t, dir, data, &clock{})
	if _, err := os.Stat(filepath.Join(data, "backup.tmp")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestNothingIsLeftBehindAReader: while others read in the catalog, its write-ahead
// file cannot be emptied. It is when they have read, though nothing is purged then.
func TestNothingIsLeftBehindAReader(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	r := startWith(t, app.Options{Dir: project(t, small), Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev}.WithGrace(500*time.Millisecond))
	for _, c := range [][3]string{{"POST", "/api/v1/workspaces", `{"name":"canaryspace"}`}, {"POST", "/api/v1/w/canaryspace/keys", `{"name":"canaryname","role":"viewer"}`},
		{"PUT", "/api/v1/w/canaryspace/secrets", `{"path":"canarypath","value":"x","resources":[],"hosts":[]}`}} {
		if status, text, _ := r.in("", "", c[0], c[1], c[2]); status >= 300 {
			t.Fatalf("%s: %d %s", c[1], status, text)
		}
	}
	beside, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(data, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	reads, read, over := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		over <- beside.View(t.Context(), func(tx catalog.Tx) error {
			_, err := catalog.One[int64](t.Context(), tx, "SELECT count(*) FROM workspace")
			close(reads)
			<-read
			return err
		})
	}()
	<-reads
	if status, text, _ := r.in("", "", "DELETE", "/api/v1/workspaces/canaryspace", ""); status >= 300 {
		t.Fatalf("%d %s", status, text)
	}
	eventually(t, 60*time.Second, "the workspace is gone", func() bool {
		_, text, _ := r.in("", "", "GET", "/api/v1/workspaces", "")
		return !strings.Contains(text, "canary")
	})
	time.Sleep(time.Second) // in vain
	if len(holding(t, data, "canary")) == 0 {
		t.Error("the reader is in nobody's way")
	}
	close(read)
	if err := errors.Join(<-over, beside.Close()); err != nil {
		t.Error(err)
	}
	eventually(t, 60*time.Second, "nothing of it is left", func() bool { return len(holding(t, data, "canary")) == 0 })
}

// TestNothingIsLeftOfAnEnvironment deletes an environment with canaries in its
// data, keys, secrets and versions. What the one beside it has stays. Who did what
// in the workspace stays in its audit trail, with names but no values.
func TestNothingIsLeftOfAnEnvironment(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	o := app.Options{Dir: project(t, shop), Data: data, Listen: "127.0.0.1:0", Mode: serve.Production, AdminToken: adminToken}
	r := startWith(t, o.WithGrace(500*time.Millisecond))
	ask := func(method, path, body string) string {
		t.Helper()
		status, text := r.admin(method, path, []byte(body), "application/json")
		if status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return text
	}
	ask("POST", "/api/v1/workspaces", `{"name":"acme"}`)
	ask("POST", "/api/v1/workspaces/acme/environments", `{"name":"staging"}`)
	ask("GET", "/api/v1/w/acme@staging/releases/running", "")
	var last string
	for address, word := range map[string]string{"acme": "other", "acme@staging": "canary"} {
		files := map[string]string{"millrace.yaml": "name: acme\n", "sources/web.yaml": "kind: http\nwrite_keys: [" + word + "_key1]\n", word + ".md": word + "text\n", "both.md": "both\n"}
		if status, text := r.admin("POST", "/api/v1/w/"+address+"/releases?base=0&message=first", packed(t, files), "application/gzip"); status != 200 {
			t.Fatalf("deploy: %d %s", status, text)
		}
		for i := range 20 {
			status, answer, header := r.in("", word+"_key1", "POST", "/v1/track", fmt.Sprintf(`{"messageId":"%[1]sid%[2]d","userId":"%[1]suser","event":"%[1]sevent"}`, word, i))
			if status != http.StatusOK {
				t.Fatalf("track answers %d %s", status, answer)
			}
			last = header.Get("Millrace-Position")
		}
		ask("POST", "/api/v1/w/"+address+"/query", fmt.Sprintf(`{"sql":"SELECT * FROM web.tracks","after":%q}`, last))
		ask("PUT", "/api/v1/w/"+address+"/secrets", `{"path":"some/path","value":"`+word+`secret"}`)
		ask("POST", "/api/v1/w/"+address+"/keys", `{"name":"`+word+`","role":"viewer"}`)
	}
	space := r.SpaceOf("acme@staging")
	if before := holding(t, data, "canary"); len(before) < 2 {
		t.Errorf("only %s have a canary before", before)
	}
	ask("DELETE", "/api/v1/workspaces/acme/environments/staging", "")
	eventually(t, 60*time.Second, "the environment is gone", func() bool {
		return !strings.Contains(ask("GET", "/api/v1/workspaces/acme", ""), "staging")
	})
	for _, word := range []string{"canaryid", "canaryuser", "canaryevent", "canary_key1", "canarytext", "canarysecret"} {
		eventually(t, 20*time.Second, "no "+word+" is left", func() bool { return len(holding(t, data, word)) == 0 })
	}
	// By their names: the audit trail of the workspace, in the tables of the other
	// environment too, says by its id that it was deleted.
	for _, dir := range []string{"warehouse", "spaces", "results"} {
		for _, file := range holding(t, filepath.Join(data, dir), space) {
			if strings.Contains(file, space) {
				t.Errorf("%s is still there in %s", file, dir)
			}
		}
	}
	if got := ask("POST", "/api/v1/w/acme/query", fmt.Sprintf(`{"sql":"SELECT count(*) FROM web.tracks","after":%q}`, last)); !strings.Contains(got, "[20]") {
		t.Errorf("what the other environment has: %s", got)
	}
	if got := ask("POST", "/api/v1/w/acme/secrets/reveal", `{"path":"some/path"}`); !strings.Contains(got, "othersecret") {
		t.Errorf("the secret of the other environment: %s", got)
	}
	if got := ask("GET", "/api/v1/w/acme/files/text?path=other.md", ""); !strings.Contains(got, "othertext") {
		t.Errorf("the files of the other environment: %s", got)
	}
	if got := r.key("other_key1"); got != http.StatusOK {
		t.Errorf("the other environment takes nothing: %d", got)
	}
}

// holding are the files in a folder that hold a text, but for those in skip.
func holding(t *testing.T, dir, text string, skip ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it has gone meanwhile
		}
		rel, _ := filepath.Rel(dir, path)
		for _, s := range skip {
			if rel == s {
				return fs.SkipDir
			}
		}
		if strings.Contains(rel, text) {
			found = append(found, rel)
		}
		if d.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(bytes.ToLower(content), []byte(text)) {
			found = append(found, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
