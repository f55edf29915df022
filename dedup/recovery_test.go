package dedup_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

const day = 24 * time.Hour

func TestChangedWindows(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, second time.Duration
		pause         time.Duration
		want          string // of the same ID: before, and twice after the pause
	}{
		"24h to forever, still known": {day, dedup.Forever, 20 * time.Hour, "-dd"},
		"24h to forever, index kept":  {day, dedup.Forever, 26 * time.Hour, "-dd"},
		"forever to 24h, within":      {dedup.Forever, day, 23 * time.Hour, "-dd"},
		"forever to 24h, beyond":      {dedup.Forever, day, 25 * time.Hour, "--d"},
		"48h to 24h":                  {2 * day, day, 25 * time.Hour, "--d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.window("web", test.first)
			r.append(events("web", "a")...)
			r.judge()
			r.window("web", test.second)
			r.clock.add(test.pause)
			r.append(events("web", "a")...)
			dups, _ := r.judge()
			if got, want := marks(dups, 2), test.want[:2]; got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
			r.append(events("web", "a")...)
			dups, _ = r.judge()
			if got := marks(dups, 3); got != test.want {
				t.Fatalf("got %s, want %s", got, test.want)
			}
			// Old verdicts stay when the index is built again under the new window.
			r.lose("index")
			dups, _ = r.judge()
			if got := marks(dups, 3); got != test.want {
				t.Fatalf("after the index was lost: got %s, want %s", got, test.want)
			}
		})
	}
}

func TestWiderWindowReachesBackOnceTheIndexIsMadeAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.append(events("web", "a")...)
	r.judge()
	r.clock.add(10 * day) // the ID is dropped
	r.append(events("web", "b")...)
	r.judge()
	r.window("web", dedup.Forever)
	r.append(events("web", "a")...)
	dups, _ := r.judge()
	if got := marks(dups, 3); got != "---" {
		t.Fatalf("got %s: a dropped ID is not known", got)
	}
	r.lose("index")
	r.clock.add(10 * day)
	r.append(events("web", "a")...)
	r.append(events("web", "b")...)
	dups, _ = r.judge()
	if got := marks(dups, 5); got != "---dd" {
		t.Fatalf("got %s, want ---dd", got)
	}
}

func TestDamagedFilesAreMadeAnew(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"index/manifest", "index/key", "index/*.run"} {
		for name, damage := range map[string]func([]byte) []byte{
			"empty": func([]byte) []byte { return nil },
			"short": func(b []byte) []byte { return b[:len(b)-1] },
			"bit":   func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
			"zero":  func(b []byte) []byte { clear(b); return b },
		} {
			t.Run(file+" "+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.append(events("web", "a", "b", "a")...)
				r.append(events("web", "c")...)
				_, before := r.judge()
				names, err := filepath.Glob(filepath.Join(r.options.Dir, file))
				if err != nil || len(names) == 0 {
					t.Fatal(names, err)
				}
				for _, n := range names {
					b, err := os.ReadFile(n)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(n, damage(b), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				r.append(events("web", "d", "b", "c", "d")...)
				dups, counts := r.judge()
				if len(dups) != 4 || len(counts) != 1 || counts[0].Distinct != 4 || counts[0].Duplicates != 4 {
					t.Errorf("duplicates %v, counts %+v, before %+v", dups, counts, before)
				}
			})
		}
	}
}

func TestDamagedVerdictsAreNotUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 3 { // three segments
		r.append(events("web", "a", "b")...)
		r.judge()
		r.clock.add(7 * time.Hour)
	}
	names, _ := filepath.Glob(filepath.Join(r.options.Dir, "verdicts", "*"))
	if len(names) != 3 {
		t.Fatalf("%d segments, want 3", len(names))
	}
	b, err := os.ReadFile(names[1])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-3] ^= 1
	if err := os.WriteFile(names[1], b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = dedup.Open(r.options)
	if err == nil || !strings.Contains(err.Error(), names[1]) || !strings.Contains(err.Error(), "move the folder") {
		t.Fatalf("got %v, want an error that names the file and the repair", err)
	}
	// The repair: without verdicts everything is judged anew, and the same.
	r.lose("verdicts")
	dups, counts := r.judge()
	if got := marks(dups, 3); got != "-dd" || len(dups) != 4 || counts[0].Duplicates != 4 || counts[0].Distinct != 2 {
		t.Errorf("got %v, %+v", dups, counts)
	}
}

// archived makes a shelf of everything in the log that is not in dups.
func (r *rig) archived(dups []millrace.Position) *shelf {
	r.t.Helper()
	d := map[millrace.Position]bool{}
	for _, p := range dups {
		d[p] = true
	}
	s := &shelf{}
	reader, err := r.log.Open(context.Background(), millrace.Position{}, eventlog.Filter{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	for {
		b, err := reader.Next(context.Background())
		if err != nil {
			r.t.Fatal(err)
		}
		for _, e := range b.Records {
			if !d[e.Position] {
				s.entries = append(s.entries, e)
			}
		}
		if s.through, s.time = b.Through, b.Time; b.AtEnd {
			return s
		}
	}
}

func TestEverythingLostButLogAndArchive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.window("shop", dedup.Forever)
	var last millrace.Position
	for i := range 40 {
		last = r.append(events("shop", fmt.Sprint("s", i), fmt.Sprint("s", i/2))...)
		r.clock.add(30 * day)
	}
	dups, _ := r.judge()
	s := r.archived(dups)
	r.options.Past = func() eventlog.Past { return s }
	last.Seq -= 5
	last.Index = millrace.EndOfFrame
	if err := r.log.Trim(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	r.options.Dir = t.TempDir()
	for i := range 40 {
		r.append(events("shop", fmt.Sprint("s", i), fmt.Sprint("t", i))...)
	}
	f, stop := r.run()
	defer stop()
	r.settled(f)
	got, err := f.Duplicates(t.Context(), last, f.Through())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 5+40 { // s_i/2 in the five frames left, and s_i again
		t.Errorf("%d duplicates: %v", len(got), got)
	}
	if _, err := f.Duplicates(t.Context(), millrace.Position{}, f.Through()); millrace.KindOf(err) != millrace.Gone {
		t.Errorf("before the log's beginning: %v, want Gone", err)
	}
	if c := f.Counts(); len(c) != 1 || c[0].Distinct != 80 {
		t.Errorf("counts %+v, want 80 distinct", c)
	}
}

func TestCountsSurviveTheIndex(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range 4 {
		r.append(events("web", "a", "a", "b")...)
		r.judge()
		r.clock.add(7 * time.Hour)
	}
	dups, before := r.judge()
	s := r.archived(dups)
	r.options.Past = func() eventlog.Past { return s }
	first, _, err := r.log.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	through := millrace.Position{Epoch: first.Epoch, Seq: 2, Index: millrace.EndOfFrame}
	if err := r.log.Trim(t.Context(), through); err != nil {
		t.Fatal(err)
	}
	r.lose("index")
	f, stop := r.run()
	defer stop()
	r.settled(f)
	r.append(events("web", "c")...)
	r.settled(f)
	before[0].Distinct++
	if got := f.Counts(); len(got) != 1 || got[0] != before[0] {
		t.Errorf("counts %+v, want %+v", got, before)
	}
	if err := f.Trim(through); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Duplicates(t.Context(), millrace.Position{}, f.Through()); millrace.KindOf(err) != millrace.Gone {
		t.Errorf("trimmed verdicts: %v, want Gone", err)
	}
	if d, err := f.Duplicates(t.Context(), through, f.Through()); err != nil || len(d) != 6 {
		t.Errorf("what is left: %v, %v", d, err)
	}
}

func TestNewEpoch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.window("shop", dedup.Forever)
	r.append(events("shop", "a", "b", "a")...)
	old := r.log
	dups, _ := r.judge()
	s := r.archived(dups)
	fresh := mem.New(mem.Options{Now: r.clock.Now, Epoch: uint64(r.clock.Now().UnixMilli()) + 1000})
	if _, err := fresh.Append(t.Context(), events("shop", "b", "c")); err != nil {
		t.Fatal(err)
	}
	for name, lost := range map[string]string{"folder kept": "", "index lost": "index", "folder lost": "*"} {
		next := *r
		next.options.Dir = filepath.Join(t.TempDir(), "dedup")
		if err := os.CopyFS(next.options.Dir, os.DirFS(r.options.Dir)); err != nil {
			t.Fatal(err)
		}
		next.options.Past = func() eventlog.Past { return s }
		next.log, next.options.Log = fresh, fresh
		if lost != "" {
			next.lose(lost)
		}
		f, stop := next.run()
		next.settled(f)
		d, err := f.Duplicates(t.Context(), millrace.Position{}, f.Through())
		want := 2
		if lost == "*" {
			want = 1 // the old verdicts were lost
		}
		if err != nil || len(d) != want || d[len(d)-1].Epoch <= dups[0].Epoch {
			t.Errorf("%s: duplicates %v, %v, want %d", name, d, err, want)
		}
		stop()
		if lost == "" { // the old log comes back
			next.options.Log = old
			f, err := dedup.Open(next.options)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Run(t.Context()); millrace.KindOf(err) != millrace.Ahead {
				t.Errorf("Run over an earlier log = %v, want Ahead", err)
			}
			if err := f.Wait(t.Context(), millrace.Position{Epoch: 1 << 60}); millrace.KindOf(err) != millrace.Unavailable {
				t.Errorf("Wait = %v, want Unavailable", err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestShorterLogIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.log = mem.New(mem.Options{Now: r.clock.Now, Epoch: 5})
	r.options.Log = r.log
	r.append(events("web", "a")...)
	r.append(events("web", "b")...)
	r.judge()
	r.log = mem.New(mem.Options{Now: r.clock.Now, Epoch: 5})
	r.options.Log = r.log
	r.append(events("web", "a")...)
	f, err := dedup.Open(r.options)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Run(t.Context()); millrace.KindOf(err) != millrace.Ahead || !strings.Contains(err.Error(), "move the folder away") {
		t.Errorf("got %v, want Ahead with the repair", err)
	}
}

// A faultyLog fails every few calls.
type faultyLog struct {
	eventlog.Log
	calls atomic.Int64
}

func (l *faultyLog) fail() error {
	if l.calls.Add(1)%3 == 0 {
		return millrace.Errorf(millrace.Unavailable, "the log is being reopened: %w", errors.New("test"))
	}
	return nil
}

func (l *faultyLog) Open(ctx context.Context, after millrace.Position, f eventlog.Filter) (eventlog.Reader, error) {
	r, err := l.Log.Open(ctx, after, f)
	if err != nil {
		return nil, err
	}
	return faultyReader{r, l}, l.fail()
}

type faultyReader struct {
	eventlog.Reader
	log *faultyLog
}

func (r faultyReader) Next(ctx context.Context) (eventlog.Batch, error) {
	if err := r.log.fail(); err != nil {
		return eventlog.Batch{}, err
	}
	return r.Reader.Next(ctx)
}

func TestSurvivesALogThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.options.Log = &faultyLog{Log: r.log}
	f, stop := r.run()
	defer stop()
	for i := range 6 {
		r.append(events("web", "a", fmt.Sprint(i))...)
		r.settled(f)
	}
	if dups, c := r.duplicates(f), f.Counts(); len(dups) != 5 || c[0].Duplicates != 5 || c[0].Distinct != 7 {
		t.Errorf("duplicates %v, counts %+v", dups, c)
	}
}

func TestWindowChangesWhileItFollows(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f, stop := r.run()
	defer stop()
	for _, w := range []time.Duration{day, dedup.Forever, 2 * day, dedup.Forever, day} {
		r.window("web", w)
		r.append(events("web", "a")...)
		r.settled(f)
	}
	if got := marks(r.duplicates(f), 5); got != "-dddd" {
		t.Errorf("got %s, want -dddd", got)
	}
}

// TestAWindowThatIsNotKnownStays: nothing is forgotten, and nothing judged by
// another window, while the project of a source is not there to say its window.
func TestAWindowThatIsNotKnownStays(t *testing.T) {
	t.Parallel()
	for name, window := range map[string]time.Duration{"30 days": 30 * day, "forever": dedup.Forever} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.window("web", window)
			r.append(events("web", "a")...)
			r.append(events("web", "b")...)
			r.judge()
			r.window("web", dedup.Unknown)
			r.clock.add(5 * day)
			r.append(events("web", "a")...)
			if dups, _ := r.judge(); marks(dups, 3) != "--d" {
				t.Fatalf("while it is not known: %s", marks(dups, 3))
			}
			r.append(events("other", "a")...) // and what is flushed now forgets nothing
			r.judge()
			r.window("web", window)
			r.clock.add(5 * day)
			r.append(events("web", "b")...)
			if dups, _ := r.judge(); marks(dups, 5) != "--d-d" {
				t.Fatalf("when it is known again: %s", marks(dups, 5))
			}
		})
	}
}

// TestARemovedSourceIsForgotten: the window of a source that is gone keeps the index
// of all sources as long as it covers one of its IDs, and no longer.
func TestARemovedSourceIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.window("gone", 10*day)
	r.append(events("gone", "a")...)
	r.append(events("web", "a")...)
	r.judge()
	r.window("gone", dedup.Unknown)
	indexed := func() int {
		t.Helper()
		runs, err := filepath.Glob(filepath.Join(r.options.Dir, "index", "*.run"))
		if err != nil {
			t.Fatal(err)
		}
		return len(runs)
	}
	for days, want := range []int{2, 1} {
		r.clock.add(6 * day)
		r.append(events("web", fmt.Sprint("b", days))...)
		r.judge()
		if got := indexed(); got != want {
			t.Errorf("after %d days: %d runs, want %d", 6*(days+1), got, want)
		}
	}
}

func TestIDsOfTheArchiveLieWithinTheWindowOrNot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.window("web", 2*day)
	r.append(events("web", "old")...)
	r.clock.add(10 * time.Hour)
	last := r.append(events("web", "young")...)
	s := r.archived(nil)
	r.options.Past = func() eventlog.Past { return s }
	last.Index = millrace.EndOfFrame
	if err := r.log.Trim(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	r.clock.add(40 * time.Hour)
	r.append(events("web", "old", "young")...)
	f, stop := r.run()
	defer stop()
	r.settled(f)
	if d, err := f.Duplicates(t.Context(), last, f.Through()); err != nil || len(d) != 1 || d[0].Index != 1 {
		t.Errorf("got %v, %v, want young alone", d, err)
	}
}
