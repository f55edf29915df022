package collect

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// statuses are those that a Handler answers with.
var statuses = [...]int{200, 204, 304, 400, 401, 403, 404, 405, 408, 413, 429, 500, 503}

type metrics struct {
	requests [routeCount][len(statuses)]prometheus.Counter
	events   *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	refused  *prometheus.CounterVec
	append   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_collect_requests_total", Help: "Requests by route and status.",
	}, []string{"route", "status"})
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_collect_events_total", Help: "Events by source and result: accepted, rejected (kept), dropped (rejected and not kept).",
		}, []string{"workspace", "source", "result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_collect_bytes_total", Help: "Bytes of the events appended, by source.",
		}, []string{"workspace", "source"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "millrace_collect_refused_total", Help: "Requests refused without keeping anything, by source (empty when none is known) and reason.",
		}, []string{"workspace", "source", "reason"}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "millrace_collect_append_seconds", Help: "Time until the log had the events on disk.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
	}
	for r := range m.requests {
		for s := range statuses {
			m.requests[r][s] = requests.WithLabelValues(routeNames[r], strconv.Itoa(statuses[s]))
		}
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{requests, m.events, m.bytes, m.refused, m.append} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) request(r route, status int) {
	for i, s := range statuses {
		if s == status {
			m.requests[r][i].Inc()
			return
		}
	}
}

// refuse counts a request of no known source.
func (m *metrics) refuse(reason string) { m.refused.WithLabelValues("", "", reason).Inc() }

// sourceCounters count for one source.
type sourceCounters struct {
	accepted, rejected, dropped, bytes prometheus.Counter
	counts                             *[3]atomic.Int64
}

func (m *metrics) source(workspace, name string) sourceCounters {
	return sourceCounters{
		accepted: m.events.WithLabelValues(workspace, name, "accepted"),
		rejected: m.events.WithLabelValues(workspace, name, "rejected"),
		dropped:  m.events.WithLabelValues(workspace, name, "dropped"),
		bytes:    m.bytes.WithLabelValues(workspace, name),
		counts:   new([3]atomic.Int64),
	}
}

func (c *sourceCounters) add(accepted, rejected, dropped, bytes int) {
	if accepted > 0 {
		c.accepted.Add(float64(accepted))
		c.bytes.Add(float64(bytes))
		c.counts[0].Add(int64(accepted))
	}
	if rejected > 0 {
		c.rejected.Add(float64(rejected))
		c.counts[1].Add(int64(rejected))
	}
	if dropped > 0 {
		c.dropped.Add(float64(dropped))
		c.counts[2].Add(int64(dropped))
	}
}

func (c *sourceCounters) read() (accepted, rejected, dropped int64) {
	return c.counts[0].Load(), c.counts[1].Load(), c.counts[2].Load()
}
