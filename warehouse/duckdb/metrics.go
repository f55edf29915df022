package duckdb

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// collectors are the metrics of a Warehouse, read when they are asked for.
func (w *Warehouse) collectors() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "millrace_duckdb_" + name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("resident_bytes", "Memory of the engine's process.", func() float64 {
			rss, _ := w.supervisor.state()
			return float64(rss)
		}),
		gauge("size_bytes", "Files of the warehouse.", func() float64 {
			status, err := w.Status(context.Background())
			if err != nil {
				return 0
			}
			return float64(status.SizeBytes)
		}),
		gauge("queries", "Queries that run now.", func() float64 { return float64(w.slots.running() + w.reads.running()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "millrace_duckdb_restarts_total", Help: "How often the engine's process was restarted.",
		}, func() float64 { return float64(w.supervisor.restarts.Load()) }),
	}
}

func (w *Warehouse) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	w.metrics = w.collectors()
	for _, c := range w.metrics {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func (w *Warehouse) unregister(r prometheus.Registerer) {
	for _, c := range w.metrics {
		r.Unregister(c)
	}
	w.metrics = nil
}
