package history

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A model keeps every sample as it came and answers from that.
type model struct {
	last map[string]float64
	raw  []rawSample
}

type rawSample struct {
	name  string
	kind  Kind
	at    int64 // ms
	value float64
}

func (m *model) record(at time.Time, samples []Sample) {
	for _, s := range samples {
		v := s.Value
		last, known := m.last[s.Name]
		if s.Kind == Counter && known && s.Value >= last {
			v -= last
		} else if s.Kind == Total {
			if !known {
				last = s.Value
			}
			v = max(0, s.Value-last)
		}
		if s.Kind != Total || !known || s.Value > last {
			m.last[s.Name] = s.Value
		}
		m.raw = append(m.raw, rawSample{name: s.Name, kind: s.Kind, at: at.UnixMilli(), value: v})
	}
}

// reopened is what a new process knows: counters begin at zero, totals go on.
func (m *model) reopened() {
	for name := range m.last {
		if name[0] == 'c' {
			delete(m.last, name)
		}
	}
}

func (m *model) points(name string, from, until, step int64) map[int64]Point {
	type all struct {
		Point
		n float64
	}
	found := map[int64]*all{}
	for _, r := range m.raw {
		start := floor(floor(r.at, 1000)/1000, step)
		if r.name != name || start < from || start >= until {
			continue
		}
		p := found[start]
		if p == nil {
			p = &all{Point: Point{At: time.Unix(start, 0).UTC(), Min: r.value, Max: r.value}}
			found[start] = p
		}
		p.n++
		p.Value += r.value
		p.Min, p.Max, p.Last = min(p.Min, r.value), max(p.Max, r.value), r.value
	}
	out := map[int64]Point{}
	for start, p := range found {
		if name[0] == 'g' {
			p.Value /= p.n
		} else {
			p.Min, p.Max, p.Last = p.Value, p.Value, p.Value
		}
		out[start] = p.Point
	}
	return out
}

// fast leaves out fsync: the test is not about crashes.
func fast(t testing.TB, s *Store) *Store {
	if _, err := s.write.Exec("PRAGMA synchronous = OFF"); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRollupsAreTheRawNumbers records at random, with gaps, wrong clocks,
// counters that begin again and restarts, and compares all resolutions with
// what follows from the raw numbers.
func TestRollupsAreTheRawNumbers(t *testing.T) {
	t.Parallel()
	dir, files := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		files++
		now := time.Date(2026, 3, 2, 9, 59, 0, 0, time.UTC)
		o := Options{File: filepath.Join(dir, fmt.Sprint(files, ".db")), Now: func() time.Time { return now }}
		s, err := Open(o)
		if err != nil {
			rt.Fatal(err)
		}
		fast(t, s)
		defer func() { s.Close() }()
		m := &model{last: map[string]float64{}}
		first, last, hours := now, now, map[int64]bool{}
		counters := [2]float64{}
		rounds := rapid.IntRange(1, 250).Draw(rt, "rounds")
		for range rounds {
			switch what := rapid.IntRange(0, 99).Draw(rt, "what"); {
			case what < 80:
				now = now.Add(time.Duration(rapid.IntRange(9_900, 10_100).Draw(rt, "ms")) * time.Millisecond)
			case what < 88:
				now = now.Add(time.Duration(rapid.IntRange(0, 1200).Draw(rt, "s")) * time.Second)
			case what < 92:
				now = now.Add(-time.Duration(rapid.IntRange(0, 5000).Draw(rt, "back")) * time.Second)
			case what < 94:
				now = now.Add(time.Duration(rapid.IntRange(-40, 80).Draw(rt, "h")) * time.Hour)
			case what < 97:
				counters[0] = 0
			default:
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				if s, err = Open(o); err != nil {
					rt.Fatal(err)
				}
				fast(t, s)
				m.reopened()
			}
			counters[0] += float64(rapid.IntRange(0, 1000).Draw(rt, "more"))
			counters[1] = max(0, counters[1]+float64(rapid.IntRange(-10, 100).Draw(rt, "total")))
			samples := []Sample{
				{Name: "g_int", Value: float64(rapid.IntRange(-5, 1_000_000).Draw(rt, "int"))},
				{Name: "c", Kind: Counter, Value: counters[0]},
				{Name: "t", Kind: Total, Value: counters[1]},
			}
			if rapid.Bool().Draw(rt, "sparse") {
				samples = append(samples, Sample{Name: "g_float", Value: rapid.Float64Range(0, 1).Draw(rt, "float")})
			}
			if err := s.Record(t.Context(), now, samples); err != nil {
				rt.Fatal(err)
			}
			m.record(now, samples)
			hours[floor(now.Unix(), hour)] = true
			if now.Before(first) {
				first = now
			}
			if now.After(last) {
				last = now
			}
		}
		compare := func(from, until time.Time, step time.Duration) {
			until = until.Truncate(time.Second).Add(time.Second)
			got, err := s.Query(t.Context(), Query{From: from, Until: until, Step: step})
			if err != nil {
				rt.Fatal(err)
			}
			compareSeries(rt, m, got, from.Unix(), until.Unix(), int64(step/time.Second))
		}
		if len(hours) <= levels[0].keep {
			compare(now.Add(-6*time.Hour), now, 10*time.Second)
			compare(now.Add(-5*time.Hour), now, 30*time.Second)
		}
		compare(now.Add(-29*24*time.Hour), now, time.Minute)
		compare(now.Add(-25*time.Hour), now.Add(-time.Hour), 7*time.Minute)
		compare(first, last, time.Hour)
		compare(first, last, 5*time.Hour)
	})
}

func compareSeries(t *rapid.T, m *model, got []Series, from, until, step int64) {
	from, until = floor(from, step), -floor(-until, step)
	left := map[string]map[int64]Point{}
	for _, name := range []string{"g_int", "g_float", "c", "t"} {
		if points := m.points(name, from, until, step); len(points) > 0 {
			left[name] = points
		}
	}
	for _, s := range got {
		if s.Step != time.Duration(step)*time.Second {
			t.Fatalf("%s has steps of %v, want %d s", s.Name, s.Step, step)
		}
		want := left[s.Name]
		delete(left, s.Name)
		for i, p := range s.Points {
			if i > 0 && !s.Points[i-1].At.Before(p.At) {
				t.Fatalf("%s: %v is not after %v", s.Name, p.At, s.Points[i-1].At)
			}
			w, ok := want[p.At.Unix()]
			delete(want, p.At.Unix())
			if !ok || p.Min != w.Min || p.Max != w.Max || p.Last != w.Last && s.Kind == Gauge && step <= 10 || math.Abs(p.Value-w.Value) > 1e-9*math.Abs(w.Value) {
				t.Fatalf("%s, steps of %d s: %+v, want %+v", s.Name, step, p, w)
			}
		}
		if len(want) > 0 {
			t.Fatalf("%s, steps of %d s: these are missing: %v", s.Name, step, want)
		}
	}
	if len(left) > 0 {
		t.Fatalf("steps of %d s: these are missing: %v", step, left)
	}
}
