package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
)

// lag is how long the oldest record has waited that a reader which is done up
// to and including done has not done yet; 0 when it has done all there is. It
// is asked of the log, so that it is right of a reader that is paused, hangs or
// never began. Of a reader from another log, all of this one waits.
func (a *App) lag(ctx context.Context, done millrace.Position) (time.Duration, error) {
	since, err := a.log.Waiting(ctx, done)
	if millrace.KindOf(err) == millrace.Ahead {
		since, err = a.log.Waiting(ctx, millrace.Position{})
	}
	if err != nil || since.IsZero() {
		return 0, err
	}
	return max(0, a.o.Now().Sub(since)), nil
}

// lagCollector shows the lag of each reader to Prometheus.
type lagCollector struct{ app *App }

var lagDesc = prometheus.NewDesc("millrace_reader_lag_seconds",
	"How long the oldest record has waited that the reader has not done yet.", []string{"workspace", "reader"}, nil)

// Describe implements prometheus.Collector.
func (c lagCollector) Describe(out chan<- *prometheus.Desc) { out <- lagDesc }

// Collect implements prometheus.Collector. A reader whose lag is not known is left out.
func (c lagCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), partTimeout)
	defer cancel()
	for _, sp := range c.app.spaces.all() {
		for _, p := range sp.parts.list {
			r, err := p.read(ctx)
			if err != nil {
				continue
			}
			if lag, err := c.app.lag(ctx, r.Position); err == nil {
				out <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, lag.Seconds(), sp.id, p.name)
			}
		}
	}
}
