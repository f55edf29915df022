package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"
)

// The names of what follows the log.
const (
	dedupReader     = "dedup"
	archiveReader   = "archive"
	warehouseReader = "warehouse"
)

// shortInterval makes the archive write often, so that a trial of half a minute
// holds its share of that work.
const shortInterval = 5 * time.Second

// eventTableAge is how old a row for an event table may get under load.
const eventTableAge = 10 * time.Second

const eventNames = 50

// single is one event a request.
func (b *bench) single(ctx context.Context) (*section, error) {
	out := &section{
		title: "Single events over HTTP, 128 connections",
		how: "`POST /v1/track`, one event a request, each answered when it is fsynced. The limit is an empty `net/http` handler " +
			"that reads the body and answers `{\"success\":true}`, in a process of its own, with the same client. *Intake alone*: the readers archive and warehouse are paused; " +
			"the follower that judges duplicates cannot be paused, since what follows the log depends on it, and is part of the figure. " +
			"*Everything running*: the highest rate at which the lag of all readers stays flat.",
	}
	limit, err := startLimitServer()
	if err != nil {
		return nil, err
	}
	defer limit.end()
	s, err := b.intakeServer(ctx)
	if err != nil {
		return nil, err
	}
	defer s.end()
	l := load{connections: 128, batch: 1, names: eventNames, duration: pick(b, 8*time.Second, time.Second)}
	b.say("single events: the empty handler and intake alone, in turn")
	base, alone, err := b.inTurn(ctx, limit, s, l)
	if err != nil {
		return nil, err
	}
	out.judge("intake alone", perSecond(alone.rate), perSecond(base.rate), "≥ 0.6 × the limit", alone.rate >= 0.6*base.rate)
	out.judge("CPU of the server", perEvent(alone.cpu), perEvent(base.cpu), "≤ 1.5 × the limit", alone.cpu <= 1.5*base.cpu)
	out.add("p50", ms(alone.p50), ms(base.p50))
	out.judge("p99", ms(alone.p99), ms(base.p99), "≤ 2 × the limit", alone.p99 <= 2*base.p99)
	out.note("Rate %.2f ×, CPU %.2f ×, p99 %.2f × the limit. The client took %s of CPU an event beside the empty handler and %s beside intake.",
		alone.rate/base.rate, alone.cpu/base.cpu, float64(alone.p99)/float64(base.p99), perEvent(base.client), perEvent(alone.client))
	if out.profile, err = b.profile(ctx, s, l); err != nil {
		return nil, err
	}
	s.end()
	return out, b.everything(ctx, out, l, 4000)
}

// A figure is the mean of several loads.
type figures struct {
	rate, cpu, client float64
	p50, p99          time.Duration
}

func figuresOf(r sent, cpu time.Duration) figures {
	return figures{r.rate(), micro(cpu, r.events), micro(r.client, r.events), r.p50, r.p99}
}

func mean(all []figures) (m figures) {
	n := float64(len(all))
	for _, f := range all {
		m.rate, m.cpu, m.client = m.rate+f.rate/n, m.cpu+f.cpu/n, m.client+f.client/n
		m.p50, m.p99 = m.p50+f.p50/time.Duration(n), m.p99+f.p99/time.Duration(n)
	}
	return m
}

// inTurn measures the limit and the server in turn, so that what changes on the
// machine meanwhile meets both.
func (b *bench) inTurn(ctx context.Context, limit *limitProcess, s *server, l load) (base, alone figures, err error) {
	var bases, alones []figures
	for i := range pick(b, 4, 2) {
		r, cpu, err := limit.measure(ctx, l)
		if err != nil {
			return base, alone, err
		}
		first := figuresOf(r, cpu)
		r, used, err := s.measure(ctx, l)
		if err != nil {
			return base, alone, err
		}
		if i > 0 { // the first warms both up
			bases, alones = append(bases, first), append(alones, figuresOf(r, used.parent))
		}
	}
	return mean(bases), mean(alones), nil
}

// intakeServer is a server whose archive and warehouse are paused.
func (b *bench) intakeServer(ctx context.Context) (*server, error) {
	s, err := b.newServer(ctx, shortInterval)
	if err != nil {
		return nil, err
	}
	if err := s.reader(ctx, "pause", archiveReader, warehouseReader); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// everything finds the highest rate at which lag stays flat, on a new server:
// what intake alone took in would keep its readers busy for minutes.
func (b *bench) everything(ctx context.Context, out *section, l load, modest float64) error {
	s, err := b.newServer(ctx, shortInterval)
	if err != nil {
		return err
	}
	defer s.end()
	trial := pick(b, 25*time.Second, 4*time.Second)
	l.rate, l.duration = modest, trial
	first, err := b.steady(ctx, s, l)
	if err != nil {
		return err
	}
	perCore := 1e6 / (first.cpu.sum(first.events) + micro(first.client, first.events))
	guess := float64(b.machine.cores) * perCore * 0.85
	b.say("everything running: %s costs %s of CPU an event, so trying %s", perSecond(first.rate()), perEvent(1e6/perCore), perSecond(guess))
	best, low, high := first, first.rate(), math.Inf(1)
	for range pick(b, 5, 1) {
		l.rate = guess
		t, err := b.steady(ctx, s, l)
		if err != nil {
			return err
		}
		if t.flat() {
			low = max(low, t.rate())
			if t.rate() > best.rate() || !best.flat() {
				best = t
			}
		} else {
			high = min(high, guess)
		}
		b.say("everything running at %s: %s", perSecond(guess), t)
		if math.IsInf(high, 1) {
			guess *= 1.2
		} else if guess = (low + high) / 2; high/low < 1.07 {
			break
		}
	}
	verdict := fmt.Sprintf("everything running, lag flat (%.1f s at most)", best.lag)
	if !best.flat() {
		verdict = "everything running; no rate was found at which lag stays flat, so not sustained"
	}
	parent, child := best.cpu.per(best.events)
	out.add(verdict, perSecond(best.rate()), "")
	out.add("CPU then, parent + child", fmt.Sprintf("%.1f + %.1f µs", parent, child), "")
	out.add("p50, p99 then", ms(best.p50)+", "+ms(best.p99), "")
	return nil
}

// A trial is a load with everything running.
type trial struct {
	sent
	cpu    usage
	wanted float64
	lag    float64 // the most, in s, in the second half
	growth float64 // of the lag, in s, from the middle third to the last
}

// flat says whether the rate was held and nobody fell behind.
func (t trial) flat() bool {
	return t.rate() >= 0.97*t.wanted && t.growth < 0.7 && t.lag < 4+shortInterval.Seconds()
}

func (t trial) String() string {
	return fmt.Sprintf("%s reached, lag %.1f s and %+.1f s, flat: %t", perSecond(t.rate()), t.lag, t.growth, t.flat())
}

// steady sends at a rate while it watches the readers' lag, and waits for them after.
func (b *bench) steady(ctx context.Context, s *server, l load) (t trial, err error) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var lags []float64
	watched := make(chan error, 1)
	go func() {
		for sleep(inner, l.duration/24) {
			lag, err := s.lag(inner)
			if err != nil && inner.Err() == nil {
				watched <- err
				return
			}
			lags = append(lags, lag)
		}
		watched <- nil
	}()
	t.wanted = l.rate
	t.sent, t.cpu, err = s.measure(ctx, l)
	cancel()
	if watchErr := <-watched; err == nil {
		err = watchErr
	}
	if err != nil {
		return t, err
	}
	third := len(lags) / 3
	t.growth = average(lags[2*third:]) - average(lags[third:2*third])
	for _, lag := range lags[len(lags)/2:] {
		t.lag = max(t.lag, lag)
	}
	return t, s.drained(ctx, dedupReader, archiveReader, warehouseReader)
}

func average(all []float64) (sum float64) {
	for _, v := range all {
		sum += v / float64(len(all))
	}
	return sum
}

// lag is the most that a reader is behind, in seconds; those of the archive and
// of the warehouse count beyond the interval in which they write.
func (s *server) lag(ctx context.Context) (most float64, err error) {
	var list struct{ Readers []readerState }
	if err := s.api(ctx, http.MethodGet, "/api/v1/readers", nil, &list); err != nil {
		return 0, err
	}
	for _, r := range list.Readers {
		lag := r.LagSeconds
		switch r.Name {
		case archiveReader:
			lag = max(0, lag-shortInterval.Seconds())
		case warehouseReader:
			lag = max(0, lag-eventTableAge.Seconds())
		}
		most = max(most, lag)
	}
	return most, nil
}

// batch is a hundred events a request.
func (b *bench) batch(ctx context.Context) (*section, error) {
	const size, connections = 100, 16
	out := &section{
		title: "Batches of 100 events over HTTP, 16 connections",
		how: "`POST /v1/batch`. The limit is a loop that only writes the same bytes to a file and fsyncs them: one request's bytes at a time, and sixteen requests' bytes at a time, " +
			"which is what a group commit of sixteen connections could do at best. *Intake alone* and *everything running* as above.",
	}
	s, err := b.intakeServer(ctx)
	if err != nil {
		return nil, err
	}
	defer s.end()
	l := load{connections: connections, batch: size, names: eventNames, duration: pick(b, 8*time.Second, time.Second)}
	b.say("batches of %d, intake alone", size)
	var alones, ones, groups []figures
	for i := range pick(b, 4, 2) {
		bytes := len(batchRequest(0, eventNames, size).bytes)
		one, err := b.syncing(bytes, size, l.duration/2)
		if err != nil {
			return nil, err
		}
		group, err := b.syncing(bytes*connections, size*connections, l.duration/2)
		if err != nil {
			return nil, err
		}
		r, used, err := s.measure(ctx, l)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			ones, groups, alones = append(ones, one), append(groups, group), append(alones, figuresOf(r, used.parent))
		}
	}
	alone, one, group := mean(alones), mean(ones), mean(groups)
	out.add("intake alone", perSecond(alone.rate), perSecond(one.rate)+"; grouped "+perSecond(group.rate))
	out.judge("CPU of the server", perEvent(alone.cpu), perEvent(one.cpu)+"; grouped "+perEvent(group.cpu), "≤ 12 µs", alone.cpu <= 12)
	out.add("p50, p99", ms(alone.p50)+", "+ms(alone.p99), ms(one.p50))
	out.note("Rate %.2f × the loop with one request's bytes, %.2f × the grouped one. The client took %s of CPU an event.", alone.rate/one.rate, alone.rate/group.rate, perEvent(alone.client))
	if out.profile, err = b.profile(ctx, s, l); err != nil {
		return nil, err
	}
	s.end()
	return out, b.everything(ctx, out, l, 10000)
}

// syncing writes and fsyncs the bytes of so many events at a time.
func (b *bench) syncing(bytes, events int, d time.Duration) (figures, error) {
	times, took, cpu, err := writeAndSync(b.dir, bytes, d)
	if err != nil {
		return figures{}, err
	}
	n := times * int64(events)
	return figures{rate: float64(n) / took.Seconds(), cpu: micro(cpu, n), p50: took / time.Duration(max(times, 1))}, nil
}
