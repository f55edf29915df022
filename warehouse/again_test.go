package warehouse

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// fickle are values of one trait, around what bigint and double hold.
var fickle = []string{
	"0", "1", "-7", "1000", "5.0", "2.5", "-0.5", "1e300", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
	"9007199254740994.0", "9223372036854775807", "10000000000000000000", "18446744073709551615", `"x"`, `"2026-01-02T03:04:05Z"`, "true", "null", "[1]", "3.14159265358979323846", "-1e-7",
}

// fickleCalls are calls whose values change their types.
func fickleCalls(rnd *rand.Rand, n int) []eventlog.Entry {
	var out []eventlog.Entry
	pick := func() string {
		if rnd.IntN(3) > 0 { // mostly those at the edge
			return fickle[rnd.IntN(12)]
		}
		return fickle[rnd.IntN(len(fickle))]
	}
	for seq := range n {
		members := fmt.Sprintf(`{"t%d":%s,"t%d":%s,"i%d":%d}`, rnd.IntN(4), pick(), 4+rnd.IntN(8), pick(), rnd.IntN(3), 9007199254740990+rnd.IntN(5))
		var e eventlog.Entry
		switch rnd.IntN(4) {
		case 0:
			e = record(seq+1, fmt.Sprintf("track:E%d", rnd.IntN(3)), `{"userId":"u","properties":`+members+`}`)
		case 1:
			e = record(seq+1, "group", fmt.Sprintf(`{"groupId":"g%d","traits":%s}`, rnd.IntN(3), members))
		default:
			user := ""
			if rnd.IntN(5) > 0 {
				user = fmt.Sprintf(`"userId":"u%d",`, rnd.IntN(4))
			}
			e = record(seq+1, "identify", `{`+user+`"traits":`+members+`}`)
		}
		out = append(out, e)
	}
	return out
}

// load gives all records to an engine, in steps of any size, beginning again
// from what is committed now and then.
func (e *engine) load(t *testing.T, rnd *rand.Rand, all []eventlog.Entry, restarts bool) {
	t.Helper()
	for begin := true; begin; {
		begin = false
		s, err := NewShaper(ShaperOptions{Known: e.known(), Large: e.large, HoldRows: 20, HoldTime: time.Hour, Now: func() time.Time { return testTime }})
		if err != nil {
			t.Fatal(err)
		}
		at, _ := slices.BinarySearchFunc(all, s.Resume(), func(r eventlog.Entry, p millrace.Position) int {
			if r.Position.After(p) {
				return 1
			}
			return -1
		})
		for at < len(all) && !begin {
			end := min(len(all), at+1+rnd.IntN(12))
			s.Add(batch(all[at:end]...))
			step := s.Take(end == len(all) || rnd.IntN(6) == 0)
			at = end
			if restarts && rnd.IntN(10) == 0 { // lost before it is committed
				begin = true
				break
			}
			e.commit(t, step)
			s.Done(step)
			begin = restarts && at < len(all) && rnd.IntN(10) == 0
		}
	}
}

// dump is what the tables hold, a line for each column and row.
func (e *engine) dump() map[string]bool {
	out := map[string]bool{}
	for name, table := range e.tables {
		for _, c := range table.columns {
			out[fmt.Sprint(name, " ", c.Name, " ", c.Type)] = true
		}
		if name.Schema == SystemSchema && name.Table != "names" {
			continue
		}
		for _, row := range table.rows {
			key := fmt.Sprint(row["_seq"], " ", row["original"], " ", row["column_name"], " ", row["table_name"])
			if name.Table == "users" || name.Table == "accounts" {
				key = fmt.Sprint(row["id"])
			} else if name.Table == "names" {
				delete(row, "_seq") // a mark is set when its table is committed
				delete(row, "received_at")
				key = ""
			}
			out[fmt.Sprint(name, " ", key, " ", row)] = true
		}
	}
	return out
}

// TestLoadedAgain shows that the tables do not depend on when rows were
// committed and where the loader began again.
func TestLoadedAgain(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		all := fickleCalls(rnd, 40+rnd.IntN(200))
		once, live := newEngine(), newEngine()
		once.load(t, rnd, all, false)
		live.load(t, rnd, all, true)
		want, got := once.dump(), live.dump()
		if maps.Equal(want, got) {
			continue
		}
		var lines []string
		for line := range want {
			if !got[line] {
				lines = append(lines, "missing "+line)
			}
		}
		for line := range got {
			if !want[line] {
				lines = append(lines, "too much "+line)
			}
		}
		slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[strings.Index(a, "{"):], b[strings.Index(b, "{"):]) })
		t.Fatalf("seed %d: the tables are others after restarts:\n%s", seed, strings.Join(lines[:min(len(lines), 20)], "\n"))
	}
}
