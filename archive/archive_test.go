package archive

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

func TestFreshThenPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	w.append(events("default", "web", 0, 50)...)
	w.append(events("default", "ios", 50, 20)...)
	w.append(events("other", "web", 70, 5)...)
	w.flush()
	w.check()
	if got := w.published(); len(got) != 0 {
		t.Errorf("%d records are published before the hour is over", len(got))
	}
	through, err := w.Through(t.Context())
	if _, last, _ := w.log.Bounds(t.Context()); err != nil || through != last {
		t.Errorf("Through() = %s, %v, want %s", through, err, last)
	}
	w.clock.Add(time.Hour)
	w.append(events("default", "web", 75, 5)...)
	w.publish()
	w.check()
	same(t, w.published(), w.want[:75])
	s := w.Stats()
	if s.Files != 3 || s.FreshFiles != 1 || s.Records != 80 || s.LastError != "" || s.Through.IsZero() || s.SizeBytes == 0 {
		t.Errorf("Stats() = %+v", s)
	}
	if err := w.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	w.mustOpen()
	w.check()
}

func TestLayout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	w.append(events("default", "web", 0, 3)...)
	w.append(events("_sneaky/../x", ".so=urce", 3, 1)...)
	w.clock.Add(2 * time.Hour)
	w.publish()
	var got []string
	for info, err := range w.bucket.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(info.Key, "_") {
			got = append(got, strings.ReplaceAll(info.Key, fmt.Sprint(tenOClock.UnixMilli()), "EPOCH"))
		}
	}
	want := []string{
		"%5Fsneaky%2F..%2Fx/%2Eso%3Durce/date=2026-11-21/hour=10/EPOCH-0_EPOCH-2.parquet",
		"default/web/date=2026-11-21/hour=10/EPOCH-0_EPOCH-2.parquet",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w.check()
}

func TestAnyBytes(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	far := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	tests := map[string]millrace.Record{
		"every byte":      {ID: "1", Body: all, Meta: all},
		"empty":           {ID: "2", Body: []byte{}, Meta: []byte{}},
		"nothing":         {ID: "3"},
		"not UTF-8":       {ID: "id\xff\x00", Key: "key\xfe", Body: []byte("\xff\xfe\x00")},
		"NUL":             {ID: "a\x00b", Key: "\x00", Body: []byte("{\"userId\":\"\\u0000\"}")},
		"lone surrogate":  {ID: "5", Body: []byte(`{"userId":"\ud800","anonymousId":1e400}`)},
		"broken JSON":     {ID: "6", Body: []byte(`{"userId":"x`), Meta: []byte(`{{{{`)},
		"large":           {ID: "7", Body: bytes.Repeat([]byte("large\xff"), 500_000)},
		"far times":       {ID: "8", Received: far, Occurred: time.UnixMilli(math.MinInt32 * 1000).UTC()},
		"deep":            {ID: "9", Body: []byte(strings.Repeat(`{"a":`, 10_000))},
		"numbers as user": {ID: "10", Body: []byte(`{"userId":13085,"anonymousId":null}`)},
	}
	w := newWorld(t)
	w.mustOpen()
	for _, r := range tests {
		r.Workspace, r.Source, r.Stream = "default", "web", "track:\xf0 NUL\x00"
		if r.Received.IsZero() {
			r.Received, r.Occurred = tenOClock, tenOClock
		}
		w.append(r)
	}
	w.flush()
	w.check()
	w.clock.Add(2 * time.Hour)
	w.publish()
	w.check()
}

func TestFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.MaxFileBytes, w.opts.MaxSliceBytes = 3000, 9000
	w.mustOpen()
	for i := range 30 {
		w.append(events("default", []string{"web", "ios"}[i%2], i*7, 7)...)
		w.append(events("other", "web", i*7, 2)...)
		if i == 15 {
			w.clock.Add(time.Hour)
			w.publish()
		}
	}
	w.flush()
	filters := map[string]eventlog.Filter{
		"all": {}, "workspace": {Workspace: "other"}, "source": {Sources: []string{"ios"}},
		"stream": {Streams: []string{"identify"}}, "tracks": {Streams: []string{"track:"}},
		"both": {Workspace: "default", Sources: []string{"web", "x"}, Streams: []string{"page", "stream:"}}, "none": {Sources: []string{"none"}},
	}
	for name, f := range filters {
		for _, from := range []int{0, 1, 40, 100, len(w.want) - 1} {
			after := w.want[from].Position
			if from == 0 {
				after = millrace.Position{}
			}
			var want []eventlog.Entry
			for _, e := range w.want {
				if e.Position.After(after) && f.Match(&e.Record) {
					want = append(want, e)
				}
			}
			t.Run(fmt.Sprint(name, from), func(t *testing.T) { same(t, readAll(t, w.Archive, after, f), want) })
		}
	}
	w.check()
}

func TestLargeHourIsSeveralFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.MaxFileBytes, w.opts.MaxSliceBytes = 20_000, 60_000
	w.mustOpen()
	for i := range 60 {
		w.append(events("default", fmt.Sprint("s", i%3), i*20, 20)...)
	}
	w.clock.Add(2 * time.Hour)
	w.publish()
	w.check()
	same(t, w.published(), w.want)
	s := w.Stats()
	if s.Files < 12 || s.Files > 60 || s.FreshFiles != 0 {
		t.Errorf("%d published files, %d fresh", s.Files, s.FreshFiles)
	}
}

// TestEmptyHours shows that time without records costs nothing.
func TestEmptyHours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := newFaulty(w.bucket, 1<<30, true)
	if err := w.open(f); err != nil {
		t.Fatal(err)
	}
	w.append(events("default", "web", 0, 5)...)
	w.clock.Add(100 * 24 * time.Hour)
	w.append(events("default", "web", 5, 5)...)
	w.publish()
	w.check()
	f.mu.Lock()
	before := f.count
	f.mu.Unlock()
	w.clock.Add(59 * time.Minute)
	for range 5 {
		w.publish()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count > before+8 { // old links of the chain are dropped
		t.Errorf("%d operations in an idle hour: %q", f.count-before, f.steps[before:])
	}
}

// TestClockSetBack: log time does not go back, but the clock of a new log may.
func TestHourNeverGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	w.append(events("default", "web", 0, 5)...)
	w.clock.Add(2 * time.Hour)
	w.publish() // by the clock: hour 10 is over
	w.clock.Add(-2 * time.Hour)
	w.append(events("default", "web", 5, 5)...) // stamped within hour 10 again
	w.publish()
	w.clock.Add(3 * time.Hour)
	w.publish()
	w.check()
	same(t, w.published(), w.want)
	if n := w.Stats().Files; n != 2 {
		t.Errorf("%d files", n)
	}
}
