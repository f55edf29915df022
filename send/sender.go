package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

// A batch is the events of one request.
type batch struct {
	seq    int
	last   int64 // rows read through the last of the batch
	body   []byte
	ends   []int // of each event in body
	lines  []int64
	unsent []Fault
	lost   int64 // rows that could not be sent
	bytes  int64 // of the input read so far
}

// An outcome is what became of a batch.
type outcome struct {
	batch
	answers  []client.BatchAnswer // more than one when it was split
	rejected []Fault
	refused  int64
	repeated int64
}

// A sender moves the rows of one input to the server.
type sender struct {
	options Options
	plan    *plan
	key     string
	begin   time.Time
	limiter *rate.Limiter
	most    atomic.Int64 // events of a request that the server was found to take; 0 is any number
	bar     *terminal.Progress
	file    stateFile

	result Result
	ranges []client.Range
	saved  time.Time
	warned bool
}

const (
	saveEach       = time.Second
	judgeEach      = 200 // requests
	stopGrace      = 10 * time.Second
	requestTimeout = 60 * time.Second
)

func (s *sender) run(ctx context.Context) error {
	o := s.options
	key, err := writeKey(ctx, o)
	if err != nil {
		return err
	}
	s.key = key
	if done, err := s.resume(ctx); done || err != nil {
		return err
	}
	warnReserved(o.Screen, o, append(slices.Clone(s.plan.header), s.plan.members...))
	if o.Rate > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(o.Rate), max(1, min(o.Batch, int(o.Rate))))
	}
	total := s.plan.rows
	if s.plan.input.stream {
		total = 0
	}
	s.bar = o.Screen.Progress(terminal.ProgressOptions{Label: s.plan.input.name, Unit: "rows", Total: total})
	defer s.bar.Finish()
	s.bar.Start(s.result.Rows)
	err = s.send(ctx)
	if err == nil {
		s.result.Complete, s.result.Finished = true, time.Now().UTC().Truncate(time.Second)
	}
	if err == nil {
		s.judge(ctx, true)
	}
	s.result.Judged = len(s.ranges) == 0
	s.save(true)
	if ctx.Err() != nil && err != nil {
		return s.stopped(total)
	}
	return err
}

func (s *sender) stopped(total int64) error {
	of := ""
	if total > 0 {
		of = " of " + terminal.Count(total)
	}
	next := "run the same command again to go on from there"
	if s.plan.input.stream {
		next = "rows that are sent again are dropped as duplicates"
	}
	return &millrace.Error{Kind: millrace.Canceled, Err: errStopped,
		Message: fmt.Sprintf("stopped after %s%s rows: %s", terminal.Count(s.result.Rows), of, next)}
}

// resume goes on from where an earlier run stopped; done when it had finished.
func (s *sender) resume(ctx context.Context) (done bool, err error) {
	if s.plan.input.stream || s.options.StateDir == "" {
		return false, nil
	}
	e, err := epoch(ctx, s.options.Client)
	if s.options.Key != "" && noToken(err) {
		s.options.Screen.Note("Without the admin token, sending cannot go on where it stopped before, and duplicates are not known.")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.file = openState(s.options.StateDir, s.plan.fingerprint(e))
	s.file.prune(time.Now())
	was, ok := s.file.load()
	if !ok || s.options.Again {
		return false, nil
	}
	input := s.result.Input
	s.result, s.ranges = was.Result, was.Ranges
	s.result.Input, s.result.Earlier = input, was.Rows
	if was.Complete {
		if !was.Judged {
			s.judge(ctx, true)
			s.result.Judged = len(s.ranges) == 0
			s.save(true)
		}
		s.options.Screen.Note("%s: all %s were sent on %s (--again sends them once more)", s.plan.input.name,
			terminal.Plural(was.Rows, "row", "rows"), was.Finished.Local().Format("2006-01-02 15:04"))
		return true, nil
	}
	if was.Rows > 0 {
		s.options.Screen.Note("%s: going on after row %s", s.plan.input.name, terminal.Count(was.Rows))
	}
	return false, nil
}

// noToken says whether the API answers only to those with the admin token. To
// send, a write key is enough.
func noToken(err error) bool {
	kind := millrace.KindOf(err)
	return err != nil && (kind == millrace.Unauthorized || kind == millrace.Forbidden)
}

// send reads, posts and collects, each on its own, until the input ends.
func (s *sender) send(ctx context.Context) error {
	rows, err := s.plan.reader()
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	batches := make(chan batch, s.options.Parallel)
	outcomes := make(chan outcome, s.options.Parallel)
	skip := s.result.Rows
	g.Go(func() error {
		defer close(batches)
		return s.read(gctx, rows, skip, batches)
	})
	g.Go(func() error {
		defer close(outcomes)
		var posts errgroup.Group
		for range s.options.Parallel {
			posts.Go(func() error {
				for b := range batches {
					out, err := s.post(gctx, b)
					if err != nil {
						return err
					}
					outcomes <- out
				}
				return nil
			})
		}
		return posts.Wait()
	})
	// the collector ends when outcomes is closed; it never fails
	g.Go(func() error { s.collect(gctx, outcomes); return nil })
	err = g.Wait()
	if err == nil && ctx.Err() != nil {
		err = errStopped
	}
	return err
}

// read makes batches of the rows behind the first skip.
func (s *sender) read(ctx context.Context, rows *rows, skip int64, batches chan<- batch) error {
	e := s.plan.encoder()
	size := s.options.Batch
	if s.limiter != nil {
		size = min(size, s.limiter.Burst())
	}
	var event []byte
	number, seq := int64(0), 0
	b := batch{}
	flush := func() error {
		b.seq, b.last, b.bytes = seq, number, s.plan.input.read.Load()
		seq++
		select {
		case batches <- b:
		case <-ctx.Done():
			return errStopped
		}
		b = batch{}
		return nil
	}
	for {
		var line int64
		var refused, err error
		event, line, refused, err = rows.next(e, event[:0])
		if errors.Is(err, io.EOF) {
			if len(b.ends) > 0 || b.lost > 0 {
				return flush()
			}
			return nil
		}
		if err != nil {
			return err
		}
		if number < skip {
			number++
			if number%4096 == 0 && ctx.Err() != nil {
				return errStopped
			}
			continue
		}
		if refused == nil && len(event) > maxBodyBytes {
			refused = fmt.Errorf("its event is %s large, over what one request holds", terminal.Size(int64(len(event))))
		}
		if refused == nil && len(b.body)+len(event) > maxBodyBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		number++
		if refused != nil {
			b.lost++
			if len(b.unsent) < maxFaults {
				b.unsent = append(b.unsent, Fault{Input: s.plan.input.name, Line: line, Reason: refused.Error()})
			}
		} else {
			b.body = append(b.body, event...)
			b.ends = append(b.ends, len(b.body))
			b.lines = append(b.lines, line)
		}
		if len(b.ends) >= size || b.lost >= 10*maxBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// post sends one batch. A request that is under way when ctx ends has a few
// seconds to be answered.
func (s *sender) post(ctx context.Context, b batch) (outcome, error) {
	out := outcome{batch: b}
	if ctx.Err() != nil {
		return out, errStopped
	}
	if len(b.ends) == 0 {
		return out, nil
	}
	if s.limiter != nil {
		if err := s.limiter.WaitN(ctx, len(b.ends)); err != nil {
			return out, errStopped
		}
	}
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	for from := 0; from < len(b.ends); {
		to := len(b.ends)
		if most := int(s.most.Load()); most > 0 {
			to = min(to, from+most)
		}
		err := s.postPart(ctx, hard, &out, from, to)
		switch {
		case err == nil:
			from = to
		case millrace.KindOf(err) == millrace.TooLarge && to-from > 1:
			s.most.Store(int64(to-from) / 2) // the requests that follow are not larger
		default:
			return out, err
		}
	}
	return out, nil
}

// postPart sends the events from up to to. TooLarge asks for fewer of them.
func (s *sender) postPart(ctx, hard context.Context, out *outcome, from, to int) error {
	body, err := envelope(out.batch, from, to)
	if err != nil {
		return err
	}
	answer, err := s.untilAnswered(ctx, hard, body, to-from, &out.repeated)
	if err != nil && millrace.KindOf(err) == millrace.TooLarge && to-from == 1 {
		out.refused++
		out.rejected = append(out.rejected, Fault{s.plan.input.name, out.lines[from], err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	out.answers = append(out.answers, answer)
	for _, r := range answer.Rejected {
		f := Fault{Input: s.plan.input.name, Reason: r.Text()}
		if i := from + r.Index; r.Index >= 0 && i < to {
			f.Line = out.lines[i]
		}
		out.rejected = append(out.rejected, f)
	}
	return nil
}

// envelope is the gzipped body of a request.
func envelope(b batch, from, to int) ([]byte, error) {
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	begin := 0
	if from > 0 {
		begin = b.ends[from-1]
	}
	_, _ = io.WriteString(z, `{"context":{"library":{"name":"millrace-send"}},"batch":[`)
	for i := from; i < to; i++ {
		if i > from {
			_, _ = z.Write([]byte{','})
		}
		_, _ = z.Write(b.body[begin:b.ends[i]])
		begin = b.ends[i]
	}
	_, _ = io.WriteString(z, `]}`)
	err = z.Close()
	return buf.Bytes(), err
}

// Waits between attempts when the server does not say how long.
const (
	firstWait = 500 * time.Millisecond
	mostWait  = 30 * time.Second
)

// untilAnswered posts a body until the server has taken it, refused it, or
// been away for longer than the patience.
func (s *sender) untilAnswered(ctx, hard context.Context, body []byte, events int, repeated *int64) (client.BatchAnswer, error) {
	wait := firstWait
	since := time.Now()
	uncertain := false
	for {
		attempt, cancel := context.WithTimeout(hard, requestTimeout)
		answer, err := s.options.Client.Batch(attempt, s.key, body, "gzip", events)
		cancel()
		kind := millrace.KindOf(err)
		if err == nil && uncertain {
			*repeated += int64(events)
		}
		retry := kind == millrace.Unavailable || kind == millrace.Limited || kind == millrace.Canceled || kind == millrace.Internal
		if err == nil || !retry {
			return answer, err
		}
		if hard.Err() != nil || ctx.Err() != nil {
			return answer, errStopped
		}
		var e *millrace.Error
		_ = errors.As(err, &e)
		// after these two the rows are certainly not in the log
		uncertain = uncertain || !client.IsNoServer(err) && kind != millrace.Limited
		pause := wait
		if e != nil && e.RetryAfter > 0 {
			pause = e.RetryAfter
		}
		if time.Since(since)+pause > s.options.Patience {
			return answer, fmt.Errorf("gave up after %s: %w", terminal.Duration(time.Since(since)), err)
		}
		why := err.Error()
		if client.IsNoServer(err) {
			why = "no server answers"
		}
		s.bar.Message(fmt.Sprintf("waiting %s: %s", terminal.Duration(pause), why))
		select {
		case <-ctx.Done():
			return answer, errStopped
		case <-time.After(pause):
		}
		s.bar.Message("")
		wait = min(2*wait, mostWait)
	}
}

// collect counts outcomes in the order of the input.
func (s *sender) collect(ctx context.Context, outcomes <-chan outcome) {
	early := map[int]outcome{}
	next := 0
	for out := range outcomes {
		early[out.seq] = out
		for {
			o, ok := early[next]
			if !ok {
				break
			}
			delete(early, next)
			next++
			s.count(o)
		}
		if len(s.ranges) >= judgeEach {
			s.judge(ctx, false)
		}
		s.save(false)
	}
}

func (s *sender) count(o outcome) {
	r := &s.result
	r.Rows = o.last
	r.Sent += int64(len(o.ends))
	r.Unsent += o.lost
	r.Rejected += o.refused
	r.Repeated += o.repeated
	for _, a := range o.answers {
		r.Accepted += a.Accepted
		r.Rejected += int64(len(a.Rejected))
		if !a.Position.IsZero() {
			if n := a.Appended(); n > 0 {
				s.ranges = append(s.ranges, client.Range{Last: a.Position, Count: n})
			}
			if a.Position.After(r.Position) {
				r.Position = a.Position
			}
		}
	}
	for _, f := range append(o.unsent, o.rejected...) {
		r.fault(f)
	}
	s.bar.Set(r.Rows, o.bytes)
}

// judge asks the server which of the accepted rows are duplicates. What it
// cannot say now is asked again later, by the next run if need be.
func (s *sender) judge(ctx context.Context, last bool) {
	attempts := 1
	if last {
		attempts = 3
	}
	for len(s.ranges) > 0 && attempts > 0 {
		part := s.ranges[:min(len(s.ranges), judgeEach)]
		_, duplicates, err := s.options.Client.Duplicates(ctx, part)
		if s.options.Key != "" && noToken(err) {
			return
		}
		if err != nil {
			if attempts--; attempts == 0 && last {
				s.options.Screen.Warn("the duplicates among the rows are not known yet: %v", err)
			}
			continue
		}
		s.ranges = s.ranges[len(part):]
		s.result.Accepted -= duplicates
		s.result.Duplicates += duplicates
	}
}

// save keeps how far the rows got, now and then.
func (s *sender) save(now bool) {
	if !now && time.Since(s.saved) < saveEach {
		return
	}
	s.saved = time.Now()
	o := s.options
	err := s.file.save(state{Path: s.result.Input, Source: o.Source, Event: s.plan.event, Server: o.Client.Server(),
		Result: s.result, Ranges: s.ranges})
	if err != nil && !s.warned {
		s.warned = true
		o.Screen.Warn("cannot remember how far the file got (%v): if it is stopped, it starts from the beginning", err)
	}
}
