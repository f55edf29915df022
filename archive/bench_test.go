package archive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/eventlog"
)

// realistic returns n events of about 800 bytes, as a web shop sends them.
func realistic(n int, first uint64, begin time.Time) []eventlog.Entry {
	r := rand.New(rand.NewPCG(1, first))
	names := []string{"Product Viewed", "Product Added", "Checkout Started", "Order Completed", "Cart Viewed"}
	out := make([]eventlog.Entry, n)
	for i := range out {
		at := begin.Add(time.Duration(i) * time.Millisecond / 2).Truncate(time.Millisecond)
		name := names[r.IntN(len(names))]
		id := fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", r.Uint32(), r.Uint32()&0xffff, r.Uint32()&0xfff, r.Uint32()&0xfff, r.Uint64()&0xffffffffffff)
		user := fmt.Sprintf("user_%06d", int(r.ExpFloat64()*20000))
		body := fmt.Sprintf(`{"type":"track","event":%q,"messageId":%q,"userId":%q,"anonymousId":"%016x-%016x","timestamp":%q,"originalTimestamp":%q,`+
			`"properties":{"product_id":"sku-%d","name":"White hanging heart t-light holder %d","price":%d.%02d,"quantity":%d,"currency":"GBP","category":"home/decoration","coupon":null,"in_stock":%t,"url":"https://shop.example.com/products/%d?utm_source=newsletter&utm_campaign=autumn"},`+
			`"context":{"library":{"name":"analytics.js","version":"next-1.70.0"},"page":{"path":"/products/%d","referrer":"https://www.google.com/","title":"Shop"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36","locale":"en-GB","timezone":"Europe/London"}}`,
			name, id, user, r.Uint64(), r.Uint64(), at.Format(time.RFC3339Nano), at.Format(time.RFC3339Nano), r.IntN(4000), r.IntN(4000), r.IntN(100), r.IntN(100), 1+r.IntN(12), r.IntN(5) > 0, r.IntN(4000), r.IntN(4000))
		out[i] = eventlog.Entry{
			Position: millrace.Position{Epoch: 1_700_000_000_000, Seq: first + uint64(i/100), Index: uint32(i % 100)},
			Time:     begin.Add(time.Duration(i/100) * 50 * time.Millisecond),
			Record: millrace.Record{
				ID: id, Workspace: "default", Source: "web", Stream: millrace.StreamTrack + name, Key: user,
				Received: at.Add(30 * time.Millisecond), Occurred: at, Body: []byte(body),
				Meta: []byte(`{"receivedAt":"2026-11-21T10:00:00.000Z","context":{"ip":"203.0.113.7"}}`),
			},
		}
	}
	return out
}

func pointers(entries []eventlog.Entry) []*eventlog.Entry {
	out := make([]*eventlog.Entry, len(entries))
	for i := range entries {
		out[i] = &entries[i]
	}
	return out
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchRows = 40_000

func BenchmarkEncode(b *testing.B) {
	entries := pointers(realistic(benchRows, 1, time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)))
	for name, fresh := range map[string]bool{"fresh": true, "published": false} {
		b.Run(name, func(b *testing.B) {
			var w encoder
			var info fileInfo
			begin := cpu()
			for b.Loop() {
				var err error
				if _, info, err = w.encode(entries, &span{Fresh: fresh}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N*benchRows), "cpu-µs/event")
			b.ReportMetric(float64(info.Bytes)/benchRows, "B/event")
			b.ReportMetric(float64(info.Raw)/benchRows-entryOverhead, "raw-B/event")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	var w encoder
	data, _, err := w.encode(pointers(realistic(benchRows, 1, time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))), &span{})
	if err != nil {
		b.Fatal(err)
	}
	begin := cpu()
	for b.Loop() {
		if _, err := decode(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N*benchRows), "cpu-µs/event")
	b.ReportMetric(float64(b.N*benchRows)/b.Elapsed().Seconds(), "events/s")
}

// A fixedLog gives the same batches to each reader, and then nothing.
type fixedLog []eventlog.Entry

func (l fixedLog) Open(_ context.Context, after millrace.Position, _ eventlog.Filter) (eventlog.Reader, error) {
	for len(l) > 0 && !l[0].Position.After(after) {
		l = l[1:]
	}
	return &fixedReader{rest: l, through: after}, nil
}

type fixedReader struct {
	rest    []eventlog.Entry
	through millrace.Position
	ended   bool
}

func (r *fixedReader) Next(ctx context.Context) (eventlog.Batch, error) {
	n := min(2000, len(r.rest))
	if n == 0 && r.ended {
		<-ctx.Done()
		return eventlog.Batch{}, ctx.Err()
	}
	b := eventlog.Batch{Records: r.rest[:n:n], Through: r.through, AtEnd: n == len(r.rest)}
	r.ended = b.AtEnd
	if n > 0 {
		r.through = frameEnd(r.rest[n-1].Position)
		b.Through, b.Time = r.through, r.rest[n-1].Time
	}
	r.rest = r.rest[n:]
	return b, nil
}

func (r *fixedReader) Close() error { return nil }

// BenchmarkArchive is all of it, on a local folder: collecting and fresh files,
// publishing them, and reading the published hour back in order.
func BenchmarkArchive(b *testing.B) {
	const rows = 200_000
	begin := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	log := fixedLog(realistic(rows, 1, begin))
	now := begin.Add(30 * time.Minute)
	var fresh, publish, read time.Duration
	var readWall time.Duration
	var size int64
	for b.Loop() {
		bucket, err := local.Open(b.Context(), b.TempDir())
		if err != nil {
			b.Fatal(err)
		}
		clock := &clock{now: now}
		a, err := Open(b.Context(), Options{Bucket: bucket, Log: log, Now: clock.Now})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		for !a.Stats().Running {
			time.Sleep(time.Millisecond)
		}
		fresh -= cpu()
		if err := a.FlushNow(ctx); err != nil {
			b.Fatal(err)
		}
		fresh += cpu()
		clock.Add(time.Hour)
		publish -= cpu()
		if err := a.Publish(ctx); err != nil {
			b.Fatal(err)
		}
		publish += cpu()
		size = a.Stats().SizeBytes
		read -= cpu()
		readWall -= time.Since(begin)
		if n := drain(b, a); n != rows {
			b.Fatalf("read %d records", n)
		}
		readWall += time.Since(begin)
		read += cpu()
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	perEvent := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(b.N*rows) }
	b.ReportMetric(perEvent(fresh), "fresh-cpu-µs/event")
	b.ReportMetric(perEvent(publish), "publish-cpu-µs/event")
	b.ReportMetric(perEvent(read), "read-cpu-µs/event")
	b.ReportMetric(float64(b.N*rows)/readWall.Seconds(), "read-events/s")
	b.ReportMetric(float64(size)/rows, "B/event")
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/(1<<20), "MB")
}

func drain(b *testing.B, a *Archive) (n int) {
	r, err := a.Open(b.Context(), millrace.Position{}, eventlog.Filter{})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for {
		batch, err := r.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if n += len(batch.Records); batch.AtEnd {
			return n
		}
	}
}
