package warehouse

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// loaderMetrics are a Loader's; the zero value counts nothing.
type loaderMetrics struct {
	rows, discards prometheus.Counter
	seconds        prometheus.Histogram
}

func (m *loaderMetrics) register(o LoaderOptions, l *Loader) error {
	if o.Metrics == nil {
		return nil
	}
	m.rows = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "millrace_warehouse_rows_total", Help: "Rows written to tables of the warehouse.",
	})
	m.discards = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "millrace_warehouse_discards_total", Help: "Values and rows set aside in discards.",
	})
	m.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "millrace_warehouse_commit_seconds", Help: "Time that a step of the loader takes, shaping and commit.",
		Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
	})
	running := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "millrace_warehouse_loader_running", Help: "Whether the loader is connected to log and warehouse.",
	}, func() float64 {
		if l.Stats().Running {
			return 1
		}
		return 0
	})
	r := prometheus.WrapRegistererWith(prometheus.Labels{"workspace": o.Workspace}, o.Metrics)
	for _, c := range []prometheus.Collector{m.rows, m.discards, m.seconds, running} {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (m *loaderMetrics) applied(took time.Duration, p Progress) {
	if m.rows == nil {
		return
	}
	m.rows.Add(float64(p.Rows))
	m.discards.Add(float64(p.Discards))
	m.seconds.Observe(took.Seconds())
}
