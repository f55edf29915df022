package archive

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
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
