package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/archive"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/release/tree"
)

// Files of a data folder that was restored.
const (
	restoringFile = "restoring.json" // as long as it is not whole
	restoredFile  = "restored.json"  // from what
)

// A RestoredFolder says from what a data folder was restored.
type RestoredFolder struct {
	Backup  string            `json:"backup"`
	Taken   time.Time         `json:"taken"`
	Through millrace.Position `json:"through"`
	At      time.Time         `json:"at"`
}

// RestoreOptions are the parameters of Restore.
type RestoreOptions struct {
	Store    *backup.Store
	Manifest *backup.Manifest
	Data     string // the folder to make; missing or empty
	Project  string // where the project's files go; missing or empty. "": they are left out
	Catalog  string // postgres://…: an empty schema for the metadata; "": a file in Data
	Version  string
	Progress func(done, total int64) // bytes; may be nil
	Now      func() time.Time        // default time.Now
	Logger   *slog.Logger            // default none
}

// Restore makes a data folder from a backup. Everything is compared with its
// checksums, and durable when it returns nil. Until then the folder says that it
// is not whole, and no server uses it; calling Restore again begins anew.
func Restore(ctx context.Context, o RestoreOptions) (BackupState, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	state, err := backupState(o.Manifest)
	if err != nil {
		return state, err
	}
	r := &restore{o: o, state: state}
	if err := r.begin(ctx); err != nil {
		return state, fmt.Errorf("nothing was restored to %s: %w", o.Data, roomFor(err))
	}
	defer r.data.Close()
	err = roomFor(r.parts(ctx))
	if r.bucket != nil {
		err = errors.Join(err, r.bucket.Close())
	}
	if err == nil {
		err = roomFor(r.end(ctx))
	}
	if r.catalog != nil {
		err = errors.Join(err, r.catalog.Close())
	}
	if err != nil {
		return state, fmt.Errorf("the restore did not finish, and %s is not whole: restore into it again when this is mended, or take another backup with --backup (millrace backup list says which there are): %w", r.data.path, err)
	}
	return state, nil
}

// A restore is one that is under way.
type restore struct {
	o       RestoreOptions
	state   BackupState
	data    *dataDir
	catalog catalog.Catalog
	bucket  *local.Bucket
	done    int64
	parted  map[string]bool // the parts that were restored
	mark    unfinished      // what restoringFile says
	files   *tree.Tree      // of the project
}

func emptyFolder(dir string) error {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n fs.DirEntry) bool { // of a restore that could not begin
		return n.Name() == lockName || n.Type().IsRegular() && strings.HasPrefix(n.Name(), newPrefix)
	})
	if len(names) > 0 {
		return millrace.Errorf(millrace.Conflict, "%s is not empty (%s is in it): name a folder that is empty or not there", dir, names[0].Name())
	}
	return nil
}

// roomFor says what a full disk needs, where that is not said yet.
func roomFor(err error) error {
	var said *millrace.Error
	if errors.As(err, &said) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk is full: make room there, and do it again: %w", err)
	}
	return err
}

// begin makes the folder, and says in it that it is not whole.
func (r *restore) begin(ctx context.Context) error {
	before, err := readUnfinished(r.o.Data)
	if err != nil {
		return err
	}
	if before == nil {
		if err := emptyFolder(r.o.Data); err != nil {
			return err
		}
	}
	if err := r.lookAtProject(before); err != nil {
		return err
	}
	if r.data, err = openData(ctx, r.o.Data, 0); err != nil {
		return err
	}
	r.mark = unfinished{RestoredFolder: r.restored(), Mark: strings.ToLower(rand.Text())}
	if before != nil {
		r.mark.Mark = cmp.Or(before.Mark, r.mark.Mark)
		r.mark.Project, r.mark.Files = before.Project, before.Files
	}
	if err = r.clear(); err == nil {
		err = r.note(restoringFile, r.mark)
	}
	if err != nil {
		return errors.Join(err, r.data.Close())
	}
	return nil
}

// clear removes what an earlier restore left.
func (r *restore) clear() error {
	names, err := os.ReadDir(r.data.path)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.Name() != lockName && n.Name() != restoringFile {
			if err := os.RemoveAll(r.data.sub(n.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *restore) restored() RestoredFolder {
	return RestoredFolder{r.o.Manifest.ID, r.o.Manifest.Taken, r.state.Through, r.o.Now().UTC()}
}

func (r *restore) note(file string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return writeFile(r.data.sub(file), append(text, '\n'))
}

func (r *restore) parts(ctx context.Context) error {
	store, err := r.openCatalog(ctx)
	if err != nil {
		return err
	}
	r.catalog = store
	if r.state.Archive.Included {
		if r.bucket, err = local.Open(ctx, r.data.sub("archive")); err != nil {
			return err
		}
	}
	r.parted = map[string]bool{}
	if err := r.o.Store.Files(ctx, r.o.Manifest, func(c backup.Content) error {
		if err := r.file(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimPrefix(c.Path, "_"), err)
		}
		if r.done += c.SizeBytes; r.o.Progress != nil {
			r.o.Progress(r.done, r.o.Manifest.Bytes)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, part := range []string{backupLog, backupCatalog} {
		if !r.parted[part] {
			return millrace.Errorf(millrace.Invalid, "the backup has no %s", strings.TrimPrefix(part, "_"))
		}
	}
	if err := r.belong(ctx); err != nil {
		return err
	}
	return r.compare(ctx)
}

// belong makes the folder the one that the catalog belongs to: a server refuses
// another.
func (r *restore) belong(ctx context.Context) error {
	id, known, err := ownerOf(ctx, r.catalog)
	if err != nil || !known {
		return err
	}
	return writeFile(r.data.sub("id"), []byte(id+"\n"))
}

func (r *restore) openCatalog(ctx context.Context) (catalog.Catalog, error) {
	if r.o.Catalog != "" {
		return postgres.Open(ctx, postgres.Options{URL: r.o.Catalog, Version: r.o.Version, Now: r.o.Now, Logger: r.o.Logger})
	}
	return sqlite.Open(ctx, sqlite.Options{File: r.data.sub("catalog.db"), Version: r.o.Version, Now: r.o.Now, Logger: r.o.Logger})
}

// file puts one file of the backup in its place.
func (r *restore) file(ctx context.Context, c backup.Content) error {
	r.parted[c.Path] = true
	switch {
	case c.Path == backupCatalog:
		return piped(c, func(in io.Reader) error { return r.catalog.Restore(ctx, in, r.catalogMark()) })
	case c.Path == backupLog:
		return piped(c, func(in io.Reader) error {
			return nats.Restore(ctx, nats.Options{Dir: r.data.sub("log"), Now: r.o.Now, Logger: r.o.Logger}, r.state.Log, framesIn(in))
		})
	case c.Path == backupProject:
		return r.project(c)
	case strings.HasPrefix(c.Path, backupArchive) && r.bucket != nil:
		return piped(c, func(in io.Reader) error {
			return r.bucket.Put(ctx, strings.TrimPrefix(c.Path, backupArchive), in)
		})
	case strings.HasPrefix(c.Path, "_"):
		return millrace.Errorf(millrace.Conflict, "this version does not know this part of a backup: run a newer version of Millrace")
	case strings.HasPrefix(c.Path, backupArchive):
		return nil // the archive lies elsewhere: this is what it was
	}
	return r.plain(c)
}

// piped lets a function read what a backup holds. What it read is what was
// stored, or it is an error.
func piped(c backup.Content, read func(io.Reader) error) error {
	out, in := io.Pipe()
	failed := make(chan error, 1)
	go func() {
		_, err := c.WriteTo(in)
		in.CloseWithError(err) // a nil is the end
		failed <- err
	}()
	err := read(out)
	if err == nil {
		_, err = io.Copy(io.Discard, out)
	}
	out.CloseWithError(err)
	if stored := <-failed; stored != nil && !errors.Is(stored, err) {
		return stored
	}
	return err
}

// framesIn reads the frames of a log, each behind its length.
func framesIn(in io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := bufio.NewReaderSize(in, 1<<20)
		for {
			var head [4]byte
			_, err := io.ReadFull(r, head[:])
			if errors.Is(err, io.EOF) {
				return
			}
			size := binary.LittleEndian.Uint32(head[:])
			if err == nil && size > eventlog.MaxFrameSizeBytes {
				err = millrace.Errorf(millrace.Invalid, "a frame has %d bytes, more than it can have", size)
			}
			var frame []byte
			if err == nil {
				frame = make([]byte, size)
				_, err = io.ReadFull(r, frame)
			}
			if !yield(frame, err) || err != nil {
				return
			}
		}
	}
}

// project reads the files of the project. They are written when all else is there.
func (r *restore) project(c backup.Content) error {
	if r.o.Project == "" {
		return nil
	}
	var packed bytes.Buffer
	if _, err := c.WriteTo(&packed); err != nil {
		return err
	}
	var err error
	r.files, _, err = tree.Unpack(&packed, tree.Limits{})
	return err
}

// plain writes a file of the data folder. It is synced with its folders at the end.
func (r *restore) plain(c backup.Content) error {
	path := r.data.sub(filepath.FromSlash(c.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = c.WriteTo(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// compare opens what was restored and compares it with what the backup says.
func (r *restore) compare(ctx context.Context) error {
	if r.bucket == nil || r.state.Archive.Through.IsZero() {
		return nil
	}
	a, err := archive.Open(ctx, archive.Options{Bucket: r.bucket, Now: r.o.Now})
	if err != nil {
		return fmt.Errorf("the restored archive: %w", err)
	}
	through, err := a.Through(ctx)
	if err == nil && through != r.state.Archive.Through {
		err = millrace.Errorf(millrace.Invalid, "it ends at %s, not at %s", through, r.state.Archive.Through)
	}
	if err != nil {
		return fmt.Errorf("the restored archive: %w", err)
	}
	return nil
}

// end writes what comes last, and ends the restore.
func (r *restore) end(ctx context.Context) error {
	if err := r.writeProject(); err != nil {
		return err
	}
	if r.o.Catalog == "" { // a file of the folder
		file := r.catalog
		r.catalog = nil
		if err := file.Close(); err != nil {
			return err
		}
	}
	if err := r.finish(); err != nil {
		return err
	}
	if r.catalog != nil {
		r.unmark(ctx)
	}
	return nil
}

// finish makes the folder whole: everything in it is durable, then the mark goes.
func (r *restore) finish() error {
	if err := r.note(restoredFile, r.restored()); err != nil {
		return err
	}
	err := filepath.WalkDir(r.data.path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path == r.data.sub("archive") {
			return fs.SkipDir // its bucket has synced it
		}
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncFolder(path)
	})
	if err != nil {
		return err
	}
	if err := os.Remove(r.data.sub(restoringFile)); err != nil {
		return err
	}
	return syncFolder(r.data.path)
}

// checkWhole refuses a data folder whose restore has not finished.
func checkWhole(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, restoringFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var from RestoredFolder
	if err == nil {
		_ = json.Unmarshal(text, &from) // one that is cut off says enough by being there
	}
	return millrace.Errorf(millrace.Conflict, "the data folder %s is not whole: the restore of backup %s into it has not finished; restore again into the same folder, and it begins anew", dir, from.Backup)
}

// readRestored returns from what the data folder was restored; nil when it was not.
func readRestored(dir string) *RestoredFolder {
	text, err := os.ReadFile(filepath.Join(dir, restoredFile))
	var from RestoredFolder
	if err != nil || json.Unmarshal(text, &from) != nil {
		return nil
	}
	return &from
}

// restored is the notice that the data folder was restored, for a month.
func (a *App) restored(now time.Time) []string {
	from := readRestored(a.data.path)
	if from == nil || now.Sub(from.At) > noticeRenewed {
		return nil
	}
	again := "what the archive has already is not counted twice"
	if a.config().Warehouse.Scheme() != "duckdb" {
		again += ", but in the tables what only they have is: millrace warehouse rebuild makes them anew from archive and log"
	}
	return []string{fmt.Sprintf("this data folder was restored at %s from backup %s, which was taken at %s: what came in between is not in it, unless an archive or warehouse elsewhere has it; senders that kept it may send it again, and %s",
		from.At.Format(time.RFC3339), from.Backup, from.Taken.Format(time.RFC3339), again)}
}

// restoredAt says whether the epoch that began then is that of the restore.
func (a *App) restoredAt(began time.Time) bool {
	from := readRestored(a.data.path)
	return from != nil && !began.After(from.At) && from.At.Sub(began) < time.Hour
}
