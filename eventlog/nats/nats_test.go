package nats_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/nats"
)

// open opens a log that the test closes.
func open(t testing.TB, o nats.Options) *nats.Log {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), eventlogtest.Timeout)
	defer cancel()
	log, err := nats.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

func TestConformance(t *testing.T) {
	t.Parallel()
	eventlogtest.Run(t, func(t *testing.T) eventlog.Log { return open(t, nats.Options{Metrics: prometheus.NewRegistry()}) })
}

// TestConformanceFromDisk has next to nothing in memory, so that readers go to the disk.
func TestConformanceFromDisk(t *testing.T) {
	t.Parallel()
	eventlogtest.Run(t, func(t *testing.T) eventlog.Log { return open(t, nats.Options{CacheBytes: 1}) })
}

// TestConformanceRolled begins a new stream every few frames.
func TestConformanceRolled(t *testing.T) {
	t.Parallel()
	eventlogtest.Run(t, func(t *testing.T) eventlog.Log {
		return open(t, nats.Options{RollBytes: 4 << 10, CacheBytes: 1, Logger: logger(t)})
	})
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	if _, err := nats.Open(context.Background(), nats.Options{}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var last millrace.Position
	var checkpoints []millrace.Position
	for round := range 4 {
		log := open(t, nats.Options{Dir: dir})
		for i := range 5 {
			p := eventlogtest.Append(t, log, eventlogtest.Records(fmt.Sprintf("%d-%d", round, i), 2)...)
			if !last.Before(p) || round > 0 && p.Epoch != last.Epoch {
				t.Fatalf("round %d: %v follows %v", round, p, last)
			}
			last = p
			checkpoints = append(checkpoints, p)
		}
		for i, after := range checkpoints {
			got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, after, eventlog.Filter{}))
			if want := 2 * (len(checkpoints) - i - 1); len(got) != want {
				t.Fatalf("round %d, after %v: %d records, want %d", round, after, len(got), want)
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir + "/log.json"); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
}

// TestTrimSurvives trims everything and opens again: no sequence is used twice.
func TestTrimSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, nats.Options{Dir: dir})
	var p millrace.Position
	for i := range 10 {
		p = eventlogtest.Append(t, log, eventlogtest.Records(fmt.Sprint(i), 1)...)
	}
	through := p
	through.Index = millrace.EndOfFrame
	if err := log.Trim(eventlogtest.Context(t), through); err != nil {
		t.Fatal(err)
	}
	log.Close()
	for range 2 {
		log = open(t, nats.Options{Dir: dir})
		first, last, err := log.Bounds(eventlogtest.Context(t))
		if err != nil || last != through || first.Seq != p.Seq+1 {
			t.Fatalf("Bounds %v, %v, %v", first, last, err)
		}
		log.Close()
	}
	log = open(t, nats.Options{Dir: dir})
	if q := eventlogtest.Append(t, log, eventlogtest.Record("next")); q.Seq != p.Seq+1 || q.Epoch != p.Epoch {
		t.Errorf("the next record went to %v", q)
	}
}

// TestLostFrames takes the frames away: a new epoch begins, and readers go on
// in it. A log that does not know its epoch any more takes the archive's.
func TestLostFrames(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]string{"frames": "/jetstream", "identity": "/log.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := open(t, nats.Options{Dir: dir})
			p := eventlogtest.Append(t, log, eventlogtest.Records("a", 3)...)
			log.Close()
			if err := os.RemoveAll(dir + remove); err != nil {
				t.Fatal(err)
			}
			after, want := p.Epoch+1000, p.Epoch+1001
			if name == "identity" {
				after, want = p.Epoch, p.Epoch
			}
			log = open(t, nats.Options{Dir: dir, AfterEpoch: after})
			_, last, err := log.Bounds(eventlogtest.Context(t))
			if err != nil || last.Epoch != want {
				t.Fatalf("epoch %d after %d, %v", last.Epoch, p.Epoch, err)
			}
			eventlogtest.Append(t, log, eventlogtest.Record("b"))
			if got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, p, eventlog.Filter{})); len(got) != 1 || got[0].ID != "b" {
				t.Errorf("behind %v are %d records, want what was appended last", p, len(got))
			}
			records := 1
			if name == "identity" {
				records = 4 // the frames are still there
			}
			if got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{})); len(got) != records {
				t.Errorf("%d records, want %d", len(got), records)
			}
		})
	}
}

// TestClockSetBack checks that log time never goes back, over restarts and trims.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	peak := now
	for round, step := range []time.Duration{time.Hour, -24 * time.Hour, 0, -time.Hour, 30 * time.Hour} {
		now = now.Add(step)
		if now.After(peak) {
			peak = now
		}
		at := now
		log := open(t, nats.Options{Dir: dir, Now: func() time.Time { return at }})
		p := eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprint(round)))
		_, last, _ := log.Bounds(eventlogtest.Context(t))
		after := p
		after.Seq, after.Index = p.Seq-1, millrace.EndOfFrame
		got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, after, eventlog.Filter{}))
		if len(got) != 1 || !got[0].Time.Equal(peak) {
			t.Fatalf("round %d: log time %v, want %v", round, got[0].Time, peak)
		}
		if round%2 == 1 { // nothing is left that could tell the time
			if err := log.Trim(eventlogtest.Context(t), last); err != nil {
				t.Fatal(err)
			}
		}
		log.Close()
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	log := open(t, nats.Options{Now: func() time.Time { return now }})
	ctx := eventlogtest.Context(t)
	if p, err := log.Expired(ctx, eventlog.Retention{Age: time.Hour, SizeBytes: 1}); err != nil || !p.IsZero() {
		t.Errorf("of an empty log %v is expired, %v", p, err)
	}
	for i := range 100 {
		eventlogtest.Append(t, log, eventlogtest.Records(fmt.Sprint(i), 5)...)
		now = now.Add(time.Minute)
	}
	for i, want := range map[time.Duration]uint64{0: 1, 30 * time.Minute: 31, 30*time.Minute + time.Millisecond: 32, 99 * time.Minute: 100, 200 * time.Minute: 101} {
		p, err := log.FirstAfter(ctx, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(i))
		if err != nil || p.Seq != want {
			t.Errorf("the first frame after %v is %v, %v, want %d", i, p, err, want)
		}
	}
	if p, err := log.Expired(ctx, eventlog.Retention{Age: 40 * time.Minute}); err != nil || p.Seq != 60 || p.Index != millrace.EndOfFrame {
		t.Errorf("older than 40 minutes is %v, %v", p, err)
	}
	st, err := log.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	limit := st.SizeBytes / 3
	for range 5 {
		p, err := log.Expired(ctx, eventlog.Retention{SizeBytes: limit})
		if err == nil {
			err = log.Trim(ctx, p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if st, err = log.Status(ctx); err != nil || st.SizeBytes > limit || st.SizeBytes < limit/2 || st.FirstTime.IsZero() {
		t.Errorf("after trimming to %d bytes: %+v, %v", limit, st, err)
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	log := open(t, nats.Options{})
	for i := range 700 {
		eventlogtest.Append(t, log, eventlogtest.Records(fmt.Sprint(i), 3)...)
	}
	var done, total int64
	v, err := log.Verify(eventlogtest.Context(t), func(d, n int64) { done, total = d, n })
	if err != nil || v.Broken != 0 || v.Frames != 700 || v.Records != 2100 || v.SizeBytes == 0 || done != 700 || total != 700 {
		t.Errorf("%+v, %v, progress %d of %d", v, err, done, total)
	}
}

// TestRenew begins a new epoch behind what the log has: positions of both are
// known, a reader of the old one goes on in the new one, and so after a restart.
func TestRenew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, nats.Options{Dir: dir})
	var old []millrace.Position
	for i := range 3 {
		old = append(old, eventlogtest.Append(t, log, eventlogtest.Record(fmt.Sprint("a", i))))
	}
	beyond := old[2]
	beyond.Seq, beyond.Index = beyond.Seq+10, millrace.EndOfFrame
	if err := log.Renew(old[1], millrace.Position{}, millrace.Position{Epoch: 5, Seq: 100}); err != nil || len(log.Eras()) != 1 {
		t.Fatalf("a log that is in order has eras %v, %v", log.Eras(), err)
	}
	if err := log.Renew(old[1], beyond); err != nil || len(log.Eras()) != 2 {
		t.Fatalf("eras %v, %v", log.Eras(), err)
	}
	eventlogtest.Append(t, log, eventlogtest.Record("b"))
	for range 2 {
		first, last, err := log.Bounds(eventlogtest.Context(t))
		if err != nil || first.Epoch != old[0].Epoch || last.Epoch <= old[0].Epoch || last.Seq != 4 {
			t.Fatalf("Bounds %v, %v, %v", first, last, err)
		}
		for after, want := range map[millrace.Position]int{{}: 4, old[0]: 3, old[2]: 1, beyond: 1, {Epoch: last.Epoch, Seq: 2}: 1, last: 0} {
			got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, after, eventlog.Filter{}))
			if len(got) != want {
				t.Errorf("behind %v are %d records, want %d", after, len(got), want)
			}
			for _, e := range got {
				if inOld := e.Position.Epoch == old[0].Epoch; inOld != (e.ID != "b") {
					t.Errorf("%s is at %v", e.ID, e.Position)
				}
			}
		}
		log.Close()
		log = open(t, nats.Options{Dir: dir})
	}
	if err := log.Trim(eventlogtest.Context(t), beyond); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := log.Bounds(eventlogtest.Context(t)); first.Seq != 4 {
		t.Errorf("trimmed through the old epoch, the log begins at %v", first)
	}
}
