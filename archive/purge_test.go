package archive

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/blob/s3"
	"github.com/millrace/millrace/eventlog"
)

// canaries are what a purge must leave nothing of: the names of workspace and
// source are in keys and manifests, the rest is in Parquet files.
var canaries = []string{"canary_space", "canary_source"}

// grep returns the objects that say a canary, in their key or content.
func grep(t *testing.T, bucket blob.Bucket) (found []string) {
	t.Helper()
	for info, err := range bucket.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := readObject(t.Context(), bucket, info.Key)
		if millrace.KindOf(err) == millrace.NotFound {
			continue // the archive that runs has removed it since it was listed
		}
		if err != nil {
			t.Fatal(err)
		}
		// That a workspace was purged is known of it for ever.
		data = bytes.ReplaceAll(data, []byte(`"purged":["canary_space"]`), nil)
		for _, canary := range canaries {
			if strings.Contains(info.Key, canary) || bytes.Contains(data, []byte(canary)) {
				found = append(found, info.Key)
			}
		}
	}
	return found
}

// forget is what the test expects after the purge.
func (w *world) forget(workspace string) {
	w.want = slices.DeleteFunc(w.want, func(e eventlog.Entry) bool { return e.Workspace == workspace })
}

// fillForPurge leaves published hours on two days, fresh files, and records that
// are in no file yet.
func fillForPurge(w *world) {
	for hour := range 4 {
		w.append(events("canary_space", "canary_source", hour*100, 7)...)
		if hour%3 > 0 {
			w.append(events("default", "web", hour*100, 7)...)
		}
		w.append(events("canary_space", "canary_source_2", hour*100+50, 3)...)
		w.flush()
		w.clock.Add(time.Hour)
		if hour == 1 {
			w.clock.Add(12 * time.Hour) // the next day
		}
	}
	w.clock.Add(2 * time.Hour)
	w.publish()
	w.append(events("canary_space", "canary_source", 5000, 7)...)
	w.append(events("default", "web", 5000, 7)...)
	w.flush()
	w.append(events("canary_space", "canary_source", 6000, 7)...)
	w.append(events("default", "web", 6000, 7)...)
}

func purgeWorld(t *testing.T) *world {
	w := newWorld(t)
	w.opts.MaxFileBytes, w.opts.MaxSliceBytes = 6000, 12_000
	w.mustOpen()
	fillForPurge(w)
	return w
}

func TestPurge(t *testing.T) {
	t.Parallel()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	for name, open := range map[string]func(dir string) (blob.Bucket, error){
		"local": func(dir string) (blob.Bucket, error) { return local.Open(t.Context(), dir) },
		"s3": func(string) (blob.Bucket, error) {
			return s3.Open(t.Context(), "s3://bucket/archive?"+url.Values{"endpoint": {server.URL}}.Encode())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := memoryDir(t)
			w := newWorld(t)
			var err error
			if w.bucket, err = open(dir); err != nil {
				t.Fatal(err)
			}
			w.mustOpen()
			fillForPurge(w)
			if len(grep(t, w.bucket)) < 10 {
				t.Fatal("there is nothing to purge")
			}
			// A reader that has a part of a file in memory, and one that waits.
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			r, err := w.Open(ctx, millrace.Position{}, eventlog.Filter{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			first, err := r.Next(ctx)
			if err != nil || len(first.Records) == 0 {
				t.Fatal(err)
			}
			for round := range 2 {
				if w.Destroyed("canary_space") != (round > 0) {
					t.Errorf("round %d: it is said to be destroyed: %v", round, round == 0)
				}
				if err := w.Purge(ctx, "canary_space"); err != nil {
					t.Fatal(err)
				}
				if again, err := Open(ctx, Options{Bucket: w.bucket}); err != nil || !again.Destroyed("canary_space") || again.Destroyed("default") {
					t.Errorf("opened anew, the archive does not say that it is destroyed: %v", err)
				}
				if found := grep(t, w.bucket); found != nil {
					t.Fatalf("round %d: found in %v", round, found)
				}
			}
			for end := false; !end; {
				b, err := r.Next(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for i := range b.Records {
					if b.Records[i].Workspace != "default" {
						t.Fatal("a reader gives what was purged")
					}
				}
				end = b.AtEnd
			}
			w.append(events("canary_space", "canary_source", 7000, 7)...) // the log has no keys
			w.append(events("default", "web", 7000, 7)...)
			w.forget("canary_space")
			w.flush()
			w.check()
			w.clock.Add(3 * time.Hour)
			w.publish()
			w.check()
			same(t, w.published(), w.want)
			w.stop()
			w.mustOpen()
			w.append(events("canary_space", "canary_source", 8000, 7)...)
			w.forget("canary_space")
			w.flush()
			w.check()
			if found := grep(t, w.bucket); found != nil {
				t.Errorf("found in %v", found)
			}
			err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
				if strings.Contains(path, "canary") {
					t.Errorf("%s is there", path)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// purgeThatDies purges over a bucket that dies at an operation, and again with
// a new process, unless nobody asks again. It returns which operations there were,
// none when nobody asks again for what was not begun.
func purgeThatDies(t *testing.T, n int, happens, again bool) []string {
	w := purgeWorld(t)
	w.stop()
	f := newFaulty(w.bucket, n, happens)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		select {
		case <-f.dead:
			cancel()
		case <-ctx.Done():
		}
	}()
	died := true
	if err := w.open(f); err == nil {
		died = w.Purge(ctx, "canary_space") != nil
	}
	if w.stop != nil {
		w.stop()
	}
	w.mustOpen()
	if died && !again {
		if s := w.store.snapshot(); len(s.Purging)+len(s.Purged) == 0 {
			return nil // it died before that was begun
		}
		eventually(t, "finished", func() bool { s := w.store.snapshot(); return len(s.Purging) == 0 && len(s.Purged) == 1 })
		w.flush()
	} else if died {
		if err := w.Purge(t.Context(), "canary_space"); err != nil {
			t.Fatalf("dies at %d: %v", n, err)
		}
	}
	if found := grep(t, w.bucket); found != nil {
		t.Errorf("dies at %d: found in %v", n, found)
	}
	w.forget("canary_space")
	w.flush()
	w.check()
	w.clock.Add(3 * time.Hour)
	w.publish()
	w.check()
	same(t, w.published(), w.want)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.steps
}

// TestPurgeDiesAtEveryStep: whenever it dies, the next purge finishes it, and
// the records of others are all there.
func TestPurgeDiesAtEveryStep(t *testing.T) {
	t.Parallel()
	steps := purgeThatDies(t, 1<<30, true, true)
	first := slices.IndexFunc(steps, func(s string) bool { return strings.HasPrefix(s, "delete canary_space/") })
	if len(steps) < 40 || first < 0 {
		t.Fatalf("a purge has only these operations: %q", steps)
	}
	for _, happens := range []bool{false, true} {
		for n := 1; n <= len(steps); n += 3 + 2*crashStride {
			t.Run(fmt.Sprintf("%d %t", n, happens), func(t *testing.T) {
				t.Parallel()
				purgeThatDies(t, n, happens, true)
			})
		}
	}
	// Once it was begun it is finished, though nobody asks again.
	t.Run("goes on", func(t *testing.T) {
		t.Parallel()
		for n := first + 1; purgeThatDies(t, n, true, false) == nil; n++ { // what else the archive does comes between
			if n > first+10 {
				t.Fatal("it never begins")
			}
		}
	})
}

func TestPurgeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	if err := w.Purge(t.Context(), ""); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
	w.stop()
	if err := w.Purge(t.Context(), "canary_space"); millrace.KindOf(err) != millrace.Unavailable {
		t.Error(err)
	}
}
