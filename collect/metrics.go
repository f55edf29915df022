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

	most     int64 // spaces that have labels of their own
	labelled atomic.Int64
}

// labels are how the sources of a space are told apart.
type labels uint8

const (
	labelsUndecided labels = iota
	labelsOwn
	labelsSummed // all together, as summedSource
	labelsGone   // the space was removed
)

// summedSource stands for all sources of a space; none is called so.
const summedSource = "*"

const defaultLabelledSpaces = 100

func newMetrics(reg prometheus.Registerer, most int) (*metrics, error) {
	if most <= 0 {
		most = defaultLabelledSpaces
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_collect_requests_total", Help: "Requests by route and status.",
	}, []string{"route", "status"})
	m := &metrics{
		most: int64(most),
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
	refused                            *prometheus.CounterVec // nil: the space is gone
	workspace, source                  string                 // as labels
	counts                             [3]atomic.Int64
}

// source returns the counters of a source. The space's making is held.
func (m *metrics) source(sp *space, name string) *sourceCounters {
	if sp.labels == labelsUndecided {
		if sp.labels = labelsOwn; m.labelled.Add(1) > m.most {
			m.labelled.Add(-1)
			sp.labels = labelsSummed
		}
	}
	c := &sourceCounters{refused: m.refused, workspace: sp.id, source: name}
	switch sp.labels {
	case labelsGone: // of a request that began before
		gone := prometheus.NewCounter(prometheus.CounterOpts{Name: "gone"})
		c.accepted, c.rejected, c.dropped, c.bytes, c.refused = gone, gone, gone, gone, nil
		return c
	case labelsSummed:
		c.source = summedSource
	}
	c.accepted = m.events.WithLabelValues(sp.id, c.source, "accepted")
	c.rejected = m.events.WithLabelValues(sp.id, c.source, "rejected")
	c.dropped = m.events.WithLabelValues(sp.id, c.source, "dropped")
	c.bytes = m.bytes.WithLabelValues(sp.id, c.source)
	return c
}

// forget removes what is counted of a space.
func (m *metrics) forget(sp *space) {
	sp.making.Lock()
	defer sp.making.Unlock()
	if sp.labels == labelsOwn {
		m.labelled.Add(-1)
	}
	sp.labels = labelsGone
	own := prometheus.Labels{"workspace": sp.id}
	m.events.DeletePartialMatch(own)
	m.bytes.DeletePartialMatch(own)
	m.refused.DeletePartialMatch(own)
}

// refuse counts a request that was refused for that reason.
func (c *sourceCounters) refuse(reason string) {
	if c.refused != nil {
		c.refused.WithLabelValues(c.workspace, c.source, reason).Inc()
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
