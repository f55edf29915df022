package warehousetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// A Searcher is a Place that can look for a text in all that it stores: every
// byte of its files, or every table, name and comment of its database. It
// returns where the text was found. No Warehouse is open there.
type Searcher interface {
	Search(t *testing.T, text string) (found []string)
}

// canaries are records of a workspace each field of which says canary.
func canaries(workspace string, n int) []eventlog.Entry {
	var out []eventlog.Entry
	for i := range n {
		e := entry(i+1, "track:Canary Event", `{"type":"track","event":"Canary Event","userId":"canary-user","properties":{"canary_property":"canary value","n":1.5}}`)
		e.Workspace, e.Source, e.ID, e.Key = workspace, "canary_source", "canary-id", "canary-user"
		out = append(out, e)
	}
	bad := entry(n+1, "track:Canary Event", `{"properties":{"n":"canary discard"}}`)
	bad.Workspace, bad.Source, bad.ID = workspace, "canary_source", "canary-bad"
	return append(out, bad)
}

// testDrop destroys a workspace while it is asked, loaded and rebuilt: nothing
// of it is left anywhere, it stays refused, and its neighbour is as it was.
func testDrop(t *testing.T, place Place) {
	b := open(t, place)
	d, ok := b.Warehouse.(warehouse.Dropper)
	if !ok {
		t.Fatal("a Warehouse is a Dropper")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b.apply(b.track(`{"kept":"neighbour"}`)...)
	if _, err := b.Resume(ctx, "doomed"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Apply(ctx, "doomed", through(canaries("doomed", 50), true)); err != nil {
		t.Fatal(err)
	}
	if got := b.ask(warehouse.Query{Workspace: "doomed", SQL: "SELECT count(*) FROM canary_source.canary_event"}); strings.HasPrefix(got, "error") && !strings.HasPrefix(got, "error invalid") {
		t.Fatal(got)
	}
	shadow, err := b.Shadow(ctx, "doomed", warehouse.ShadowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shadow.Apply(ctx, through(canaries("doomed", 50), true)); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		_, _, err := ask(ctx, b.Warehouse, warehouse.Query{Workspace: "doomed", SQL: endless})
		asked <- err
	}()
	time.Sleep(300 * time.Millisecond)
	for range 2 {
		if err := d.Drop(ctx, "doomed"); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-asked:
		if k := millrace.KindOf(err); err == nil || k != millrace.Gone && k != millrace.Unavailable && k != millrace.Canceled {
			t.Errorf("the query that ran: %v", err)
		}
	case <-ctx.Done():
		t.Error("the query runs on")
	}
	testDropped(ctx, t, b)
	b.want(map[string]string{"SELECT kept FROM web.a": "neighbour"})
	b.apply(b.track(`{"kept":"later"}`)...)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if s, ok := place.(Searcher); ok {
		for _, text := range []string{"canary", "doomed"} {
			if found := s.Search(t, text); found != nil {
				t.Errorf("%q is in %v", text, found)
			}
		}
		if s.Search(t, "neighbour") == nil {
			t.Error("the search finds nothing at all")
		}
	} else {
		t.Error("the place is a Searcher")
	}
	b.Warehouse = nil
	b.reopen()
	b.want(map[string]string{"SELECT kept FROM web.a ORDER BY 1": "later | neighbour"})
}

// testDropped: everything that is asked of it fails with Gone.
func testDropped(ctx context.Context, t *testing.T, b *bench) {
	t.Helper()
	for name, err := range map[string]error{
		"Resume":    errOf(b.Resume(ctx, "doomed")),
		"Configure": b.Configure(ctx, "doomed", warehouse.Settings{}),
		"Apply":     errOf(b.Apply(ctx, "doomed", through(canaries("doomed", 1), true))),
		"Query":     errOf(b.Query(ctx, warehouse.Query{Workspace: "doomed", SQL: "SELECT 1"})),
		"Shadow":    errOf(b.Shadow(ctx, "doomed", warehouse.ShadowOptions{})),
	} {
		if err == nil || millrace.KindOf(err) != millrace.Gone {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }
