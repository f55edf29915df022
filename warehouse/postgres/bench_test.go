package postgres_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/testserver"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

// BenchmarkLoad loads events of about 800 bytes, two rows each, 20,000 a commit.
func BenchmarkLoad(b *testing.B) {
	for _, names := range []int{5, 50} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			server := testserver.Postgres(b)
			w, err := postgres.Open(context.Background(), postgres.Options{URL: server.URL})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			if _, err := w.Resume(context.Background(), "default"); err != nil {
				b.Fatal(err)
			}
			const n = 20_000
			entries := make([]eventlog.Entry, n)
			seq, before := 0, processorTime()
			for b.Loop() {
				for i := range entries {
					seq++
					entries[i] = benchEvent(seq, fmt.Sprintf("Event %d", i%names))
				}
				if _, err := w.Apply(context.Background(), "default", warehouse.Batch{Entries: entries, Through: entries[n-1].Position, Flush: true}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(seq), "own-CPU-µs/event")
		})
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchEvent(n int, name string) eventlog.Entry {
	when := time.UnixMilli(1_770_000_000_000 + int64(n)).UTC()
	return eventlog.Entry{Position: millrace.Position{Epoch: 1, Seq: uint64(n)}, Time: when, Record: millrace.Record{
		ID: fmt.Sprintf("ajs-next-%032d", n), Workspace: "default", Source: "web", Stream: "track:" + name, Received: when, Occurred: when,
		Body: fmt.Appendf(nil, `{"type":"track","event":%q,"messageId":"ajs-next-%032d","userId":"user-%d","anonymousId":"0f8f6c1e-7b0e-4b7f-9c5e-%012d","timestamp":"2026-03-01T12:00:00.123Z","properties":{"order_id":"o-%d","total":%d.25,"currency":"EUR","quantity":%d,"coupon":"SPRING","gift":false,"sku":"G-%d","created":"2026-03-01T11:59:59.000Z","products":[{"id":"p1","price":9.5,"n":1}]},"context":{"library":{"name":"analytics.js","version":"npm:next-1.70.0"},"page":{"path":"/checkout","referrer":"https://shop.example.com/cart","search":"","title":"Checkout – Shop","url":"https://shop.example.com/checkout"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36","locale":"en-GB","timezone":"Europe/London"},"integrations":{}}`,
			name, n, n%997, n, n, n%500, n%7, n%31),
		Meta: []byte(`{"sentAt":"2026-03-01T12:00:01.000Z","receivedAt":"2026-03-01T12:00:01.100Z","context":{"ip":"203.0.113.7"}}`),
	}}
}
