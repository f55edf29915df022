package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const liveRate = 5000

// live is the warehouse at 5,000 events a second.
func (b *bench) live(ctx context.Context) (*section, error) {
	out := &section{
		title: "Live at 5,000 events/s, 50 event names",
		how: "Batches of 100. The warehouse's CPU is the difference between the same load with the warehouse running and with it paused (the archive is paused in both), in each process. " +
			"*Freshness* is from the answer of intake until a query sees the event: ten times a second an event is picked, and queries look 5 times a second for the last position in `tracks` and in four event tables, so figures are up to 0.2 s too large. " +
			"The heavy query counts distinct strings made of all events times 20, over and over.",
	}
	s, err := b.newServer(ctx, time.Minute)
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := b.liveCPU(ctx, out, s); err != nil {
		return nil, err
	}
	if err := s.reader(ctx, "resume", archiveReader); err != nil {
		return nil, err
	}
	l := load{connections: 8, batch: 100, names: eventNames, rate: liveRate, duration: pick(b, 60*time.Second, 5*time.Second)}
	quiet := l
	quiet.rate, quiet.batch, quiet.connections, quiet.duration = 50, 1, 4, pick(b, 20*time.Second, 5*time.Second)
	for _, c := range []struct {
		what   string
		load   load
		heavy  bool
		tables time.Duration // the aim for event tables
	}{
		{"at 50 events/s", quiet, false, 2 * time.Second},
		{"at 5,000 events/s", l, false, 10 * time.Second},
		{"at 5,000 events/s beside a heavy query", l, true, 10 * time.Second},
	} {
		// What was before it is neither low load nor what is measured.
		if err := s.drained(ctx, dedupReader, archiveReader, warehouseReader); err != nil {
			return nil, err
		}
		b.say("freshness %s", c.what)
		f, err := b.freshness(ctx, s, c.load, c.heavy)
		if err != nil {
			return nil, err
		}
		out.judge("freshness of `tracks` "+c.what, f.tracks.String(), "", "≤ 2 s", f.tracks.p99 <= 2*time.Second)
		out.judge("freshness of event tables "+c.what, f.tables.String(), "", fmt.Sprintf("≤ %.0f s", c.tables.Seconds()), f.tables.p99 <= c.tables)
		if c.heavy {
			out.note("Beside the load %d heavy queries ran to their end, and %d did not (they may take 60 s, and together with loading no more than the engine's memory).", f.heavy, f.failed)
		}
	}
	out.profile, err = b.profile(ctx, s, l)
	return out, err
}

// liveCPU finds what the warehouse costs.
func (b *bench) liveCPU(ctx context.Context, out *section, s *server) error {
	l := load{connections: 8, batch: 100, names: eventNames, rate: liveRate, duration: pick(b, 30*time.Second, 4*time.Second)}
	if err := s.reader(ctx, "pause", archiveReader, warehouseReader); err != nil {
		return err
	}
	b.say("live at %s without the warehouse", perSecond(liveRate))
	r, without, err := s.measure(ctx, l)
	if err != nil {
		return err
	}
	without.child = 0
	plain := without.sum(r.events)
	if err := s.reader(ctx, "resume", warehouseReader); err != nil {
		return err
	}
	if err := s.drained(ctx, warehouseReader); err != nil {
		return err
	}
	b.say("live at %s with the warehouse", perSecond(liveRate))
	r, with, err := s.measure(ctx, l)
	if err != nil {
		return err
	}
	parent, child := with.per(r.events)
	total := parent - plain + child
	out.judge("CPU of the warehouse, parent + child", fmt.Sprintf("%.1f + %.1f = %.1f µs", parent-plain, child, total), "", "≤ 30 µs", total <= 30)
	out.add("CPU of intake and dedup at this rate", perEvent(plain), "")
	return nil
}

// A spread is how durations lie.
type spread struct {
	n              int
	p50, p99, most time.Duration
}

func (s spread) String() string {
	return fmt.Sprintf("p50 %s, p99 %s", seconds(s.p50), seconds(s.p99))
}

func spreadOf(all []time.Duration) (s spread) {
	slices.Sort(all)
	if n := len(all); n > 0 {
		s = spread{n, all[n/2], all[n*99/100], all[n-1]}
	}
	return s
}

// A fresh is how soon events can be seen, and how many heavy queries ran beside.
type fresh struct {
	tracks, tables spread
	heavy, failed  int
}

// watched are the event tables whose freshness is measured, by name's number.
var watched = []int{0, 13, 26, 49}

// A watch knows which acknowledged events have not been seen yet.
type watch struct {
	mu      sync.Mutex
	next    time.Time
	pending [5][]acknowledged // tracks, then the watched tables
	took    [5][]time.Duration
}

// seen picks an answer every 100 ms for tracks, and with it one for each table
// that has an event of it.
func (w *watch) seen(batch int) func(acknowledged) {
	return func(a acknowledged) {
		w.mu.Lock()
		defer w.mu.Unlock()
		every := batch >= eventNames // each name is in each request
		for i, name := range watched {
			if every && !a.at.Before(w.next) || !every && a.first == name {
				w.pending[i+1] = append(w.pending[i+1], a)
			}
		}
		if !a.at.Before(w.next) {
			w.pending[0] = append(w.pending[0], a)
			w.next = a.at.Add(100 * time.Millisecond)
		}
	}
}

// question asks for the last position of each table beyond what was seen.
func (w *watch) question() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	for i, pending := range w.pending {
		if len(pending) == 0 {
			continue
		}
		table := "tracks"
		if i > 0 {
			table = tableName(watched[i-1])
		}
		first := slices.MinFunc(pending, func(a, b acknowledged) int { return a.position.Compare(b.position) })
		parts = append(parts, fmt.Sprintf("SELECT %d, max(_seq) FROM web.%s WHERE _seq >= %d", i, table, first.position.Seq))
	}
	return strings.Join(parts, " UNION ALL ")
}

// answer notes what a query saw that ended now.
func (w *watch) answer(rows [][]any, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range rows {
		table, ok := row[0].(float64)
		seq, found := row[1].(float64)
		if !ok || !found {
			continue
		}
		i := int(table)
		w.pending[i] = slices.DeleteFunc(w.pending[i], func(a acknowledged) bool {
			if a.position.Seq > uint64(seq) {
				return false
			}
			w.took[i] = append(w.took[i], max(0, now.Sub(a.at)))
			return true
		})
	}
}

// freshness measures it under a load.
func (b *bench) freshness(ctx context.Context, s *server, l load, heavy bool) (f fresh, err error) {
	w := &watch{}
	l.seen = w.seen(l.batch)
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var heavyErr, pollErr error
	if heavy {
		all.Go(func() { f.heavy, f.failed, heavyErr = s.heavy(inner) })
	}
	all.Go(func() { pollErr = w.poll(inner, s) })
	_, _, err = s.measure(ctx, l)
	if err == nil {
		sleep(ctx, 12*time.Second) // what is old enough to be in every table
	}
	cancel()
	all.Wait()
	if err := errors.Join(err, heavyErr, pollErr); err != nil {
		return f, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, pending := range w.pending {
		for _, a := range pending { // not seen by now: counted as long as it waited
			w.took[i] = append(w.took[i], time.Since(a.at))
		}
	}
	f.tracks, f.tables = spreadOf(w.took[0]), spreadOf(slices.Concat(w.took[1:]...))
	return f, nil
}

func (w *watch) poll(ctx context.Context, s *server) error {
	failures := 0
	for sleep(ctx, 200*time.Millisecond) {
		sql := w.question()
		if sql == "" {
			continue
		}
		rows, err := s.query(ctx, sql, "")
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			w.answer(rows, time.Now())
			failures = 0
		case strings.Contains(err.Error(), "does not exist"): // not one event of that name yet
		default:
			if failures++; failures > 100 {
				return err
			}
		}
	}
	return nil
}

// heavy runs a query that takes all the engine has, over and over.
func (s *server) heavy(ctx context.Context) (done, failed int, err error) {
	for ctx.Err() == nil {
		_, err := s.query(ctx, "SELECT count(DISTINCT t.id || r.range::VARCHAR) FROM web.tracks t, range(20) r", "")
		switch {
		case ctx.Err() != nil:
			return done, failed, nil
		case err != nil:
			failed++
			sleep(ctx, 100*time.Millisecond)
		default:
			done++
		}
	}
	return done, failed, nil
}
