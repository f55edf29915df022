package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

const (
	directGet   = "$JS.API.DIRECT.GET." // and the stream
	fetchFrames = 512                   // in one request

	retryReadEvery = 100 * time.Millisecond
)

// fetch is the tail's eventlog.Fetch. It tries again while the store is away.
func (l *Log) fetch(ctx context.Context, seq, last uint64, maxBytes int) ([]eventlog.Frame, error) {
	for attempt := 0; ; attempt++ {
		s, release, err := l.opened()
		if err == nil {
			var frames []eventlog.Frame
			frames, err = s.frames(ctx, seq, int(min(fetchFrames, last-seq+1)), maxBytes)
			release()
			if err == nil {
				return frames, nil
			}
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if first, _ := l.tail.Bounds(); first.Seq > seq {
			return nil, nil // trimmed meanwhile
		}
		if millrace.KindOf(err) != millrace.Unavailable || l.isClosed() {
			return nil, l.explain(err)
		}
		if attempt%100 == 99 {
			l.logger.Warn("a reader still waits for the log's disk", "frame", seq, "error", err)
		}
		select {
		case <-time.After(retryReadEvery):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// frame reads one frame.
func (s *store) frame(ctx context.Context, seq uint64) (eventlog.Frame, error) {
	frames, err := s.frames(ctx, seq, 1, 1)
	if err != nil {
		return eventlog.Frame{}, err
	}
	return frames[0], nil
}

// frames reads at least one frame and up to n or about maxBytes, from seq on
// without a gap.
func (s *store) frames(ctx context.Context, seq uint64, n, maxBytes int) ([]eventlog.Frame, error) {
	lost := s.lost.get()
	if r := lost.find(seq); r != nil {
		f, err := r.frame()
		if err != nil {
			return nil, err
		}
		return slices.Repeat([]eventlog.Frame{f}, int(min(uint64(n), r.Last-seq+1))), nil
	}
	messages, err := s.messages(ctx, seq, n, maxBytes)
	if err != nil {
		return nil, err
	}
	frames := make([]eventlog.Frame, 0, len(messages))
	for i, m := range messages {
		if got := m.seq; got != seq+uint64(i) {
			if i > 0 {
				break // the next call finds out
			}
			return nil, &damageError{millrace.Errorf(millrace.Internal, "%s missing from the log", nameFrames(seq, got-1, "is", "are")), got - 1}
		}
		if i > 0 && lost.find(m.seq) != nil {
			break
		}
		f, err := eventlog.OpenFrame(m.data)
		if err != nil && i > 0 {
			break
		}
		if err != nil {
			return nil, &damageError{millrace.Errorf(millrace.KindOf(err), "frame %d of the log: %w", seq, err), seq}
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// errUnreadable means that the server has no frame to give.
var errUnreadable = errors.New("its bytes on disk are damaged or gone")

// A damageError is about frames that are damaged or missing, up to last.
type damageError struct {
	error
	last uint64
}

// Unwrap returns the error without where the damage ends.
func (e *damageError) Unwrap() error { return e.error }

// explain adds to an error about damaged frames how to go on without them.
func (l *Log) explain(err error) error {
	var damage *damageError
	if !errors.As(err, &damage) {
		return err
	}
	return millrace.Errorf(millrace.KindOf(err), "%w; %s", damage.error, eventlog.HowToSkip(l.tail.At(damage.last, millrace.EndOfFrame)))
}

// A message is a frame as the server gave it.
type message struct {
	seq  uint64
	data []byte
}

// messages asks the server for what lies at seq and behind it.
func (s *store) messages(ctx context.Context, seq uint64, n, maxBytes int) ([]message, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	fail := func(err error) ([]message, error) {
		return nil, millrace.Errorf(millrace.Unavailable, "reading frame %d of the log: %w", seq, err)
	}
	inbox := s.reader.NewInbox()
	sub, err := s.reader.SubscribeSync(inbox)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection may be gone, and with it the subscription
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return fail(err)
	}
	g, from := s.at(seq)
	request := fmt.Appendf(nil, `{"seq":%d,"batch":%d,"max_bytes":%d}`, from, n, maxBytes)
	if err := s.reader.PublishRequest(directGet+g.name, inbox, request); err != nil {
		return fail(err)
	}
	messages := make([]message, 0, min(n, 64))
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return fail(err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			got, err := strconv.ParseUint(m.Header.Get(nats.JSSequence), 10, 64)
			if err != nil {
				return fail(err)
			}
			messages = append(messages, message{got, m.Data})
		case "204": // the end of the batch
			if len(messages) == 0 {
				return fail(fmt.Errorf("the server gave nothing"))
			}
			return messages, nil
		case "404": // there is nothing from seq on, or it cannot be read
			return nil, &damageError{millrace.Errorf(millrace.Internal, "frame %d of the log cannot be read: %w", seq, errUnreadable), seq}
		default:
			return fail(fmt.Errorf("the server answered %s %s", status, m.Header.Get("Description")))
		}
	}
}

// timeOf returns the log time of a frame.
func (s *store) timeOf(ctx context.Context, seq uint64) (time.Time, error) {
	f, err := s.frame(ctx, seq)
	return f.Time(), err
}
