package audit_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/testserver"
)

// many returns n entries of a busy installation.
func many(n int) []audit.Entry {
	r := rand.New(rand.NewPCG(7, 8))
	verbs := []string{"secret.put", "secret.use", "release.deploy", "member.invite", "member.remove", "key.create", "source.pause", "sign.in"}
	all := make([]audit.Entry, n)
	for i := range all {
		w := r.IntN(6)
		person := r.IntN(40)
		action := verbs[r.IntN(len(verbs))]
		kind, _, _ := strings.Cut(action, ".")
		e := audit.Entry{
			Time:   monday.Add(time.Duration(i) * time.Minute),
			Actor:  audit.Actor{Kind: audit.Person, ID: fmt.Sprintf("p_%03d", person), Name: fmt.Sprintf("Person Number%d", person)},
			Action: action, Object: audit.Object{Kind: kind, ID: fmt.Sprintf("%s_%d", kind, r.IntN(200)), Name: "Ünïcode Name"},
			From:  audit.From{Address: fmt.Sprintf("10.0.%d.%d", r.IntN(4), r.IntN(250)), Agent: "Mozilla/5.0 (X11; Linux x86_64)", Request: fmt.Sprintf("r%012x", r.Uint64()>>16)},
			After: map[string]any{"color": []string{"blue", "grey", "green"}[r.IntN(3)], "size": r.IntN(1000), "list": []string{"stripe/live_key"}},
		}
		if w > 0 {
			e.Workspace, e.Environment = fmt.Sprintf("w_%d", w), []string{"production", "staging"}[r.IntN(2)]
		}
		if i == n/3 {
			e.Note = "the needle of this haystack"
		}
		all[i] = e
	}
	return all
}

// fill appends entries, many in a transaction.
func fill(t testing.TB, c catalog.Catalog, l *audit.Log, all []audit.Entry) {
	t.Helper()
	for part := range slices.Chunk(all, 5000) {
		err := c.Update(context.Background(), func(tx catalog.Tx) error {
			for _, e := range part {
				if err := l.Append(context.Background(), tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// searches are filters, and the same said in Go.
var searches = map[string]struct {
	filter audit.Filter
	is     func(e *audit.Entry) bool
}{
	"all":              {audit.Filter{}, func(*audit.Entry) bool { return true }},
	"an actor":         {audit.Filter{Actor: "p_007"}, func(e *audit.Entry) bool { return e.Actor.ID == "p_007" }},
	"an action":        {audit.Filter{Action: "secret.use"}, func(e *audit.Entry) bool { return e.Action == "secret.use" }},
	"a noun":           {audit.Filter{Action: "secret"}, func(e *audit.Entry) bool { return strings.HasPrefix(e.Action, "secret.") }},
	"a kind":           {audit.Filter{ObjectKind: "release"}, func(e *audit.Entry) bool { return e.Object.Kind == "release" }},
	"an object":        {audit.Filter{ObjectKind: "key", Object: "key_17"}, func(e *audit.Entry) bool { return e.Object.ID == "key_17" }},
	"a workspace":      {audit.Filter{Workspace: "w_2"}, func(e *audit.Entry) bool { return e.Workspace == "w_2" }},
	"the installation": {audit.Filter{Installation: true}, func(e *audit.Entry) bool { return e.Workspace == "" }},
	"an environment":   {audit.Filter{Workspace: "w_2", Environment: "staging"}, func(e *audit.Entry) bool { return e.Workspace == "w_2" && e.Environment == "staging" }},
	"a time": {audit.Filter{From: monday.Add(100 * time.Minute), To: monday.Add(4300 * time.Minute)},
		func(e *audit.Entry) bool {
			return !e.Time.Before(monday.Add(100*time.Minute)) && e.Time.Before(monday.Add(4300*time.Minute))
		}},
	"much": {audit.Filter{Workspace: "w_1", Environment: "production", Actor: "p_003", Action: "member", Text: "blue", From: monday.Add(time.Hour)},
		func(e *audit.Entry) bool {
			return e.Workspace == "w_1" && e.Environment == "production" && e.Actor.ID == "p_003" && strings.HasPrefix(e.Action, "member.") && color(e) == "blue" && !e.Time.Before(monday.Add(time.Hour))
		}},
	"a word":              {audit.Filter{Text: "Needle"}, func(e *audit.Entry) bool { return e.Note != "" }},
	"the beginning":       {audit.Filter{Text: "hayst need"}, func(e *audit.Entry) bool { return e.Note != "" }},
	"a short beginning":   {audit.Filter{Text: "gr", Actor: "p_001"}, func(e *audit.Entry) bool { return e.Actor.ID == "p_001" && color(e) != "blue" }},
	"other letters":       {audit.Filter{Text: "üNÏC", Object: "sign_3"}, func(e *audit.Entry) bool { return e.Object.ID == "sign_3" }},
	"an address":          {audit.Filter{Text: "10.0.3.77"}, func(e *audit.Entry) bool { return e.From.Address == "10.0.3.77" }},
	"an impossible one":   {audit.Filter{Text: "blue grey"}, func(*audit.Entry) bool { return false }},
	"nobody":              {audit.Filter{Actor: "p_nobody"}, func(*audit.Entry) bool { return false }},
	"before it all":       {audit.Filter{To: monday}, func(*audit.Entry) bool { return false }},
	"after it all":        {audit.Filter{From: monday.AddDate(10, 0, 0)}, func(*audit.Entry) bool { return false }},
	"the end of the word": {audit.Filter{Text: "eedle"}, func(*audit.Entry) bool { return false }},
}

func color(e *audit.Entry) string { return e.After.(map[string]any)["color"].(string) }

// ids returns what a search finds, by request, which is unique.
func pages(t *testing.T, l *audit.Log, f audit.Filter, limit int) (all []string) {
	t.Helper()
	for cursor, n := "", 0; ; n++ {
		p, err := l.Search(t.Context(), f, cursor, limit)
		if err != nil || n > 2000 || len(p.Entries) > limit {
			t.Fatalf("page %d of %d entries: %v", n, len(p.Entries), err)
		}
		for _, k := range p.Entries {
			all = append(all, k.From.Request)
		}
		if cursor = p.Next; cursor == "" {
			return all
		}
	}
}

func testSearch(t *testing.T, c catalog.Catalog) {
	n := 4500 // a block in the index, and a rest
	if s, err := c.Status(t.Context()); err == nil && s.Engine == "sqlite" {
		n = 9000
	}
	l, all := newLog(t, c), many(n)
	fill(t, c, l, all[:n-300])
	if err := l.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, c, l, all[n-300:])
	for name, test := range searches {
		var want []string
		for _, e := range slices.Backward(all) {
			if test.is(&e) {
				want = append(want, e.From.Request)
			}
		}
		for _, limit := range []int{500, 37} {
			if limit == 37 && len(want) > 800 {
				continue
			}
			if got := pages(t, l, test.filter, limit); !slices.Equal(got, want) {
				t.Errorf("%s: found %d, want %d", name, len(got), len(want))
			}
		}
	}
	one, err := l.Search(t.Context(), audit.Filter{Text: all[1234].From.Request}, "", 10)
	if err != nil || len(one.Entries) != 1 || one.Entries[0].Seq != 1235 || one.Next != "" {
		t.Errorf("%+v, %v", one, err)
	}
	if got, err := l.Entry(t.Context(), audit.Filter{}, 1235); err != nil || got.Seq != 1235 || got.From.Request != all[1234].From.Request {
		t.Errorf("%+v, %v", got, err)
	}
	for number, f := range map[int64]audit.Filter{1235: {Workspace: "another"}, 0: {}, -1: {}, int64(n) + 1: {}} {
		if _, err := l.Entry(t.Context(), f, number); millrace.KindOf(err) != millrace.NotFound {
			t.Errorf("entry %d with %+v: %v", number, f, err)
		}
	}
	for _, cursor := range []string{"-1", "0", "!", strings.Repeat("z", 50)} {
		if _, err := l.Search(t.Context(), audit.Filter{}, cursor, 10); err == nil {
			t.Errorf("%q is a cursor", cursor)
		}
	}
	for _, limit := range []int{0, -1, audit.MaxSearch + 1} {
		if _, err := l.Search(t.Context(), audit.Filter{}, "", limit); err == nil {
			t.Errorf("%d is a limit", limit)
		}
	}
}

func TestCatalogs(t *testing.T) {
	t.Parallel()
	catalogtest.Each(t, map[string]func(*testing.T, catalog.Catalog){
		"append": testAppend, "nothing without its change": testNothingWithoutItsChange, "concurrent": testConcurrent, "append only": testAppendOnly,
		"cut": testCut, "erase": testErase, "export": testExport, "search": testSearch, "hostile entries": testHostileEntries,
	})
}

// BenchmarkSearch searches a million entries, on each engine: Postgres gets those of
// SQLite by a backup, since filling it one by one takes long.
func BenchmarkSearch(b *testing.B) {
	file := openSQLite(b, filepath.Join(b.TempDir(), "catalog.db"))
	l := newLog(b, file)
	begun := time.Now()
	fill(b, file, l, many(benchEntries))
	filled, used := time.Now(), processor()
	if err := l.Tend(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("filled in %v (processor %v), index made in %v (processor %v)", filled.Sub(begun), used, time.Since(filled), processor()-used)
	b.Run("sqlite", func(b *testing.B) { benchmarkSearch(b, file) })
	server, err := postgres.Open(b.Context(), postgres.Options{URL: testserver.Postgres(b).URL})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	begun = time.Now()
	out, in := io.Pipe()
	go func() { in.CloseWithError(file.Backup(b.Context(), in)) }()
	if err := server.Restore(b.Context(), out, ""); err != nil {
		b.Fatal(err)
	}
	b.Logf("copied in %v", time.Since(begun))
	b.Run("postgres", func(b *testing.B) { benchmarkSearch(b, server) })
}

func benchmarkSearch(b *testing.B, c catalog.Catalog) {
	l := newLog(b, c)
	s, err := c.Status(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d bytes an entry", s.SizeBytes/benchEntries)
	for name, test := range searches {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			n, used := 0, processor()
			for b.Loop() {
				p, err := l.Search(b.Context(), test.filter, "", 50)
				if err != nil {
					b.Fatal(err)
				}
				n = len(p.Entries)
			}
			b.ReportMetric(float64(n), "found")
			b.ReportMetric(float64((processor()-used).Microseconds())/1000/float64(b.N), "cpu-ms/search")
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/search")
		})
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if r := verify(b, l, audit.VerifyOptions{}); !r.OK() {
				b.Fatalf("%+v", r)
			}
		}
	})
}

// benchEntries is how many entries BenchmarkSearch searches.
const benchEntries = 1_000_000

// processor is how long this process has used one.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
