package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/archive"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/release/tree"
)

// Where the parts are in a backup. What begins with an underscore is not put
// into the data folder as it is.
const (
	backupLog     = "_log/frames"
	backupCatalog = "_catalog.jsonl"
	backupProject = "_project.tar.gz"
	backupArchive = "archive/"
	backupDedup   = "dedup/"
	backupHistory = "history.db"
)

// backupSmall are files of the data folder, and of the folders of spaces, that
// are copied as they are when they are there.
var backupSmall = []string{"paused.json", "habits.json", "id", tablesAhead}

// A BackupState says what a backup is of, and how far each part had come.
type BackupState struct {
	Project     string            `json:"project"`
	Environment string            `json:"environment,omitempty"`
	Through     millrace.Position `json:"through"` // every record up to here is in it
	Time        time.Time         `json:"time"`    // log time of that
	Log         nats.Copy         `json:"log"`
	Archive     BackupArchive     `json:"archive"`
	Dedup       []dedup.Count     `json:"dedup"`
	Warehouse   string            `json:"warehouse"` // the engine; its tables are made anew
	Catalog     string            `json:"catalog"`   // the engine
	MasterKeys  []string          `json:"master_keys"`
}

// A BackupArchive says what of the archive is in a backup.
type BackupArchive struct {
	Location string            `json:"location"`
	Included bool              `json:"included"` // its files: it is a folder
	Through  millrace.Position `json:"through"`
	Rows     int64             `json:"rows"`
	Bytes    int64             `json:"bytes"`
}

// A backupRun takes one backup.
type backupRun struct {
	*App
	run      *backup.Run
	state    BackupState
	purged   []string // workspaces that were destroyed, sorted
	folder   string   // for what is copied before it is stored
	progress func(backup.Sums, int64, string)
	total    int64 // about how many bytes it will have
}

// backupHold keeps the log from being trimmed while it is copied.
type backupHold struct {
	mu     sync.Mutex
	held   int
	folder sync.RWMutex // held to be read while a backup is taken: backupFolder is its own
}

// through is the retention's holder: everything may go, or nothing.
func (h *backupHold) through(ctx context.Context, log eventlog.Log) (millrace.Position, error) {
	first, last, err := log.Bounds(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held > 0 {
		return millrace.Position{Epoch: first.Epoch, Seq: first.Seq - 1, Index: millrace.EndOfFrame}, err
	}
	return last, err
}

func (h *backupHold) hold() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.held--
	}
}

// backupFolder holds what is copied before it is stored. A backup removes it when it
// ends, and the next start when it was killed.
const backupFolder = "backup.tmp"

// purgeBackup removes what a backup has left that could not remove it: copies of the
// metadata and of the index of IDs. One that is being taken removes its own at its
// end, and begins anew when the archive has lost a workspace meanwhile.
func (a *App) purgeBackup(context.Context, string) error {
	if !a.hold.folder.TryLock() {
		return nil
	}
	defer a.hold.folder.Unlock()
	return removed(a.data.sub(backupFolder))
}

// removed removes a folder of the data folder, durably.
func removed(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// takeBackup stores a backup. What it holds is what a crash would leave: the
// parts are copied in the order in which data travels backwards, so that nothing
// in it has read more than what it was read from has. Intake goes on meanwhile.
func (a *App) takeBackup(ctx context.Context, store *backup.Store, progress func(done backup.Sums, total int64, what string)) (*backup.Manifest, error) {
	run, err := store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	a.hold.folder.RLock()
	defer a.hold.folder.RUnlock()
	config := a.config()
	b := &backupRun{App: a, run: run, folder: a.data.sub(backupFolder), progress: progress, state: BackupState{
		Project: config.Name, Environment: a.o.Environment, Warehouse: config.Warehouse.Scheme(), Catalog: config.Catalog.Scheme(),
		Archive: BackupArchive{Location: config.Archive.String(), Included: config.Archive.Scheme() == "file"},
	}}
	defer os.RemoveAll(b.folder)
	for same := false; !same; {
		if err := b.parts(ctx); err != nil {
			return nil, err
		}
		if same, err = b.samePurged(ctx); err != nil {
			return nil, err
		}
	}
	b.say("storing the manifest")
	return run.Finish(a.o.Version, b.state)
}

// samePurged says whether no workspace was destroyed since the archive was
// copied: the metadata would not know any more that the copy has something of it.
func (b *backupRun) samePurged(ctx context.Context) (bool, error) {
	c, err := b.archive.Copy(ctx)
	slices.Sort(c.Purged)
	return slices.Equal(c.Purged, b.purged), err
}

func (b *backupRun) say(what string) {
	if b.progress != nil {
		done := b.run.Sums()
		b.progress(done, max(b.total, done.Bytes), what)
	}
}

func (b *backupRun) parts(ctx context.Context) error {
	if err := os.RemoveAll(b.folder); err != nil {
		return err
	}
	if err := os.Mkdir(b.folder, 0o700); err != nil {
		return err
	}
	b.run.Leave(func(string) bool { return true })
	b.total = b.expected(ctx)
	b.say("the archive")
	if err := b.copyArchive(ctx, true); err != nil { // most of it, while the log may be trimmed
		return err
	}
	if err := b.copyLogged(ctx); err != nil {
		return err
	}
	b.say("what duplicates are known by")
	if err := b.copyFolder(filepath.Join(b.folder, "dedup"), backupDedup); err != nil {
		return err
	}
	if err := b.copySmall(ctx); err != nil {
		return err
	}
	// The metadata come last: they have the keys of all that is in the log.
	b.say("the metadata")
	return b.copyCatalog(ctx)
}

// expected is about how many bytes a backup will have: the archive, and what lies in
// the folder of what else is copied. What of the log is not in the archive yet is
// little beside them.
func (b *backupRun) expected(ctx context.Context) (total int64) {
	if c, err := b.archive.Copy(ctx); err == nil && b.state.Archive.Included {
		for _, o := range c.Objects {
			total += o.SizeBytes
		}
	}
	for _, part := range []string{"dedup", "catalog.db", backupHistory} {
		_ = filepath.WalkDir(b.data.sub(part), func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // what cannot be read is said where it is copied
			}
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
			return nil
		})
	}
	return total
}

// copyLogged copies archive, dedup and log, which have to fit each other.
func (b *backupRun) copyLogged(ctx context.Context) error {
	defer b.hold.hold()()
	if err := b.copyArchive(ctx, false); err != nil {
		return err
	}
	checkpoint, err := dedup.Copy(b.data.sub("dedup"), filepath.Join(b.folder, "dedup"))
	if err != nil {
		return err
	}
	b.state.Dedup = b.follower.Counts()
	done := []millrace.Position{b.state.Archive.Through, checkpoint}
	counted, err := b.workspaces.store.Counted(ctx)
	if err != nil {
		return err
	}
	if counted.Index != millrace.EndOfFrame && counted.Seq > 0 { // in the middle of a frame, which is still needed
		counted.Seq--
	}
	if frameIn(b.log.Eras(), counted) > 0 { // of this log
		done = append(done, counted)
	}
	b.say("the log")
	return b.copyLog(ctx, done...)
}

// copyLog copies the frames behind what the archive, the index of IDs and the
// counts of usage have: the last frame at least.
func (b *backupRun) copyLog(ctx context.Context, done ...millrace.Position) error {
	first, last, err := b.log.Bounds(ctx)
	if err != nil {
		return err
	}
	eras := b.log.Eras()
	after := last.Seq
	for _, p := range done {
		after = min(after, frameIn(eras, p))
	}
	after = max(min(after, last.Seq-min(1, last.Seq)), first.Seq-1)
	status, err := b.log.Status(ctx)
	if err != nil {
		return err
	}
	b.state.Through, b.state.Time = last, status.LastTime
	b.state.Log = nats.Copy{Eras: eras, First: after + 1, Last: last.Seq, Stamp: status.LastTime}
	return b.run.File(backup.File{Path: backupLog, Mode: 0o600}, func() (io.ReadCloser, error) {
		out, in := io.Pipe()
		go func() {
			for frame, err := range b.log.Frames(ctx, after, last.Seq) {
				if err == nil {
					_, err = in.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(frame))), frame...))
				}
				if err != nil {
					in.CloseWithError(err)
					return
				}
			}
			in.Close()
		}()
		return out, nil
	})
}

// frameIn is the frame of the log through which a position has read it; 0 when
// it is of another log.
func frameIn(eras []eventlog.Era, p millrace.Position) uint64 {
	for i, era := range eras {
		if era.Epoch != p.Epoch {
			continue
		}
		if i+1 < len(eras) {
			return min(p.Seq, eras[i+1].First-1)
		}
		return p.Seq
	}
	return 0
}

// archiveTries bounds how often files of the archive may have been replaced
// while they were copied.
const archiveTries = 20

// copyArchive copies the archive: only what lasts, or all that is missing.
func (b *backupRun) copyArchive(ctx context.Context, lasting bool) (err error) {
	for range archiveTries {
		var c archive.Copy
		if c, err = b.archive.Copy(ctx); err != nil {
			return fmt.Errorf("copying the archive: %w", err)
		}
		b.state.Archive.Through, b.state.Archive.Rows, b.state.Archive.Bytes = c.Through, c.Rows, c.Bytes
		b.purged = slices.Sorted(slices.Values(c.Purged))
		if err = b.copyObjects(ctx, c, lasting); millrace.KindOf(err) != millrace.NotFound || ctx.Err() != nil {
			return err
		}
	}
	return fmt.Errorf("copying the archive, whose files are replaced all the time: %w", err)
}

func (b *backupRun) copyObjects(ctx context.Context, c archive.Copy, lasting bool) error {
	named := map[string]bool{}
	for _, o := range c.Objects {
		if lasting && !o.Lasting || !b.state.Archive.Included {
			continue
		}
		path := backupArchive + o.Key
		if named[path] = true; b.run.Holds(path) {
			continue
		}
		f := backup.File{Path: path, Mode: 0o600, Stamp: o.Stamp, SizeBytes: o.SizeBytes, Lasting: o.Lasting}
		if err := b.run.File(f, func() (io.ReadCloser, error) { return b.openObject(ctx, o.Key) }); err != nil {
			return err
		}
		b.say("the archive")
	}
	if lasting || c.BaseKey == "" {
		return nil
	}
	path := backupArchive + c.BaseKey
	named[path] = true
	b.run.Leave(func(p string) bool { return strings.HasPrefix(p, backupArchive) && !named[p] })
	return b.run.File(backup.File{Path: path, Mode: 0o600}, func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(c.Base)), nil
	})
}

func (b *backupRun) openObject(ctx context.Context, key string) (io.ReadCloser, error) {
	o, err := b.bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(o, 0, o.Size()), o}, nil
}

// copyFolder copies all files of a folder, which nobody changes but by adding
// to the end of one.
func (b *backupRun) copyFolder(dir, to string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return b.copyFile(path, to+filepath.ToSlash(name))
	})
}

func (b *backupRun) copyFile(path, to string) error {
	return b.run.File(backup.File{Path: to, Mode: 0o600}, func() (io.ReadCloser, error) { return os.Open(path) })
}

// copySmall copies what the page and operators have.
func (b *backupRun) copySmall(ctx context.Context) error {
	if b.history != nil {
		file := filepath.Join(b.folder, backupHistory)
		if err := b.history.Copy(ctx, file); err != nil {
			b.logger("backup").Warn("the charts of what was before are not in the backup", "error", err)
		} else if err := b.copyFile(file, backupHistory); err != nil {
			return err
		}
	}
	folders := []string{"."}
	spaces, err := os.ReadDir(b.data.sub("spaces"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, s := range spaces {
		folders = append(folders, filepath.Join("spaces", s.Name()))
	}
	for _, folder := range folders {
		for _, name := range backupSmall {
			name = filepath.Join(folder, name)
			if err := b.copyFile(b.data.sub(name), filepath.ToSlash(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return b.copyProject()
}

// copyProject copies the files of the project's folder, without what is hidden
// in it and its secrets.
func (b *backupRun) copyProject() error {
	t, err := tree.FromFolder(b.o.Dir, tree.FolderOptions{Private: []string{b.data.path}})
	if err != nil {
		b.logger("backup").Warn("the files of the project are not in the backup", "error", err)
		return nil
	}
	var packed bytes.Buffer
	if err := tree.Pack(&packed, t); err != nil {
		return err
	}
	return b.run.File(backup.File{Path: backupProject, Mode: 0o600}, func() (io.ReadCloser, error) { return io.NopCloser(&packed), nil })
}

// copyCatalog copies the metadata, by way of a file: the store of the backups
// may be slow, and a snapshot is not to be held for that long.
func (b *backupRun) copyCatalog(ctx context.Context) error {
	path := filepath.Join(b.folder, "catalog")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(b.catalog.Backup(ctx, f), f.Close())
	if err != nil {
		return fmt.Errorf("copying the metadata: %w", err)
	}
	err = b.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		b.state.MasterKeys, err = catalog.All[string](ctx, tx, "SELECT DISTINCT master FROM secret_key WHERE state <> $1 ORDER BY master", "destroyed")
		return err
	})
	if err != nil {
		return err
	}
	return b.copyFile(path, backupCatalog)
}

// state reads what a backup says of itself.
func backupState(m *backup.Manifest) (s BackupState, err error) {
	if err := json.Unmarshal(m.State, &s); err != nil {
		return s, millrace.Errorf(millrace.Invalid, "backup %s does not say what it is of: %w", m.ID, err)
	}
	return s, nil
}
