package nats

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

func segmentLog(t *testing.T, o Options) *Log {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o.ReserveBytes, o.CacheBytes = 1, 1
	l, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func segmentAppend(t *testing.T, l *Log, id string) millrace.Position {
	t.Helper()
	p, err := l.Append(context.Background(), []millrace.Record{{ID: id, Workspace: "w", Received: time.UnixMilli(1), Occurred: time.UnixMilli(1)}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func segmentIDs(t *testing.T, l *Log) (ids []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r, err := l.Open(ctx, millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Records {
			ids = append(ids, e.ID)
		}
		if b.AtEnd {
			return ids
		}
	}
}

// TestRollCutShort leaves the folder as a crash leaves it at each step of
// beginning a stream: the log opens, has what it had, and goes on.
func TestRollCutShort(t *testing.T) {
	t.Parallel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// The second roll, so that the full stream has a marker.
	const frames = 6
	l := segmentLog(t, Options{Dir: filepath.Join(t.TempDir(), "log"), RollBytes: 1 << 30})
	var ids []string
	for i := range frames {
		ids = append(ids, fmt.Sprint("id-", i))
		if i == frames/2 {
			must(l.markFormat())
			must(l.store.roll(context.Background(), frames/2))
		}
		segmentAppend(t, l, ids[i])
	}
	steps := map[string]string{}
	leave := func(step string) string {
		purged := filepath.Join(streamsDir(l.o.Dir), "*", "__msgs__")
		for { // the server is removing what was purged
			if found, err := filepath.Glob(purged); err != nil || len(found) == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		dir := filepath.Join(t.TempDir(), "log")
		if out, err := exec.Command("cp", "-a", l.o.Dir, dir).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v %s", err, out)
		}
		steps[step] = dir
		return dir
	}
	s := l.store
	leave("nothing")
	next := newSegment(l.o.Dir, frames+1)
	must(s.openSegment(context.Background(), &next))
	folder := func(dir string, names ...string) string {
		return filepath.Join(append([]string{streamsDir(dir), next.name}, names...)...)
	}
	leave("the stream is there")
	must(os.Remove(folder(leave("the stream has no checksum"), "meta.sum")))
	must(os.Remove(folder(leave("the stream has no description"), "meta.inf")))
	dir := leave("the stream has nothing")
	must(os.RemoveAll(folder(dir)))
	must(os.Mkdir(folder(dir), 0o700))
	must(s.purgeStream(next.name, frames))
	leave("it has its number")
	s.replace(func(row []segment) []segment {
		row[len(row)-1].last = frames
		return append(row, next)
	})
	must(s.mark(l.o, emptyFrame(time.UnixMilli(1))))
	dir = leave("it has its marker")
	block := filepath.Join(newSegment(dir, next.begin).dir, fmt.Sprint(s.block)+".blk")
	torn := leave("its marker is torn")
	must(os.Truncate(filepath.Join(newSegment(torn, next.begin).dir, filepath.Base(block)), 60))
	torn = leave("its blocks are empty")
	must(os.Truncate(filepath.Join(newSegment(torn, next.begin).dir, filepath.Base(block)), 0))
	full := s.segments()[1]
	must(s.purgeStream(full.name, full.begin))
	if !full.stateIsCurrent() {
		t.Error("the state of the full stream is not written down")
	}
	leave("the full one is sealed")
	cut := newSegment(leave("the state of the full one is torn"), full.begin)
	must(os.Truncate(cut.indexPath(), 20))

	for step, dir := range steps {
		for _, identity := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, identity %t", step, identity), func(t *testing.T) {
				t.Parallel()
				at := filepath.Join(t.TempDir(), "log")
				if out, err := exec.Command("cp", "-a", dir, at).CombinedOutput(); err != nil {
					t.Fatalf("cp: %v %s", err, out)
				}
				if !identity {
					if err := os.Remove(filepath.Join(at, identityFile)); err != nil {
						t.Fatal(err)
					}
				}
				want := slices.Clone(ids)
				for round := range 3 {
					l := segmentLog(t, Options{Dir: at, RollBytes: 400})
					if got := segmentIDs(t, l); !slices.Equal(got, want) {
						t.Fatalf("round %d: the log has %v, want %v", round, got, want)
					}
					for i := range 4 {
						id := fmt.Sprint("more-", round, i)
						want = append(want, id)
						if p := segmentAppend(t, l, id); p.Seq != uint64(len(want)) {
							t.Fatalf("%s went to %v, want %d", id, p, len(want))
						}
					}
					if got := segmentIDs(t, l); !slices.Equal(got, want) || len(l.Lost()) > 0 {
						t.Fatalf("round %d: the log has %v, want %v; lost %v", round, got, want, l.Lost())
					}
					if err := l.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// TestSealed checks that the server has written down the state of full streams
// soon after the next one was begun, the first included.
func TestSealed(t *testing.T) {
	t.Parallel()
	l := segmentLog(t, Options{Dir: t.TempDir(), RollBytes: 300})
	for i := range 30 {
		segmentAppend(t, l, fmt.Sprint(i))
	}
	l.store.sealing.Wait()
	row := l.store.segments()
	if len(row) < 5 {
		t.Fatalf("%d streams", len(row))
	}
	for _, g := range row[:len(row)-1] {
		if !g.stateIsCurrent() {
			t.Errorf("%s is not sealed", g.name)
		}
	}
	if row[len(row)-1].stateIsCurrent() {
		t.Error("the newest is taken for sealed")
	}
}

// TestSealedAfterCrash: a first stream that a crash left full and without its
// state is sealed before the next is begun.
func TestSealedAfterCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := segmentLog(t, Options{Dir: dir})
	for i := range 5 {
		segmentAppend(t, l, fmt.Sprint(i))
	}
	first := l.store.segments()[0]
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first.indexPath()); err != nil {
		t.Fatal(err)
	}
	l = segmentLog(t, Options{Dir: dir, RollBytes: 300})
	for i := range 5 {
		if p := segmentAppend(t, l, fmt.Sprint(5+i)); p.Seq != uint64(6+i) {
			t.Errorf("frame %d went to %v", 6+i, p)
		}
	}
	if row := l.store.segments(); len(row) < 2 || row[1].begin != 7 || !row[0].stateIsCurrent() {
		t.Errorf("%d streams, the first is sealed: %t", len(row), row[0].stateIsCurrent())
	}
	if got := segmentIDs(t, l); len(got) != 10 {
		t.Errorf("the log has %v", got)
	}
}
