package nats_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/nats"
)

// TestDamage flips a byte of a frame on disk: readers of it fail with a name,
// Verify says where, and everything else can still be read.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, nats.Options{Dir: dir, CacheBytes: 1})
	for i := range 20 {
		eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprintf("frame-%d", i)))
	}
	_, last, _ := log.Bounds(eventlogtest.Context(t))
	log.Close()
	path := filepath.Join(dir, "jetstream", "$G", "streams", "log", "msgs", "1.blk")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("key-frame-7"))
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}

	log = open(t, nats.Options{Dir: dir, CacheBytes: 1, CheckBytes: -1, Logger: logger(t)})
	first, newLast, _ := log.Bounds(eventlogtest.Context(t))
	if first.Epoch != last.Epoch || newLast != last {
		t.Fatalf("the log goes from %v to %v, it ended at %v", first, newLast, last)
	}
	v, err := log.Verify(eventlogtest.Context(t), nil)
	if err != nil || v.Broken != 1 || v.Frames != 19 || !strings.Contains(v.Problems[0], "8") {
		t.Errorf("Verify: %+v, %v", v, err)
	}
	r := eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{})
	n := 0
	after := millrace.Position{Epoch: last.Epoch, Seq: 8, Index: millrace.EndOfFrame}
	for {
		b, err := r.Next(eventlogtest.Context(t))
		if err != nil {
			if millrace.KindOf(err) != millrace.Internal || !strings.Contains(err.Error(), "frame 8") || !strings.Contains(err.Error(), "reader reset archive --after "+after.String()+" --yes") {
				t.Errorf("Next: %v", err)
			}
			break
		}
		if n += len(b.Records); b.AtEnd {
			t.Error("the damage was read over")
			break
		}
	}
	if n != 7 {
		t.Errorf("%d records before the damage, want 7", n)
	}
	if got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, after, eventlog.Filter{})); len(got) != 12 {
		t.Errorf("%d records behind the damage, want 12", len(got))
	}
	eventlogtest.Append(t, log, eventlogtest.Record("more"))

	// Given up, readers pass over it, also after a restart; what can be read stays.
	for seq, want := range []uint64{8: 1, 9: 0, 20: 0} {
		if seq == 0 {
			continue
		}
		frames, err := log.Skip(eventlogtest.Context(t), millrace.Position{Epoch: last.Epoch, Seq: 5, Index: millrace.EndOfFrame}, millrace.Position{Epoch: last.Epoch, Seq: uint64(seq), Index: millrace.EndOfFrame})
		if seq >= 8 && (err != nil || frames != want) || seq < 8 && (err == nil) != (seq >= 5) {
			t.Errorf("Skip to %d: %d frames, %v", seq, frames, err)
		}
	}
	for range 2 {
		if got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{})); len(got) != 20 {
			t.Errorf("%d records, want 20", len(got))
		}
		v, err := log.Verify(eventlogtest.Context(t), nil)
		if err != nil || v.Broken != 0 || v.Frames != 20 || len(v.Lost) != 1 || !strings.Contains(v.Lost[0], "frame 8") {
			t.Errorf("Verify: %+v, %v", v, err)
		}
		log.Close()
		log = open(t, nats.Options{Dir: dir, CacheBytes: 1, CheckBytes: -1, Logger: logger(t)})
	}
}

// goldenLog is the folder of a log as version 1 of the frame format and of
// log.json wrote it: frames 1 to 9 of 1 to 9 records, the first three trimmed.
const goldenLog = "testdata/log_v1.tar.gz"

// TestGoldenLog opens that folder, reads it and goes on.
func TestGoldenLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if os.Getenv("MILLRACE_WRITE_GOLDEN") != "" {
		writeGoldenLog(t)
	}
	if out, err := exec.Command("tar", "-xzf", goldenLog, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	log := open(t, nats.Options{Dir: dir})
	first, last, err := log.Bounds(eventlogtest.Context(t))
	const epoch = 1_760_000_000_000
	if err != nil || first != (millrace.Position{Epoch: epoch, Seq: 4}) || last != (millrace.Position{Epoch: epoch, Seq: 9, Index: millrace.EndOfFrame}) {
		t.Fatalf("Bounds %v, %v, %v", first, last, err)
	}
	if v, err := log.Verify(eventlogtest.Context(t), nil); err != nil || v.Broken != 0 || v.Frames != 6 || v.Records != 4+5+6+7+8+9 {
		t.Errorf("Verify: %+v, %v", v, err)
	}
	after := millrace.Position{Epoch: epoch, Seq: 3, Index: millrace.EndOfFrame}
	got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, after, eventlog.Filter{}))
	for i, n := 0, 4; n <= 9; n++ {
		for k, want := range eventlogtest.Records(fmt.Sprint(n), n) {
			e := got[i]
			if e.ID != want.ID || !bytes.Equal(e.Body, want.Body) || e.Key != want.Key || !e.Received.Equal(want.Received) || int(e.Position.Index) != k {
				t.Fatalf("record %d is %+v, want %+v", i, e, want)
			}
			i++
		}
	}
	if p := eventlogtest.Append(t, log, eventlogtest.Record("next")); p.Epoch != epoch || p.Seq != 10 {
		t.Errorf("the next record went to %v", p)
	}
}

func writeGoldenLog(t *testing.T) {
	if _, err := os.Stat(goldenLog); err == nil {
		t.Fatalf("%s exists: golden logs are never written again", goldenLog)
	}
	dir := t.TempDir()
	log := open(t, nats.Options{Dir: dir, Now: func() time.Time { return time.UnixMilli(1_760_000_000_000) }})
	for n := 1; n <= 9; n++ {
		eventlogtest.Append(t, log, eventlogtest.Records(fmt.Sprint(n), n)...)
	}
	first, _, _ := log.Bounds(eventlogtest.Context(t))
	if err := log.Trim(eventlogtest.Context(t), millrace.Position{Epoch: first.Epoch, Seq: 3, Index: millrace.EndOfFrame}); err != nil {
		t.Fatal(err)
	}
	log.Close()
	if err := os.MkdirAll(filepath.Dir(goldenLog), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-czf", goldenLog, "--owner=0", "--group=0", "-C", dir, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
