package nats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
)

// metrics are what the log counts. The zero metrics count nothing.
type metrics struct {
	all     []prometheus.Collector
	appends prometheus.Histogram
	seconds prometheus.Histogram
	records prometheus.Histogram
	bytes   prometheus.Counter
	reopens prometheus.Counter
	refusal *prometheus.CounterVec
}

func (m *metrics) register(r prometheus.Registerer, l *Log) error {
	if r == nil {
		return nil
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.appends = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "millrace_log_append_seconds", Help: "Time from an append to its answer.", Buckets: prometheus.ExponentialBuckets(0.0002, 2, 16)})
	m.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "millrace_log_frame_seconds", Help: "Time to bring a frame to the disk.", Buckets: prometheus.ExponentialBuckets(0.0002, 2, 16)})
	m.records = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "millrace_log_frame_records", Help: "Records in a frame.", Buckets: prometheus.ExponentialBuckets(1, 4, 8)})
	m.bytes = prometheus.NewCounter(prometheus.CounterOpts{Name: "millrace_log_written_bytes_total", Help: "Bytes of frames written."})
	m.reopens = prometheus.NewCounter(prometheus.CounterOpts{Name: "millrace_log_reopened_total", Help: "How often the log was opened again after its disk did not answer."})
	m.refusal = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "millrace_log_refused_total", Help: "Appends refused, by kind of error."}, []string{"kind"})
	m.all = []prometheus.Collector{m.appends, m.seconds, m.records, m.bytes, m.reopens, m.refusal,
		gauge("millrace_log_bytes", "Size of the log.", func() float64 { return float64(l.sizeBytes.Load()) }),
		gauge("millrace_log_disk_free_bytes", "Free space of the log's disk.", func() float64 {
			l.space.check(time.Now())
			return float64(l.space.free.Load())
		}),
		gauge("millrace_log_disk_reserve_bytes", "Free space below which appends are refused.", func() float64 { return float64(l.space.reserve) }),
	}
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			m.unregister(r)
			return millrace.Errorf(millrace.Conflict, "registering the log's metrics: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r == nil {
		return
	}
	for _, c := range m.all {
		r.Unregister(c)
	}
}

func (m *metrics) appended(start time.Time) {
	if m.appends != nil {
		m.appends.Observe(time.Since(start).Seconds())
	}
}

func (m *metrics) committed(records, size int, took time.Duration) {
	if m.seconds == nil {
		return
	}
	m.seconds.Observe(took.Seconds())
	m.records.Observe(float64(records))
	m.bytes.Add(float64(size))
}

func (m *metrics) refused(err error) {
	if m.refusal != nil {
		m.refusal.WithLabelValues(millrace.KindOf(err).String()).Inc()
	}
}

func (m *metrics) reopened() {
	if m.reopens != nil {
		m.reopens.Inc()
	}
}
