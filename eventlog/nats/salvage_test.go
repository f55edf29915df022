package nats_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// salvageFrames is how many frames the damaged logs have.
const salvageFrames = 20

// TestSalvage damages the newest block in many ways, after a clean end and
// after a crash: nothing is lost but what was damaged, what is left keeps its
// position, and a copy of the block is kept.
func TestSalvage(t *testing.T) {
	t.Parallel()
	clean, crashed, frames := salvageLogs(t)
	begin := func(b []byte, frame int) int { return bytes.Index(b, fmt.Appendf(nil, "key-frame-%d-", frame)) }
	for name, test := range map[string]struct {
		damage func(b []byte)
		lost   []int
		any    bool // which frames are lost is left to chance
	}{
		"one bit of a body":     {func(b []byte) { b[begin(b, 7)] ^= 1 }, []int{7}, false},
		"the first":             {func(b []byte) { b[begin(b, 0)] ^= 1 }, []int{0}, false},
		"the length":            {func(b []byte) { b[1] ^= 0x40 }, []int{0}, false},
		"the sequence":          {func(b []byte) { b[4] ^= 7 }, []int{0}, false},
		"two apart":             {func(b []byte) { b[begin(b, 3)] ^= 1; b[begin(b, 12)] ^= 0x80 }, []int{3, 12}, false},
		"two next to another":   {func(b []byte) { b[begin(b, 3)] ^= 1; b[begin(b, 4)] ^= 1 }, []int{3, 4}, false},
		"a range":               {func(b []byte) { clear(b[begin(b, 3):begin(b, 9)]) }, []int{3, 4, 5, 6, 7, 8, 9}, false},
		"a page":                {func(b []byte) { clear(b[1024:2048]) }, nil, true},
		"sixteen in the middle": {func(b []byte) { scramble(b[len(b)/2 : len(b)/2+16]) }, nil, true},
	} {
		for end, from := range map[string]string{"clean": clean, "crashed": crashed} {
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "log")
				if out, err := exec.Command("cp", "-a", from, dir).CombinedOutput(); err != nil {
					t.Fatalf("cp: %v %s", err, out)
				}
				path := filepath.Join(dir, "jetstream", "$G", "streams", "log", "msgs", "1.blk")
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				test.damage(data)
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				log := open(t, nats.Options{Dir: dir, CacheBytes: 1, Logger: logger(t)})
				lost := test.lost
				if test.any {
					for _, l := range log.Lost() {
						for seq := l.First; seq <= l.Last; seq++ {
							lost = append(lost, int(seq-1))
						}
					}
					if len(lost) == 0 || len(lost) > 10 {
						t.Fatalf("%v are lost", lost)
					}
				}
				checkSalvaged(t, log, frames, lost)
				if got, err := os.ReadFile(filepath.Join(dir, log.Lost()[0].Aside)); err != nil || !bytes.Equal(got, data) {
					t.Errorf("the copy is not what was found: %v", err)
				}
				for i := range 3 { // goes on, and is the same after each restart
					p := eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprint("more-", i)))
					if p.Epoch != frames[0].Position.Epoch || p.Seq != uint64(salvageFrames+1+i) {
						t.Errorf("the next record went to %v", p)
					}
					if i == 1 {
						log.Close()
						if err := os.Remove(filepath.Join(filepath.Dir(path), "index.db")); err != nil {
							t.Fatal(err)
						}
					} else {
						log.Close()
					}
					log = open(t, nats.Options{Dir: dir, CacheBytes: 1, Logger: logger(t)})
				}
				checkSalvaged(t, log, frames, lost)
			})
		}
	}
}

func scramble(b []byte) {
	for i := range b {
		b[i] ^= byte(1 + rand.N(255))
	}
}

// salvageLogs makes a log that was closed, and the same one as a crash would
// have left it a frame earlier.
func salvageLogs(t *testing.T) (clean, crashed string, frames []eventlog.Entry) {
	clean, crashed = t.TempDir(), filepath.Join(t.TempDir(), "crashed")
	log := open(t, nats.Options{Dir: clean})
	for i := range salvageFrames {
		eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprintf("frame-%d-", i)))
	}
	frames, _ = eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
	if out, err := exec.Command("cp", "-a", clean, crashed).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v %s", err, out)
	}
	if err := os.RemoveAll(filepath.Join(crashed, "jetstream", "$G", "streams", "log", "msgs", "index.db")); err != nil {
		t.Fatal(err)
	}
	log.Close()
	return clean, crashed, frames
}

// checkSalvaged compares what the log has with what it had but for the lost.
func checkSalvaged(t *testing.T, log *nats.Log, frames []eventlog.Entry, lost []int) {
	t.Helper()
	var want []string
	for i, e := range frames {
		if !slices.Contains(lost, i) {
			want = append(want, e.Position.String()+" "+e.ID)
		}
	}
	got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
	var have []string
	for _, e := range got {
		if !strings.HasPrefix(e.ID, "more-") {
			have = append(have, e.Position.String()+" "+e.ID)
		}
	}
	if !slices.Equal(have, want) {
		t.Errorf("the log has\n%v, want\n%v", have, want)
	}
	v, err := log.Verify(eventlogtest.Context(t), nil)
	if err != nil || v.Broken != 0 || len(v.Lost) == 0 {
		t.Errorf("Verify: %+v, %v", v, err)
	}
}

// TestSalvageTheEnd: the last frame that is known to be acknowledged is told
// as lost, and a record that a crash tore is cut off without a word.
func TestSalvageTheEnd(t *testing.T) {
	t.Parallel()
	dir, _, frames := salvageLogs(t)
	path := filepath.Join(dir, "jetstream", "$G", "streams", "log", "msgs", "1.blk")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := data[:100]
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	log := open(t, nats.Options{Dir: dir, CacheBytes: 1, Logger: logger(t)})
	checkSalvaged(t, log, frames, []int{salvageFrames - 1})
	log.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, torn...), 0o600); err != nil {
		t.Fatal(err)
	}
	log = open(t, nats.Options{Dir: dir, CacheBytes: 1, Logger: logger(t)})
	checkSalvaged(t, log, frames, []int{salvageFrames - 1})
	if n := len(log.Lost()); n != 1 {
		t.Errorf("%d are lost, want 1", n)
	}
	if p := eventlogtest.Append(t, log, eventlogtest.Record("more-")); p.Seq != salvageFrames+1 || p.Epoch != frames[0].Position.Epoch {
		t.Errorf("the next record went to %v", p)
	}
}
