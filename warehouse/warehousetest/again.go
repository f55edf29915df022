package warehousetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// testBigIntsAgain shows that what a column held before the engine was opened
// counts from the first value on, in tables whose rows are merged too.
func testBigIntsAgain(t *testing.T, place Place) {
	b := open(t, place)
	trait := func(user, value string) eventlog.Entry {
		return b.next("identify", fmt.Sprintf(`{"userId":%q,"traits":{"zz":%s}}`, user, value))
	}
	b.apply(trait("K1", "9007199254740993"), trait("K2", "1000"))
	b.reopen()
	b.apply(trait("K2", "1"), trait("K2", "2.5"), trait("K3", "9007199254740995"))
	b.want(map[string]string{
		"SELECT id, zz FROM web.users ORDER BY id":                               "K1 9007199254740993 | K2 1 | K3 9007199254740995",
		"SELECT id, table_name, column_name, value FROM web.discards ORDER BY 2": "m4 identifies zz 2.5 | m4 users zz 2.5",
	})
	// A value that was replaced counts as well: a rebuild sees it.
	b.apply(trait("K1", "1"), trait("K3", "2"))
	b.reopen()
	b.apply(trait("K1", "3.5"))
	b.want(map[string]string{"SELECT id, zz FROM web.users ORDER BY id": "K1 1 | K2 1 | K3 2"})
}

// testFickle loads calls whose values change their types, beginning again now
// and then, and compares the tables with those of a rebuild.
func testFickle(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	rnd := rand.New(rand.NewPCG(5, 7))
	values := []string{"1", "-7", "5.0", "2.5", "9007199254740992", "9007199254740993", "-9007199254740993", "1e300", `"x"`, "null"}
	var all []eventlog.Entry
	for range 300 {
		members := fmt.Sprintf(`{"t%d":%s,"t%d":%s}`, rnd.IntN(3), values[rnd.IntN(4)], 3+rnd.IntN(8), values[rnd.IntN(len(values))])
		if rnd.IntN(2) == 0 {
			all = append(all, b.next("identify", fmt.Sprintf(`{"userId":"u%d","traits":%s}`, rnd.IntN(3), members)))
		} else {
			all = append(all, b.next(fmt.Sprintf("track:E%d", rnd.IntN(2)), `{"properties":`+members+`}`))
		}
	}
	for at := 0; at < len(all); {
		end := min(len(all), at+1+rnd.IntN(8))
		b.applied(through(all[at:end], end == len(all) || rnd.IntN(5) == 0))
		at = end
		if at < len(all) && rnd.IntN(6) == 0 {
			from := b.resume()
			at = slices.IndexFunc(all, func(e eventlog.Entry) bool { return e.Position.After(from) })
		}
	}
	live := b.dump()
	shadow, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shadow.Apply(ctx, through(all, true)); err != nil {
		t.Fatal(err)
	}
	if err := shadow.Swap(ctx, all[len(all)-1].Position); err != nil {
		t.Fatal(err)
	}
	b.resume()
	rebuilt := b.dump()
	for table, rows := range rebuilt {
		if live[table] != rows {
			t.Errorf("%s\nlive    %s\nrebuilt %s", table, live[table], rows)
		}
	}
	if len(live) != len(rebuilt) {
		t.Errorf("%d tables, and %d when rebuilt", len(live), len(rebuilt))
	}
}

// dump is what the tables of the source web hold.
func (b *bench) dump() map[string]string {
	out := map[string]string{}
	for _, table := range strings.Split(b.ask(warehouse.Query{SQL: "SELECT table_name FROM information_schema.tables WHERE table_schema = 'web' ORDER BY 1"}), " | ") {
		columns := strings.Fields(b.columns("web", table))
		columns = slices.DeleteFunc(columns, func(c string) bool { return c == "uuid_ts" })
		slices.Sort(columns)
		order := "_seq, id"
		if table == "discards" {
			order = "_seq, table_name, column_name"
		}
		rows := b.ask(warehouse.Query{SQL: fmt.Sprintf(`SELECT "%s" FROM web.%s ORDER BY %s`, strings.Join(columns, `", "`), table, order)})
		out[table] = strings.Join(columns, " ") + ": " + rows
		if strings.HasPrefix(rows, "error "+millrace.Invalid.String()) {
			b.t.Error(table, rows)
		}
	}
	return out
}

// testRebuildSystem shows that the system's tables are made anew with the
// others when that is asked for.
func testRebuildSystem(t *testing.T, place Place) {
	ctx := context.Background()
	b := open(t, place)
	rejected := b.next("rejected", `{"id":"old"}`)
	rejected.Source = "ios"
	b.apply(rejected, b.next("track:Old", `{}`), b.next("resent", `{"rejected_id":"old","id":"m","outcome":"accepted"}`))
	b.seq = 100
	fresh := []eventlog.Entry{b.next("track:New", `{}`), b.next("rejected", `{"id":"new"}`)}
	shadow, err := b.Shadow(ctx, "default", warehouse.ShadowOptions{System: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shadow.Apply(ctx, through(fresh, true)); err != nil {
		t.Fatal(err)
	}
	if err := shadow.Swap(ctx, at(102)); err != nil {
		t.Fatal(err)
	}
	check := func(resent, names string) {
		t.Helper()
		b.want(map[string]string{
			"SELECT rejected_id FROM millrace.rejected":        "new",
			"SELECT rejected_id FROM millrace.resent":          resent,
			"SELECT original FROM millrace.names ORDER BY 1":   names,
			"SELECT count(*) FROM millrace.notices":            "0",
			"SELECT event FROM web.tracks WHERE event = 'new'": "new",
		})
	}
	check("", "New")
	if from := b.resume(); from != at(102) {
		t.Fatalf("resumed at %v", from)
	}
	b.apply(b.next("resent", `{"rejected_id":"new","id":"m","outcome":"accepted"}`), b.next("track:Other", `{}`))
	check("new", "New | Other")
	b.reopen()
	check("new", "New | Other")
}
