package history_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace/history"
)

func TestSampler(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "millrace_collect_events_total"}, []string{"source"})
	judged := prometheus.NewCounter(prometheus.CounterOpts{Name: "millrace_dedup_records_total"})
	free := prometheus.NewGauge(prometheus.GaugeOpts{Name: "millrace_log_disk_free_bytes"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "millrace_collect_append_seconds", Buckets: []float64{0.001, 0.01, 0.1}})
	other := prometheus.NewGauge(prometheus.GaugeOpts{Name: "other"})
	registry.MustRegister(events, judged, free, seconds, other, broken{})
	take := history.Sampler(registry, history.Metrics)
	sampled := func() map[string]history.Sample {
		out := map[string]history.Sample{}
		for _, s := range take() {
			out[s.Name+fmt.Sprint(s.Labels)] = s
		}
		return out
	}
	events.WithLabelValues("web").Add(3)
	judged.Add(4)
	free.Set(1e9)
	got := sampled()
	if len(got) != 3 {
		t.Errorf("without an observation: %v", got)
	}
	if s := got["millrace_collect_events_totalmap[source:web]"]; s.Value != 3 || s.Kind != history.Counter {
		t.Errorf("events are %+v", s)
	}
	if s := got["millrace_dedup_records_totalmap[]"]; s.Value != 4 || s.Kind != history.Total {
		t.Errorf("judged are %+v", s)
	}
	if s := got["millrace_log_disk_free_bytesmap[]"]; s.Value != 1e9 || s.Kind != history.Gauge {
		t.Errorf("free are %+v", s)
	}
	at := func(q string) float64 {
		s, ok := sampled()["millrace_collect_append_secondsmap[quantile:"+q+"]"]
		if !ok {
			return math.NaN()
		}
		return s.Value
	}
	observe := func(n int, v float64) {
		for range n {
			seconds.Observe(v)
		}
	}
	observe(100, 0.005)
	if p := at("0.5"); math.Abs(p-0.0055) > 1e-9 {
		t.Errorf("all between 1 and 10 ms: p50 %v", p)
	}
	if p := at("0.5"); !math.IsNaN(p) {
		t.Errorf("nothing since: p50 %v", p)
	}
	observe(98, 0.0005)
	observe(2, 0.05)
	if p := at("0.99"); math.Abs(p-0.055) > 1e-9 {
		t.Errorf("two of a hundred above 10 ms: p99 %v", p)
	}
	observe(10, 5)
	if p := at("0.99"); p != 0.1 {
		t.Errorf("above all bounds: p99 %v", p)
	}
}

// broken is a collector that fails, as one of a part that does not answer.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "", nil, nil), errors.New("no"))
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"millrace_collect_events_total": "events", "x_bytes": "bytes", "x_bytes_total": "bytes", "x_seconds": "seconds", "x": "", "bytes": "",
	} {
		if got := history.UnitOf(name); got != want {
			t.Errorf("the unit of %s is %q, want %q", name, got, want)
		}
	}
	seen := map[string]bool{}
	for _, m := range history.Metrics {
		if seen[m.Name] || m.Unit == "" || m.Help == "" {
			t.Errorf("%+v is twice there, or says too little", m)
		}
		seen[m.Name] = true
	}
}
