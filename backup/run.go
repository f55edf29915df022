package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace"
)

// uploadsAtOnce is how many packs are on their way to the bucket.
const uploadsAtOnce = 2

// leastUsed is the part of a pack that the newest backup has to use, in percent,
// for its chunks to be taken as stored: others are stored again, so that packs
// that are nearly empty can go when the backups before them do.
const leastUsed = 25

// A Run is a backup that is being taken. It is not safe for concurrent use.
type Run struct {
	store    *Store
	held     *held
	began    time.Time
	last     time.Time // that of the newest id: ids are in the order of backups
	splitter *splitter
	known    map[chunkID]chunkRef
	before   map[string]*entry // of the newest backup, by path
	packers  [2]packer         // of files that go soon, and of lasting ones
	uploads  *errgroup.Group
	ctx      context.Context
	cancel   context.CancelFunc
	entries  []entry
	paths    map[string]bool
	bytes    int64
	added    int64
	ended    bool
}

// Begin begins a backup. While one is under way, or backups are deleted, it
// fails with Conflict. Finish or Close ends it.
func (s *Store) Begin(ctx context.Context) (*Run, error) {
	h, err := s.hold(ctx, "a backup")
	if err != nil {
		return nil, err
	}
	r := &Run{store: s, held: h, began: s.o.Now().UTC(), splitter: newSplitter(s.keys.split), known: map[chunkID]chunkRef{}, before: map[string]*entry{}, paths: map[string]bool{}}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.uploads, r.ctx = errgroup.WithContext(r.ctx)
	r.uploads.SetLimit(uploadsAtOnce)
	if err := r.learn(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// learn finds out what need not be stored again.
func (r *Run) learn(ctx context.Context) error {
	s := r.store
	sizes, stamps := map[string]int64{}, map[string]time.Time{}
	for info, err := range s.o.Bucket.List(ctx, packPrefix) {
		if err != nil {
			return err
		}
		name := path.Base(info.Key)
		sizes[name], stamps[name] = info.SizeBytes, info.Modified
	}
	newest, written, err := r.newest(ctx)
	if err != nil {
		return err
	}
	used := map[string]int64{}
	count := func(refs []chunkRef) {
		for _, ref := range refs {
			if _, ok := r.known[ref.Chunk]; !ok && ref.Offset+ref.Stored <= sizes[ref.Pack] {
				r.known[ref.Chunk] = ref
				used[ref.Pack] += ref.Stored
			}
		}
	}
	if newest != nil {
		count(newest.list)
		for i := range newest.entries {
			count(newest.entries[i].Chunks)
		}
	}
	maps.DeleteFunc(r.known, func(_ chunkID, ref chunkRef) bool { return used[ref.Pack]*100 < sizes[ref.Pack]*leastUsed })
	if newest != nil {
		for i := range newest.entries {
			r.before[newest.entries[i].Path] = &newest.entries[i]
		}
	}
	// What a backup left behind that was cut off.
	for name, at := range stamps {
		if _, ok := used[name]; ok || at.Before(written) {
			continue
		}
		refs, err := s.directory(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.o.Logger.Warn("a pack that no backup has cannot be read: it is not used", "pack", name, "error", err)
			continue
		}
		for _, ref := range refs {
			if _, ok := r.known[ref.Chunk]; !ok && ref.Pack == name {
				r.known[ref.Chunk] = ref
			}
		}
	}
	return nil
}

// newest returns the newest backup that can be read, and when its manifest was
// stored by the bucket's clock.
func (r *Run) newest(ctx context.Context) (*Manifest, time.Time, error) {
	s := r.store
	times := map[string]time.Time{}
	for info, err := range s.o.Bucket.List(ctx, manifestPrefix) {
		if err != nil {
			return nil, time.Time{}, err
		}
		times[strings.TrimPrefix(info.Key, manifestPrefix)] = info.Modified
	}
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(times)), func(id string) bool { return !validID(id) })
	if len(ids) > 0 {
		r.last = idTaken(ids[len(ids)-1])
	}
	for _, id := range slices.Backward(ids) {
		m, err := s.readManifest(ctx, id)
		if err == nil {
			err = s.readList(ctx, &m.Manifest)
		}
		if err == nil {
			return &m.Manifest, times[id], nil
		}
		if ctx.Err() != nil || millrace.KindOf(err) == millrace.Unavailable {
			return nil, time.Time{}, err
		}
		s.o.Logger.Error("a backup cannot be read: what it has is stored again", "backup", id, "error", err)
	}
	return nil, time.Time{}, nil
}

// Has says whether the newest backup has a file in the state that its stamp
// says, so that File will not read it.
func (r *Run) Has(f File) bool { return r.same(f) != nil }

func (r *Run) same(f File) *entry {
	e := r.before[f.Path]
	if e == nil || f.Stamp == "" || e.Stamp != f.Stamp || e.Size != f.SizeBytes {
		return nil
	}
	for _, ref := range e.Chunks {
		if _, ok := r.known[ref.Chunk]; !ok {
			return nil
		}
	}
	return e
}

// File stores a file, which open is called for unless it is there already. An
// error leaves the run as it was before.
func (r *Run) File(f File, open func() (io.ReadCloser, error)) error {
	if f.Path == "" || !fsValid(f.Path) || r.paths[f.Path] {
		return millrace.Errorf(millrace.Internal, "the file %q cannot be in a backup, or is twice", f.Path)
	}
	if e := r.same(f); e != nil {
		same := *e
		same.Mode, same.Lasting = f.Mode, f.Lasting
		same.Chunks = make([]chunkRef, len(e.Chunks))
		for i, ref := range e.Chunks {
			same.Chunks[i] = r.known[ref.Chunk]
		}
		r.add(same)
		return nil
	}
	in, err := open()
	if err != nil {
		return err
	}
	defer in.Close()
	e := entry{Path: f.Path, Mode: f.Mode, Stamp: f.Stamp, Lasting: f.Lasting, Chunks: []chunkRef{}}
	sum := sha256.New()
	if err := r.chunks(&e, in, sum); err != nil {
		return err
	}
	if f.Stamp != "" && e.Size != f.SizeBytes {
		return millrace.Errorf(millrace.Conflict, "%s has %d bytes, not %d: it was changed while it was read", f.Path, e.Size, f.SizeBytes)
	}
	e.SHA256 = hex.EncodeToString(sum.Sum(nil))
	r.add(e)
	return nil
}

func fsValid(p string) bool {
	return path.Clean(p) == p && !path.IsAbs(p) && p != "." && p != ".." && !strings.HasPrefix(p, "../") && !strings.Contains(p, "\x00")
}

func (r *Run) add(e entry) {
	r.paths[e.Path] = true
	r.entries = append(r.entries, e)
	r.bytes += e.Size
}

// chunks stores what is new of a file.
func (r *Run) chunks(e *entry, in io.Reader, sum hash.Hash) error {
	class := 0
	if e.Lasting {
		class = 1
	}
	began := time.Now()
	return r.splitter.split(in, func(content []byte) error {
		if err := r.ctx.Err(); err != nil {
			return r.why(err)
		}
		sum.Write(content)
		ref, err := r.chunk(content, class)
		r.store.o.Pace(r.ctx, time.Since(began)) // with what reading took
		began = time.Now()
		e.Size += int64(len(content))
		e.Chunks = append(e.Chunks, ref)
		return err
	})
}

// why is the error of an upload rather than that it ended what followed.
func (r *Run) why(err error) error {
	if failed := r.uploads.Wait(); failed != nil {
		return failed
	}
	return err
}

func (r *Run) chunk(content []byte, class int) (chunkRef, error) {
	id := r.store.keys.id(content)
	if ref, ok := r.known[id]; ok {
		return ref, nil
	}
	p := &r.packers[class]
	ref := p.add(&r.store.keys, id, content)
	r.known[id] = ref
	r.added += ref.Stored
	if len(p.data) < r.store.o.PackBytes {
		return ref, nil
	}
	return ref, r.flush(p)
}

// flush sends a pack on its way.
func (r *Run) flush(p *packer) error {
	if p.name == "" {
		return nil
	}
	name, data, err := p.end(&r.store.keys)
	if err != nil {
		return err
	}
	r.uploads.Go(func() error {
		if err := r.held.err(); err != nil {
			return err
		}
		if err := r.store.o.Bucket.Put(r.ctx, packKey(name), bytes.NewReader(data)); err != nil {
			return fmt.Errorf("storing a part of the backup: %w", err)
		}
		return nil
	})
	return nil
}

// Sums say how far a run has come.
type Sums struct {
	Files, Bytes int64
	Stored       int64 // bytes that were new
}

// Sums returns how far the run has come.
func (r *Run) Sums() Sums { return Sums{int64(len(r.entries)), r.bytes, r.added} }

// Finish makes the backup one of the store's. When it returns nil it is durable.
func (r *Run) Finish(version string, state any) (*Manifest, error) {
	defer r.Close()
	text, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	m := &stored{Manifest: Manifest{
		Began: r.began, Millrace: version, Files: int64(len(r.entries)), Bytes: r.bytes, State: text,
	}}
	slices.SortFunc(r.entries, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	if m.List, err = r.putList(); err != nil {
		return nil, r.why(err)
	}
	m.list = m.List
	for i := range r.packers {
		if err := r.flush(&r.packers[i]); err != nil {
			return nil, err
		}
	}
	if err := r.uploads.Wait(); err != nil {
		return nil, err
	}
	packs := map[string]bool{}
	for _, ref := range m.List {
		packs[ref.Pack] = true
	}
	for i := range r.entries {
		for _, ref := range r.entries[i].Chunks {
			packs[ref.Pack] = true
		}
	}
	m.Packs = slices.Sorted(maps.Keys(packs))
	m.Stored, m.Taken = r.added, r.store.o.Now().UTC()
	at := m.Taken
	if next := r.last.Add(time.Second); at.Before(next) { // in the same second, or the clock was set back
		at = next
	}
	m.ID = at.Format(idTime) + "-" + randomName(6)
	if err := r.held.err(); err != nil {
		return nil, err
	}
	if err := r.store.putManifest(context.WithoutCancel(r.ctx), m); err != nil {
		return nil, err
	}
	return &m.Manifest, nil
}

// putList stores the list of files.
func (r *Run) putList() (refs []chunkRef, err error) {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for i := range r.entries {
		if err := lines.Encode(&r.entries[i]); err != nil {
			return nil, err
		}
	}
	err = r.splitter.split(&text, func(content []byte) error {
		ref, err := r.chunk(content, 0)
		refs = append(refs, ref)
		return err
	})
	return refs, err
}

// Close ends a run that was not finished. What it stored stays, and the next
// run uses it.
func (r *Run) Close() {
	if r.ended {
		return
	}
	r.ended = true
	r.cancel()
	_ = r.uploads.Wait() // said already, or of no more interest
	r.held.release()
}

// Holds says whether the run has a file of that path.
func (r *Run) Holds(path string) bool { return r.paths[path] }

// Leave takes files out of the run again.
func (r *Run) Leave(which func(path string) bool) {
	r.entries = slices.DeleteFunc(r.entries, func(e entry) bool {
		if !which(e.Path) {
			return false
		}
		delete(r.paths, e.Path)
		r.bytes -= e.Size
		return true
	})
}
