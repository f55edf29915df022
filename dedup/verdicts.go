package dedup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

const (
	segmentSizeBytes  = 256 << 10
	segmentSpan       = 6 * time.Hour // of log time, so that trimming finds an end
	segmentCache      = 8             // decoded segments kept for readers of the past
	verdictsExtension = ".verdicts"
)

// ErrDamaged is in the chain of Open's error when verdicts cannot be read.
var ErrDamaged = errors.New("it is damaged")

var errNewerVerdicts = errors.New("run a newer version")

// verdicts is the durable list of duplicates: append-only segments, oldest
// first, the last one open. One goroutine appends; everyone may read.
type verdicts struct {
	dir string

	mu      sync.Mutex
	segs    []*segment
	mark    mark          // judged, durably, to here
	changed chan struct{} // closed when mark moves
	cached  []*segment    // sealed segments with dups, most recently used last

	// Only the appending goroutine uses these.
	file   *os.File
	size   int64 // of file: what is known to be durable
	broken bool  // an append failed: what follows size is of unknown worth
	buf    []byte
}

// A segment is a file of verdicts.
type segment struct {
	segmentHeader
	path    string
	size    int64
	through millrace.Position
	dups    []millrace.Position // nil when not in memory
	loaded  bool
}

// openVerdicts reads and verifies all segments in dir. What a crash left
// unfinished at the end of the last one is cut off.
func openVerdicts(dir string) (*verdicts, error) {
	v := &verdicts{dir: dir, changed: make(chan struct{})}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	// The names of the folders too, even when they are there: whoever made them
	// may have died before they were durable.
	if err := errors.Join(syncDir(filepath.Dir(dir)), syncDir(filepath.Dir(filepath.Dir(dir)))); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"+verdictsExtension))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for i, name := range names {
		s, mark, err := readSegment(name)
		last := i == len(names)-1
		if err == nil && !last && s.size != fileSize(name) {
			err = errors.New("a block is damaged")
		}
		if err == nil && i > 0 && v.segs[i-1].through.After(s.start) {
			err = fmt.Errorf("it begins at %s, before the end of the one before it", s.start)
		}
		if err != nil {
			return nil, millrace.Errorf(millrace.Internal,
				"verdict segment %s cannot be used: %w; restore it, or move the folder %s away and start again: the verdicts are then made anew from the log", name, damagedVerdicts(err), dir)
		}
		v.segs, v.mark = append(v.segs, s), mark
		if !last {
			s.dups, s.loaded = nil, false
		}
	}
	if len(v.segs) > 0 {
		return v, v.openLast()
	}
	return v, nil
}

// damagedVerdicts marks err, unless a newer version could read the file, or
// another attempt.
func damagedVerdicts(err error) error {
	var path *fs.PathError
	if errors.Is(err, errNewerVerdicts) || errors.As(err, &path) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// fileSize returns the size of a file, or -1.
func fileSize(name string) int64 {
	st, err := os.Stat(name)
	if err != nil {
		return -1
	}
	return st.Size()
}

// readSegment decodes a segment up to its first unsound block; size says how
// far that is.
func readSegment(name string) (*segment, mark, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, mark{}, err
	}
	h, rest, err := decodeHeader(b)
	if err != nil {
		return nil, mark{}, err
	}
	s := &segment{segmentHeader: h, path: name, loaded: true}
	m := mark{h.start, h.time}
	for {
		var n int
		if m, s.dups, n = decodeBlock(rest, m, s.dups); n == 0 {
			break
		}
		rest = rest[n:]
	}
	s.counts = nil
	s.size, s.through = int64(len(b)-len(rest)), m.through
	return s, m, nil
}

// openLast opens the last segment for appending, cut to its sound part.
func (v *verdicts) openLast() error {
	s := v.segs[len(v.segs)-1]
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(s.size), f.Sync(), syncDir(v.dir)); err != nil {
		return errors.Join(err, f.Close())
	}
	v.file, v.size = f, s.size
	return nil
}

// begun says whether anything was ever judged.
func (v *verdicts) begun() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.segs) > 0
}

// at returns how far everything is judged.
func (v *verdicts) at() mark {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.mark
}

// begin starts a segment for what follows start.
func (v *verdicts) begin(h segmentHeader) error {
	if err := v.repair(); err != nil {
		return err
	}
	b, err := h.encode()
	if err != nil {
		return err
	}
	name := filepath.Join(v.dir, fmt.Sprintf("%020d-%020d%s", h.start.Epoch, h.start.Seq, verdictsExtension))
	if err := writeFile(name, b); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if v.file != nil {
		err = v.file.Close()
	}
	v.file, v.size = f, int64(len(b))
	v.mu.Lock()
	defer v.mu.Unlock()
	h.counts = nil
	s := &segment{segmentHeader: h, path: name, size: v.size, through: h.start, loaded: true}
	if n := len(v.segs); n > 0 && v.segs[n-1].path == name { // the last was empty
		v.segs = v.segs[:n-1]
	} else if n > 0 {
		v.keepLocked(v.segs[n-1])
	}
	v.segs = append(v.segs, s)
	v.moveLocked(mark{h.start, h.time})
	return err
}

// repair cuts off what a failed append left behind, in a file opened anew.
func (v *verdicts) repair() error {
	if !v.broken {
		return nil
	}
	last := v.segs[len(v.segs)-1]
	f, err := os.OpenFile(last.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(v.size), f.Sync()); err != nil {
		return errors.Join(err, f.Close())
	}
	_ = v.file.Close() // it has failed before
	v.file, v.broken = f, false
	return nil
}

// moveLocked tells everyone who waits that the mark has moved.
func (v *verdicts) moveLocked(m mark) {
	v.mark = m
	close(v.changed)
	v.changed = make(chan struct{})
}

// full says whether the next block belongs into a new segment.
func (v *verdicts) full(next mark) bool {
	s := v.segs[len(v.segs)-1]
	if s.start == v.mark.through { // it is empty
		return false
	}
	return v.size >= segmentSizeBytes || next.time-s.time >= segmentSpan.Milliseconds()
}

// append makes it durable that dups are the duplicates between the mark and
// next, calls durable, and lets those go on who wait for it.
func (v *verdicts) append(next mark, dups []millrace.Position, durable func()) error {
	if err := v.repair(); err != nil {
		return err
	}
	v.buf = appendBlock(v.buf[:0], v.mark, next, dups)
	v.broken = true
	if _, err := v.file.WriteAt(v.buf, v.size); err != nil {
		return err
	}
	if err := v.file.Sync(); err != nil {
		return err
	}
	v.broken = false
	v.size += int64(len(v.buf))
	durable()
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.segs[len(v.segs)-1]
	if s.time == 0 {
		s.time = next.time
	}
	s.size, s.through, s.dups = v.size, next.through, append(s.dups, dups...)
	v.moveLocked(next)
	return nil
}

// wait blocks until p is judged, or stop is closed: then it returns false.
func (v *verdicts) wait(ctx context.Context, p millrace.Position, stop <-chan struct{}) (bool, error) {
	for {
		v.mu.Lock()
		done, changed := !v.mark.through.Before(p), v.changed
		v.mu.Unlock()
		if done {
			return true, nil
		}
		select {
		case <-changed:
		case <-stop:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// duplicates returns the positions of duplicates in (after, through].
func (v *verdicts) duplicates(after, through millrace.Position) ([]millrace.Position, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mark.through.Before(through) {
		return nil, millrace.Errorf(millrace.Unavailable, "%s is not judged yet, only what lies up to %s: wait for it", through, v.mark.through)
	}
	if len(v.segs) == 0 || !after.Before(through) {
		return nil, nil
	}
	if first := v.segs[0]; !first.beginning && after.Before(first.start) {
		return nil, &millrace.Error{
			Kind:    millrace.Gone,
			Message: fmt.Sprintf("the verdicts about duplicates up to %s were trimmed with the log: read that part from the archive", first.start),
			First:   millrace.Position{Epoch: first.start.Epoch, Seq: first.start.Seq + 1},
		}
	}
	var out []millrace.Position
	for i := v.segmentLocked(after); i < len(v.segs) && v.segs[i].start.Before(through); i++ {
		dups, err := v.loadLocked(v.segs[i])
		if err != nil {
			return nil, err
		}
		from, _ := slices.BinarySearchFunc(dups, after, func(p, q millrace.Position) int {
			if p.After(q) {
				return 1
			}
			return -1
		})
		for _, p := range dups[from:] {
			if p.After(through) {
				break
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// segmentLocked returns the index of the last segment that begins at or before p, or 0.
func (v *verdicts) segmentLocked(p millrace.Position) int {
	i, found := slices.BinarySearchFunc(v.segs, p, func(s *segment, p millrace.Position) int { return s.start.Compare(p) })
	if !found {
		i--
	}
	return max(i, 0)
}

func (v *verdicts) loadLocked(s *segment) ([]millrace.Position, error) {
	if s.loaded {
		if i := slices.Index(v.cached, s); i >= 0 {
			v.cached = append(slices.Delete(v.cached, i, i+1), s)
		}
		return s.dups, nil
	}
	r, _, err := readSegment(s.path)
	if err == nil && r.through != s.through {
		err = errors.New("a block is damaged")
	}
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "verdict segment %s cannot be used: %w; restore it, or stop the server, move the folder %s away and start again: the verdicts are then made anew from the log", s.path, err, v.dir)
	}
	s.dups, s.loaded = r.dups, true
	v.keepLocked(s)
	return s.dups, nil
}

// keepLocked keeps a sealed segment in memory until others were used more recently.
func (v *verdicts) keepLocked(s *segment) {
	v.cached = append(v.cached, s)
	if len(v.cached) > segmentCache {
		v.cached[0].dups, v.cached[0].loaded = nil, false
		v.cached = slices.Delete(v.cached, 0, 1)
	}
}

// trim deletes the segments that end at or before through, but never the last.
func (v *verdicts) trim(through millrace.Position) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for n+1 < len(v.segs) && !v.segs[n].through.After(through) && !v.segs[n+1].start.After(through) {
		n++
	}
	for range n {
		s := v.segs[0]
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		v.segs = v.segs[1:]
		v.cached = slices.DeleteFunc(v.cached, func(c *segment) bool { return c == s })
	}
	if n > 0 {
		return syncDir(v.dir)
	}
	return nil
}

// sizeBytes returns how much disk the verdicts take.
func (v *verdicts) sizeBytes() (n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.segs {
		n += s.size
	}
	return n
}

// bases returns, for each segment that can tell, the counts of everything up to
// its beginning.
func (v *verdicts) bases() ([]segmentHeader, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []segmentHeader
	for _, s := range v.segs {
		b, err := os.ReadFile(s.path)
		if err != nil {
			return nil, err
		}
		h, _, err := decodeHeader(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		out = append(out, h)
	}
	return out, nil
}

func (v *verdicts) close() error {
	if v.file == nil {
		return nil
	}
	f := v.file
	v.file = nil
	return f.Close()
}

// writeFile stores a file durably, whole or not at all.
func writeFile(name string, b []byte) error {
	tmp := name + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// removeStray deletes files in dir that keep does not name and that end like ours.
func removeStray(dir string, keep map[string]bool, suffixes ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		ours := slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(e.Name(), s) })
		if ours && !keep[e.Name()] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// floor returns the position before the first verdict that is still there.
func (v *verdicts) floor() millrace.Position {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.segs) == 0 || v.segs[0].beginning {
		return millrace.Position{}
	}
	return v.segs[0].start
}
