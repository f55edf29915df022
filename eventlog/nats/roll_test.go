package nats_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/nats"
)

func streamsFolder(dir string) string { return filepath.Join(dir, "jetstream", "$G", "streams") }

// streams returns the names of the streams in a log's folder.
func streams(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(streamsFolder(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !strings.HasPrefix(f.Name(), ".") { // those are being removed
			names = append(names, f.Name())
		}
	}
	return names
}

func countStreams(t *testing.T, dir string) int { return len(streams(t, dir)) }

// copyLog copies the folder of a log that may be open.
func copyLog(t *testing.T, from string) string {
	t.Helper()
	for attempt := 0; ; attempt++ {
		to := filepath.Join(t.TempDir(), "log")
		out, err := exec.Command("cp", "-a", from, to).CombinedOutput()
		if err == nil {
			return to
		}
		if attempt == 10 { // the server may be removing what was purged
			t.Fatalf("cp: %v %s", err, out)
		}
	}
}

// rolledLog makes a log of 20 frames in several streams, and returns the folder
// as a crash would have left it.
func rolledLog(t *testing.T) (dir string, frames []eventlog.Entry) {
	t.Helper()
	log := open(t, nats.Options{Dir: t.TempDir(), RollBytes: rolledBytes, Logger: logger(t)})
	for i := range salvageFrames {
		eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprintf("frame-%d-", i)))
	}
	frames, _ = eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
	return copyLog(t, log.Dir()), frames
}

// rolledBytes makes a stream of three frames of rolledLog.
const rolledBytes = 600

// TestRolledDamage damages a stream in the middle of the log, after a crash:
// nothing is lost but what was damaged, and it goes on.
func TestRolledDamage(t *testing.T) {
	t.Parallel()
	crashed, frames := rolledLog(t)
	names := streams(t, crashed)
	t.Log(names)
	if len(names) < 4 {
		t.Fatalf("the log is in %v: too few streams", names)
	}
	const frame = 8
	path := func(dir string) string {
		for _, name := range names {
			found, err := filepath.Glob(filepath.Join(streamsFolder(dir), name, "msgs", "*.blk"))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range found {
				if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, fmt.Appendf(nil, "key-frame-%d-", frame)) {
					return path
				}
			}
		}
		t.Fatal("no block has the frame")
		return ""
	}
	begin := func(b []byte) int { return bytes.Index(b, fmt.Appendf(nil, "key-frame-%d-", frame)) }
	const note = 30 // bytes of what the server writes before the marker
	marker := func(b []byte) int { return note + int(b[note]) }
	for name, test := range map[string]struct {
		damage func(b []byte)
		lost   []int // nil: none, and nothing has to be told
		index  bool  // the state file is there
	}{
		"a frame":                 {func(b []byte) { b[begin(b)] ^= 1 }, []int{frame}, true},
		"a frame, all read":       {func(b []byte) { b[begin(b)] ^= 1 }, []int{frame}, false},
		"the note":                {func(b []byte) { b[3] ^= 1 }, nil, true},
		"the note, all read":      {func(b []byte) { b[3] ^= 1 }, nil, false},
		"the marker":              {func(b []byte) { b[note+25] ^= 1 }, nil, true},
		"the marker, all read":    {func(b []byte) { b[note+25] ^= 1 }, nil, false},
		"the beginning":           {func(b []byte) { clear(b[:marker(b)]) }, nil, true},
		"the beginning, all read": {func(b []byte) { clear(b[:marker(b)]) }, nil, false},
		"marker and first":        {func(b []byte) { clear(b[note+4 : marker(b)+40]) }, []int{-1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyLog(t, crashed)
			file := path(dir)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			test.damage(data)
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if index := filepath.Join(filepath.Dir(file), "index.db"); !test.index {
				if err := os.Remove(index); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
			o := nats.Options{Dir: dir, CacheBytes: 1, RollBytes: rolledBytes, Logger: logger(t)}
			log := open(t, o)
			lost := test.lost
			if slices.Equal(lost, []int{-1}) { // the first frame of that stream
				lost = []int{int(log.Lost()[0].First) - 1}
			}
			for i := range 8 {
				checkRolled(t, log, frames, lost)
				if len(lost) > 0 {
					if got, err := os.ReadFile(filepath.Join(dir, log.Lost()[0].Aside)); err != nil || !bytes.Equal(got, data) {
						t.Errorf("the copy is not what was found: %v", err)
					}
				}
				p := eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprint("more-", i)))
				if p.Epoch != frames[0].Position.Epoch || p.Seq != uint64(salvageFrames+1+i) {
					t.Errorf("the next record went to %v", p)
				}
				if i%2 == 1 {
					log.Close()
					log = open(t, o)
				}
			}
		})
	}
}

// checkRolled compares what the log has with what it had but for the lost.
func checkRolled(t *testing.T, log *nats.Log, frames []eventlog.Entry, lost []int) {
	t.Helper()
	if len(lost) > 0 {
		checkSalvaged(t, log, frames, lost)
		return
	}
	got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
	for i, e := range frames {
		if i >= len(got) || got[i].Position != e.Position || got[i].ID != e.ID {
			t.Fatalf("%d records, they differ from record %d on", len(got), i)
		}
	}
	if v, err := log.Verify(eventlogtest.Context(t), nil); err != nil || v.Broken != 0 || len(v.Lost) != 0 {
		t.Errorf("Verify: %+v, %v", v, err)
	}
}

// TestRolledTrim trims through several streams: their folders go, also when a
// crash came between, and no number is used again.
func TestRolledTrim(t *testing.T) {
	t.Parallel()
	crashed, frames := rolledLog(t)
	epoch := frames[0].Position.Epoch
	for _, through := range []uint64{1, 3, 4, 7, 10, 11, 18, 19, 20} {
		for _, cut := range []bool{false, true} {
			t.Run(fmt.Sprintf("through %d, cut short %t", through, cut), func(t *testing.T) {
				t.Parallel()
				dir := copyLog(t, crashed)
				o := nats.Options{Dir: dir, CacheBytes: 1, RollBytes: rolledBytes, Logger: logger(t)}
				before := countStreams(t, dir)
				if cut { // only the intention was written
					path := filepath.Join(dir, "log.json")
					text, err := os.ReadFile(path)
					if err == nil {
						err = os.WriteFile(path, bytes.Replace(text, []byte(`"first":1,`), fmt.Appendf(nil, `"first":%d,`, through+1), 1), 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				log := open(t, o)
				st, err := log.Status(eventlogtest.Context(t))
				if err != nil {
					t.Fatal(err)
				}
				size := st.SizeBytes
				if !cut {
					if err := log.Trim(eventlogtest.Context(t), millrace.Position{Epoch: epoch, Seq: through, Index: millrace.EndOfFrame}); err != nil {
						t.Fatal(err)
					}
					if st, err = log.Status(eventlogtest.Context(t)); err != nil || st.SizeBytes >= size {
						t.Errorf("%d bytes, then %d, %v", size, st.SizeBytes, err)
					}
				}
				for range 2 {
					first, last, err := log.Bounds(eventlogtest.Context(t))
					if err != nil || first.Seq != through+1 || last.Seq != salvageFrames {
						t.Errorf("Bounds %v, %v, %v", first, last, err)
					}
					if n := countStreams(t, dir); through > 4 && n >= before || through == 20 && n != 1 {
						t.Errorf("%d streams of %d", n, before)
					}
					if after := (millrace.Position{Epoch: epoch, Seq: through, Index: millrace.EndOfFrame}); through < 20 {
						got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, after, eventlog.Filter{}))
						if len(got) != salvageFrames-int(through) || got[0].ID != frames[through].ID {
							t.Errorf("%d records behind %v", len(got), after)
						}
					}
					log.Close()
					log = open(t, o)
				}
				if p := eventlogtest.Append(t, log, eventlogtest.Record("next")); p.Epoch != epoch || p.Seq != salvageFrames+1 {
					t.Errorf("the next record went to %v", p)
				}
			})
		}
	}
}

// TestOpenAfterKill kills a process that has filled many streams: the next
// start reads no more than the newest of them.
func TestOpenAfterKill(t *testing.T) {
	t.Parallel()
	const roll, frames = 12 << 20, 150
	dir := filepath.Join(t.TempDir(), "log")
	fill(t, dir, roll, frames, false)
	if n := countStreams(t, dir); n < 5 {
		t.Fatalf("%d streams", n)
	}
	// The server reads a stream that it has no state of twice, and of others the
	// last block. The last one that was full may not have been sealed before the
	// kill.
	if _, read := fill(t, dir, roll, 1, false); read > 2*2*2*roll+8<<20 {
		t.Errorf("%d bytes were read, a stream has %d", read, roll)
	}
	log := open(t, nats.Options{Dir: dir})
	if _, last, err := log.Bounds(eventlogtest.Context(t)); err != nil || last.Seq < frames {
		t.Errorf("the log ends at %v, %v", last, err)
	}
}

// goldenKilled is the folder of a log in one stream as the version before wrote
// it until it was killed: frames 1 to 40, the first five trimmed.
const goldenKilled = "testdata/log_v1_killed.tar.gz"

// TestGoldenRolls opens a log in one stream and goes on in further ones.
func TestGoldenRolls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xzf", goldenKilled, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "log.json")); err != nil || !strings.Contains(string(text), `"format":1,`) {
		t.Fatalf("%s, %v", text, err)
	}
	o := nats.Options{Dir: dir, CacheBytes: 1, RollBytes: rolledBytes, Logger: logger(t)}
	for next := uint64(41); next < 50; next++ {
		log := open(t, o)
		first, last, err := log.Bounds(eventlogtest.Context(t))
		if err != nil || first.Seq != 6 || last.Seq != next-1 {
			t.Fatalf("Bounds %v, %v, %v", first, last, err)
		}
		if p := eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprint(next))); p.Epoch != first.Epoch || p.Seq != next {
			t.Fatalf("frame %d went to %v", next, p)
		}
		first.Seq, first.Index = 5, millrace.EndOfFrame
		got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, first, eventlog.Filter{}))
		for i, e := range got {
			if e.ID != fmt.Sprint(i+6) || e.Position.Seq != uint64(i+6) {
				t.Fatalf("record %d is %s at %v", i, e.ID, e.Position)
			}
		}
		if len(got) != int(next-5) {
			t.Errorf("%d records", len(got))
		}
		log.Close()
	}
	if n := countStreams(t, dir); n < 3 {
		t.Errorf("%d streams", n)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "log.json")); err != nil || !strings.Contains(string(text), `"format":2,`) {
		t.Errorf("%s, %v: a version that knows one stream would open it", text, err)
	}
}

// TestSalvageReadThrough damages the header of a record in a block that is not
// among the newest, of a stream that the server will read through after a
// crash: it would cut the block off there.
func TestSalvageReadThrough(t *testing.T) {
	t.Parallel()
	log := open(t, nats.Options{CacheBytes: 1})
	const frames = 30
	for i := range frames {
		eventlogtest.Append(t, log, noise(fmt.Sprint("frame-", i), 1_000_000))
	}
	before, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
	dir := copyLog(t, log.Dir())
	blocks := filepath.Join(streamsFolder(dir), "log", "msgs")
	if found, err := filepath.Glob(filepath.Join(blocks, "*.blk")); err != nil || len(found) < 4 {
		t.Fatalf("%v, %v", found, err)
	}
	if err := os.RemoveAll(filepath.Join(blocks, "index.db")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(blocks, "1.blk")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[2] ^= 0x40 // the length of the first
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	salvaged := open(t, nats.Options{Dir: dir, CacheBytes: 1, CheckBytes: 1, Logger: logger(t)})
	checkSalvaged(t, salvaged, before, []int{0})
	if lost := salvaged.Lost(); len(lost) != 1 || lost[0].Aside == "" {
		t.Errorf("%v are lost", lost)
	}
}
