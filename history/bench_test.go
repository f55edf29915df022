package history

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A busy server's samples: half counters, most of them idle, half gauges that
// stand still, move as bytes do, or are any number.
func busy(n int) func() []Sample {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]Sample, n)
	for i := range all {
		all[i] = Sample{Name: fmt.Sprintf("metric_%d_total", i%20), Labels: map[string]string{"source": fmt.Sprint(i / 20), "result": "accepted"}}
		if i%2 == 0 {
			all[i].Kind = Counter
		}
	}
	return func() []Sample {
		for i := range all {
			s := &all[i]
			switch i % 20 {
			case 0, 2:
				s.Value += float64(random.IntN(500))
			case 4, 6, 8:
				s.Value += float64(max(0, random.IntN(20)-17))
			case 1, 3, 5, 7:
				s.Value = 800e6 + float64(random.IntN(20_000))*4096
			case 9, 11, 13:
				s.Value = random.ExpFloat64() / 100
			case 15, 17, 19:
				s.Value = 5e9
			}
		}
		return all
	}
}

func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRound is what each ten seconds cost, with fsync, without the packing of an hour.
func BenchmarkRound(b *testing.B) {
	for _, n := range []int{50, 200, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := Open(Options{File: filepath.Join(b.TempDir(), "history.db")})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			take, at := busy(n), time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			used := processor()
			for b.Loop() {
				if err := s.Record(b.Context(), at, take()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((processor()-used).Microseconds())/float64(b.N), "cpu-µs/round")
		})
	}
}

// BenchmarkDay records days of 200 series, packing included, and says how much
// is on disk: run it with -benchtime 31x for a full month.
func BenchmarkDay(b *testing.B) {
	const n = 200
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	s, err := Open(Options{File: filepath.Join(b.TempDir(), "history.db"), Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fast(b, s)
	take, used := busy(n), processor()
	for b.Loop() {
		for range 24 * 360 {
			now = now.Add(10 * time.Second)
			if err := s.Record(b.Context(), now, take()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64((processor()-used).Microseconds())/float64(b.N)/(24*360), "cpu-µs/round")
	b.ReportMetric(float64(s.Status().SizeBytes)/n, "file-B/series")
	for i, perYear := range []float64{0, 0, 365} {
		l := levels[i]
		var bytes, chunks float64
		if err := s.read.QueryRow("SELECT sum(length(data) + 14), count(*) FROM chunk WHERE step = ?", l.step).Scan(&bytes, &chunks); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(bytes/chunks/float64(l.span/l.step), fmt.Sprintf("B/point-%ds", l.step))
		if perYear > 0 {
			b.ReportMetric(bytes/chunks*perYear, "B/series-year")
		}
	}
	for name, since := range map[string]time.Duration{"hour": time.Hour, "6h": 6 * time.Hour, "day": 24 * time.Hour, "month": 30 * 24 * time.Hour} {
		start := time.Now()
		if _, err := s.Query(b.Context(), Query{Names: []string{"metric_1_total"}, From: now.Add(-since), MaxPoints: 1000}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/query-"+name)
	}
}

// BenchmarkPack is the packing of one hour.
func BenchmarkPack(b *testing.B) {
	for _, n := range []int{200, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			s, err := Open(Options{File: filepath.Join(b.TempDir(), "history.db"), Now: func() time.Time { return at }})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			take := busy(n)
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				fast(b, s)
				for range 359 { // and one below: an hour
					at = at.Add(10 * time.Second)
					if err := s.Record(b.Context(), at, take()); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := s.write.Exec("PRAGMA synchronous = FULL"); err != nil {
					b.Fatal(err)
				}
				at = at.Add(10 * time.Second)
				before := processor()
				b.StartTimer()
				if err := s.Record(b.Context(), at, take()); err != nil {
					b.Fatal(err)
				}
				used += processor() - before
			}
			b.ReportMetric(float64(used.Microseconds())/1000/float64(b.N), "cpu-ms/hour")
		})
	}
}
