package dedup

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A collector shows the follower's counts and state to Prometheus.
type collector struct{ follower *Follower }

var (
	recordsDesc = prometheus.NewDesc("millrace_dedup_records_total",
		"Records judged, by what they were found to be.", []string{"workspace", "source", "space", "verdict"}, nil)
	idsDesc     = prometheus.NewDesc("millrace_dedup_index_ids", "IDs in the dedup index.", nil, nil)
	runsDesc    = prometheus.NewDesc("millrace_dedup_index_runs", "Files of the dedup index.", nil, nil)
	bytesDesc   = prometheus.NewDesc("millrace_dedup_index_bytes", "Size of the dedup index on disk.", nil, nil)
	verdictDesc = prometheus.NewDesc("millrace_dedup_verdict_bytes", "Size of the verdicts on disk.", nil, nil)
	rebuildDesc = prometheus.NewDesc("millrace_dedup_rebuilding", "1 while the dedup index is built again.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{recordsDesc, idsDesc, runsDesc, bytesDesc, verdictDesc, rebuildDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	for _, n := range c.follower.Counts() {
		out <- prometheus.MustNewConstMetric(recordsDesc, prometheus.CounterValue, float64(n.Distinct), n.Workspace, n.Source, n.Space, "distinct")
		out <- prometheus.MustNewConstMetric(recordsDesc, prometheus.CounterValue, float64(n.Duplicates), n.Workspace, n.Source, n.Space, "duplicate")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s, err := c.follower.Status(ctx)
	if err != nil {
		return // the log does not answer: its own metrics say so
	}
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(idsDesc, float64(s.IDs))
	gauge(runsDesc, float64(s.Runs))
	gauge(bytesDesc, float64(s.IndexBytes))
	gauge(verdictDesc, float64(s.VerdictBytes))
	if s.Rebuilding {
		gauge(rebuildDesc, 1)
	} else {
		gauge(rebuildDesc, 0)
	}
}
