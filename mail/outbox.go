package mail

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

const (
	mostWaiting = 1000
	// patience is how long a mail is tried: links in it hold about as long.
	patience   = time.Hour
	firstPause = 5 * time.Second
	longest    = 5 * time.Minute
)

// OutboxOptions are those of an Outbox.
type OutboxOptions struct {
	// Send sends one; required. A mail that fails with Unavailable is tried again.
	Send   func(context.Context, Message) error
	Pause  time.Duration    // before the second attempt; it doubles; default 5 s
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default discard
}

// An Outbox holds mail until it is sent: in memory, for links in it are kept nowhere
// else in the clear. It is safe for concurrent use.
type Outbox struct {
	o    OutboxOptions
	wake chan struct{}

	mu      sync.Mutex
	waiting []queued
	sending int // 1 while one is
}

type queued struct {
	Message
	due, until time.Time
	pause      time.Duration
}

// NewOutbox returns an empty one. Call Run too.
func NewOutbox(o OutboxOptions) *Outbox {
	if o.Pause <= 0 {
		o.Pause = firstPause
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Outbox{o: o, wake: make(chan struct{}, 1)}
}

// Add takes a mail. It fails with Unavailable when too many wait.
func (b *Outbox) Add(m Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) >= mostWaiting {
		return millrace.Errorf(millrace.Unavailable, "%d mails wait to be sent already: see to the mail server", len(b.waiting))
	}
	now := b.o.Now()
	b.waiting = append(b.waiting, queued{Message: m, due: now, until: now.Add(patience), pause: b.o.Pause})
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return nil
}

// Waiting is how many are not sent yet.
func (b *Outbox) Waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) + b.sending
}

// next takes the mail that is due first, or says how long there is none.
func (b *Outbox) next() (q queued, ok bool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := -1
	for i, one := range b.waiting {
		if at < 0 || one.due.Before(b.waiting[at].due) {
			at = i
		}
	}
	if at < 0 {
		return q, false, time.Hour
	}
	if wait := b.waiting[at].due.Sub(b.o.Now()); wait > 0 {
		return q, false, wait
	}
	q = b.waiting[at]
	b.waiting = append(b.waiting[:at:at], b.waiting[at+1:]...)
	b.sending = 1
	return q, true, 0
}

// Run sends what waits, one after the other, until ctx ends. What waits then is
// tried once more, for a few seconds.
func (b *Outbox) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		q, ok, wait := b.next()
		if !ok {
			select {
			case <-ctx.Done():
			case <-b.wake:
			case <-time.After(wait):
			}
			continue
		}
		b.try(ctx, q)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	b.mu.Lock()
	rest := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, q := range rest {
		if err := b.o.Send(last, q.Message); err != nil {
			b.o.Logger.Warn("a mail was not sent before the server stopped", "error", err)
		}
	}
	return nil
}

// try sends a mail, or has it wait.
func (b *Outbox) try(ctx context.Context, q queued) {
	again := b.failed(&q, b.o.Send(ctx, q.Message))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sending = 0
	if again {
		b.waiting = append(b.waiting, q)
	}
}

// failed says whether a mail is to be tried again, and when.
func (b *Outbox) failed(q *queued, err error) (again bool) {
	if err == nil {
		return false
	}
	now := b.o.Now()
	if millrace.KindOf(err) != millrace.Unavailable || now.Add(q.pause).After(q.until) {
		b.o.Logger.Warn("a mail could not be sent and is given up", "error", err)
		return false
	}
	b.o.Logger.Warn("a mail could not be sent and is tried again", "in", q.pause, "error", err)
	q.due, q.pause = now.Add(q.pause), min(2*q.pause, longest)
	return true
}
