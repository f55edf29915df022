package serve

import (
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/testserver"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

// TestPostgres lists rejected records of a real warehouse before its first
// row, and after.
func TestPostgres(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: testserver.Postgres(t).Database("rejected")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.query = db.Query
	s := start(t, w.options(t))
	if _, body := call(t, "GET", s.URL+"/api/v1/rejected", ""); compact(t, body) != `{"rejected":[],"cursor":""}` {
		t.Errorf("nothing is rejected yet: %s", body)
	}
	at := millrace.Position{Epoch: 1, Seq: 1}
	_, err = db.Apply(t.Context(), "default", warehouse.Batch{Through: at, Flush: true, Entries: []eventlog.Entry{{Position: at,
		Record: record("web", millrace.StreamRejected, "x1", `{"id":"x1","received_at":"2026-11-21T01:02:03.000Z","reason":"No type","raw":"{}"}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := call(t, "GET", s.URL+"/api/v1/rejected/x1", ""); resp.StatusCode != http.StatusOK || decode[Rejected](t, body).Reason != "No type" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// TestPostgresRooms asks Postgres everything that the web page asks.
func TestPostgresRooms(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), postgres.Options{URL: testserver.Postgres(t).Database("rooms")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if s, err := db.Status(t.Context()); err != nil || s.Version == "" || strings.Contains(s.Version, " ") {
		t.Errorf("Postgres is of the version %q: %v", s.Version, err)
	}
	testRooms(t, db)
}
