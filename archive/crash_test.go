package archive

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// script is what happens to a world in the crash tests: two hours with several
// cuts each, two workspaces, slices, an empty hour, garbage.
var script = []func(w *world, act func(publish bool)){
	func(w *world, act func(bool)) { w.append(events("default", "web", 0, 20)...); act(false) },
	func(w *world, act func(bool)) {
		w.append(events("default", "ios", 20, 20)...)
		w.append(events("other", "web", 40, 3)...)
		act(false)
	},
	func(w *world, act func(bool)) { w.append(events("default", "web", 43, 30)...); act(true) },
	func(w *world, act func(bool)) {
		w.clock.Add(time.Hour)
		w.append(events("default", "web", 73, 10)...)
		act(true)
	},
	func(w *world, act func(bool)) { w.append(events("other", "ios", 83, 10)...); act(false) },
	func(w *world, act func(bool)) { w.clock.Add(3 * time.Hour); act(true) },
	func(w *world, act func(bool)) { w.append(events("default", "web", 93, 7)...); act(false) },
}

// play runs the script over a bucket that dies at an operation; whatever is
// left of the script goes on with a new process. It returns how many
// operations there were before the death.
func play(t *testing.T, n int, happens bool) int {
	w := newWorld(t)
	w.opts.Grace = time.Nanosecond
	w.opts.MaxFileBytes, w.opts.MaxSliceBytes = 6000, 12_000
	f := newFaulty(w.bucket, n, happens)
	dead := false
	revive := func() {
		if w.stop != nil {
			w.stop()
		}
		dead = true
		w.mustOpen()
	}
	if err := w.open(f); err != nil {
		revive()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-f.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, step := range script {
		step(w, func(publish bool) {
			if !dead {
				if err := w.request(ctx, request{publish: publish}); err == nil {
					return
				}
				select {
				case <-f.dead:
				case <-time.After(5 * time.Second):
					t.Fatalf("dies at %d: failed while alive: %s", n, w.Stats().LastError)
				}
				revive()
			}
			if err := w.request(t.Context(), request{publish: publish}); err != nil {
				t.Fatalf("dies at %d: %v", n, err)
			}
		})
	}
	if !dead {
		w.stop()
		w.mustOpen()
	}
	w.check()
	w.clock.Add(3 * time.Hour)
	w.publish()
	w.check()
	same(t, w.published(), w.want)
	if s := w.Stats(); s.FreshFiles != 0 || s.Records != int64(len(w.want)) {
		t.Errorf("Stats() = %+v", s)
	}
	w.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// TestCrashAtEveryStep kills the process before and after each operation on
// the bucket: every record is archived exactly once, byte for byte, in order.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	total := play(t, 1<<30, true)
	if total < 50 {
		t.Fatalf("the script has only %d operations", total)
	}
	for _, happens := range []bool{false, true} {
		for n := 1; n <= total+2; n += crashStride {
			t.Run(fmt.Sprintf("%d %t", n, happens), func(t *testing.T) {
				t.Parallel()
				play(t, n, happens)
			})
		}
	}
}
