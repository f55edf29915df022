package dedup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/millrace/millrace"
)

const (
	minPartition     = 4 * time.Hour
	windowPartitions = 5 // the longest window is cut into so many
	idleFlush        = 10 * time.Minute
)

// An index knows when each ID was last seen: two families of runs on disk, and
// in memory what came after the manifest. One goroutine uses it.
type index struct {
	dir          string
	log          *slog.Logger
	now          func() time.Time
	memoryIDs    int
	verifyAtOpen int64 // bytes
	spaces       *spaces

	manifest manifest // as it is on disk
	mem      [families]*memory
	runs     [families][]*run
	records  int       // put since the last flush
	flushed  time.Time // when the last flush was
	merging  chan merged
	unproved bool // the runs' checksums have not been read yet
	longest  int64
	asked    uint64 // the batch for which longest was computed
}

// A merged is the end of a merge: one run, or none, in place of its inputs.
type merged struct {
	inputs []*run
	run    *run
	err    error
}

// openIndex opens the index in dir. When anything of it is missing or damaged
// it begins empty, says why in the log, and is built again by the follower.
func openIndex(dir string, o Options) (*index, error) {
	ix := &index{dir: dir, log: o.Logger, now: o.Now, memoryIDs: o.MemoryIDs, verifyAtOpen: o.verifyAtOpen, flushed: o.Now()}
	for f := range ix.mem {
		ix.mem[f] = newMemory()
	}
	if err := errors.Join(os.MkdirAll(dir, 0o700), syncDir(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	key, made, err := loadKey(dir)
	if err != nil {
		return nil, err
	}
	ix.spaces = &spaces{key: key, window: o.Window, all: map[spaceKey]*space{}, batch: 1}
	m, err := loadManifest(dir)
	if millrace.KindOf(err) == millrace.Conflict {
		return nil, err
	}
	switch {
	case err != nil:
	case m == nil:
		m = &manifest{Version: manifestVersion, CountsLost: true}
	case made || m.Key != fingerprint(key):
		err = errors.New("its hash key was lost")
	default:
		ix.manifest = *m
		err = ix.openRuns()
	}
	if err != nil {
		ix.log.Error("the dedup index cannot be used and is built again", "dir", dir, "error", err)
		return ix, ix.discard()
	}
	ix.manifest = *m
	ix.manifest.Key = fingerprint(key)
	keep := map[string]bool{}
	for _, r := range m.Runs {
		keep[r.File] = true
	}
	ix.reset()
	return ix, removeStray(dir, keep, runExtension, ".tmp")
}

func (ix *index) openRuns() error {
	size := int64(0)
	for _, info := range ix.manifest.Runs {
		if info.Family >= families || filepath.Base(info.File) != info.File {
			return fmt.Errorf("the manifest names a run %q of family %d", info.File, info.Family)
		}
		r, err := openRun(filepath.Join(ix.dir, info.File), info)
		if err != nil {
			return err
		}
		ix.runs[r.Family] = append(ix.runs[r.Family], r)
		size += r.SizeBytes
	}
	if ix.unproved = size > ix.verifyAtOpen; ix.unproved {
		return nil
	}
	return verifyRuns(context.Background(), ix.all())
}

// verifyRuns reads the runs against their checksums.
func verifyRuns(ctx context.Context, runs []*run) error {
	for _, r := range runs {
		if err := r.verify(ctx); err != nil {
			return err
		}
	}
	return nil
}

// all returns the runs of both families.
func (ix *index) all() []*run { return slices.Concat(ix.runs[recent], ix.runs[lasting]) }

// reset forgets what is in memory only: the index is as the manifest says.
func (ix *index) reset() {
	for _, m := range ix.mem {
		m.reset()
	}
	ix.records = 0
	ix.spaces.reset(&ix.manifest)
}

// discard empties the index, on disk too.
func (ix *index) discard() error {
	for f := range ix.runs {
		for _, r := range ix.runs[f] {
			if err := r.close(); err != nil {
				return err
			}
		}
		ix.runs[f] = nil
	}
	ix.unproved = false
	ix.manifest = manifest{Version: manifestVersion, Key: fingerprint(ix.spaces.key), Next: ix.manifest.Next, CountsLost: true}
	ix.reset()
	if err := ix.manifest.save(ix.dir); err != nil {
		return err
	}
	return removeStray(ix.dir, nil, runExtension, ".tmp")
}

// put notes an ID and says whether it was last seen less than the space's
// window before. An error is damage.
func (ix *index) put(sp *space, id string, at int64) (duplicate bool, err error) {
	h := sp.hasher.sum(id)
	ix.records++
	sp.has[sp.family], sp.Newest = true, max(sp.Newest, at)
	last, found := ix.mem[sp.family].put(h, at)
	if found && at-last < sp.window {
		return true, nil
	}
	if other := 1 - sp.family; sp.has[other] {
		if last, found := ix.mem[other].get(h); found && at-last < sp.window {
			return true, nil
		}
	}
	for f, has := range sp.has {
		if !has {
			continue
		}
		runs := ix.runs[f]
		for i := len(runs) - 1; i >= 0; i-- {
			last, found, err := runs[i].find(h)
			if err != nil {
				return false, err
			}
			if found && at-last < sp.window {
				return true, nil
			}
		}
	}
	return false, nil
}

// note puts an ID whose verdict is known.
func (ix *index) note(sp *space, id string, at int64) {
	ix.records++
	sp.has[sp.family], sp.Newest = true, max(sp.Newest, at)
	ix.mem[sp.family].put(sp.hasher.sum(id), at)
}

// span returns how much log time one partition of recent IDs covers, in
// milliseconds, and the log time at or before which no ID is needed any more.
func (ix *index) span(now int64) (span, horizon int64) {
	if ix.longest == 0 || ix.spaces.batch-ix.asked >= 64 {
		ix.longest, ix.asked = ix.spaces.longest(now), ix.spaces.batch
	}
	longest := ix.longest
	return max(minPartition.Milliseconds(), longest/windowPartitions), now - longest
}

// due says whether memory should become runs.
func (ix *index) due(now int64) bool {
	switch m := ix.mem[recent]; {
	case ix.records == 0:
		return false
	case m.n+ix.mem[lasting].n >= ix.memoryIDs || ix.records >= 2*ix.memoryIDs:
		return true
	case ix.now().Sub(ix.flushed) >= idleFlush:
		return true
	case m.n > 0 && now-m.min >= minPartition.Milliseconds():
		span, _ := ix.span(now)
		return now-m.min >= span
	}
	return false
}

// flush makes the index durable as it is, which is up to at: memory becomes
// runs, runs that no window needs are dropped, and the manifest says so. After
// an error the index must be reset.
func (ix *index) flush(at mark) error {
	span, horizon := ix.span(at.time)
	var added []*run
	for f, m := range ix.mem {
		if m.n == 0 {
			continue
		}
		partition := int64(0)
		if family(f) == recent {
			partition = m.min - m.min%span
		}
		r, err := ix.writeRun(family(f), partition)
		if err != nil {
			return errors.Join(err, removeRuns(added))
		}
		added = append(added, r)
	}
	kept, dropped := ix.expired(horizon)
	runs := [families][]*run{kept, slices.Clone(ix.runs[lasting])}
	for _, r := range added {
		runs[r.Family] = append(runs[r.Family], r)
	}
	next := ix.manifest
	next.Through, next.Time, next.Sources, next.Salts = at.through, at.time, ix.spaces.infos(), maps.Clone(ix.spaces.salts)
	if err := ix.commit(next, runs); err != nil {
		return errors.Join(err, removeRuns(added))
	}
	for _, m := range ix.mem {
		m.reset()
	}
	ix.records, ix.flushed = 0, ix.now()
	return removeRuns(dropped)
}

// commit makes runs the index's runs, durably.
func (ix *index) commit(next manifest, runs [families][]*run) error {
	next.Runs = nil
	for f := range runs {
		for _, r := range runs[f] {
			next.Runs = append(next.Runs, r.runInfo)
		}
	}
	if err := errors.Join(syncDir(ix.dir), next.save(ix.dir)); err != nil {
		return err
	}
	ix.manifest, ix.runs = next, runs
	return nil
}

func (ix *index) writeRun(f family, partition int64) (*run, error) {
	m := ix.mem[f]
	w, err := newRunWriter(ix.newFile(), f, partition, int64(m.n))
	if err != nil {
		return nil, err
	}
	for _, s := range m.sorted() {
		if err := w.add(s); err != nil {
			return nil, errors.Join(err, w.abort())
		}
	}
	return w.finish()
}

// newFile returns the path of a run file that never was.
func (ix *index) newFile() string {
	ix.manifest.Next++
	return filepath.Join(ix.dir, fmt.Sprintf("%016d%s", ix.manifest.Next, runExtension))
}

// expired splits the recent runs into those that a window still needs and those
// that none does. A run that is being merged is kept until that is done.
func (ix *index) expired(horizon int64) (kept, dropped []*run) {
	for _, r := range ix.runs[recent] {
		if r.Max <= horizon && ix.merging == nil {
			dropped = append(dropped, r)
		} else {
			kept = append(kept, r)
		}
	}
	return kept, dropped
}

func removeRuns(runs []*run) error {
	var err error
	for _, r := range runs {
		err = errors.Join(err, r.remove())
	}
	return err
}

// merge begins a merge in the background if one is useful and none is going on.
func (ix *index) merge(ctx context.Context, now int64) {
	if ix.merging != nil {
		return
	}
	span, horizon := ix.span(now)
	inputs := pick(ix.runs[recent], now-now%span)
	if inputs == nil {
		inputs, horizon = pick(ix.runs[lasting], 0), math.MinInt64
	}
	if inputs == nil {
		return
	}
	path := ix.newFile()
	done := make(chan merged, 1)
	ix.merging = done
	go func() {
		m := merged{inputs: inputs}
		m.err = guard(func() (err error) {
			m.run, err = merge(ctx, path, inputs, horizon)
			return err
		})
		done <- m
	}()
}

// install puts the result of a merge in the place of its inputs.
func (ix *index) install(m merged) error {
	ix.merging = nil
	var damaged *damage
	switch {
	case errors.As(m.err, &damaged):
		return m.err
	case m.err != nil: // a full disk, say: the inputs serve until it is tried again
		ix.log.Warn("runs of the dedup index could not be merged", "runs", len(m.inputs), "error", m.err)
		return nil
	}
	var all [families][]*run
	for f := range ix.runs {
		runs := slices.DeleteFunc(slices.Clone(ix.runs[f]), func(r *run) bool { return slices.Contains(m.inputs, r) })
		if m.run != nil && m.run.Family == family(f) {
			runs = append(runs, m.run)
			slices.SortStableFunc(runs, func(a, b *run) int { return cmp.Compare(a.Max, b.Max) })
		}
		all[f] = runs
	}
	if err := ix.commit(ix.manifest, all); err != nil {
		if m.run != nil {
			err = errors.Join(err, m.run.remove())
		}
		return err
	}
	return removeRuns(m.inputs)
}

// settle waits for a merge that was told to stop and forgets its result.
func (ix *index) settle() {
	if ix.merging == nil {
		return
	}
	m := <-ix.merging
	ix.merging = nil
	if m.run != nil {
		if err := m.run.remove(); err != nil {
			ix.log.Warn("a file of the dedup index was left behind", "file", m.run.path, "error", err)
		}
	}
}

func (ix *index) close() error {
	for _, m := range ix.mem {
		m.close()
	}
	var err error
	for _, r := range ix.all() {
		err = errors.Join(err, r.close())
	}
	return err
}

// A damage is an error of the index's files that only building the index again repairs.
type damage struct{ message string }

func (d *damage) Error() string { return d.message }

// guard runs fn. A mapped file that cannot be read makes it fail with damage
// instead of ending the process.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			fault, ok := p.(interface{ Addr() uintptr })
			if !ok || fault.Addr() < 4096 { // a mistake in the program
				panic(p)
			}
			err = &damage{fmt.Sprintf("a file of the dedup index cannot be read: %v", p)}
		}
	}()
	return fn()
}
