package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
)

// A load says what is sent, and for how long.
type load struct {
	address     string
	connections int
	batch       int           // events in a request; 1 is /v1/track
	names       int           // event names in use
	rate        float64       // events a second over all connections; 0 is as fast as answers come
	duration    time.Duration // 0 is until events are sent
	events      int64         // 0 is until duration is over
	// seen is called with every answer, from many goroutines; nil saves reading
	// the position.
	seen func(acknowledged)
}

// An acknowledged is a request that was answered with 200.
type acknowledged struct {
	at       time.Time
	position millrace.Position // of its last event
	first    int               // the name of its first event; the names follow in turn
}

// A sent is what came of a load.
type sent struct {
	events   int64
	refused  int64 // requests answered 429 or 503
	elapsed  time.Duration
	p50, p99 time.Duration
	most     time.Duration
	client   time.Duration // CPU of this process
}

func (s sent) rate() float64 { return float64(s.events) / s.elapsed.Seconds() }

// A sender is one connection of a load.
type sender struct {
	load    *load
	number  int
	conn    net.Conn
	reader  *bufio.Reader
	tickets *atomic.Int64
	begin   time.Time
	events  int64
	refused int64
	took    []uint32 // µs
}

func newSender(l *load, number int, conn net.Conn) *sender {
	return &sender{load: l, number: number, conn: conn, reader: bufio.NewReaderSize(conn, 2048)}
}

// send sends a load and waits for all answers.
func send(ctx context.Context, l load) (sent, error) {
	senders := make([]*sender, l.connections)
	var tickets atomic.Int64
	for i := range senders {
		conn, err := net.Dial("tcp", l.address)
		if err != nil {
			return sent{}, err
		}
		defer conn.Close()
		senders[i] = newSender(&l, i, conn)
		senders[i].tickets = &tickets
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	if l.duration > 0 {
		inner, cancel = context.WithTimeout(ctx, l.duration)
		defer cancel()
	}
	errs := make([]error, l.connections)
	cpu, begin := selfCPU(), time.Now()
	var all sync.WaitGroup
	for i, s := range senders {
		s.begin = begin
		all.Go(func() {
			if errs[i] = s.work(inner); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	out := sent{elapsed: time.Since(begin), client: selfCPU() - cpu}
	var took []uint32
	for _, s := range senders {
		out.events += s.events
		out.refused += s.refused
		took = append(took, s.took...)
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		out.p50, out.p99, out.most = micros(took[n/2]), micros(took[n*99/100]), micros(took[n-1])
	}
	return out, errors.Join(append(errs, ctx.Err())...)
}

func micros(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }

// work sends until ctx ends or enough is sent. What it sends has the next
// ticket: its number and, with a rate, its time.
func (s *sender) work(ctx context.Context) error {
	l := s.load
	requests, firsts := s.requests()
	for i := 0; ; i++ {
		ticket := s.tickets.Add(1) - 1
		if l.events > 0 && ticket*int64(l.batch) >= l.events {
			return nil
		}
		if l.rate > 0 {
			due := s.begin.Add(time.Duration(float64(ticket*int64(l.batch)) / l.rate * float64(time.Second)))
			if !sleep(ctx, time.Until(due)) {
				return nil
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		n := i % len(requests)
		if err := s.exchange(requests[n], firsts[n]); err != nil {
			return fmt.Errorf("connection %d, request %d: %w", s.number, i, err)
		}
	}
}

// requests are this connection's own, to be filled anew each time.
func (s *sender) requests() (templates []*template, firsts []int) {
	l := s.load
	if l.batch > 1 {
		first := s.number * 7 % l.names
		return []*template{batchRequest(first, l.names, l.batch)}, []int{first}
	}
	for i := range l.names {
		name := (s.number*7 + i) % l.names
		templates, firsts = append(templates, singleRequest(name)), append(firsts, name)
	}
	return templates, firsts
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (s *sender) exchange(request *template, first int) error {
	begin := time.Now()
	request.fill(begin)
	if _, err := s.conn.Write(request.bytes); err != nil {
		return err
	}
	status, position, err := readAnswer(s.reader)
	if err != nil {
		return err
	}
	now := time.Now()
	switch status {
	case 200:
		s.events += int64(s.load.batch)
		s.took = append(s.took, uint32(min(now.Sub(begin).Microseconds(), 1<<32-1)))
		if s.load.seen != nil {
			p, err := millrace.ParsePosition(position)
			if err != nil {
				return err
			}
			s.load.seen(acknowledged{now, p, first})
		}
	case 429, 503:
		s.refused++
		time.Sleep(50 * time.Millisecond)
	default:
		return fmt.Errorf("answer %d", status)
	}
	return nil
}

// readAnswer reads an HTTP/1.1 answer with a length and drops its body.
func readAnswer(r *bufio.Reader) (status int, position string, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, "", err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, "", fmt.Errorf("answer %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, "", err
	}
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, "", err
		}
		if len(line) <= 2 {
			_, err = r.Discard(length)
			return status, position, err
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(n))); err != nil {
				return 0, "", err
			}
		} else if p, ok := bytes.CutPrefix(line, []byte("Millrace-Position: ")); ok {
			position = string(bytes.TrimSpace(p))
		}
	}
}
