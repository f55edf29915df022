package eventlog

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// benchRecords returns n track events of about 800 bytes of JSON, as SDKs send them.
func benchRecords(n int) []millrace.Record {
	rs := make([]millrace.Record, n)
	now := time.UnixMilli(1_760_000_000_000).UTC()
	for i := range rs {
		rs[i] = millrace.Record{
			ID: fmt.Sprintf("ajs-next-%013d-%08x-4c1e", 1_760_000_000_000+i*37, uint32(i)*2654435761), Workspace: "default", Source: "web",
			Stream: fmt.Sprintf("track:Event %d", i%5), Key: fmt.Sprintf("user-%d", i*7919%100_000),
			Received: now.Add(time.Duration(i) * time.Millisecond), Occurred: now,
			Body: fmt.Appendf(nil, `{"type":"track","event":"Event %d","userId":"user-%d","anonymousId":"%08x-77aa-4f4f-9c2d-%012x","timestamp":"2025-10-09T08:53:20.%03dZ","properties":{"order_id":"o-%d","total_price":%d.%02d,"currency":"GBP","quantity":%d,"sku":"SKU-%d","category":"Home and Garden","title":"White hanging heart t-light holder","revenue":%d},"context":{"library":{"name":"analytics.js","version":"npm:next-1.81.0"},"page":{"path":"/products/%d","referrer":"https://www.example.com/","search":"","title":"Products","url":"https://shop.example.com/products/%d"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36","locale":"en-GB","timezone":"Europe/London"},"integrations":{}}`,
				i%5, i*7919%100_000, uint32(i)*40503, uint64(i)*2654435761, i%1000, i, i%500, i%100, i%12, i%3000, i%700, i%5000, i%5000),
			Meta: []byte(`{"receivedAt":"2025-10-09T08:53:20.123Z"}`),
		}
	}
	return rs
}

func BenchmarkFrameEncode(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			rs := benchRecords(n)
			var fb FrameBuilder
			var data []byte
			stamp := time.UnixMilli(1)
			b.ReportAllocs()
			for b.Loop() {
				fb.Reset()
				fb.Add(rs)
				data = fb.Encode(data[:0], stamp)
			}
			size := 0
			for i := range rs {
				size += Size(&rs[i])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N*n), "µs/event")
			b.ReportMetric(float64(len(data))/float64(size), "ratio")
		})
	}
}

func BenchmarkFrameDecode(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			var fb FrameBuilder
			fb.Add(benchRecords(n))
			data := fb.Encode(nil, time.UnixMilli(1))
			var entries []Entry
			b.ReportAllocs()
			for b.Loop() {
				f, err := OpenFrame(data)
				if err == nil {
					entries, err = f.Decode(entries[:0], millrace.Position{Epoch: 1, Seq: 1}, -1, Filter{})
				}
				if err != nil || len(entries) != n {
					b.Fatal(len(entries), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N*n), "µs/event")
		})
	}
}

// BenchmarkFrameSealed compares frames with and without encryption, in MB of
// records a second.
func BenchmarkFrameSealed(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		rs := benchRecords(n)
		size := 0
		for i := range rs {
			size += Size(&rs[i])
		}
		for name, ring := range map[string]*Keyring{"plain": nil, "sealed": ringOf(b, &testKeys{})} {
			seals, err := ring.Seals(rs)
			if err != nil {
				b.Fatal(err)
			}
			var fb FrameBuilder
			fb.AddSealed(rs, seals)
			data := fb.Encode(nil, time.UnixMilli(1))
			report := func(b *testing.B) {
				b.ReportMetric(float64(b.N)*float64(size)/1e6/b.Elapsed().Seconds(), "MB/s")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N), "µs/frame")
			}
			b.Run(fmt.Sprintf("encode/records=%d/%s", n, name), func(b *testing.B) {
				var out []byte
				for b.Loop() {
					seals, err := ring.Seals(rs)
					if err != nil {
						b.Fatal(err)
					}
					fb.Reset()
					fb.AddSealed(rs, seals)
					out = fb.Encode(out[:0], time.UnixMilli(1))
				}
				report(b)
			})
			b.Run(fmt.Sprintf("decode/records=%d/%s", n, name), func(b *testing.B) {
				var entries []Entry
				for b.Loop() {
					f, err := OpenFrame(data)
					if err == nil {
						entries, err = f.With(ring).Decode(entries[:0], millrace.Position{Epoch: 1, Seq: 1}, -1, Filter{})
					}
					if err != nil || len(entries) != n {
						b.Fatal(len(entries), err)
					}
				}
				report(b)
			})
		}
	}
}
