package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// bulk loads much at once from the log: the loader that catches up, and a rebuild.
func (b *bench) bulk(ctx context.Context) (*section, error) {
	n := pick[int64](b, 1_000_000, 20_000)
	out := &section{
		title: fmt.Sprintf("Log to DuckDB in bulk, %s events", count(n)),
		how: "Each event becomes two rows: one of `tracks`, one of its event's table. *Catching up*: the loader was paused while the events came. " +
			"*Rebuild*: `millrace warehouse rebuild` of all of them into new tables, swapped in at the end. The limit is DuckDB by itself with one thread, as the loader's: " +
			"`read_json` of the same events from a file into two tables, with their types guessed from the first 20,000; beside it, the same with all cores. The memory limit is " + engineMemory + " everywhere.",
	}
	for _, names := range []int{5, eventNames} {
		if err := b.bulkNames(ctx, out, n, names); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *bench) bulkNames(ctx context.Context, out *section, n int64, names int) error {
	b.say("bulk: %s events with %d names", count(n), names)
	one, all, err := b.readJSONLimits(ctx, n, names)
	if err != nil {
		return err
	}
	s, err := b.newServer(ctx, time.Minute)
	if err != nil {
		return err
	}
	defer s.end()
	if err := s.reader(ctx, "pause", archiveReader, warehouseReader); err != nil {
		return err
	}
	if _, _, err := s.measure(ctx, load{connections: 16, batch: 100, names: names, events: n}); err != nil {
		return err
	}
	if err := s.drained(ctx, dedupReader); err != nil {
		return err
	}
	limit := float64(n) / one.took.Seconds()
	beside := fmt.Sprintf("%s; all cores %s", perSecond(limit), perSecond(float64(n)/all.took.Seconds()))
	cpuBeside := fmt.Sprintf("%s; all cores %s", perEvent(micro(one.cpu, n)), perEvent(micro(all.cpu, n)))

	before, begin := s.usage(), time.Now()
	if err := s.reader(ctx, "resume", warehouseReader); err != nil {
		return err
	}
	if err := s.drained(ctx, warehouseReader); err != nil {
		return err
	}
	catching := float64(n) / time.Since(begin).Seconds()
	parent, child := s.usage().minus(before).per(n)
	out.add(fmt.Sprintf("%d event names, catching up", names), perSecond(catching), beside)
	out.add("CPU, parent + child", fmt.Sprintf("%.1f + %.1f µs", parent, child), cpuBeside)

	before, begin = s.usage(), time.Now()
	if err := s.rebuild(ctx); err != nil {
		return err
	}
	took := time.Since(begin)
	rate := float64(n) / took.Seconds()
	parent, child = s.usage().minus(before).per(n)
	out.judge(fmt.Sprintf("%d event names, rebuild", names), perSecond(rate), beside, "≥ 0.6 × the limit", rate >= 0.6*limit)
	out.add("CPU, parent + child", fmt.Sprintf("%.1f + %.1f µs", parent, child), cpuBeside)
	_, memory := s.memory()
	out.note("With %d names the rebuild reaches %.2f × the limit with one thread and %.2f × the one with all cores (DuckDB %s); the child holds %s after it.",
		names, rate/limit, rate*all.took.Seconds()/float64(n), one.version, memory)
	rows, err := s.number(ctx, "SELECT count(*) FROM web.tracks")
	if err == nil && rows != n {
		err = fmt.Errorf("%d events were sent, and tracks has %d rows", n, rows)
	}
	if err != nil || names != eventNames {
		return err
	}
	out.profile, err = b.rebuildProfile(ctx, s)
	return err
}

func (b *bench) readJSONLimits(ctx context.Context, n int64, names int) (one, all loaded, err error) {
	file := filepath.Join(b.dir, "events.ndjson")
	if err := writeEvents(file, n, names); err != nil {
		return one, all, err
	}
	defer os.Remove(file)
	if one, err = measureReadJSON(ctx, file, 1); err != nil {
		return one, all, err
	}
	all, err = measureReadJSON(ctx, file, b.machine.cores)
	return one, all, err
}

// rebuildProfile says where the CPU goes while a rebuild runs.
func (b *bench) rebuildProfile(ctx context.Context, s *server) ([]share, error) {
	failed := make(chan error, 1)
	go func() { failed <- s.rebuild(ctx) }()
	shares, err := b.shares(ctx, s, pick(b, 10*time.Second, time.Second))
	return shares, errors.Join(err, <-failed)
}

// rebuild runs a rebuild of everything to its end.
func (s *server) rebuild(ctx context.Context) error {
	var job struct {
		ID, State, Error string
		Result           json.RawMessage
	}
	if err := s.api(ctx, http.MethodPost, "/api/v1/warehouse/rebuilds", map[string]any{}, &job); err != nil {
		return err
	}
	for sleep(ctx, 20*time.Millisecond) {
		if err := s.api(ctx, http.MethodGet, "/api/v1/jobs/"+job.ID, nil, &job); err != nil {
			return err
		}
		switch job.State {
		case "done":
			return nil
		case "failed", "canceled":
			return fmt.Errorf("the rebuild %s: %s", job.State, job.Error)
		}
	}
	return ctx.Err()
}
