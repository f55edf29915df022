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

const widenedSQL = "SELECT table_name, message, _seq, received_at FROM millrace.notices WHERE kind = 'widened' ORDER BY table_name, _seq"

// testWidened shows that a column that became double is told of with the record
// that made it so, once, whatever happens between.
func testWidened(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	entries := b.track(`{"n":1,"big":9007199254740993,"same":7}`, `{"n":2}`)
	b.apply(entries...)
	b.want(map[string]string{widenedSQL: ""})
	// The table's rows wait: the notice waits with them.
	late := b.track(`{"n":2.5,"big":1.5,"same":8}`, `{"n":3.5}`)
	b.applied(through(late, false))
	if from := b.reopen(); from.After(at(3)) {
		t.Fatalf("resumed at %v", from)
	}
	b.apply(append(entries, late...)...)
	want := "a.n column web.a.n was bigint and became double when 2.5 came; its whole numbers are as they were 3 " + start.Add(3*time.Second).Format(time.RFC3339Nano)
	b.want(map[string]string{
		widenedSQL:                       want,
		"SELECT n FROM web.a ORDER BY 1": "1 | 2 | 2.5 | 3.5",
		"SELECT column_name, value FROM web.discards": "big 1.5",
	})
	// A column that is new in the same commit is told of as well: batches are no reason.
	both := b.track(`{"m":1}`, `{"m":0.25}`)
	b.apply(both...)
	want += " | " + "a.m column web.a.m was bigint and became double when 0.25 came; its whole numbers are as they were 6 " + start.Add(6*time.Second).Format(time.RFC3339Nano)
	sorted := strings.Split(want, " | ")
	want = sorted[1] + " | " + sorted[0]
	b.want(map[string]string{widenedSQL: want})
	b.reopen()
	b.apply(b.track(`{"n":4.5,"m":4.5}`)...)
	b.want(map[string]string{widenedSQL: want})
	all := append(append(append([]eventlog.Entry{}, entries...), late...), both...)
	for _, system := range []bool{false, true} { // a rebuild keeps it, or says the same
		shadow, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{System: system})
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if _, err := shadow.Apply(ctx, through(all[i:i+1], true)); err != nil {
				t.Fatal(err)
			}
		}
		if err := shadow.Swap(ctx, at(7)); err != nil {
			t.Fatal(err)
		}
		b.resume()
		b.want(map[string]string{widenedSQL: want})
	}
}

// testWidenedAnew shows that a rebuild of a source says which of its columns
// became double, as they are after it: also those that were not before, and no
// longer those that are not. What is said of other sources stays.
func testWidenedAnew(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	b.configure(warehouse.SourceSettings{Types: map[string]string{"a.n": "text"}})
	entries := b.track(`{"n":1,"m":1}`, `{"n":2.5,"m":0.5}`)
	b.apply(entries...)
	said := func(column, with string) string {
		return "a." + column + " column web.a." + column + " was bigint and became double when " + with + " came; its whole numbers are as they were 2 " + start.Add(2*time.Second).Format(time.RFC3339Nano)
	}
	b.want(map[string]string{widenedSQL: said("m", "0.5")})
	for _, step := range []struct {
		options warehouse.ShadowOptions
		types   map[string]string
		want    string
	}{
		{warehouse.ShadowOptions{Sources: []string{"web"}}, nil, said("m", "0.5") + " | " + said("n", "2.5")},
		{warehouse.ShadowOptions{Sources: []string{"ios"}}, nil, said("m", "0.5") + " | " + said("n", "2.5")},
		{warehouse.ShadowOptions{}, map[string]string{"a.m": "double"}, said("n", "2.5")},
		{warehouse.ShadowOptions{Sources: []string{"web"}, From: start}, nil, said("n", "2.5")},
	} {
		b.configure(warehouse.SourceSettings{Types: step.types})
		shadow, err := b.Shadow(ctx, "default", step.options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := shadow.Apply(ctx, through(entries, true)); err != nil {
			t.Fatal(err)
		}
		if err := shadow.Swap(ctx, at(2)); err != nil {
			t.Fatal(err)
		}
		b.resume()
		b.want(map[string]string{widenedSQL: step.want})
	}
}

// testTableSizes shows that tables have a size, and only those of the workspace.
func testTableSizes(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	for range 20 {
		var lines []string
		for range 500 {
			lines = append(lines, `{"n":1,"text":"`+strings.Repeat("some text ", 5)+`"}`)
		}
		b.apply(b.track(lines...)...)
	}
	b.Close()
	b.Warehouse = b.place.Open(t)
	b.resume()
	sizer, ok := b.Warehouse.(warehouse.Sizer)
	if !ok {
		t.Fatal("the backend does not say how large tables are")
	}
	deadline := time.Now().Add(20 * time.Second) // what is written into its place late
	for {
		sizes, err := sizer.TableSizes(ctx, "default")
		if err != nil {
			t.Fatal(err)
		}
		if size := sizes[warehouse.TableName{Schema: "web", Table: "a"}]; size > 0 && size < 50<<20 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("sizes %v", sizes)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if sizes, err := sizer.TableSizes(ctx, "other"); err != nil && millrace.KindOf(err) != millrace.Unavailable || len(sizes) > 20 {
		t.Errorf("of another workspace: %v %v", sizes, err)
	}
}
