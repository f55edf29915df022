package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/eventlog"
)

// A flaky bucket is away when its switch says so.
type flaky struct {
	blob.Bucket
	mu   sync.Mutex
	away bool
}

func (f *flaky) set(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *flaky) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return millrace.Errorf(millrace.Unavailable, "the service does not answer; check the network")
	}
	return nil
}

func (f *flaky) Put(ctx context.Context, key string, r io.Reader) error {
	if err := f.err(); err != nil {
		return err
	}
	return f.Bucket.Put(ctx, key, r)
}

func (f *flaky) Open(ctx context.Context, key string) (blob.Object, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Bucket.Open(ctx, key)
}

func (f *flaky) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	if err := f.err(); err != nil {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, err) }
	}
	return f.Bucket.List(ctx, prefix)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after a minute: %s", what)
		}
	}
}

// TestBucketAway: the archive starts, says that it cannot go on, and catches up.
func TestBucketAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Interval = 5 * time.Millisecond
	f := &flaky{Bucket: w.bucket, away: true}
	if err := w.open(f); err != nil {
		t.Fatalf("a bucket that is away keeps the server from starting: %v", err)
	}
	if _, err := w.Through(t.Context()); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Through(): %v", err)
	}
	if s := w.Stats(); !s.Unknown || !strings.Contains(s.LastError, "check the network") || s.FailingSince.IsZero() {
		t.Errorf("Stats() = %+v", s)
	}
	for round := range 3 {
		w.append(events("default", "web", round*100, 100)...)
		w.append(events("default", "ios", round*100, 100)...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := w.FlushNow(ctx); err == nil || !strings.Contains(err.Error(), "check the network") {
			t.Errorf("FlushNow while the bucket is away: %v", err)
		}
		cancel()
		f.set(false)
		w.flush()
		w.check()
		if s := w.Stats(); !s.FailingSince.IsZero() {
			t.Errorf("Stats() = %+v", s)
		}
		f.set(true)
	}
	f.set(false)
}

// TestPublishWhileReading: readers that follow see every record once while
// hours are published, and their files dropped, under them.
func TestPublishWhileReading(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Grace, w.opts.MaxFileBytes, w.opts.MaxSliceBytes = time.Nanosecond, 5000, 15_000
	w.mustOpen()
	const hours, each = 12, 30
	var wg sync.WaitGroup
	results := make([][]eventlog.Entry, 4)
	for i := range results {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var filter eventlog.Filter
			if i%2 == 1 {
				filter.Sources = []string{"web"}
			}
			r, err := w.Open(ctx, millrace.Position{}, filter)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			want := 2 * hours * each
			if i%2 == 1 {
				want = hours * each
			}
			for len(results[i]) < want {
				b, err := r.Next(ctx)
				if err != nil {
					t.Errorf("Next after %d records: %v", len(results[i]), err)
					return
				}
				results[i] = append(results[i], b.Records...)
				time.Sleep(time.Duration(i) * time.Millisecond)
			}
		})
	}
	for h := range hours {
		w.append(events("default", "web", h*each, each)...)
		w.flush()
		w.append(events("default", "ios", h*each, each)...)
		w.flush()
		w.clock.Add(time.Hour)
		w.publish()
	}
	wg.Wait()
	var web []eventlog.Entry
	for _, e := range w.want {
		if e.Source == "web" {
			web = append(web, e)
		}
	}
	for i := range results {
		same(t, results[i], [][]eventlog.Entry{w.want, web}[i%2])
	}
	w.check()
}

// TestDamage: Verify names the file and says what to do; reading says so too.
func TestDamage(t *testing.T) {
	t.Parallel()
	damages := map[string]func(t *testing.T, w *world, key string, data []byte) error{
		"flipped bit": func(t *testing.T, w *world, key string, data []byte) error {
			data[len(data)/2] ^= 1
			return w.bucket.Put(t.Context(), key, bytes.NewReader(data))
		},
		"cut": func(t *testing.T, w *world, key string, data []byte) error {
			return w.bucket.Put(t.Context(), key, bytes.NewReader(data[:len(data)/2]))
		},
		"gone": func(t *testing.T, w *world, key string, _ []byte) error { return w.bucket.Delete(t.Context(), key) },
		"empty": func(t *testing.T, w *world, key string, _ []byte) error {
			return w.bucket.Put(t.Context(), key, strings.NewReader(""))
		},
		"stray": func(t *testing.T, w *world, key string, data []byte) error {
			return w.bucket.Put(t.Context(), strings.Replace(key, ".parquet", "x.parquet", 1), bytes.NewReader(data))
		},
	}
	for name, damage := range damages {
		for _, fresh := range []bool{true, false} {
			if fresh && name == "stray" {
				continue // nobody lists fresh files
			}
			t.Run(fmt.Sprint(name, fresh), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.mustOpen()
				w.append(events("default", "web", 0, 50)...)
				w.flush()
				if !fresh {
					w.clock.Add(2 * time.Hour)
					w.publish()
				}
				w.append(events("default", "web", 50, 50)...)
				w.flush()
				key := ""
				for info := range w.bucket.List(t.Context(), map[bool]string{true: freshPrefix, false: "default/"}[fresh]) {
					key = info.Key
					break
				}
				data, err := readObject(t.Context(), w.bucket, key)
				if err != nil {
					t.Fatal(err)
				}
				if err := damage(t, w, key, data); err != nil {
					t.Fatal(err)
				}
				report, err := w.Verify(t.Context(), nil)
				if err != nil || len(report.Problems) != 1 || !strings.HasPrefix(report.Problems[0].Object, strings.TrimSuffix(key, ".parquet")) || report.Problems[0].Do == "" {
					t.Errorf("Verify: %+v, %v", report, err)
				}
				if fresh {
					// It cannot be published; archiving goes on.
					w.clock.Add(2 * time.Hour)
					if err := w.Publish(t.Context()); err == nil || !strings.Contains(err.Error(), key) {
						t.Errorf("Publish: %v", err)
					}
					w.append(events("default", "web", 100, 5)...)
					w.flush()
				}
			})
		}
	}
}

func TestTwoWriters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	first, stopFirst := w.Archive, w.stop
	w.append(events("default", "web", 0, 5)...)
	w.flush()
	w.mustOpen() // a second process takes over
	w.append(events("default", "web", 5, 5)...)
	w.flush()
	for range deltasPerBase {
		w.append(events("default", "web", 10, 1)...)
		if err := first.FlushNow(t.Context()); err != nil {
			break
		}
	}
	if err := stopFirst(); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("the first writer ended with %v, want Conflict", err)
	}
	w.flush()
	w.check()
}

func TestNotAnArchive(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ key, content string }{
		"manifest lost":  {freshPrefix + "default/1-0_1-2.parquet", "x"},
		"something else": {link{generation: 1, session: "s", base: true}.String(), "hello"},
		"newer":          {link{generation: 1, session: "s", base: true}.String(), `{"format":"millrace-archive","version":99,"crc32c":0}` + "\n{}\n"},
		"damaged":        {link{generation: 1, session: "s", base: true}.String(), `{"format":"millrace-archive","version":1,"crc32c":7}` + "\n{}\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := w.bucket.Put(t.Context(), test.key, strings.NewReader(test.content)); err != nil {
				t.Fatal(err)
			}
			if err := w.open(w.bucket); millrace.KindOf(err) != millrace.Invalid {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func TestPauseAndReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Interval = time.Millisecond
	w.opts.Metrics = prometheus.NewRegistry()
	w.mustOpen()
	w.append(events("default", "web", 0, 5)...)
	w.flush()
	w.Pause()
	time.Sleep(20 * time.Millisecond)
	before := w.Stats()
	w.append(events("default", "web", 5, 5)...)
	if err := w.FlushNow(t.Context()); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("FlushNow while paused: %v", err)
	}
	time.Sleep(20 * time.Millisecond)
	if s := w.Stats(); !s.Paused || s.Through != before.Through {
		t.Errorf("Stats() = %+v", s)
	}
	w.Resume()
	eventually(t, "goes on by itself", func() bool { return w.Stats().Records == 10 })
	readOnly, err := Open(t.Context(), Options{Bucket: w.bucket})
	if err != nil {
		t.Fatal(err)
	}
	same(t, readAll(t, readOnly, millrace.Position{}, eventlog.Filter{}), w.want)
	if err := readOnly.Run(t.Context()); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("Run without a log: %v", err)
	}
	if err := readOnly.FlushNow(t.Context()); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("FlushNow without Run: %v", err)
	}
	if _, err := Open(t.Context(), Options{}); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("Open without a bucket: %v", err)
	}
}

// TestOrderOfWrites: with a bucket that keeps what Put acknowledged, nothing is
// promised before what it stands on is stored.
func TestOrderOfWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opts.Grace = time.Nanosecond
	f := newFaulty(w.bucket, 1<<30, true)
	if err := w.open(f); err != nil {
		t.Fatal(err)
	}
	w.append(events("default", "web", 0, 5)...)
	w.flush()
	w.clock.Add(2 * time.Hour)
	w.publish()
	w.clock.Add(time.Second)
	eventually(t, "the fresh file is dropped", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return strings.Contains(strings.Join(f.steps, " "), "delete "+freshPrefix)
	})
	w.stop()
	var got []string
	for _, s := range f.steps {
		switch {
		case strings.HasPrefix(s, "put "+logPrefix) && strings.HasSuffix(s, "base.json"):
			got = append(got, "base")
		case strings.HasPrefix(s, "put "+logPrefix):
			got = append(got, "delta")
		case strings.HasPrefix(s, "put "+dayPrefix):
			got = append(got, "day")
		case strings.HasPrefix(s, "put "+freshPrefix):
			got = append(got, "fresh")
		case strings.HasPrefix(s, "put default/"):
			got = append(got, "published")
		case strings.HasPrefix(s, "delete "+freshPrefix):
			got = append(got, "drop")
		}
	}
	// announce, write, commit; announce, write, list, commit; only then delete.
	want := "base delta fresh delta delta published day delta drop"
	if !strings.HasPrefix(strings.Join(got, " "), want) {
		t.Errorf("order: %s, want %s", got, want)
	}
}
