package dedup_test

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/nats"
)

// The embedded log and the follower stop and start together, and a reader of
// the History sees each ID once.
func TestOverTheEmbeddedLog(t *testing.T) {
	t.Parallel()
	dir, past := t.TempDir(), &shelf{}
	r := newRig(t)
	r.window("web", dedup.Forever)
	var checkpoint millrace.Position
	for round := range 4 {
		log, err := nats.Open(t.Context(), nats.Options{Dir: filepath.Join(dir, "log")})
		if err != nil {
			t.Fatal(err)
		}
		r.options.Log, r.options.Past = log, func() eventlog.Past { return past }
		f, stop := r.run()
		var last millrace.Position
		for i := range 20 {
			if last, err = log.Append(t.Context(), events("web", fmt.Sprint(i/2), fmt.Sprint(round, "-", i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Wait(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{}
		for i := range 10 {
			want[fmt.Sprint(i)] = 1
		}
		for n := range round + 1 {
			for i := range 20 {
				want[fmt.Sprint(n, "-", i)] = 1
			}
		}
		all := readAll(t, eventlog.History(log, past, f))
		got := map[string]int{}
		for _, e := range all {
			got[e.ID]++
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
		// The archive takes everything, and the log is trimmed as far as the
		// follower lets it.
		past.entries, past.through = all, last
		past.through.Index = millrace.EndOfFrame
		if checkpoint = f.Checkpoint(); !checkpoint.IsZero() {
			if err := log.Trim(t.Context(), checkpoint); err != nil {
				t.Fatal(err)
			}
			if err := f.Trim(checkpoint); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if round == 2 {
			r.lose("index")
		}
	}
	if checkpoint.IsZero() {
		t.Error("the follower never made a checkpoint")
	}
}

func readAll(t *testing.T, o eventlog.Opener) (all []eventlog.Entry) {
	t.Helper()
	r, err := o.Open(t.Context(), millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, b.Records...); b.AtEnd {
			return all
		}
	}
}
