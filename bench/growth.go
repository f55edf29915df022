package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// growth is what more stored events cost, and how long a crash keeps one waiting.
func (b *bench) growth(ctx context.Context) (*section, error) {
	sizes := pick(b, []int64{100_000, 1_000_000, 10_000_000}, []int64{5_000, 20_000, 50_000})
	out := &section{
		title: "Cost as work grows",
		how: "The same server with ever more events stored, everything running: single events at 128 connections as fast as they are answered, and freshness at 1,000 events/s. " +
			"Then SIGKILL in the middle of a load, and the time from starting the process again until an event is acknowledged and until `SELECT count(*) FROM web.tracks` is answered.",
	}
	s, err := b.newServer(ctx, time.Minute)
	if err != nil {
		return nil, err
	}
	defer s.end()
	var first stored
	total := int64(0)
	for i, size := range sizes {
		sentNow, err := b.fillUp(ctx, s, size-total)
		total += sentNow
		if err != nil {
			return nil, err
		}
		now, err := b.storedCost(ctx, s)
		if err != nil {
			return nil, err
		}
		total += now.events
		what := fmt.Sprintf("with %s events", count(size))
		if i == 0 {
			first = now
			out.add("intake "+what, perSecond(now.rate), "")
			out.add("CPU of the parent an event", perEvent(now.cpu), "")
			out.add("freshness of `tracks` "+what, now.tracks.String(), "")
			continue
		}
		out.judge("intake "+what, perSecond(now.rate), perSecond(first.rate)+" with "+count(sizes[0]), "unchanged: ≥ 0.9 ×", now.rate >= 0.9*first.rate)
		out.add("CPU of the parent an event", perEvent(now.cpu), perEvent(first.cpu))
		out.judge("freshness of `tracks` "+what, now.tracks.String(), first.tracks.String(), "unchanged: p50 at most 0.2 s more", now.tracks.p50 <= first.tracks.p50+200*time.Millisecond)
	}
	return out, b.crash(ctx, out, s, total)
}

// fillUp stores n events more and waits until all readers have them.
func (b *bench) fillUp(ctx context.Context, s *server, n int64) (int64, error) {
	if n <= 0 {
		return 0, nil
	}
	b.say("storing %s events more", count(n))
	done := int64(0)
	for done < n { // in parts, so that no reader falls far behind
		r, _, err := s.measure(ctx, load{connections: 8, batch: 100, names: eventNames, events: min(n-done, 500_000)})
		done += r.events
		if err != nil {
			return done, err
		}
		if err := s.drained(ctx, dedupReader, warehouseReader); err != nil {
			return done, err
		}
	}
	return done, nil
}

// A stored is what it costs to take more when there is something already.
type stored struct {
	fresh
	rate, cpu float64
	events    int64
}

func (b *bench) storedCost(ctx context.Context, s *server) (out stored, err error) {
	b.say("intake and freshness")
	l := load{connections: 128, batch: 1, names: eventNames, duration: pick(b, 10*time.Second, time.Second)}
	r, used, err := s.measure(ctx, l)
	if err != nil {
		return out, err
	}
	if err := s.drained(ctx, dedupReader, warehouseReader); err != nil {
		return out, err
	}
	slow := load{connections: 8, batch: 100, names: eventNames, rate: 1000, duration: pick(b, 20*time.Second, 4*time.Second)}
	out.fresh, err = b.freshness(ctx, s, slow, false)
	out.rate, out.cpu, out.events = r.rate(), micro(used.parent, r.events), r.events+int64(slow.rate*slow.duration.Seconds())
	return out, err
}

// crash kills the server under load and measures its way back.
func (b *bench) crash(ctx context.Context, out *section, s *server, total int64) error {
	b.say("SIGKILL with %s events", count(total))
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = send(inner, load{address: s.address, connections: 8, batch: 100, names: eventNames, rate: liveRate, duration: time.Minute}) // it is cut
	}()
	sleep(ctx, pick(b, 15*time.Second, 3*time.Second))
	s.kill()
	cancel()
	<-over
	s.kill()
	begin := time.Now()
	if err := s.start(); err != nil {
		return err
	}
	intake := make(chan error, 1)
	var answered time.Duration
	go func() {
		err := s.eventually(ctx, time.Minute, func() error { return s.oneEvent() })
		answered = time.Since(begin)
		intake <- err
	}()
	err := s.eventually(ctx, 2*time.Minute, func() error {
		_, err := s.number(ctx, "SELECT count(*) FROM web.tracks")
		return err
	})
	queried := time.Since(begin)
	if err := errors.Join(err, <-intake); err != nil {
		return err
	}
	out.judge(fmt.Sprintf("after SIGKILL with %s events: an event is acknowledged after", count(total)), seconds(answered), "", "< 2 s", answered < 2*time.Second)
	out.judge("and a query is answered after", seconds(queried), "", "< 10 s", queried < 10*time.Second)
	if err := s.drained(ctx, dedupReader, warehouseReader); err != nil {
		return err
	}
	out.add("and everything is in the warehouse after", seconds(time.Since(begin)), "")
	rows, err := s.query(ctx, "SELECT count(*) - count(DISTINCT id) FROM web.tracks WHERE _seq > (SELECT max(_seq) - 10000 FROM web.tracks)", "")
	if err == nil && fmt.Sprint(rows) != "[[0]]" {
		err = fmt.Errorf("events are twice in tracks after the crash: %v", rows)
	}
	return err
}

// oneEvent sends an event on a connection of its own.
func (s *server) oneEvent() error {
	conn, err := net.DialTimeout("tcp", s.address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second)) // a connection just made takes it
	l := load{connections: 1, batch: 1, names: 1}
	sender := newSender(&l, 0, conn)
	if err := sender.exchange(singleRequest(0), 0); err != nil {
		return err
	}
	if sender.events == 0 {
		return fmt.Errorf("the answer is %d", http.StatusServiceUnavailable)
	}
	return nil
}
