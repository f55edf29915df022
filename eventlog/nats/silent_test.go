package nats

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// TestSilentServer lets the server store a frame and never answer: the append
// is Unavailable, the log is opened again, and the frame, whose fate was
// unknown, is in its place.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l, err := Open(ctx, Options{Dir: t.TempDir(), ReserveBytes: 1, PublishTimeout: 300 * time.Millisecond, CacheBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	record := func(id string) []millrace.Record {
		return []millrace.Record{{ID: id, Workspace: "w", Received: time.UnixMilli(1), Occurred: time.UnixMilli(1)}}
	}
	var positions []millrace.Position
	store := func(id string) error {
		p, err := l.Append(ctx, record(id))
		positions = append(positions, p)
		return err
	}
	if err := store("before"); err != nil {
		t.Fatal(err)
	}
	r, err := l.Open(ctx, millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	js, err := l.store.reader.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	silent := nats.StreamConfig{Name: streamName, Subjects: []string{subject}, NoAck: true, AllowDirect: true, DenyDelete: true}
	if _, err := js.UpdateStream(&silent); err != nil {
		t.Fatal(err)
	}
	if err := store("unknown"); millrace.KindOf(err) != millrace.Unavailable {
		t.Fatalf("got %v", err)
	}
	for {
		err := store("after")
		if err == nil {
			break
		}
		if millrace.KindOf(err) != millrace.Unavailable {
			t.Fatal(err)
		}
		if st, err := l.Status(ctx); err != nil || st.Frames == 0 {
			t.Errorf("Status meanwhile: %+v, %v", st, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if p := positions[len(positions)-1]; p.Seq != 3 || p.Epoch != positions[0].Epoch {
		t.Errorf("the next record went to %v", p)
	}
	var ids []string
	for len(ids) < 3 {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Records {
			ids = append(ids, e.ID)
		}
	}
	if ids[0] != "before" || ids[1] != "unknown" || ids[2] != "after" {
		t.Errorf("read %v", ids)
	}
}

// TestBackpressure appends more than may wait for a disk that does not answer:
// it is refused at once, and whoever gives up gets Canceled.
func TestBackpressure(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	l, err := Open(ctx, Options{Dir: t.TempDir(), ReserveBytes: 1, PublishTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	js, err := l.store.reader.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	silent := nats.StreamConfig{Name: streamName, Subjects: []string{subject}, NoAck: true, AllowDirect: true, DenyDelete: true}
	if _, err := js.UpdateStream(&silent); err != nil {
		t.Fatal(err)
	}
	large := []millrace.Record{{ID: "large", Workspace: "w", Body: make([]byte, eventlog.MaxAppendSizeBytes-100)}}
	kinds := make(chan millrace.Kind, 100)
	waiting, give := context.WithCancel(ctx)
	for range 30 {
		go func() {
			_, err := l.Append(waiting, large)
			kinds <- millrace.KindOf(err)
		}()
	}
	refused, canceled := 0, 0
	for range 30 - maxQueuedBytes/eventlog.MaxAppendSizeBytes - 2 { // what waits, and what is on its way
		if k := <-kinds; k != millrace.Unavailable {
			t.Errorf("got %v", k)
		}
		refused++
	}
	give()
	for range 30 - refused {
		switch k := <-kinds; k {
		case millrace.Canceled:
			canceled++
		case millrace.Unavailable:
			refused++
		default:
			t.Errorf("got %v", k)
		}
	}
	if canceled == 0 {
		t.Error("nothing waited")
	}
	l.store.hurt <- struct{}{} // ends the wait for the answer that does not come
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
