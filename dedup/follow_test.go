package dedup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
)

// following runs a follower until the test ends.
func following(t *testing.T, f *Follower) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func appendIDs(t *testing.T, log *mem.Log, from, to int) millrace.Position {
	t.Helper()
	var rs []millrace.Record
	for i := from; i < to; i++ {
		rs = append(rs, millrace.Record{ID: fmt.Sprint(i), Workspace: "default", Source: "web", Stream: "page", Body: []byte("{}")})
	}
	p, err := log.Append(t.Context(), rs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestDiskThatFails(t *testing.T) {
	t.Parallel()
	log := mem.New(mem.Options{})
	o := Options{Log: log, Dir: t.TempDir(), MemoryIDs: 10, Window: func(_, _ string) time.Duration { return Forever }}
	open := func() *Follower {
		f, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := open()
	stop := following(t, f)
	if err := f.Wait(within(t), appendIDs(t, log, 0, 30)); err != nil {
		t.Fatal(err)
	}
	stop()

	// The file of verdicts fails once: it is opened anew and cut.
	f = open()
	name := f.verdicts.file.Name()
	if err := f.verdicts.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+"x", nil, 0o600); err != nil { // not ours: left alone
		t.Fatal(err)
	}
	stop = following(t, f)
	if err := f.Wait(within(t), appendIDs(t, log, 20, 40)); err != nil {
		t.Fatal(err)
	}
	stop()

	// The index cannot be written for a while: nothing is judged wrongly, Status
	// says what is the matter, and it goes on when there is room again.
	f = open()
	index := filepath.Join(o.Dir, "index")
	if err := os.Rename(index, index+"-away"); err != nil {
		t.Fatal(err)
	}
	stop = following(t, f)
	last := appendIDs(t, log, 30, 60)
	for {
		s, err := f.Status(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if s.Failure != "" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := os.Rename(index+"-away", index); err != nil {
		t.Fatal(err)
	}
	if err := f.Wait(within(t), last); err != nil {
		t.Fatal(err)
	}
	last = appendIDs(t, log, 0, 61)
	if err := f.Wait(within(t), last); err != nil {
		t.Fatal(err)
	}
	dups, err := f.Duplicates(t.Context(), millrace.Position{}, last)
	if want := 10 + 10 + 60; err != nil || len(dups) != want {
		t.Errorf("%d duplicates, %v; want %d", len(dups), err, want)
	}
	if c := f.Counts(); len(c) != 1 || c[0].Distinct != 61 || c[0].Duplicates != 80 {
		t.Errorf("counts %+v", c)
	}
	if s, err := f.Status(t.Context()); err != nil || s.Failure != "" || s.LagFrames != 0 || s.Runs == 0 {
		t.Errorf("status %+v, %v", s, err)
	}
	stop()
}

func TestDamageInALargeIndexIsFoundBesideTheWork(t *testing.T) {
	t.Parallel()
	log := mem.New(mem.Options{})
	o := Options{Log: log, Dir: t.TempDir(), MemoryIDs: 100, verifyAtOpen: 1, Window: func(_, _ string) time.Duration { return 0 }}
	f, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := following(t, f)
	for i := range 9 {
		if err := f.Wait(within(t), appendIDs(t, log, i*100, i*100+100)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	names, _ := filepath.Glob(filepath.Join(o.Dir, "index", "*.run"))
	if len(names) == 0 {
		t.Fatal("no runs")
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-20] ^= 1
	if err := os.WriteFile(names[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err = Open(o); err != nil {
		t.Fatal(err)
	}
	stop = following(t, f)
	defer stop()
	var last millrace.Position
	for i := 0; ; i++ { // the index empties and fills again
		last = appendIDs(t, log, 1000+i, 1001+i)
		if err := f.Wait(within(t), last); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(names[0]); os.IsNotExist(err) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	before := last
	last = appendIDs(t, log, 0, 900)
	if err := f.Wait(within(t), last); err != nil {
		t.Fatal(err)
	}
	if dups, err := f.Duplicates(t.Context(), before, last); err != nil || len(dups) != 900 {
		t.Errorf("%d duplicates, %v; want 900", len(dups), err)
	}
}

func TestMappedFileThatVanishesIsDamage(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "r")
	w, err := newRunWriter(name, recent, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(1000) {
		if err := w.add(slot{hash{i << 54, 1}, 5}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	err = guard(func() error { return r.verify(t.Context()) })
	if found := new(damage); !errors.As(err, &found) {
		t.Errorf("got %v, want damage", err)
	}
}
