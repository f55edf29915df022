package archive

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
)

// Stats say how the archive is.
type Stats struct {
	Through                  millrace.Position // everything up to here is archived
	Time                     time.Time         // log time of Through; zero when empty
	FreshFiles, Files        int64             // Files: published
	Records                  int64
	SizeBytes                int64 // of fresh and published files
	Generation               uint64
	Publishing               string    // the hour that is being published, or ""
	FailingSince             time.Time // zero when the bucket answers
	LastError                string    // the last one, also when it is over
	Paused, Running, Unknown bool      // Unknown: the bucket has not answered since the start
}

// Stats returns how the archive is at this moment, from memory.
func (a *Archive) Stats() Stats {
	a.mu.Lock()
	out := Stats{LastError: a.health.lastError, FailingSince: a.health.failing, Publishing: a.health.publishing, Paused: a.paused, Running: a.running}
	a.mu.Unlock()
	s := a.store.snapshot()
	if s == nil {
		out.Unknown = true
		return out
	}
	out.Through, out.Generation = s.Through, s.Generation
	if s.Time > 0 {
		out.Time = time.UnixMilli(s.Time).UTC()
	}
	for i := range s.Days {
		out.Files += s.Days[i].Files
		out.Records += s.Days[i].Rows
		out.SizeBytes += s.Days[i].Bytes
	}
	for i := range s.Fresh {
		for _, f := range s.Fresh[i].Files {
			out.FreshFiles++
			out.Records += f.Rows
			out.SizeBytes += f.Bytes
		}
	}
	return out
}

// failed notes an error for Stats, and logs the first of a row.
func (a *Archive) failed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.health.lastError = err.Error()
	if a.health.failing.IsZero() {
		a.health.failing = a.opts.Now()
		a.opts.Logger.Warn("the archive cannot go on and tries again", "error", err)
	}
	a.metrics.errors.Inc()
}

// recovered notes that a step succeeded.
func (a *Archive) recovered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.health.failing.IsZero() {
		a.opts.Logger.Info("the archive goes on", "after", a.opts.Now().Sub(a.health.failing).Round(time.Millisecond))
		a.health.failing = time.Time{}
	}
}

type metrics struct {
	records, bytes, errors, published prometheus.Counter
}

func (m *metrics) stored(s *span) {
	for _, f := range s.Files {
		m.records.Add(float64(f.Rows))
		m.bytes.Add(float64(f.Bytes))
	}
}

func newMetrics(a *Archive, reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "millrace", Subsystem: "archive", Name: name, Help: help})
	}
	m := &metrics{
		records:   counter("records_total", "Records stored in fresh files since the start."),
		bytes:     counter("bytes_total", "Bytes of fresh files stored since the start."),
		errors:    counter("errors_total", "Steps of the archive that failed and were tried again."),
		published: counter("hours_published_total", "Hours published since the start."),
	}
	if reg == nil {
		return m, nil
	}
	gauge := func(name, help string, value func(Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "millrace", Subsystem: "archive", Name: name, Help: help},
			func() float64 { return value(a.Stats()) })
	}
	for _, c := range []prometheus.Collector{m.records, m.bytes, m.errors, m.published,
		gauge("size_bytes", "Bytes of all files of the archive.", func(s Stats) float64 { return float64(s.SizeBytes) }),
		gauge("files", "Files of the archive, fresh and published.", func(s Stats) float64 { return float64(s.Files + s.FreshFiles) }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, millrace.Errorf(millrace.Conflict, "the archive's metrics are registered already: give each archive a registry of its own: %w", err)
		}
	}
	return m, nil
}
