package history_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/history"
)

// A clock is set by tests.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)} }

func open(t *testing.T, o history.Options) *history.Store {
	t.Helper()
	if o.File == "" {
		o.File = filepath.Join(t.TempDir(), "history.db")
	}
	s, err := history.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func record(t *testing.T, s *history.Store, at time.Time, samples ...history.Sample) {
	t.Helper()
	if err := s.Record(t.Context(), at, samples); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, s *history.Store, q history.Query) []history.Series {
	t.Helper()
	all, err := s.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func counter(name string, v float64, labels ...string) history.Sample {
	return sample(history.Counter, name, v, labels)
}

func gauge(name string, v float64, labels ...string) history.Sample {
	return sample(history.Gauge, name, v, labels)
}

func sample(kind history.Kind, name string, v float64, labels []string) history.Sample {
	s := history.Sample{Name: name, Kind: kind, Value: v, Labels: map[string]string{}}
	for i := 0; i < len(labels); i += 2 {
		s.Labels[labels[i]] = labels[i+1]
	}
	return s
}

func values(s history.Series) (out []float64) {
	for _, p := range s.Points {
		out = append(out, p.Value)
	}
	return out
}

func TestSeries(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := open(t, history.Options{Now: c.Now})
	history.Fast(t, s)
	start := c.now
	accepted, lag := 0.0, 0.0
	for i := range 13 * 360 { // 13 hours
		c.now = start.Add(time.Duration(i)*10*time.Second + 8*time.Second)
		accepted += float64(i % 5)
		lag = float64(i % 6)
		record(t, s, c.now,
			counter("millrace_collect_events_total", accepted, "source", "web", "result", "accepted"),
			counter("millrace_collect_events_total", 0, "source", "web", "result", "rejected"),
			gauge("millrace_reader_lag_seconds", lag, "reader", "archive"))
	}
	got := query(t, s, history.Query{Names: []string{"millrace_reader_lag_seconds"}, From: c.now.Add(-10 * time.Minute), Step: time.Minute})
	if len(got) != 1 || got[0].Unit != "seconds" || got[0].Step != time.Minute || got[0].Kind != history.Gauge || got[0].Labels["reader"] != "archive" {
		t.Fatalf("got %+v", got)
	}
	if p := got[0].Points[3]; len(got[0].Points) != 11 || p.Value != 2.5 || p.Min != 0 || p.Max != 5 || p.Last != 5 {
		t.Errorf("%d points, one is %+v", len(got[0].Points), p)
	}
	got = query(t, s, history.Query{Match: map[string]string{"source": "web"}, From: start, Step: time.Hour})
	if len(got) != 2 || got[0].Labels["result"] != "accepted" || got[1].Labels["result"] != "rejected" || len(got[0].Points) != 13 {
		t.Fatalf("got %+v", got)
	}
	sum := 0.0
	for _, v := range values(got[0]) {
		sum += v
	}
	if sum != accepted || got[0].Points[1].Value != 720 || got[1].Points[0].Value != 0 {
		t.Errorf("%v add up to %v, want %v", values(got[0]), sum, accepted)
	}
	for name, test := range map[string]struct {
		q      history.Query
		step   time.Duration
		points int
	}{
		"last hour":                 {history.Query{From: c.now.Add(-time.Hour)}, 10 * time.Second, 361},
		"six hours":                 {history.Query{From: c.now.Add(-6 * time.Hour)}, time.Minute, 361},
		"ten seconds for six hours": {history.Query{From: c.now.Add(-6 * time.Hour), Step: time.Second}, 10 * time.Second, 2161},
		"finer than is kept":        {history.Query{From: c.now.Add(-7 * time.Hour), Step: 10 * time.Second}, time.Minute, 421},
		"no multiple":               {history.Query{From: c.now.Add(-7 * time.Hour), Step: 100 * time.Second}, 2 * time.Minute, 211},
		"everything":                {history.Query{}, 2 * time.Minute, 390},
		"few points":                {history.Query{MaxPoints: 5}, 3 * time.Hour, 5},
		"one point":                 {history.Query{From: start.Add(time.Hour), Until: start.Add(2 * time.Hour), MaxPoints: 1}, time.Hour, 1},
		"an hour in between":        {history.Query{From: start.Add(2 * time.Hour), Until: start.Add(3 * time.Hour), Step: time.Minute}, time.Minute, 60},
	} {
		test.q.Names = []string{"millrace_reader_lag_seconds"}
		got := query(t, s, test.q)
		if len(got) != 1 || got[0].Step != test.step || len(got[0].Points) != test.points {
			t.Errorf("%s: steps of %v, %d points, want %v, %d", name, got[0].Step, len(got[0].Points), test.step, test.points)
		}
	}
	for name, q := range map[string]history.Query{
		"no such name":  {Names: []string{"no"}},
		"no such label": {Match: map[string]string{"source": "ios"}},
		"before":        {Until: start.Add(-time.Hour)},
		"backwards":     {From: c.now, Until: start},
		"to come":       {From: c.now.AddDate(1, 0, 0), Until: c.now.AddDate(2, 0, 0)},
	} {
		if got := query(t, s, q); got == nil || len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if names := s.Names(t.Context()); len(names) != 2 || names[0] != "millrace_collect_events_total" {
		t.Errorf("names %v", names)
	}
}

func TestCounters(t *testing.T) {
	t.Parallel()
	total := func(v float64) history.Sample { return sample(history.Total, "all", v, nil) }
	tests := map[string]struct {
		rounds []history.Sample // a nameless one is a restart
		want   []float64
	}{
		"from zero with the process":        {[]history.Sample{counter("c", 5), counter("c", 7)}, []float64{5, 2}},
		"begun again":                       {[]history.Sample{counter("c", 5), counter("c", 2)}, []float64{5, 2}},
		"restart":                           {[]history.Sample{counter("c", 5), {}, counter("c", 2), counter("c", 3)}, []float64{5, 2, 1}},
		"restart, more than before":         {[]history.Sample{counter("c", 5), {}, counter("c", 8)}, []float64{5, 8}},
		"a total that was there":            {[]history.Sample{total(1000), total(1003)}, []float64{0, 3}},
		"a total over a restart":            {[]history.Sample{total(1000), {}, total(1003)}, []float64{0, 3}},
		"a total that catches up":           {[]history.Sample{total(1000), {}, total(900), total(990), total(1004)}, []float64{0, 0, 0, 4}},
		"a total that catches up, restarts": {[]history.Sample{total(1000), {}, total(900), {}, total(990), total(1004)}, []float64{0, 0, 0, 4}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, apart := range []time.Duration{10 * time.Second, time.Hour} { // packed in between or not
				c := newClock()
				o := history.Options{File: filepath.Join(t.TempDir(), "history.db"), Now: c.Now}
				s := open(t, o)
				for _, r := range test.rounds {
					if r.Name == "" {
						if err := s.Close(); err != nil {
							t.Fatal(err)
						}
						s = open(t, o)
						continue
					}
					c.now = c.now.Add(apart)
					record(t, s, c.now, r)
				}
				got := query(t, s, history.Query{Step: apart})
				if len(got) != 1 || fmt.Sprint(values(got[0])) != fmt.Sprint(test.want) {
					t.Errorf("%v apart: %+v, want %v", apart, got, test.want)
				}
			}
		})
	}
}

func TestWhatIsNoSample(t *testing.T) {
	t.Parallel()
	c := newClock()
	var text bytes.Buffer
	s := open(t, history.Options{Now: c.Now, Logger: slog.New(slog.NewTextHandler(&text, nil))})
	record(t, s, c.now, gauge("nan", math.NaN()), gauge("inf", math.Inf(1)), gauge("huge", 1e301), gauge("", 1), counter("less", -1),
		history.Sample{Name: "kind", Kind: 9}, gauge("long", 1, "x", strings.Repeat("x", 3000)), gauge("twice", 1), gauge("twice", 2))
	record(t, s, c.now)
	got := query(t, s, history.Query{})
	if len(got) != 1 || got[0].Name != "twice" || got[0].Points[0].Value != 1 {
		t.Errorf("kept %+v", got)
	}
	if n := strings.Count(text.String(), "left out"); n != 1 {
		t.Errorf("%d warnings: %s", n, &text)
	}
}

func TestNamesAndLabelsAsTheyAre(t *testing.T) {
	t.Parallel()
	c := newClock()
	file := filepath.Join(t.TempDir(), `a "folder", 100% ?x=#&`)
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	o := history.Options{File: filepath.Join(file, "history.db"), Now: c.Now}
	s := open(t, o)
	record(t, s, c.now, gauge("a'b\";--\n", 1, "ключ", "значение", "", ""), gauge("a'b\";--\n", 2, "ключ", ""), gauge("a'b\";--\n", 3))
	s.Close()
	s = open(t, o)
	record(t, s, c.now.Add(time.Hour), gauge("a'b\";--\n", 1, "ключ", "значение", "", ""), gauge("a'b\";--\n", 2, "ключ", ""), gauge("a'b\";--\n", 3))
	c.now = c.now.Add(time.Hour)
	got := query(t, s, history.Query{Step: 2 * time.Hour})
	if len(got) != 3 || got[0].Points[0].Value != 2 || got[1].Points[0].Value != 3 || got[2].Labels["ключ"] != "значение" {
		t.Errorf("got %+v", got)
	}
	if info, err := os.Stat(o.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file may be read by others: %v %v", info.Mode(), err)
	}
}

func TestAtMostSoManySeries(t *testing.T) {
	t.Parallel()
	c := newClock()
	var text bytes.Buffer
	o := history.Options{File: filepath.Join(t.TempDir(), "history.db"), Now: c.Now, MaxSeries: 10, Logger: slog.New(slog.NewTextHandler(&text, nil))}
	s := open(t, o)
	for i := range 10 {
		record(t, s, c.now, gauge("one", 1, "i", fmt.Sprint(i)))
	}
	record(t, s, c.now, gauge("one", 1, "i", "0")) // now 1 is the least recent
	c.now = c.now.Add(2 * time.Hour)
	record(t, s, c.now, gauge("one", 1, "i", "0")) // packed
	s.Close()
	s = open(t, o)
	record(t, s, c.now, gauge("one", 1, "i", "10"), gauge("one", 1, "i", "11"))
	if st := s.Status(); st.Series != 10 || st.Evicted != 2 || st.MaxSeries != 10 || st.SizeBytes == 0 {
		t.Errorf("status %+v", st)
	}
	if !strings.Contains(text.String(), "more series than the charts have room for") {
		t.Errorf("nobody was told: %s", &text)
	}
	c.now = c.now.Add(2 * time.Hour)
	record(t, s, c.now, gauge("one", 1, "i", "1")) // returns, without its old points
	have := map[string]int{}
	for _, one := range query(t, s, history.Query{Step: time.Hour}) {
		have[one.Labels["i"]] = len(one.Points)
	}
	if len(have) != 10 || have["0"] != 2 || have["1"] != 1 || have["2"] != 0 || have["3"] != 0 || have["4"] != 1 || have["11"] != 1 {
		t.Errorf("points %v", have)
	}
	many := []history.Sample{}
	for i := range 30 {
		many = append(many, gauge("one", 1, "i", fmt.Sprint(i)))
	}
	for range 3 { // more than there is room for in one round: no one drives another out
		c.now = c.now.Add(10 * time.Second)
		record(t, s, c.now, many...)
	}
	if st := s.Status(); st.Series != 10 {
		t.Errorf("status %+v", st)
	}
}

func TestAWrongClock(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := open(t, history.Options{Now: c.Now})
	n := 0.0
	run := func(rounds int) {
		for range rounds {
			n++
			record(t, s, c.now, counter("n", n), gauge("g", n))
			c.now = c.now.Add(10 * time.Second)
		}
	}
	history.Fast(t, s)
	start := c.now
	run(3 * 360)
	c.now = c.now.Add(-2 * time.Hour) // set back: two hours are there twice
	run(2 * 360)
	got := query(t, s, history.Query{Names: []string{"n"}, From: start, Step: time.Hour})
	if fmt.Sprint(values(got[0])) != "[360 720 720]" {
		t.Errorf("points %v", values(got[0]))
	}
	right := c.now
	c.now = time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC) // a machine without a battery
	run(2 * 360)
	c.now = time.Date(2060, 1, 1, 0, 0, 5, 0, time.UTC)
	run(2 * 360)
	c.now = right
	run(10)
	got = query(t, s, history.Query{Names: []string{"n"}, From: right.Add(-2 * time.Hour), Step: 10 * time.Second})
	sum := 0.0
	for _, v := range values(got[0]) {
		sum += v
	}
	if len(got[0].Points) != 730 || sum != 4*360+10 {
		t.Errorf("of the hours before the clock went wrong there are %d points, %v in all", len(got[0].Points), sum)
	}
}

func TestYears(t *testing.T) {
	t.Parallel()
	c := newClock()
	o := history.Options{File: filepath.Join(t.TempDir(), "history.db"), Now: c.Now}
	s := open(t, o)
	history.Fast(t, s)
	start, n := c.now, 0.0
	for c.now.Before(start.AddDate(4, 0, 0)) { // runs for a moment each day
		for range 2 {
			n++
			record(t, s, c.now, counter("n", n), gauge("g", math.Sqrt(n)))
			c.now = c.now.Add(10 * time.Second)
		}
		c.now = c.now.Add(24*time.Hour - 20*time.Second)
	}
	s.Close()
	s = open(t, o)
	got := query(t, s, history.Query{Names: []string{"n"}})
	sum := 0.0
	for _, v := range values(got[0]) {
		sum += v
	}
	if sum != n || got[0].Step != 7*24*time.Hour {
		t.Errorf("%v in %d steps of %v, want %v", sum, len(got[0].Points), got[0].Step, n)
	}
	got = query(t, s, history.Query{From: start.AddDate(0, 6, 0), Until: start.AddDate(0, 7, 0), Step: time.Second})
	if len(got) != 2 || got[0].Step != time.Hour || len(got[0].Points) < 29 || len(got[0].Points) > 31 {
		t.Errorf("three years ago: %d points", len(got[0].Points))
	}
	if size := s.Status().SizeBytes; size > 8<<20 {
		t.Errorf("%d bytes for two series", size)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	c := newClock()
	o := history.Options{File: filepath.Join(t.TempDir(), "history.db"), Now: c.Now}
	s := open(t, o)
	for _, m := range []history.Mark{
		{Kind: history.MarkStart, Text: "version 1.2.0"},
		{At: c.now.Add(time.Hour), Kind: history.MarkReload, Text: strings.Repeat("é", 600)},
		{At: c.now.Add(30 * time.Minute), Kind: history.MarkRebuild},
	} {
		if err := s.Mark(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Mark(t.Context(), history.Mark{Text: "what"}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("a mark without a kind: %v", err)
	}
	s.Close()
	s = open(t, o)
	got, err := s.Marks(t.Context(), time.Time{}, time.Time{})
	if err != nil || len(got) != 3 || got[0] != (history.Mark{At: c.now, Kind: "start", Text: "version 1.2.0"}) || got[1].Kind != "rebuild" || got[2].Text != strings.Repeat("é", 500) {
		t.Errorf("%v: %+v", err, got)
	}
	got, err = s.Marks(t.Context(), c.now.Add(time.Second), c.now.Add(time.Hour))
	if err != nil || len(got) != 1 || got[0].Kind != "rebuild" {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := open(t, history.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := s.Query(t.Context(), history.Query{})
	_, err2 := s.Marks(t.Context(), time.Time{}, time.Time{})
	for _, err := range []error{err, err2, s.Mark(t.Context(), history.Mark{Kind: "x"}), s.Record(t.Context(), time.Now(), []history.Sample{gauge("g", 1)})} {
		if millrace.KindOf(err) != millrace.Unavailable {
			t.Errorf("after Close: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("twice: %v", err)
	}
	if _, err := history.Open(history.Options{}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("without a file: %v", err)
	}
	if _, err := history.Open(history.Options{File: filepath.Join(t.TempDir(), "no", "history.db")}); err == nil {
		t.Error("in a folder that is not there")
	}
}

func TestTooMuchAtOnce(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := open(t, history.Options{Now: c.Now})
	var all []history.Sample
	for i := range 500 {
		all = append(all, gauge("g", 1, "i", fmt.Sprint(i)))
	}
	record(t, s, c.now, all...)
	_, err := s.Query(t.Context(), history.Query{From: c.now.Add(-29 * 24 * time.Hour), Step: time.Minute})
	if millrace.KindOf(err) != millrace.TooLarge || !strings.Contains(err.Error(), "longer steps") {
		t.Errorf("too much: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Query(ctx, history.Query{}); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("canceled: %v", err)
	}
}

func TestAtTheSameTime(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := open(t, history.Options{Now: func() time.Time { return time.Date(2026, 3, 2, 18, 0, 0, 0, time.UTC) }})
	var readers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		readers.Go(func() {
			for before := 0.0; ctx.Err() == nil; {
				got, err := s.Query(t.Context(), history.Query{Names: []string{"n"}, Step: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				sum := 0.0
				for _, one := range got {
					for _, v := range values(one) {
						sum += v
					}
				}
				if sum < before { // while an hour is packed it is seen once
					t.Errorf("%v after %v", sum, before)
					return
				}
				before = sum
				s.Status()
			}
		})
	}
	for i := range 300 {
		record(t, s, c.now.Add(time.Duration(i)*time.Minute), counter("n", float64(i+1)), gauge("g", 1))
		if err := s.Mark(t.Context(), history.Mark{Kind: history.MarkReload}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	readers.Wait()
}
