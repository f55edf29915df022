package workspace_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/workspace"
)

func onSQLite(t testing.TB) catalog.Catalog {
	t.Helper()
	c, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A day is used up at its quota, and begins anew at midnight in UTC.
func TestQuotas(t *testing.T) {
	t.Parallel()
	w := open(t, onSQLite(t))
	m := w.meter()
	acme := w.create("acme")
	acme = ok(t)(w.AddEnvironment(t.Context(), acme.ID, "staging"))
	staging, _ := acme.Find("staging")
	for name, c := range map[string]struct {
		quotas        workspace.Quotas
		events, bytes int
		text          string
	}{
		"events":  {workspace.Quotas{EventsPerDay: limit(100)}, 60, 1, "acme has used its 100 events a day: it takes more from "},
		"bytes":   {workspace.Quotas{BytesPerDay: limit(1000), EventsPerDay: limit(1 << 40)}, 1, 600, "acme has used its 1000 bytes a day"},
		"nothing": {workspace.Quotas{EventsPerDay: limit(0)}, 1, 1, "acme has used its 0 events a day"},
	} {
		ok(t)(w.SetQuotas(t.Context(), acme.ID, c.quotas))
		w.pass(24 * time.Hour)
		taken := 0
		for range 5 { // the environments share what there is
			for _, space := range []string{acme.Main, staging.Space} {
				yes, wait, reason := m.Admit(space, w.time(), c.events, c.bytes)
				if yes {
					taken++
					continue
				}
				reset := 14*time.Hour + 30*time.Minute
				if wait < reset || wait > reset+time.Minute || !strings.Contains(reason, c.text) {
					t.Errorf("%s: %s %s", name, wait, reason)
				}
			}
		}
		if want := map[string]int{"events": 2, "bytes": 2, "nothing": 0}[name]; taken != want {
			t.Errorf("%s: %d requests were taken, want %d", name, taken, want)
		}
		if name == "nothing" {
			continue
		}
		// What was not stored in the end is free again.
		m.Correct(acme.Main, w.time(), -c.events, -c.bytes)
		if yes, _, reason := m.Admit(staging.Space, w.time(), c.events, c.bytes); !yes {
			t.Errorf("%s: %s", name, reason)
		}
		tomorrow := w.time().Add(15 * time.Hour)
		if yes, _, reason := m.Admit(acme.Main, tomorrow, c.events, c.bytes); !yes {
			t.Errorf("%s: %s", name, reason)
		}
		m.Correct(acme.Main, w.time(), -c.events, -c.bytes) // of a request that began before midnight
		if yes, _, _ := m.Admit(acme.Main, w.time(), c.events, c.bytes); !yes {
			t.Errorf("%s: a request of yesterday is counted today", name)
		}
		w.pass(24 * time.Hour)
	}
	if yes, _, _ := m.Admit("1unknown", w.time(), 1, 1); !yes {
		t.Error("a space that is not known yet is refused")
	}
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{StorageBytes: limit(100)}))
	m.SetStored(acme.Main, w.time(), workspace.Stored{Log: -1, Archive: -1, Warehouse: 60, EventTables: -1})
	m.SetStored(staging.Space, w.time(), workspace.Stored{Log: -1, Archive: -1, Warehouse: 39, EventTables: -1})
	if yes, _, _ := m.Admit(acme.Main, w.time(), 1, 1); !yes {
		t.Error("refused below the quota")
	}
	m.SetStored(staging.Space, w.time(), workspace.Stored{Log: -1, Archive: -1, Warehouse: 40, EventTables: -1})
	if yes, wait, reason := m.Admit(acme.Main, w.time(), 1, 1); yes || wait < 240*time.Second || !strings.Contains(reason, "bytes of storage") {
		t.Error(yes, wait, reason)
	}
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{QuerySecondsPerDay: limit(10)}))
	m.Queried(staging.Space, w.time(), 9*time.Second)
	if err := m.AdmitQuery(acme.Main, w.time()); err != nil {
		t.Error(err)
	}
	m.Queried(acme.Main, w.time(), 5*time.Second)
	err := m.AdmitQuery(acme.Main, w.time())
	wantKind(t, millrace.Limited, err, "10 seconds of queries a day")
	if err := m.AdmitQuery(acme.Main, w.time().Add(24*time.Hour)); err != nil {
		t.Error(err)
	}
}

func TestCountedQuotas(t *testing.T) {
	t.Parallel()
	q := workspace.Quotas{Sources: limit(2), Members: limit(0)}
	for _, c := range []struct {
		name  string
		count int64
		kind  millrace.Kind
	}{{workspace.Sources, 2, 0}, {workspace.Sources, 3, millrace.TooLarge}, {workspace.Members, 1, millrace.TooLarge}, {workspace.EventTables, 1 << 60, 0}} {
		err := q.Check(c.name, c.count)
		if c.kind == 0 && err != nil || c.kind != 0 && millrace.KindOf(err) != c.kind {
			t.Errorf("%s %d: %v", c.name, c.count, err)
		}
	}
	wantKind(t, millrace.Invalid, workspace.Quotas{EventsPerDay: limit(-1)}.Validate(), "events_per_day")
}

// However many send at once, a day takes less than one request more than it may.
func TestOvershoot(t *testing.T) {
	t.Parallel()
	w := open(t, onSQLite(t))
	m := w.meter()
	acme := w.create("acme")
	const quota, largest = 100_000, 500
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{EventsPerDay: limit(quota)}))
	var stored atomic.Int64
	var senders sync.WaitGroup
	for range 32 {
		senders.Go(func() {
			for refused := 0; refused < 100; {
				n := 1 + rand.IntN(largest)
				yes, _, _ := m.Admit(acme.Main, w.time(), n, 10*n)
				if !yes {
					refused++
					continue
				}
				kept := n
				if rand.IntN(4) == 0 { // some of it is rejected, or the log fails
					kept = rand.IntN(n + 1)
				}
				stored.Add(int64(kept))
				m.Correct(acme.Main, w.time(), kept-n, 10*(kept-n))
			}
		})
	}
	senders.Wait()
	if n := stored.Load(); n < quota-largest || n >= quota+largest {
		t.Errorf("%d events are stored, the quota is %d", n, quota)
	}
}
