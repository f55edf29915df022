package history_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace/history"
)

// How app wires it: the metrics of the process's registry are sampled until
// the server stops.
func ExampleStore_Run() {
	dir, err := os.MkdirTemp("", "history")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	registry := prometheus.NewRegistry()
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "millrace_collect_events_total"}, []string{"source", "result"})
	registry.MustRegister(events)
	events.WithLabelValues("web", "accepted").Add(12)

	store, err := history.Open(history.Options{File: filepath.Join(dir, "history.db")})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	ctx, stop := context.WithCancel(context.Background())
	if err := store.Mark(ctx, history.Mark{Kind: history.MarkStart, Text: "version 1.2.0"}); err != nil {
		panic(err)
	}
	stop() // the server is told to stop: what is there is sampled once more
	if err := store.Run(ctx, history.Sampler(registry, history.Metrics)); err != nil {
		panic(err)
	}

	all, err := store.Query(context.Background(), history.Query{
		Names: []string{"millrace_collect_events_total"}, Match: map[string]string{"source": "web"},
		From: time.Now().Add(-24 * time.Hour), Step: 24 * time.Hour,
	})
	if err != nil {
		panic(err)
	}
	for _, s := range all {
		sum := 0.0
		for _, p := range s.Points {
			sum += p.Value
		}
		fmt.Println(s.Labels["result"], sum, s.Unit, "in steps of", s.Step)
	}
	// Output: accepted 12 events in steps of 24h0m0s
}
