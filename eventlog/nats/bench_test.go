package nats_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/nats"
)

// benchRecords returns n track events of about 800 bytes.
func benchRecords(n int) []millrace.Record {
	rs := make([]millrace.Record, n)
	now := time.UnixMilli(1_760_000_000_000).UTC()
	for i := range rs {
		rs[i] = millrace.Record{
			ID: fmt.Sprintf("ajs-next-%013d-%08x-4c1e", 1_760_000_000_000+i*37, uint32(i)*2654435761), Workspace: "default", Source: "web",
			Stream: fmt.Sprintf("track:Event %d", i%5), Key: fmt.Sprintf("user-%d", i*7919%100_000), Received: now, Occurred: now,
			Body: fmt.Appendf(nil, `{"type":"track","event":"Event %d","userId":"user-%d","anonymousId":"%08x-77aa-4f4f-9c2d-%012x","timestamp":"2025-10-09T08:53:20.%03dZ","properties":{"order_id":"o-%d","total_price":%d.%02d,"currency":"GBP","quantity":%d,"sku":"SKU-%d","category":"Home and Garden","title":"White hanging heart t-light holder"},"context":{"library":{"name":"analytics.js","version":"npm:next-1.81.0"},"page":{"path":"/products/%d","referrer":"https://www.example.com/","title":"Products","url":"https://shop.example.com/products/%d"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36","locale":"en-GB"}}`,
				i%5, i*7919%100_000, uint32(i)*40503, uint64(i)*2654435761, i%1000, i, i%500, i%100, i%12, i%3000, i%5000, i%5000),
			Meta: []byte(`{"receivedAt":"2025-10-09T08:53:20.123Z"}`),
		}
	}
	return rs
}

// cpu returns the processor time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend measures concurrent appenders, and beside them what the disk
// itself does with the same bytes in frames of the same size.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ appenders, records int }{{1, 1}, {128, 1}, {1, 100}, {8, 100}, {32, 100}} {
		b.Run(fmt.Sprintf("appenders=%d/records=%d", c.appenders, c.records), func(b *testing.B) {
			log := open(b, nats.Options{})
			rs := benchRecords(c.records)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			before := cpu()
			b.ResetTimer()
			for range c.appenders {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := log.Append(context.Background(), rs); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			used := cpu() - before
			events := float64(b.N * c.records)
			st, err := log.Status(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(used.Microseconds())/events, "cpu-µs/event")
			b.ReportMetric(events/float64(st.Frames), "events/frame")
			b.ReportMetric(float64(used.Microseconds())/float64(st.Frames), "cpu-µs/frame")
			raw, rawCPU := rawSync(b, int(st.Frames), int(st.SizeBytes)/int(st.Frames))
			b.ReportMetric(events/raw.Seconds(), "raw-events/s")
			b.ReportMetric(float64(rawCPU.Microseconds())/float64(st.Frames), "raw-cpu-µs/frame")
		})
	}
}

// rawSync writes n blocks of that size, each fsynced, and says how long it took.
func rawSync(b *testing.B, n, size int) (elapsed, used time.Duration) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, size)
	start, before := time.Now(), cpu()
	for range n {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start), cpu() - before
}

// BenchmarkRead measures a reader at the beginning, from memory and from disk,
// and readers of one workspace of many at the end.
func BenchmarkRead(b *testing.B) {
	for name, cache := range map[string]int{"memory": 1 << 30, "disk": 1} {
		for _, records := range []int{1, 100} {
			b.Run(fmt.Sprintf("from=%s/records=%d", name, records), func(b *testing.B) {
				log := open(b, nats.Options{CacheBytes: cache})
				rs := benchRecords(records)
				const frames = 2000
				for range frames {
					if _, err := log.Append(context.Background(), rs); err != nil {
						b.Fatal(err)
					}
				}
				before := cpu()
				b.ResetTimer()
				n := 0
				for b.Loop() {
					r, err := log.Open(context.Background(), millrace.Position{}, eventlog.Filter{})
					if err != nil {
						b.Fatal(err)
					}
					for end := false; !end; {
						batch, err := r.Next(context.Background())
						if err != nil {
							b.Fatal(err)
						}
						n += len(batch.Records)
						end = batch.AtEnd
					}
					r.Close()
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64((cpu()-before).Microseconds())/float64(n), "cpu-µs/event")
			})
		}
	}
}

// BenchmarkTail measures what readers at the end cost while one workspace of
// them receives: 1 reader of everything, and one for each of many workspaces.
func BenchmarkTail(b *testing.B) {
	for _, readers := range []int{0, 1, 10, 300} {
		b.Run(fmt.Sprintf("workspaces=%d", readers), func(b *testing.B) {
			log := open(b, nats.Options{})
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			var read atomic.Int64
			follow := func(f eventlog.Filter) {
				r, err := log.Open(ctx, millrace.Position{}, f)
				if err != nil {
					b.Fatal(err)
				}
				wg.Go(func() {
					defer r.Close()
					for {
						batch, err := r.Next(ctx)
						if err != nil {
							return
						}
						read.Add(int64(len(batch.Records)))
					}
				})
			}
			follow(eventlog.Filter{})
			for i := range readers {
				follow(eventlog.Filter{Workspace: fmt.Sprintf("w%d", i)})
			}
			rs := benchRecords(10)
			for i := range rs {
				rs[i].Workspace = "w0"
			}
			before := cpu()
			b.ResetTimer()
			for range b.N {
				if _, err := log.Append(ctx, rs); err != nil {
					b.Fatal(err)
				}
			}
			for want := int64(b.N * len(rs) * (1 + min(readers, 1))); read.Load() < want; {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/frame")
		})
	}
}

// BenchmarkSpaces measures a dispatcher that catches up, on frames of 20
// workspaces with 5 records each, from memory and from disk.
func BenchmarkSpaces(b *testing.B) {
	for name, cache := range map[string]int{"memory": 1 << 30, "disk": 1} {
		b.Run("from="+name, func(b *testing.B) {
			log := open(b, nats.Options{CacheBytes: cache, Keys: eventlogtest.NewKeys()})
			rs := benchRecords(100)
			for i := range rs {
				rs[i].Workspace = fmt.Sprint("space", i%20)
			}
			const frames = 2000
			for range frames {
				if _, err := log.Append(context.Background(), rs); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			for range b.N {
				n := 0
				for s, err := range log.Spaces(context.Background(), millrace.Position{}) {
					if err != nil {
						b.Fatal(err)
					}
					if n++; s.AtEnd {
						break
					}
				}
				if n != frames {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.N*frames)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

// BenchmarkAppendSealed measures intake with and without encryption in turns,
// so that whatever else the machine does meets both alike.
func BenchmarkAppendSealed(b *testing.B) {
	for _, c := range []struct{ appenders, records int }{{1, 1}, {32, 1}, {8, 100}} {
		b.Run(fmt.Sprintf("appenders=%d/records=%d", c.appenders, c.records), func(b *testing.B) {
			logs := [2]*nats.Log{open(b, nats.Options{}), open(b, nats.Options{Keys: eventlogtest.NewKeys()})}
			rs := benchRecords(c.records)
			var took, used [2]time.Duration
			const rounds = 20
			for round := range 2 * rounds {
				log := logs[round%2]
				var left atomic.Int64
				left.Store(int64(max(1, b.N/rounds)))
				before, start := cpu(), time.Now()
				var wg sync.WaitGroup
				for range c.appenders {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := log.Append(context.Background(), rs); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				took[round%2] += time.Since(start)
				used[round%2] += cpu() - before
			}
			events := float64(rounds * max(1, b.N/rounds) * c.records)
			for i, name := range []string{"plain", "sealed"} {
				b.ReportMetric(events/took[i].Seconds(), name+"-events/s")
				b.ReportMetric(float64(used[i].Nanoseconds())/1000/events, name+"-cpu-µs/event")
			}
		})
	}
}
