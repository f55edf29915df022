package warehousetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

func testHold(t *testing.T, place Place) {
	b := open(t, place)
	entries := b.track(`{"n":1}`, `{"n":2}`)
	p := b.applied(through(entries, false))
	if p.Scanned != at(2) || p.Committed.After(p.Scanned) {
		t.Fatalf("%+v", p)
	}
	b.want(map[string]string{"SELECT count(*) FROM web.tracks": "2"})
	if p.Committed.Before(at(2)) { // held: a crash now has to bring it back
		if from := b.reopen(); !from.Before(at(1)) {
			t.Fatalf("resumed at %v: rows that were held are lost", from)
		}
		b.applied(through(entries, false))
	}
	b.applied(warehouse.Batch{Through: at(2), Flush: true})
	b.want(map[string]string{"SELECT count(*), sum(n) FROM web.a": "2 3", "SELECT count(*) FROM web.tracks": "2"})
}

func testAgain(t *testing.T, place Place) {
	b := open(t, place)
	entries := append(b.track(`{"n":1}`, `{"n":2}`, `{"n":"bad"}`), b.next("identify", `{"userId":"u","traits":{"a":1}}`))
	check := func() {
		t.Helper()
		b.want(map[string]string{
			"SELECT count(*) FROM web.tracks": "3", "SELECT count(*) FROM web.a": "3", "SELECT count(*) FROM web.identifies": "1",
			"SELECT count(*) FROM web.discards": "1", "SELECT count(*) FROM millrace.names": "1",
		})
	}
	b.apply(entries...)
	check()
	b.apply(entries...) // the same range once more
	check()
	if from := b.resume(); from != at(4) {
		t.Fatalf("resumed at %v", from)
	}
	b.apply(entries...)
	check()
	b.reopen()
	b.apply(entries...)
	check()
}

// testReopen loads in random steps, closes and opens at random moments, gives
// again from where Resume says, and expects each record once.
func testReopen(t *testing.T, place Place) {
	b := open(t, place)
	rnd := rand.New(rand.NewPCG(3, 4))
	var all []eventlog.Entry
	for i := range 240 {
		e := entry(i/3+1, fmt.Sprintf("track:E%d", rnd.IntN(5)), fmt.Sprintf(`{"properties":{"n":%d}}`, i))
		if i%10 == 0 {
			e.Stream, e.Body = "identify", []byte(fmt.Sprintf(`{"userId":"u%d","traits":{"n":%d}}`, rnd.IntN(3), i))
		}
		e.Position.Index, e.ID = uint32(i%3), fmt.Sprintf("m%d", i)
		all = append(all, e)
	}
	for given := 0; given < len(all); {
		end := min(len(all), given+3*(1+rnd.IntN(8)))
		batch := through(all[given:end], rnd.IntN(4) == 0)
		batch.Through.Index = millrace.EndOfFrame
		b.applied(batch)
		given = end
		if rnd.IntN(3) == 0 {
			var from millrace.Position
			if rnd.IntN(3) == 0 {
				from = b.reopen()
			} else {
				from = b.resume()
			}
			given = slices.IndexFunc(all, func(e eventlog.Entry) bool { return e.Position.After(from) })
			if given < 0 {
				given = len(all)
			}
		}
	}
	b.applied(warehouse.Batch{Through: millrace.Position{Epoch: 7, Seq: 80, Index: millrace.EndOfFrame}, Flush: true})
	counts := map[string]int{}
	latest := map[string]string{}
	for i, e := range all {
		table := "web." + strings.ToLower(strings.TrimPrefix(e.Stream, "track:"))
		if e.Stream == "identify" {
			table = "web.identifies"
			latest[string(e.Body[11:13])] = fmt.Sprint(i)
		} else {
			counts["web.tracks"]++
		}
		counts[table]++
	}
	for table, n := range counts {
		b.want(map[string]string{"SELECT count(*), count(DISTINCT id) FROM " + table: fmt.Sprint(n, n)})
	}
	var users []string
	for _, user := range []string{"u0", "u1", "u2"} {
		users = append(users, user+" "+latest[user])
	}
	b.want(map[string]string{"SELECT id, n FROM web.users ORDER BY id": strings.Join(users, " | ")})
}

func testNotResumed(t *testing.T, place Place) {
	w := place.Open(t)
	defer w.Close()
	_, err := w.Apply(context.Background(), "default", through([]eventlog.Entry{entry(1, "track:A", `{}`)}, true))
	if millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Apply before Resume: %v", err)
	}
}

func testWorkspaces(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"secret":"default's"}`)...)
	for _, workspace := range []string{"other", "third_one"} {
		if _, err := b.Resume(context.Background(), workspace); err != nil {
			t.Fatal(err)
		}
		e := entry(1, "track:A", `{"properties":{"secret":"`+workspace+`'s"}}`)
		e.Workspace = workspace
		if _, err := b.Apply(context.Background(), workspace, through([]eventlog.Entry{e}, true)); err != nil {
			t.Fatal(err)
		}
	}
	b.want(map[string]string{"SELECT secret FROM web.a": "default's"})
	for _, schema := range []string{"web", "other__web"} {
		got := b.ask(warehouse.Query{Workspace: "other", SQL: "SELECT secret FROM " + schema + ".a"})
		if got != "other's" && !strings.HasPrefix(got, "error invalid") {
			t.Errorf("%s: %s", schema, got)
		}
		for _, other := range []string{"default", "third_one"} {
			if got := b.ask(warehouse.Query{Workspace: other, SQL: "SELECT secret FROM " + schema + ".a"}); strings.Contains(got, "other's") {
				t.Errorf("%s reads %s", other, got)
			}
		}
	}
	for _, sql := range []string{"SELECT secret FROM third_one__web.a", "SELECT secret FROM web.a", "SELECT table_name FROM information_schema.tables"} {
		if got := b.ask(warehouse.Query{Workspace: "other", SQL: sql}); strings.Contains(got, "default's") || strings.Contains(got, "third_one's") {
			t.Errorf("%s: %s", sql, got)
		}
	}
}

func testRebuild(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	entries := append(b.track(`{"n":1,"v":5}`, `{"n":2,"v":"x"}`),
		b.next("identify", `{"userId":"u","traits":{"a":1}}`), b.next("track:Gone", `{}`), b.next("rejected", `{"id":"r1"}`))
	other := b.next("track:A", `{}`)
	other.Source = "ios"
	b.apply(append(entries, other)...)
	b.want(map[string]string{"SELECT column_name FROM web.discards": "v"})
	b.configure(warehouse.SourceSettings{Types: map[string]string{"a.v": "text"}})

	shadow, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{Sources: []string{"web"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{}); millrace.KindOf(err) != millrace.Conflict {
		t.Fatalf("a second rebuild: %v", err)
	}
	for i, e := range entries {
		if e.Stream == "track:Gone" {
			continue
		}
		if _, err := shadow.Apply(ctx, warehouse.Batch{Entries: entries[i : i+1], Through: e.Position}); err != nil {
			t.Fatal(err)
		}
		b.applied(warehouse.Batch{Through: at(6), Flush: true}) // loading goes on
	}
	late := b.track(`{"n":3}`)
	b.apply(late...)
	if _, err := shadow.Apply(ctx, through(late, true)); err != nil {
		t.Fatal(err)
	}
	counts, err := shadow.Compare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range counts {
		got[c.Schema+"."+c.Table] = fmt.Sprint(c.Live, c.Shadow)
	}
	if got["web.a"] != "3 3" || got["web.gone"] != "1 0" || got["web.tracks"] != "4 3" || got["web.users"] != "1 1" || got["web.discards"] != "1 0" || got["ios.a"] != "" || got["millrace.rejected"] != "" {
		t.Errorf("counts are %v", got)
	}
	b.want(map[string]string{"SELECT count(*) FROM web.gone": "1"})
	if err := shadow.Swap(ctx, at(7)); err != nil {
		t.Fatal(err)
	}
	if err := shadow.Discard(ctx); err != nil {
		t.Errorf("discard after the swap: %v", err)
	}
	if from := b.resume(); from != at(7) {
		t.Fatalf("resumed at %v", from)
	}
	b.apply(append(entries, b.track(`{"n":4,"v":7}`)...)...)
	b.want(map[string]string{
		"SELECT n, v FROM web.a ORDER BY n":      "1 5 | 2 x | 3 - | 4 7",
		"SELECT count(*) FROM ios.a":             "1",
		"SELECT count(*) FROM millrace.rejected": "1",
		"SELECT id, a FROM web.users":            "u 1",
	})
	if got := b.ask(warehouse.Query{SQL: "SELECT * FROM web.gone"}); !strings.HasPrefix(got, "error invalid") {
		t.Errorf("web.gone: %s", got)
	}
	b.reopen()
	b.want(map[string]string{"SELECT count(*) FROM web.a": "4"})
}

func testRebuildBounded(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	var entries []eventlog.Entry
	for range 3 {
		entries = append(entries, b.track(`{"v":"5"}`, `{"v":"6"}`)...)
		entries = append(entries, b.next("identify", fmt.Sprintf(`{"userId":"u","traits":{"n":%d,"at%d":1}}`, b.seq, b.seq)))
	}
	b.apply(entries...)
	// What is shaped anew: positions 4 to 6.
	shadow, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{From: start.Add(4 * time.Second), Until: start.Add(7 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	late := b.track(`{"v":"7","more":1}`)
	b.apply(late...)
	given := slices.Clone(append(entries, late...))
	given[4].Body = []byte(`{"properties":{"v":"six"}}`) // as another version of the shaping would make it
	if _, err := shadow.Apply(ctx, through(given, true)); err != nil {
		t.Fatal(err)
	}
	counts, err := shadow.Compare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counts {
		if c.Live != c.Shadow {
			t.Errorf("%+v", c)
		}
	}
	if err := shadow.Swap(ctx, at(10)); err != nil {
		t.Fatal(err)
	}
	if from := b.resume(); from != at(10) {
		t.Fatalf("resumed at %v", from)
	}
	b.want(map[string]string{
		"SELECT v, more FROM web.a ORDER BY _seq":             "5 - | 6 - | 5 - | six - | 5 - | 6 - | 7 1",
		"SELECT count(*), count(DISTINCT id) FROM web.tracks": "7 7",
		"SELECT id, n, at2, at5, at8 FROM web.users":          "u 8 1 1 1",
		"SELECT count(*) FROM web.identifies":                 "3",
	})
}

func testRebuildGivenUp(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	entries := b.track(`{"n":1}`)
	b.apply(entries...)
	for _, discard := range []bool{true, false} {
		shadow, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shadow.Apply(ctx, through(entries, true)); err != nil {
			t.Fatal(err)
		}
		if discard {
			if err := shadow.Discard(ctx); err != nil {
				t.Fatal(err)
			}
		} else {
			b.reopen()
		}
	}
	shadow, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{}) // removes what was left
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shadow.Apply(ctx, through(entries, true)); err != nil {
		t.Fatal(err)
	}
	if err := shadow.Swap(ctx, at(1)); err != nil {
		t.Fatal(err)
	}
	b.resume()
	b.want(map[string]string{"SELECT count(*) FROM web.a": "1", "SELECT count(*) FROM web.tracks": "1"})
}
