package nats_test

import (
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/nats"
)

// TestFence: a process that has lost the log writes nothing, and acknowledges
// nothing of what it wrote when it lost it.
func TestFence(t *testing.T) {
	lost := millrace.Errorf(millrace.Unavailable, "another server has the log")
	var until atomic.Int32 // answers that are left until it is lost
	until.Store(2)
	log := open(t, nats.Options{Fence: func() error {
		if until.Add(-1) < 0 {
			return lost
		}
		return nil
	}})
	record := []millrace.Record{{ID: "1", Workspace: "default", Source: "web", Stream: "track/x", Body: []byte("{}")}}
	if _, err := log.Append(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	for _, left := range []int32{0, 1} { // before the frame, and when it is durable
		until.Store(left)
		if _, err := log.Append(t.Context(), record); millrace.KindOf(err) != millrace.Unavailable {
			t.Errorf("an append without the log answers %v", err)
		}
	}
	_, last, err := log.Bounds(t.Context())
	if err != nil || last.Seq != 2 {
		t.Errorf("the log ends at %v, %v: one frame was written while it was held, one when it was lost", last, err)
	}
	until.Store(2)
	if _, err := log.Append(t.Context(), record); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
