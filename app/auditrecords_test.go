package app_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// audited waits until all of the trail is in the log.
func (r *running) audited() {
	r.t.Helper()
	eventually(r.t, 20*time.Second, "the trail is in the log", func() bool {
		newest, stored, err := r.Audited(r.t.Context())
		return err == nil && newest > 0 && newest == stored
	})
}

// audit asks for one text of the records of a space, seeing all that the log has.
func (r *running) audit(space, sql string) string {
	r.t.Helper()
	last := r.status(r.t).Log.Last.String()
	status, answer, _ := r.in(space, "", "POST", "/api/v1/query", fmt.Sprintf(`{"sql":%q,"after":%q}`, sql, last))
	if status != http.StatusOK {
		r.t.Fatalf("%s answers %d %s", sql, status, answer)
	}
	return answer
}

// TestAuditIsRecords makes keys and finds each once in the warehouse, in the
// space that it is about, also when a server before did not come to writing down
// what it had stored.
func TestAuditIsRecords(t *testing.T) {
	t.Parallel()
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, &clock{})
	if err := r.OpenSpace("other", project(t, map[string]string{"millrace.yaml": "name: other\n"})); err != nil {
		t.Fatal(err)
	}
	made := func(space, name string) {
		if status, answer, _ := r.in(space, "", "POST", "/api/v1/keys", fmt.Sprintf(`{"name":%q,"role":"viewer"}`, name)); status != http.StatusCreated {
			t.Fatalf("a key: %d %s", status, answer)
		}
	}
	made("", "2026-01-01") // a name like a date is a text all the same
	made("other", "theirs")
	if status, answer, _ := r.in("", "", "POST", "/api/v1/server/keys", `{"name":"metrics","permissions":["server:read"]}`); status != http.StatusCreated {
		t.Fatalf("a key of the server: %d %s", status, answer)
	}
	r.audited()
	check := func(when string) {
		t.Helper()
		// The server's key is in the trail alone.
		got := r.audit("", `SELECT string_agg(object || ' by ' || actor_kind, ', ' ORDER BY number) AS made FROM millrace.audit WHERE action = 'key.create'`)
		if want := `["2026-01-01 by local"]`; !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
		if got := r.audit("other", `SELECT count(*), min(object), max(after) FROM millrace.audit WHERE action = 'key.create'`); !strings.Contains(got, `[1,"theirs","{\"`) {
			t.Errorf("%s: the other space has %s", when, got)
		}
		if got := r.audit("", `SELECT count(*) - count(DISTINCT number) AS doubled FROM millrace.audit`); !strings.Contains(got, "[0]") {
			t.Errorf("%s: rows that are there twice: %s", when, got)
		}
	}
	check("at first")
	if err := r.ForgetAuditRecords(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r = start(t, dir, data, &clock{})
	r.audited()
	check("after all were stored again")
	r.stop()
	r = start(t, dir, data, &clock{})
	before, _, err := r.Audited(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := r.status(t).Log.Last
	time.Sleep(2 * time.Second)
	if after, _, err := r.Audited(t.Context()); err != nil || after != before || r.status(t).Log.Last != last {
		t.Errorf("a server that nobody asks goes from %d to %d, and from %s to %s in the log: %v", before, after, last, r.status(t).Log.Last, err)
	}
}

// TestAuditAfterPurge: what concerns a workspace that is gone is in nobody's log,
// and keeps nothing else.
func TestAuditAfterPurge(t *testing.T) {
	t.Parallel()
	o := app.Options{Dir: project(t, small), Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev}
	r := startWith(t, o.WithGrace(200*time.Millisecond))
	if err := r.OpenSpace("doomed", project(t, map[string]string{"millrace.yaml": "name: doomed\n"})); err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := r.in("", "", "DELETE", "/api/v1/workspaces/doomed", ""); status >= 300 {
		t.Fatalf("%d %s", status, answer)
	}
	eventually(t, 30*time.Second, "it is gone", func() bool {
		_, answer, _ := r.in("", "", "GET", "/api/v1/workspaces", "")
		return !strings.Contains(answer, "doomed")
	})
	if status, answer, _ := r.in("", "", "POST", "/api/v1/keys", `{"name":"mine","role":"viewer"}`); status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	r.audited()
	if got := r.audit("", `SELECT count(*) FILTER (WHERE object = 'mine'), count(*) FILTER (WHERE object = 'doomed') FROM millrace.audit`); !strings.Contains(got, "[1,0]") {
		t.Errorf("the first space has %s, want what is its own", got)
	}
}
