package dedup_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/mem"
)

// holding returns the follower's files that say a text.
func (r *rig) holding(text string) (found []string) {
	r.t.Helper()
	err := filepath.WalkDir(r.options.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(text)) || strings.Contains(path, text) {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

func canaries(n int) (out []millrace.Record) {
	for i := range n {
		out = append(out, millrace.Record{ID: fmt.Sprint("canary-id-", i%(n/2+1)), Workspace: "doomed", Source: fmt.Sprint("canary_source_", i%3), Stream: "track:x"})
	}
	return out
}

// TestPurge destroys a workspace under a running follower that waits for
// records, and under one that does not run, with its key in the log destroyed;
// the counts and verdicts of its neighbour go on.
func TestPurge(t *testing.T) {
	t.Parallel()
	for name, running := range map[string]bool{"running": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			keys := eventlogtest.NewKeys()
			r.log = mem.New(mem.Options{Now: r.clock.Now, Keys: keys})
			r.options.Log = r.log
			f, stop := r.run()
			var last millrace.Position
			for i := range 6 { // a segment for each, with counts in its header
				r.append(canaries(7)...)
				last = r.append(events("web", fmt.Sprint(i), "again")...)
				r.append(canaries(5)...)
				if err := f.Wait(t.Context(), last); err != nil {
					t.Fatal(err)
				}
				r.clock.add(7 * time.Hour)
			}
			stop()
			if len(r.holding("canary_source")) < 4 {
				t.Fatalf("only %v have something to purge", r.holding("canary_source"))
			}
			keys.Destroy("doomed")
			r.log.Forget("doomed")
			f, stop = r.run()
			if !running {
				stop()
				var err error
				if f, err = dedup.Open(r.options); err != nil {
					t.Fatal(err)
				}
			} else {
				last = r.append(events("web", "more", "again")...)
				if err := f.Wait(t.Context(), last); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				err := f.Purge(ctx, "doomed")
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range []string{"canary", "doomed"} {
					if found := r.holding(text); found != nil {
						t.Fatalf("%s is in %v", text, found)
					}
				}
			}
			check := func(f *dedup.Follower) {
				t.Helper()
				want := dedup.Count{Workspace: "default", Source: "web", Distinct: 7, Duplicates: 5}
				if running {
					want.Distinct, want.Duplicates = 8, 6
				}
				if got := f.Counts(); len(got) != 1 || got[0] != want {
					t.Errorf("counts %+v, want %+v", got, want)
				}
			}
			check(f)
			if running {
				stop()
			} else if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			f, stop = r.run()
			defer stop()
			last = r.append(events("web", "last", "again")...)
			if err := f.Wait(t.Context(), last); err != nil {
				t.Fatal(err)
			}
			if dups, err := f.Duplicates(t.Context(), millrace.Position{Epoch: last.Epoch}, last); err != nil || dups[len(dups)-1] != last {
				t.Errorf("%v, %v", dups, err)
			}
			if found := r.holding("canary"); found != nil {
				t.Errorf("found in %v", found)
			}
		})
	}
}

// TestPurgeRebuilds: after a purge, the index can be lost and is built again
// with right counts, though verdicts are about records that nobody can read.
func TestPurgeRebuilds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	keys := eventlogtest.NewKeys()
	r.log = mem.New(mem.Options{Now: r.clock.Now, Keys: keys})
	r.options.Log = r.log
	f, stop := r.run()
	var last millrace.Position
	for i := range 20 {
		last = r.append(append(canaries(4), events("web", fmt.Sprint(i/2))...)...)
	}
	if err := f.Wait(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	keys.Destroy("doomed")
	r.log.Forget("doomed")
	if err := f.Purge(t.Context(), "doomed"); err != nil {
		t.Fatal(err)
	}
	stop()
	r.lose("index")
	f, stop = r.run()
	defer stop()
	last = r.append(events("web", "0", "new")...)
	if err := f.Wait(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if got := f.Counts(); len(got) != 1 || got[0] != (dedup.Count{Workspace: "default", Source: "web", Distinct: 11, Duplicates: 11}) {
		t.Errorf("counts %+v", got)
	}
	if got := readAll(t, eventlog.History(r.log, nil, f)); len(got) != 11 || got[0].Workspace != "default" || got[10].ID != "new" {
		t.Errorf("history gives %d records", len(got))
	}
	if err := f.Purge(t.Context(), ""); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
}
