package apptest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/analytics-go/v3"

	"github.com/millrace/millrace/apptest"
)

// A sender sends numbered events one after the other, each until it is
// acknowledged, as an SDK with a queue does.
type sender struct {
	name   string
	step   int64        // so many at once; 0 is one
	acked  atomic.Int64 // 1 … acked are acknowledged
	errors []error
}

func (c *sender) run(ctx context.Context, s *apptest.Server, key string) {
	for n := int64(1); ctx.Err() == nil; n++ {
		body := fmt.Sprintf(`{"messageId":"%s-%d","userId":"%s","event":"Counted %d","properties":{"n":%d}}`, c.name, n, c.name, n%7, n)
		path := "/v1/track"
		if n%5 == 0 { // a batch with two: the second is of another stream
			body = fmt.Sprintf(`{"batch":[{"type":"track",%s,{"type":"identify","messageId":"%s-i%d","userId":"%s","traits":{"n":%d}}]}`, body[1:], c.name, n, c.name, n)
			path = "/v1/batch"
		}
		if err := c.post(ctx, s, path, key, body); err != nil {
			if ctx.Err() == nil {
				c.errors = append(c.errors, fmt.Errorf("%s %d: %w", c.name, n, err))
			}
			return
		}
		c.acked.Store(n)
	}
}

// post retries until ctx ends, and then a moment longer, since a server that
// was killed does not come back.
func (c *sender) post(ctx context.Context, s *apptest.Server, path, key, body string) error {
	for {
		_, err := s.Post(path, key, body, time.Second)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// runSDK is run through an SDK, in batches: what its callback calls a success is
// acknowledged. Batches are of one size and wait for each other, since the SDK
// sends several at once.
func (c *sender) runSDK(ctx context.Context, s *apptest.Server, key string) {
	results := make(chan error, 100)
	client, err := analytics.NewWithConfig(key, analytics.Config{
		Endpoint: s.URL, BatchSize: int(c.step) + 1, Interval: time.Hour, Callback: outcomes{results},
		Logger:     analytics.StdLogger(log.New(io.Discard, "", 0)),
		RetryAfter: func(int) time.Duration { return 200 * time.Millisecond },
	})
	if err != nil {
		c.errors = append(c.errors, err)
		return
	}
	defer client.Close()
	for first := int64(1); ctx.Err() == nil; {
		var messages []analytics.Message
		for n := first; n < first+c.step; n++ {
			messages = append(messages, analytics.Track{MessageId: fmt.Sprintf("%s-%d", c.name, n), UserId: c.name, Event: fmt.Sprintf("Counted %d", n%7), Properties: analytics.Properties{"n": n}})
		}
		messages = append(messages, analytics.Identify{MessageId: fmt.Sprintf("%s-i%d", c.name, first+c.step-1), UserId: c.name, Traits: analytics.Traits{"n": first}})
		failed := false
		for _, m := range messages {
			if err := client.Enqueue(m); err != nil {
				c.errors = append(c.errors, err)
				return
			}
		}
		for range messages {
			failed = <-results != nil || failed
		}
		if !failed { // or they are sent again, as the SDK gives up after ten attempts
			first += c.step
			c.acked.Store(first - 1)
		}
	}
}

// outcomes passes on what became of each message.
type outcomes struct{ to chan error }

func (r outcomes) Success(analytics.Message)            { r.to <- nil }
func (r outcomes) Failure(_ analytics.Message, e error) { r.to <- e }

// A load is several senders at work.
type load struct {
	t       *testing.T
	s       *apptest.Server
	key     string
	clients []*sender
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// startLoad lets n clients send until stop. Loads of one server have a number each.
func startLoad(t *testing.T, s *apptest.Server, key string, n, number int) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{t: t, s: s, key: key, ctx: ctx, cancel: cancel}
	t.Cleanup(func() { cancel(); l.wg.Wait() })
	for i := range n {
		c := &sender{name: fmt.Sprintf("load%dx%d", number, i)}
		l.clients = append(l.clients, c)
		l.wg.Go(func() { c.run(ctx, s, key) })
	}
	return l
}

// startSDK adds a client that sends through an SDK.
func (l *load) startSDK(name string) {
	c := &sender{name: name, step: 5}
	l.clients = append(l.clients, c)
	l.wg.Go(func() { c.runSDK(l.ctx, l.s, l.key) })
}

// more waits until each client has n further events acknowledged.
func (l *load) more(n int64) {
	l.t.Helper()
	for _, c := range l.clients {
		want := c.acked.Load() + n
		apptest.Eventually(l.t, time.Minute, func() error {
			if got := c.acked.Load(); got < want {
				return fmt.Errorf("%s has %d events acknowledged, want %d", c.name, got, want)
			}
			return nil
		})
	}
}

// stop ends the clients.
func (l *load) stop() {
	l.t.Helper()
	l.cancel()
	l.wg.Wait()
	for _, c := range l.clients {
		for _, err := range c.errors {
			l.t.Error(err)
		}
		c.errors = nil
	}
}

// answers is how many requests were answered with success.
func (l *load) answers() (n int) {
	for _, c := range l.clients {
		n += int(c.acked.Load())
	}
	return n
}

// last sends one more event, called last, and returns its position.
func (l *load) last(t *testing.T) string { return l.mark(t, "last") }

// mark sends an event of its own and returns its position.
func (l *load) mark(t *testing.T, id string) string {
	t.Helper()
	position, err := l.s.Post("/v1/track", l.key, fmt.Sprintf(`{"messageId":%q,"userId":"last","event":"Last"}`, id), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return position
}
