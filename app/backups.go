package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/blob/s3"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/terminal"
)

// BackupKeyVariable has the key of backups when no file is named.
const BackupKeyVariable = "MILLRACE_BACKUP_KEY"

// A BackupTarget is where backups are, and what they are encrypted with.
type BackupTarget struct {
	To   string // file:/FOLDER, a folder, or s3://bucket/prefix
	Key  backup.Key
	Keep backup.Keep

	pace func(ctx context.Context, took time.Duration) // nil: as fast as can be
}

// A BackupStore is the store of a target. Close it.
type BackupStore struct {
	*backup.Store
	bucket blob.Bucket
}

// Close releases the bucket.
func (s *BackupStore) Close() error { return s.bucket.Close() }

// localPackBytes is how large packs are in a folder: what is synced at once holds
// up others who sync on that disk, such as the log.
const localPackBytes = 4 << 20

// OpenBackups opens the store of a target; create makes it where there is none.
func OpenBackups(ctx context.Context, t BackupTarget, create bool, logger *slog.Logger) (*BackupStore, error) {
	if t.To == "" {
		return nil, millrace.Errorf(millrace.Invalid, "say where the backups are: a folder, or s3://bucket/prefix; or write backup.to in millrace.yaml")
	}
	bucket, folder, err := openPlace(ctx, t.To, create)
	if err != nil {
		return nil, err
	}
	packs := 0 // the default
	if folder {
		packs = localPackBytes
	}
	store, err := backup.Open(ctx, backup.Options{Bucket: bucket, Key: t.Key, Create: create, Holder: catalog.Process(), Ended: catalog.ProcessEnded, PackBytes: packs, Pace: t.pace, Logger: logger})
	if err != nil {
		return nil, errors.Join(err, bucket.Close())
	}
	return &BackupStore{store, bucket}, nil
}

// openPlace opens a bucket that a person names: a folder, which is made when
// create, or s3://bucket/prefix.
func openPlace(ctx context.Context, at string, create bool) (bucket blob.Bucket, folder bool, err error) {
	scheme, path, _ := strings.Cut(at, ":")
	switch {
	case scheme == "s3":
		bucket, err = s3.Open(ctx, at)
		if err != nil {
			return nil, false, err
		}
		return bucket, false, nil
	case strings.Contains(at, "://") && scheme != "file":
		return nil, false, millrace.Errorf(millrace.Invalid, "name a folder or s3://bucket/prefix: %s:// is neither", scheme)
	case scheme == "file":
		path = filepath.Clean("/" + strings.TrimLeft(path, "/"))
	default:
		if path, err = filepath.Abs(at); err != nil {
			return nil, false, err
		}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, false, millrace.Errorf(millrace.NotFound, "there is no folder %s", path)
	}
	bucket, err = local.Open(ctx, path)
	if err != nil {
		return nil, false, err
	}
	return bucket, true, nil
}

// BackupKey reads the key of backups from a file, or, when none is named, from
// the environment.
func BackupKey(file string, getenv func(string) string) (backup.Key, error) {
	if file != "" {
		return backup.ReadKeyFile(file)
	}
	if text := getenv(BackupKeyVariable); text != "" {
		k, err := backup.ParseKey(text)
		if err != nil {
			return k, fmt.Errorf("%s: %w", BackupKeyVariable, err)
		}
		return k, nil
	}
	return backup.Key{}, millrace.Errorf(millrace.Invalid, "backups are encrypted, and no key is named: name the file that has it (--key-file, or backup.key_file in millrace.yaml), or set %s; before the first backup make one with millrace backup key FILE, and keep a copy of it apart from this machine", BackupKeyVariable)
}

// backups are those of a server: taken when it is asked, and by a schedule.
type backups struct {
	app *App

	mu      sync.Mutex
	known   bool      // newest is what the store has
	newest  time.Time // zero: there is none
	tried   time.Time // when the schedule last tried
	problem string    // why the last one failed, and when
	failed  time.Time
}

var _ serve.Backups = (*backups)(nil)

// A backupRequest is what the command line leaves in the data folder, so that
// only who has that can choose where a backup goes.
type backupRequest struct {
	To   string `json:"to"`
	Key  string `json:"key"`
	Keep string `json:"keep,omitempty"`
}

const backupRequests = "backup-requests"

var requestName = regexp.MustCompile(`^[a-z0-9]{26}$`)

// AskBackup leaves what a running server is to back up to in its data folder,
// and returns the name of the request.
func AskBackup(data, name string, t BackupTarget) error {
	text, err := json.Marshal(backupRequest{t.To, t.Key.Reveal(), t.Keep.String()})
	if err != nil {
		return err
	}
	folder := filepath.Join(data, backupRequests)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, name), text)
}

// target is what was asked for, or what the project says.
func (b *backups) target(request string) (BackupTarget, error) {
	if request != "" {
		return b.asked(request)
	}
	s := b.app.config().Backup
	if s.To == "" {
		return BackupTarget{}, millrace.Errorf(millrace.Conflict, "it is not said where backups go: write backup.to in millrace.yaml, or name a place with millrace backup --to on the server's machine")
	}
	key, err := BackupKey(inFolder(b.app.o.Dir, s.KeyFile), os.Getenv)
	return BackupTarget{To: s.To.Reveal(), Key: key, Keep: keepOf(s.Keep)}, err
}

func inFolder(dir, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

func keepOf(k project.KeepSettings) backup.Keep {
	return backup.Keep{Last: k.Last, Daily: k.Daily, Weekly: k.Weekly, Monthly: k.Monthly}
}

func (b *backups) asked(request string) (t BackupTarget, err error) {
	if !requestName.MatchString(request) {
		return t, millrace.Errorf(millrace.Invalid, "this is no request for a backup: millrace backup makes them")
	}
	file := filepath.Join(b.app.data.sub(backupRequests), request)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, millrace.Errorf(millrace.NotFound, "there is no such request for a backup in the data folder of this server")
	}
	if err == nil {
		err = os.Remove(file)
	}
	var r backupRequest
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return t, err
	}
	if r.Keep != "" {
		if t.Keep, err = backup.ParseKeep(r.Keep); err != nil {
			return t, err
		}
	}
	t.To = r.To
	t.Key, err = backup.ParseKey(r.Key)
	return t, err
}

// open opens the store of the project's target.
func (b *backups) open(ctx context.Context) (*BackupStore, error) {
	t, err := b.target("")
	if err != nil {
		return nil, err
	}
	return OpenBackups(ctx, t, false, b.app.logger("backup"))
}

// Take returns the work of a backup.
func (b *backups) Take(_ context.Context, request string) (job.Work, error) {
	t, err := b.target(request)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, progress func(job.Progress)) (any, error) {
		out, err := b.take(ctx, t, progress)
		if request == "" {
			b.ended(out, err)
		}
		return out, err
	}, nil
}

func (b *backups) take(ctx context.Context, t BackupTarget, progress func(job.Progress)) (*serve.TakenBackup, error) {
	began := time.Now()
	t.pace = b.pace()
	store, err := OpenBackups(ctx, t, true, b.app.logger("backup"))
	if err != nil {
		return nil, err
	}
	defer store.Close()
	m, err := b.app.takeBackup(ctx, store.Store, func(s backup.Sums, total int64, what string) {
		progress(job.Progress{Done: s.Bytes, Total: total, Unit: "bytes", Message: what})
	})
	if err != nil {
		return nil, err
	}
	out := &serve.TakenBackup{Backup: backupOf(backup.Listed{Manifest: *m}), Deleted: []string{}}
	b.app.logger("backup").Info("a backup was taken", "backup", m.ID, "files", m.Files, "bytes", m.Bytes, "stored", m.Stored, "took", time.Since(began))
	progress(job.Progress{Done: m.Bytes, Total: m.Bytes, Unit: "bytes", Message: "deleting what is not kept"})
	deleted, err := store.Thin(ctx, t.Keep)
	if err != nil {
		return out, fmt.Errorf("the backup %s is taken, but older ones could not be deleted: %w", m.ID, err)
	}
	out.Deleted = append(out.Deleted, deleted...)
	return out, nil
}

// ended notes how a backup to the project's target went.
func (b *backups) ended(out *serve.TakenBackup, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if out != nil {
		b.newest, b.known = out.Taken, true
	}
	b.problem = ""
	if err != nil && millrace.KindOf(err) != millrace.Canceled {
		b.problem, b.failed = b.app.secrets.redactors.All().String(err.Error()), b.app.o.Now()
		b.app.logger("backup").Error("the backup failed", "error", err)
	}
}

// pace lets intake go first: as long as records come in, a backup works a third
// of the time.
func (b *backups) pace() func(context.Context, time.Duration) {
	seen := uint64(0)
	return func(ctx context.Context, took time.Duration) {
		_, last, err := b.app.log.Bounds(ctx)
		if err != nil || last.Seq == seen {
			return
		}
		seen = last.Seq
		select {
		case <-ctx.Done():
		case <-time.After(2 * took):
		}
	}
}

// backupOf is a backup in the words of the API.
func backupOf(l backup.Listed) serve.Backup {
	out := serve.Backup{ID: l.ID, Taken: l.Taken, Seconds: l.Taken.Sub(l.Began).Seconds(), Version: l.Millrace, Files: l.Files, SizeBytes: l.Bytes, StoredBytes: l.Stored, Problem: l.Problem}
	if l.Problem != "" {
		return out
	}
	s, err := backupState(&l.Manifest)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	out.Through, out.Time, out.Project = s.Through, some(s.Time), s.Project
	out.ArchiveRows, out.ArchiveIncluded, out.MasterKeys = s.Archive.Rows, s.Archive.Included, append([]string{}, s.MasterKeys...)
	for _, c := range s.Dedup {
		out.Accepted += c.Distinct
	}
	return out
}

// List says which backups there are at the project's target, and how they go.
func (b *backups) List(ctx context.Context) (serve.BackupList, error) {
	s := b.app.config().Backup
	out := serve.BackupList{Target: s.To.String(), EverySeconds: time.Duration(s.Every).Seconds(), Keep: keepOf(s.Keep).String(), Backups: []serve.Backup{}}
	b.mu.Lock()
	out.Problem = b.problem
	b.mu.Unlock()
	if s.To == "" {
		return out, nil
	}
	store, err := b.open(ctx)
	if millrace.KindOf(err) == millrace.NotFound {
		return out, nil
	}
	if err != nil {
		out.Problem = cmp.Or(out.Problem, err.Error())
		return out, nil
	}
	defer store.Close()
	all, err := store.List(ctx)
	if err != nil {
		return out, err
	}
	for _, l := range all {
		out.Backups = append(out.Backups, backupOf(l))
	}
	if len(all) > 0 && all[0].Problem == "" {
		b.mu.Lock()
		b.newest, b.known = all[0].Taken, true
		b.mu.Unlock()
	}
	if due := b.due(); !due.IsZero() {
		out.Next = &due
	}
	return out, nil
}

// Verify returns the work of verifying a backup; "" is the newest.
func (b *backups) Verify(_ context.Context, id string) (job.Work, error) {
	return func(ctx context.Context, progress func(job.Progress)) (any, error) {
		store, err := b.open(ctx)
		if err != nil {
			return nil, err
		}
		defer store.Close()
		m, err := store.Find(ctx, id, time.Time{})
		if err != nil {
			return nil, err
		}
		return store.Verify(ctx, m, func(done, total int64) {
			progress(job.Progress{Done: done, Total: total, Unit: "bytes"})
		})
	}, nil
}

// Delete deletes a backup, and what only it had.
func (b *backups) Delete(ctx context.Context, id string) error {
	store, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if _, err := store.Find(ctx, id, time.Time{}); err != nil && millrace.KindOf(err) != millrace.Invalid {
		return err
	}
	return store.Delete(ctx, id)
}

const (
	backupLook  = 10 * time.Second // how often the schedule is looked at
	backupRetry = 10 * time.Minute // after one that failed, at most; else a quarter of the schedule
)

// due is when the schedule wants the next backup; zero when there is none.
func (b *backups) due() time.Time {
	every := time.Duration(b.app.config().Backup.Every)
	b.mu.Lock()
	defer b.mu.Unlock()
	if every == 0 || !b.known {
		return time.Time{}
	}
	due := b.newest.Add(every)
	if again := b.tried.Add(min(every/4, backupRetry)); again.After(due) {
		due = again
	}
	return due
}

// Run takes backups by the schedule until ctx ends.
func (b *backups) Run(ctx context.Context) error {
	for {
		if b.app.config().Backup.Every != 0 {
			b.look(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backupLook):
		}
	}
}

// look takes a backup when one is due.
func (b *backups) look(ctx context.Context) {
	now := b.app.o.Now()
	b.mu.Lock()
	known := b.known
	if !known && now.Sub(b.tried) < time.Minute {
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	if !known {
		if err := b.learn(ctx); err != nil {
			b.attempt(now)
			if ctx.Err() == nil {
				b.ended(nil, err)
			}
			return
		}
	}
	if due := b.due(); due.IsZero() || now.Before(due) {
		return
	}
	b.attempt(now)
	work, err := b.Take(ctx, "")
	if err == nil {
		_, err = b.app.home.jobs.Start(serve.JobBackup, work)
	}
	if err != nil && millrace.KindOf(err) != millrace.Conflict { // one is under way
		b.ended(nil, err)
	}
}

func (b *backups) attempt(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried = now
}

// learn finds out when the newest backup was taken.
func (b *backups) learn(ctx context.Context) error {
	newest := time.Time{}
	store, err := b.open(ctx)
	switch {
	case millrace.KindOf(err) == millrace.NotFound:
	case err != nil:
		return err
	default:
		defer store.Close()
		m, err := store.Find(ctx, "", time.Time{})
		if err != nil && millrace.KindOf(err) != millrace.NotFound {
			return err
		}
		if err == nil {
			newest = m.Taken
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.newest, b.known = newest, true
	return nil
}

// notices say that backups fail, or are late.
func (b *backups) notices(now time.Time) (texts []string) {
	s := b.app.config().Backup
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.problem != "" {
		last := "there is none yet"
		if b.known && !b.newest.IsZero() {
			last = "the newest is of " + b.newest.UTC().Format(time.RFC3339)
		}
		texts = append(texts, fmt.Sprintf("the backup failed at %s (%s): %s", b.failed.UTC().Format(time.RFC3339), last, terminal.Sanitize(b.problem)))
	}
	every := time.Duration(s.Every)
	since := b.newest
	if since.Before(b.app.started) {
		since = b.app.started
	}
	if every != 0 && b.problem == "" && now.Sub(since) > 2*every {
		texts = append(texts, fmt.Sprintf("the backup is late: one is to be taken every %s, and the last was %s", s.Every, b.newest.UTC().Format(time.RFC3339)))
	}
	return texts
}

// ListBackups lists the backups of a store, the newest first.
func ListBackups(ctx context.Context, s *BackupStore) ([]serve.Backup, error) {
	all, err := s.List(ctx)
	out := []serve.Backup{}
	for _, l := range all {
		out = append(out, backupOf(l))
	}
	return out, err
}
