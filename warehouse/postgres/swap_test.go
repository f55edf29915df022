package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

// testSwapElsewhere shows that a swap never moves the checkpoint that the tables
// share which are not made anew.
func testSwapElsewhere(t *testing.T, url string) {
	ctx := context.Background()
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	ios := event(2, "B", `{"n":2}`)
	ios.Source = "ios"
	apply(t, w, event(1, "A", `{"n":1}`), ios)
	swap := func(o warehouse.ShadowOptions, at int, want string) {
		t.Helper()
		s, err := w.Shadow(ctx, "default", o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Apply(ctx, warehouse.Batch{Entries: batch(event(1, "A", `{"n":1}`)).Entries, Through: event(at, "", "").Position, Flush: true}); err != nil {
			t.Fatal(err)
		}
		err = s.Swap(ctx, event(at, "", "").Position)
		if (err == nil) != (want == "") || err != nil && (millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v at %d: %v", o, at, err)
		}
		if err := s.Discard(ctx); err != nil {
			t.Error(err)
		}
	}
	web := warehouse.ShadowOptions{Sources: []string{"web"}}
	for _, o := range []warehouse.ShadowOptions{web, {From: event(1, "", "").Time}, {}} {
		swap(o, 9, "would miss records")
		swap(o, 1, "would miss records")
	}
	if from := resume(t, w); from != ios.Position {
		t.Errorf("resumed at %v", from)
	}
	late := event(3, "B", `{"n":3}`)
	late.Source = "ios"
	if _, err := w.Apply(ctx, "default", warehouse.Batch{Entries: batch(late).Entries, Through: late.Position}); err != nil { // held back
		t.Fatal(err)
	}
	swap(web, 3, "flush them first")
	resume(t, w)
	apply(t, w, late)
	exec(t, url, "CREATE VIEW web.v AS SELECT n FROM web.a")
	swap(web, 3, "view web.v depends on table web.a")
	exec(t, url, "DROP VIEW web.v")
	swap(web, 3, "")
	swap(warehouse.ShadowOptions{System: true}, 9, "")
	if from := resume(t, w); from.Seq != 9 {
		t.Errorf("resumed at %v", from)
	}
}
