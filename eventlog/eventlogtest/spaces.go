package eventlogtest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// testSpaces: who has records in which frame, from any place, and at the end.
func testSpaces(t *testing.T, log eventlog.Log) {
	d, ok := log.(eventlog.Dispatcher)
	if !ok {
		t.Fatal("a log is an eventlog.Dispatcher")
	}
	var want []eventlog.FrameSpaces
	add := func(spaces ...string) {
		last := Append(t, log, of(fmt.Sprint(len(want)), 2*len(spaces), spaces...)...)
		last.Index = millrace.EndOfFrame
		want = append(want, eventlog.FrameSpaces{Through: last, Spaces: spaces})
	}
	for i := range 30 {
		add([]string{"a", "b", "c"}[i%3:]...)
	}
	for _, after := range []int{-1, 0, 17, 28} {
		ctx, cancel := context.WithCancel(Context(t))
		from := millrace.Position{}
		if after >= 0 {
			from = want[after].Through
		}
		n := after + 1
		for got, err := range d.Spaces(ctx, from) {
			if err != nil {
				t.Fatal(err)
			}
			if got.Through != want[n].Through || !slices.Equal(got.Spaces, want[n].Spaces) || got.Time.IsZero() {
				t.Fatalf("after %d: %+v, want %+v", after, got, want[n])
			}
			if n++; got.AtEnd != (n == len(want)) {
				t.Fatalf("frame %d of %d says AtEnd %v", n, len(want), got.AtEnd)
			}
			if got.AtEnd {
				break
			}
		}
		if n != len(want) {
			t.Fatalf("%d of %d frames", n, len(want))
		}
		cancel()
	}
	testSpacesLater(t, log, d, want[29].Through)
	beyond := want[len(want)-1].Through
	beyond.Seq += 3
	for _, err := range d.Spaces(Context(t), beyond) {
		wantKind(t, "beyond the end", err, millrace.Ahead)
	}
}

// testSpacesLater waits for more behind the end.
func testSpacesLater(t *testing.T, log eventlog.Log, d eventlog.Dispatcher, end millrace.Position) {
	t.Helper()
	ctx, cancel := context.WithCancel(Context(t))
	defer cancel()
	later := make(chan error, 1)
	go func() {
		_, err := log.Append(ctx, of("later", 1, "later"))
		later <- err
	}()
	seen := 0
	for got, err := range d.Spaces(ctx, end) { // waits for more
		if err != nil {
			if millrace.KindOf(err) != millrace.Canceled || seen != 2 {
				t.Fatal(seen, err)
			}
			break
		}
		if seen++; len(got.Spaces) != 1 || !got.AtEnd || got.Spaces[0] != []string{"later", "latest"}[seen-1] {
			t.Fatalf("%+v", got)
		}
		if seen == 1 {
			Append(t, log, of("latest", 1, "latest")...)
		} else {
			cancel()
		}
	}
	if err := <-later; err != nil {
		t.Fatal(err)
	}
}
