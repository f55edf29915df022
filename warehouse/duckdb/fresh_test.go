package duckdb

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/warehouse"
)

// BenchmarkFreshness appends 5,000 events a second of 50 names to a log, one
// user in ten identified, and measures how long after its acknowledgement an
// event is in tracks, and in every table.
func BenchmarkFreshness(b *testing.B) {
	for name, policy := range map[string]checkpointPolicy{
		"checkpoints=rare": {},
		// What a checkpoint costs depends on tables and columns, not on rows, so
		// making them more often shows what each does.
		"checkpoints=often": {Quiet: time.Hour, QuietBytes: 1 << 40, TryBytes: 48 << 20, ForceBytes: 96 << 20, Every: 500 * time.Millisecond},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				benchFreshness(b, policy, 40*time.Second)
			}
		})
	}
	b.Run("low", func(b *testing.B) {
		for b.Loop() {
			benchFreshnessAt(b, checkpointPolicy{}, 10*time.Second, 50)
		}
	})
}

func benchFreshness(b *testing.B, policy checkpointPolicy, length time.Duration) {
	benchFreshnessAt(b, policy, length, 5000)
}

func benchFreshnessAt(b *testing.B, policy checkpointPolicy, length time.Duration, perSecond int) {
	const tick = 20 * time.Millisecond
	w := openTest(b, func(o *Options) { o.MemoryLimitBytes, o.checkpoint = 1<<30, policy })
	log := mem.New(mem.Options{})
	loader, err := warehouse.NewLoader(warehouse.LoaderOptions{Warehouse: w, Opener: log, Workspace: ws})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { _ = loader.Run(ctx) })
	var f freshness
	watched := make(chan struct{})
	running.Go(func() { f.watch(ctx, loader); close(watched) })
	cpu, n := cpuOf(b, w), 0
	step := max(1, perSecond*int(tick)/int(time.Second))
	for began := time.Now(); time.Since(began) < length; {
		records := make([]millrace.Record, step)
		for i := range records {
			records[i] = benchEvent(n, 50).Record
			if n%20 == 0 {
				records[i].Stream = millrace.StreamIdentify
				records[i].Body = fmt.Appendf(nil, `{"userId":"user-%d","traits":{"email":"a%d@example.com","plan":"pro"}}`, n*7919%100_000, n)
			}
			n++
		}
		p, err := log.Append(ctx, records)
		if err != nil {
			b.Fatal(err)
		}
		f.acknowledged(p)
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(perSecond))))
	}
	used := cpuOf(b, w) - cpu
	f.finish()
	<-watched
	cancel()
	running.Wait()
	f.report(b, "tracks", f.tracks)
	f.report(b, "tables", f.tables)
	if perSecond > 1000 {
		b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(n), "cpu-µs/event")
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// freshness collects how long after its acknowledgement each append is visible.
type freshness struct {
	mu             sync.Mutex
	waiting        []appended // not yet in every table
	inTracks       int        // of them
	ended          bool
	tracks, tables []time.Duration
}

type appended struct {
	at   millrace.Position
	when time.Time
}

func (f *freshness) acknowledged(p millrace.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, appended{p, time.Now()})
}

func (f *freshness) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
}

// watch looks how far the loader is, until everything is visible.
func (f *freshness) watch(ctx context.Context, loader *warehouse.Loader) {
	for ctx.Err() == nil && !f.look(loader.Stats(), time.Now()) {
		time.Sleep(3 * time.Millisecond)
	}
}

func (f *freshness) look(s warehouse.LoaderStats, now time.Time) (done bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ; f.inTracks < len(f.waiting) && !f.waiting[f.inTracks].at.After(s.Scanned); f.inTracks++ {
		f.tracks = append(f.tracks, now.Sub(f.waiting[f.inTracks].when))
	}
	for len(f.waiting) > 0 && !f.waiting[0].at.After(s.Committed) {
		f.tables = append(f.tables, now.Sub(f.waiting[0].when))
		f.waiting, f.inTracks = f.waiting[1:], f.inTracks-1
	}
	return f.ended && len(f.waiting) == 0
}

func (f *freshness) report(b *testing.B, name string, took []time.Duration) {
	slices.Sort(took)
	for _, q := range []struct {
		name string
		at   int
	}{{"p50", len(took) / 2}, {"p99", len(took) * 99 / 100}, {"max", len(took) - 1}} {
		b.ReportMetric(took[q.at].Seconds(), name+"-"+q.name+"-s")
	}
}
