package duckdb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// smallMerges merge after few rows.
var smallMerges = mergePolicy{Rows: 600, Bytes: 1 << 20, Groups: 4}

func TestMergePolicy(t *testing.T) {
	t.Parallel()
	p := mergePolicy{Rows: 1000, Bytes: 1000, Groups: 4} // full from 500, then from 125 and 31
	for name, test := range map[string]struct {
		rows           []int64
		done, from, to int
	}{
		"nothing":                         {nil, 0, 0, 0},
		"too few":                         {[]int64{1, 2, 3}, 0, 0, 0},
		"four small ones":                 {[]int64{1, 2, 3, 4}, 0, 0, 4},
		"four small ones behind a larger": {[]int64{40, 1, 2, 3, 4}, 0, 1, 5},
		"four with a smaller one":         {[]int64{40, 50, 2, 60, 70}, 0, 0, 5},
		"three with a smaller one":        {[]int64{40, 50, 2, 60}, 0, 0, 0},
		"three behind a larger":           {[]int64{130, 40, 50, 60}, 0, 0, 0},
		"more than a full one":            {[]int64{400, 400, 400, 400}, 0, 0, 3},
		"no more than a full one":         {[]int64{400, 400, 400}, 0, 0, 0},
		"a full one":                      {[]int64{500}, 1, 0, 0},
		"behind a full one":               {[]int64{500, 1, 2, 3, 4}, 1, 1, 5},
		"two before a full one":           {[]int64{7, 8, 500, 1}, 0, 0, 2},
		"one before a full one":           {[]int64{7, 500, 1, 500}, 4, 0, 0},
		"many before a full one":          {[]int64{400, 400, 400, 400, 900}, 0, 0, 3},
	} {
		for _, bytes := range []bool{false, true} {
			var groups []rowGroup
			for _, n := range test.rows {
				g := rowGroup{rows: n}
				if bytes {
					g = rowGroup{bytes: n}
				}
				groups = append(groups, g)
			}
			if done, from, to := p.next(groups); done != test.done || to != test.to || to > 0 && from != test.from {
				t.Errorf("%s: %d done, %d to %d; want %d, %d to %d", name, done, from, to, test.done, test.from, test.to)
			}
		}
	}
	// However they come, a table has few, and no row is written again often.
	var groups []rowGroup
	written, most, full := int64(0), 0, 0
	for n := range int64(5000) {
		groups = append(groups, rowGroup{rows: 1 + n%7})
		for {
			done, from, to := p.next(groups)
			if to > 0 {
				sum := groups[from]
				for _, g := range groups[from+1 : to] {
					sum = sum.and(g)
				}
				written += sum.rows
				groups = append(append(append([]rowGroup{}, groups[:from]...), sum), groups[to:]...)
			}
			groups, full = groups[done:], full+done
			if to == 0 {
				break
			}
		}
		most = max(most, len(groups))
	}
	if most > 4*mergeLevels || written > 20_000*(mergeLevels+2) || full < 20 {
		t.Errorf("%d row groups at most beside %d full ones, %d rows written again", most, full, written)
	}
}

// openStore opens a workspace's file in this process.
func openStore(t *testing.T, p mergePolicy) *store {
	t.Helper()
	dir := t.TempDir()
	s := newStore(&childConfig{Dir: dir, SpillDir: dir, EngineMemoryBytes: 128 << 20, SpillLimitBytes: 1 << 30, Threads: 1, Merge: p}, ws)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.resume(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.forgetLoader()
		s.db.close()
	})
	return s
}

func (s *store) mustLoad(t *testing.T, b warehouse.Batch) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.apply(b); err != nil {
		t.Fatal(err)
	}
}

// mergeAll merges what there is to merge, and returns how often.
func (s *store) mergeAll(t *testing.T) int {
	t.Helper()
	for n := 0; ; n++ {
		merged, err := s.merge()
		if err != nil {
			t.Fatal(err)
		}
		if !merged {
			return n
		}
	}
}

func (s *store) mustTexts(t *testing.T, sql string) string {
	t.Helper()
	c, err := s.db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	rows, err := c.texts(sql)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, strings.Join(row, "|"))
	}
	return strings.Join(lines, "\n")
}

// Many checkpoints of few rows leave few row groups, and each row once.
func TestMerge(t *testing.T) {
	t.Parallel()
	s := openStore(t, smallMerges)
	const rounds, rows = 60, 30
	merges := 0
	for i := range rounds {
		s.mustLoad(t, tracks(i*rows, (i+1)*rows))
		checkpoint := s.checkpoint
		if i%3 == 1 {
			checkpoint = s.checkpointBeside
		}
		if err := checkpoint(); err != nil {
			t.Fatal(err)
		}
		merges += s.mergeAll(t)
	}
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"tracks", "event_0", "event_1", "event_2"} {
		want := rounds * rows
		if table != "tracks" {
			want /= 3
		}
		got := s.mustTexts(t, "SELECT count(*)::VARCHAR, count(DISTINCT (_epoch, _seq, _index))::VARCHAR, (SELECT count(DISTINCT row_group_id) <= 3 + 3*3 FROM pragma_storage_info('web."+table+"'))::VARCHAR FROM web."+table)
		if got != fmt.Sprintf("%d|%d|true", want, want) {
			t.Errorf("%s: %s, want %d", table, got, want)
		}
	}
	// The values came along, and what has none is null.
	if got := s.mustTexts(t, "SELECT count(*)::VARCHAR FROM web.event_1 WHERE n = _seq*10-10+_index AND total = n + 0.25 AND label = 'label number ' || n AND id = 'm' || n AND event = 'event_1'"); got != fmt.Sprint(rounds*rows/3) {
		t.Errorf("%s rows are as they were", got)
	}
	if merges < 20 {
		t.Errorf("only %d merges", merges)
	}
}

// Beside merges, commits make columns and tables, and rebuilds replace tables:
// nothing is lost or doubled, and the engine lives.
func TestMergeBesideOthers(t *testing.T) {
	t.Parallel()
	s := openStore(t, smallMerges)
	stop, merges := make(chan struct{}), atomic.Int64{}
	var beside sync.WaitGroup
	beside.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.checkpointBeside(); err != nil && isFatal(err) {
				t.Error(err)
			}
			for range 20 {
				if merged, err := s.merge(); err != nil {
					t.Error(err)
				} else if merged {
					merges.Add(1)
				}
			}
		}
	})
	const rows, leastMerges = 30, 10
	var all []eventlog.Entry
	rounds := 0
	for ; rounds < 120 || rounds%30 != 0 || merges.Load() < leastMerges && rounds < 3000; rounds++ {
		i := rounds
		b := tracks(i*rows, (i+1)*rows)
		for j := range b.Entries {
			if i%4 == 0 { // a column of its own
				b.Entries[j] = track(i*rows+j, "Event 1", fmt.Sprintf(`{"n":%d,"only_%d":%d}`, i*rows+j, i, j))
			}
		}
		if i%10 == 5 {
			b.Entries[0] = track(i*rows, fmt.Sprintf("New %d", i), `{}`)
		}
		all = append(all, b.Entries...)
		s.mustLoad(t, b)
		if i%30 == 29 {
			rebuild(t, s, warehouse.Batch{Entries: all, Through: b.Through, Flush: true})
		}
	}
	close(stop)
	beside.Wait()
	got := s.mustTexts(t, "SELECT count(*)::VARCHAR, count(DISTINCT id)::VARCHAR FROM web.tracks")
	if want := fmt.Sprintf("%d|%d", rounds*rows, rounds*rows); got != want {
		t.Errorf("tracks: %s, want %s", got, want)
	}
	var counts []string
	for _, table := range []string{"event_0", "event_1", "event_2"} {
		counts = append(counts, "(SELECT count(*) FROM web."+table+")")
	}
	if got := s.mustTexts(t, "SELECT ("+strings.Join(counts, "+")+")::VARCHAR"); got != fmt.Sprint(rounds*rows-rounds/10) {
		t.Errorf("events: %s", got)
	}
	if got := s.mustTexts(t, "SELECT count(*)::VARCHAR FROM web.event_1 WHERE n IS DISTINCT FROM _seq*10-10+_index"); got != "0" {
		t.Errorf("%s rows have other values", got)
	}
	if merges.Load() < leastMerges {
		t.Errorf("only %d merges", merges.Load())
	}
	t.Logf("%d merges in %d rounds", merges.Load(), rounds)
}

// rebuild makes every table anew.
func rebuild(t *testing.T, s *store, all warehouse.Batch) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.beginShadow(warehouse.ShadowOptions{System: true}); err != nil {
		t.Fatal(err)
	}
	sh := s.shadow
	if _, err := sh.apply(all); err != nil {
		t.Fatal(err)
	}
	if err := sh.swap(all.Through); err != nil {
		t.Fatal(err)
	}
	if _, err := s.resume(); err != nil {
		t.Fatal(err)
	}
}

// What the notes do not know of is not written again, and lost notes do no harm.
func TestMergeWithWrongNotes(t *testing.T) {
	t.Parallel()
	s := openStore(t, smallMerges)
	s.mustLoad(t, tracks(0, 3000))
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	c, err := s.db.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	// Four of a few rows each, between which there are many.
	if err := c.exec(`DELETE FROM millrace.row_groups; INSERT INTO millrace.row_groups
		SELECT 'web', 'tracks', 1, 1 + 90*i, 1, 2 + 90*i, 20, 100 FROM range(4) AS _(i);
		INSERT INTO millrace.row_groups SELECT 'web', 'not there', 1, i, 1, i, 20, 100 FROM range(4) AS _(i)`); err != nil {
		t.Fatal(err)
	}
	before := s.mustTexts(t, "SELECT max(rowid)::VARCHAR FROM web.tracks")
	s.mergeAll(t)
	if got := s.mustTexts(t, "SELECT max(rowid)::VARCHAR, (SELECT count(*) FROM millrace.row_groups WHERE \"table\" = 'tracks')::VARCHAR FROM web.tracks"); got != before+"|0" {
		t.Errorf("max row id %s, notes on tracks; want %s|0", got, before)
	}
	for i := range 4 {
		s.mustLoad(t, tracks(3000+10*i, 3010+10*i))
		if err := s.checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	if s.mergeAll(t) == 0 {
		t.Error("nothing was merged after it")
	}
	if got := s.mustTexts(t, "SELECT count(*)::VARCHAR, count(DISTINCT id)::VARCHAR FROM web.tracks"); got != "3040|3040" {
		t.Errorf("rows %s", got)
	}
}

// Row groups of the engine's own size are written past the write-ahead file;
// a kill behind such a merge, before any checkpoint, leaves each row once.
func TestKilledAfterLargeMerge(t *testing.T) {
	t.Parallel()
	const parts, rows = 5, 30_000
	w := openTest(t, func(o *Options) {
		o.mostBackoff = 50 * time.Millisecond
		o.checkpoint = checkpointPolicy{Quiet: time.Hour, QuietBytes: 1 << 40, TryBytes: 1 << 20, ForceBytes: 1 << 40, Every: 5 * time.Millisecond}
	})
	mustResume(t, w)
	for i := range parts {
		for from := i * rows; from < (i+1)*rows; from += 5000 {
			b := warehouse.Batch{Through: through(from + 4999), Flush: true}
			for n := from; n < from+5000; n++ {
				b.Entries = append(b.Entries, track(n, "Event", fmt.Sprintf(`{"n":%d}`, n)))
			}
			mustApply(t, w, b)
		}
		time.Sleep(50 * time.Millisecond) // a checkpoint comes
	}
	// Whether a merge has been is seen in the row ids, which go on behind those of its rows.
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		got := mustAsk(t, w, "SELECT max(rowid) >= count(*) FROM web.tracks")
		if got[0] == "true" {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatal("no merge in a minute")
		}
	}
	if err := syscall.Kill(pidOf(t, w), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	mustResumeLater(t, w)
	for _, table := range []string{"tracks", "event"} {
		if got := mustAsk(t, w, "SELECT count(*), count(DISTINCT id), count(DISTINCT (_epoch, _seq, _index)) FROM web."+table)[0]; got != fmt.Sprintf("%[1]d|%[1]d|%[1]d", parts*rows) {
			t.Errorf("%s: %s", table, got)
		}
	}
}

// mustResumeLater resumes when the child is back.
func mustResumeLater(t *testing.T, w *Warehouse) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		_, err := w.Resume(context.Background(), ws)
		if err == nil {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatal(err)
		}
	}
}
