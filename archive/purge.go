package archive

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/eventlog"
)

// deletesAtOnce is how many objects a purge deletes at a time.
const deletesAtOnce = 16

// Purge destroys everything that the archive holds of a workspace, for ever:
// fresh and published files, also those that a crash left half way, what the
// manifest says of them in every generation, and what readers and the next file
// have in memory. What the log still gives for it is not archived any more. The
// ranges of others stay as they were and can be verified. Readers in other
// processes that have a file of the workspace open fail on it.
//
// Run does the work, between two of its steps, and finishes it when it was
// begun before a crash; without Run the error is Unavailable. Purge may be called
// again. Destroy the key of the workspace in the log first.
func (a *Archive) Purge(ctx context.Context, workspace string) error {
	if workspace == "" {
		return millrace.Errorf(millrace.Invalid, "purging the archive needs a workspace: without one it would be everything")
	}
	return a.request(ctx, request{purge: workspace})
}

// Destroyed says whether a workspace was purged from this archive, or is being:
// nothing of it is archived, for ever. It answers from memory, without locks, and
// no for all as long as the bucket has not answered since the start.
func (a *Archive) Destroyed(workspace string) bool {
	set := a.purged.Load()
	if set == nil {
		s := a.store.snapshot()
		if s == nil {
			return false
		}
		all := s.purgedSet()
		if set = &all; !a.purged.CompareAndSwap(nil, set) {
			set = a.purged.Load()
		}
	}
	return (*set)[workspace]
}

// A purged is a workspace whose files the manifest names no more.
type purged struct {
	Workspace string   `json:"workspace"`
	Days      []dayRef `json:"days,omitempty"` // those that had files of it, without
}

// purgedSet are workspaces that were purged, or are being.
type purgedSet map[string]bool

func (s *state) purgedSet() purgedSet {
	if len(s.Purging)+len(s.Purged) == 0 {
		return nil
	}
	set := purgedSet{}
	for _, list := range [][]string{s.Purging, s.Purged} {
		for _, workspace := range list {
			set[workspace] = true
		}
	}
	return set
}

// without returns a state that names nothing of a workspace.
func (s *state) without(p *purged) {
	s.Fresh = withoutFiles(s.Fresh, p.Workspace)
	s.Days = slices.Clone(s.Days)
	for _, day := range p.Days {
		if i := slices.IndexFunc(s.Days, func(d dayRef) bool { return d.Date == day.Date }); i >= 0 {
			s.Days[i] = day
		}
	}
	s.Garbage = slices.DeleteFunc(slices.Clone(s.Garbage), func(g garbage) bool {
		return slices.ContainsFunc(prefixesOf(p.Workspace), func(prefix string) bool { return strings.HasPrefix(g.Key, prefix) })
	})
}

func hasFiles(spans []span, workspace string) bool {
	return slices.ContainsFunc(spans, func(s span) bool {
		return slices.ContainsFunc(s.Files, func(f fileInfo) bool { return f.Workspace == workspace })
	})
}

// withoutFiles returns the same ranges without the files of a workspace.
func withoutFiles(spans []span, workspace string) []span {
	out := slices.Clone(spans)
	for i := range out {
		out[i].Files = slices.DeleteFunc(slices.Clone(out[i].Files), func(f fileInfo) bool { return f.Workspace == workspace })
	}
	return out
}

// prefixesOf are the folders that hold nothing but files of a workspace.
func prefixesOf(workspace string) []string {
	return []string{namePart(workspace) + "/", freshPrefix + namePart(workspace) + "/"}
}

// forget leaves out what is in memory of workspaces that were purged.
func (w *worker) forget(set purgedSet) {
	w.purged.Store(&set)
	w.days.clear()
	w.buffer.filter(set)
}

func (b *buffer) filter(set purgedSet) {
	if len(set) == 0 {
		return
	}
	kept := slices.DeleteFunc(b.entries, func(e eventlog.Entry) bool { return set[e.Workspace] })
	b.entries, b.bytes = kept, 0
	for i := range kept {
		b.bytes += sizeOf(&kept[i])
	}
}

// purge does what Purge says. Each step may be done again; before the first is
// stored nothing has happened, and from then on every Run finishes it.
func (w *worker) purge(ctx context.Context, workspace string) error {
	if s := w.store.snapshot(); !slices.Contains(s.Purging, workspace) {
		if err := w.commit(ctx, delta{Purge: workspace}); err != nil {
			return err
		}
	}
	w.forget(w.store.snapshot().purgedSet())
	// An hour that is being published has files of it: it is published again.
	w.publishing, w.nextPublish = nil, time.Time{}
	days, err := w.daysWithout(ctx, workspace)
	if err != nil {
		return err
	}
	if err := w.commit(ctx, delta{Purged: &purged{Workspace: workspace, Days: days}}); err != nil {
		return err
	}
	w.days.clear()
	if err := w.alone(ctx); err != nil {
		return err
	}
	for _, prefix := range prefixesOf(workspace) {
		if err := w.deleteBelow(ctx, prefix, nil); err != nil {
			return err
		}
	}
	needed := w.store.snapshot().dayKeys()
	if err := w.deleteBelow(ctx, dayPrefix, func(key string) bool { return needed[key] }); err != nil {
		return err
	}
	return w.purgeChain(ctx, workspace)
}

// dayKeys are the objects of days that the state still needs.
func (s *state) dayKeys() map[string]bool {
	keys := map[string]bool{}
	for i := range s.Days {
		keys[s.Days[i].Key] = true
	}
	return keys
}

// daysWithout writes the manifests of days anew that name files of a workspace,
// as new objects.
func (w *worker) daysWithout(ctx context.Context, workspace string) ([]dayRef, error) {
	s := w.store.snapshot()
	var out []dayRef
	for i := range s.Days {
		var spans []span
		err := w.retryRead(ctx, func() (err error) {
			spans, err = w.readDay(ctx, &s.Days[i])
			return err
		})
		if err != nil {
			return nil, err
		}
		if !hasFiles(spans, workspace) {
			continue
		}
		day := s.Days[i]
		hour, _, _ := strings.Cut(strings.TrimSuffix(path.Base(day.Key), ".json"), ".")
		day.Key = fmt.Sprintf("%s%s.%d.json", dayPrefix, hour, s.Generation)
		spans = withoutFiles(spans, workspace)
		day.count(spans)
		data, sum, err := encodeManifest(dayManifest{Date: day.Date, Spans: spans})
		if err != nil {
			return nil, err
		}
		day.CRC32C = sum
		if err := w.retry(ctx, func() error { return w.opts.Bucket.Put(ctx, day.Key, bytes.NewReader(data)) }); err != nil {
			return nil, err
		}
		out = append(out, day)
	}
	return out, nil
}

// deleteBelow deletes the objects of a folder, but those to keep, and what is
// left of them.
func (w *worker) deleteBelow(ctx context.Context, prefix string, keep func(key string) bool) error {
	return w.retry(ctx, func() error {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(deletesAtOnce)
		for info, err := range w.opts.Bucket.List(gctx, prefix) {
			if err != nil {
				_ = g.Wait() // the first error says it
				return err
			}
			if keep == nil || !keep(info.Key) {
				g.Go(func() error { return w.opts.Bucket.Delete(gctx, info.Key) })
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if p, ok := w.opts.Bucket.(blob.Pruner); ok {
			return p.Prune(ctx, prefix)
		}
		return nil
	})
}

// purgeChain stores the state, which names nothing of the workspace, as a base,
// and deletes what was before it in the chain: those objects name its sources.
func (w *worker) purgeChain(ctx context.Context, workspace string) error {
	err := w.retry(ctx, func() error {
		if err := w.store.alone(ctx); err != nil {
			return err
		}
		n := *w.store.snapshot()
		n.Generation++
		n.Purging = slices.DeleteFunc(slices.Clone(n.Purging), func(name string) bool { return name == workspace })
		if !slices.Contains(n.Purged, workspace) {
			n.Purged = append(slices.Clip(n.Purged), workspace)
		}
		return w.store.putBase(ctx, &n)
	})
	if err != nil {
		return err
	}
	n := w.store.snapshot()
	err = w.deleteBelow(ctx, logPrefix, func(key string) bool {
		l, ok := parseLink(key)
		return !ok || l.generation >= n.Generation // also of whoever began to write here since
	})
	if err != nil {
		return err
	}
	w.store.old = nil
	return nil
}
