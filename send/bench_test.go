package send

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace/terminal"
)

// BenchmarkRows makes events of a real file: deciding the types, and then
// encoding, without sending.
func BenchmarkRows(b *testing.B) {
	for name, o := range map[string]Options{
		"ids":    {Source: "shop", ID: "invoice_id", User: "customer_id", Time: "invoice_date", TimeZone: "Europe/London"},
		"hashes": {Source: "shop", User: "customer_id"},
	} {
		b.Run(name, func(b *testing.B) {
			o.Screen, o.Delimiter = terminal.New(terminal.Options{Quiet: true}), ','
			rows, size := 0, 0
			var surveys time.Duration
			for b.Loop() {
				in, err := openInput(filepath.Join(shopData, "orders.csv"), nil)
				if err != nil {
					b.Fatal(err)
				}
				zone, err := o.zone()
				if err != nil {
					b.Fatal(err)
				}
				p := &plan{options: o, event: "Order Placed", zone: zone, input: in}
				begin := time.Now()
				if err := p.survey(context.Background()); err != nil {
					b.Fatal(err)
				}
				surveys += time.Since(begin)
				r, err := p.reader()
				if err != nil {
					b.Fatal(err)
				}
				e := p.encoder()
				var event []byte
				for {
					var refused error
					event, _, refused, err = r.next(e, event[:0])
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil || refused != nil {
						b.Fatal(err, refused)
					}
					rows++
					size += len(event)
				}
				in.Close()
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(surveys.Microseconds())/float64(rows), "survey-µs/row")
			b.ReportMetric(float64(size)/float64(rows), "bytes/event")
		})
	}
}
