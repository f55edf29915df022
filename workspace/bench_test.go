package workspace_test

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/workspace"
)

// many returns a store of n workspaces with two environments each.
func many(b *testing.B, n int) (*workspace.Store, workspace.Options) {
	b.Helper()
	o := workspace.Options{Catalog: onSQLite(b), Record: func(context.Context, catalog.Tx, workspace.Change) error { return nil }}
	if _, err := workspace.Open(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	err := o.Catalog.Update(b.Context(), func(tx catalog.Tx) error {
		for i := range n {
			id := fmt.Sprintf("w_%d", i)
			for _, sql := range []string{
				"INSERT INTO workspace SELECT $1, 'team-' || $2, title, state, reason, since, suspended, purge_after, '1main' || $2, '{\"events_per_day\":1000000000000}', created, 1 FROM workspace WHERE name = 'default' AND $1 <> $2",
				"INSERT INTO workspace_name (name, looks, workspace, until) VALUES ('team-' || $2, 'team-' || $2, $1, NULL)",
				"INSERT INTO environment SELECT '1main' || $2, $1, name, state, since, purge_after, problem, created FROM environment WHERE space = 'default' AND $1 <> $2",
				"INSERT INTO environment SELECT '1staging' || $2, $1, 'staging', state, since, purge_after, problem, created FROM environment WHERE space = 'default' AND $1 <> $2",
			} {
				if _, err := tx.Exec(b.Context(), sql, id, fmt.Sprint(i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	s, err := workspace.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	if s.Spaces().Len() != 2*n+1 {
		b.Fatalf("%d spaces", s.Spaces().Len())
	}
	return s, o
}

// BenchmarkMany is an installation of 2,000 workspaces with two environments each.
func BenchmarkMany(b *testing.B) {
	s, o := many(b, 2000)
	b.Run("open", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			runtime.GC()
			runtime.ReadMemStats(&before)
			again, err := workspace.Open(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(again)
		}
		b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/open")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/4000, "B/space")
	})
	b.Run("change", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := s.SetTitle(b.Context(), fmt.Sprintf("w_%d", i%2000), fmt.Sprint(i)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "ms/change")
	})
	addresses := make([]string, 4096)
	ids := make([]string, 4096)
	for i := range addresses {
		addresses[i], ids[i] = fmt.Sprintf("team-%d@staging", i%2000), fmt.Sprintf("1main%d", i%2000)
	}
	b.Run("find", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, found := s.Spaces().Find(addresses[i&4095]); !found {
				b.Fatal("not found")
			}
		}
	})
	m, err := workspace.NewMeter(workspace.MeterOptions{Store: s, Log: nothing(b)})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("admit", func(b *testing.B) {
		now := time.Now()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if yes, _, reason := m.Admit(ids[i&4095], now, 1, 800); !yes {
					b.Fatal(reason)
				}
			}
		})
	})
}

func nothing(b *testing.B) *nats.Log {
	b.Helper()
	log, err := nats.Open(b.Context(), nats.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = log.Close() })
	return log
}

// BenchmarkCount is what counting costs: events of 800 bytes, of many spaces,
// from the log on disk to the catalog.
func BenchmarkCount(b *testing.B) {
	for _, spaces := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d spaces", spaces), func(b *testing.B) {
			s, o := many(b, spaces)
			log := nothing(b)
			const frames, perFrame = 400, 250
			body := make([]byte, 800)
			for i := range body {
				body[i] = byte('a' + i*i%26)
			}
			n := 0
			for range frames {
				all := make([]millrace.Record, perFrame)
				for j := range all {
					n++
					all[j] = millrace.Record{ID: fmt.Sprintf("node-next-%d-5b2f4c1e", n), Workspace: fmt.Sprintf("1main%d", n/10%spaces), Source: "web", Stream: "track:Order Completed", Received: time.Now(), Occurred: time.Now(), Body: body}
				}
				if _, err := log.Append(b.Context(), all); err != nil {
					b.Fatal(err)
				}
			}
			_, last, err := log.Bounds(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			cpu := processor()
			for i := range b.N {
				if i > 0 {
					b.StopTimer()
					if err := forget(b, o.Catalog); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				m, err := workspace.NewMeter(workspace.MeterOptions{Store: s, Log: log})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan struct{})
				go func() { _ = m.Run(ctx); close(done) }()
				for m.Stats().Counted.Before(last) {
					time.Sleep(time.Millisecond)
				}
				cancel()
				<-done
			}
			b.ReportMetric(float64((processor()-cpu).Nanoseconds())/1000/float64(b.N*n), "cpu-µs/event")
		})
	}
}

// forget lets the counting begin anew.
func forget(b *testing.B, c catalog.Catalog) error {
	return c.Update(b.Context(), func(tx catalog.Tx) error {
		_, err := tx.Exec(b.Context(), "DELETE FROM usage_reader")
		return err
	})
}

func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
