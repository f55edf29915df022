package result

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace"
)

// A result is two files: <id>.parquet, and <id>.json that describes it, which
// is written when the first is on disk as a whole.
const (
	fileEnding     = ".parquet"
	manifestEnding = ".json"
	newEnding      = ".new" // behind one of the others while it is written
)

var idPattern = regexp.MustCompile(`^[a-z0-9]{26}$`)

// manifestVersion changes when files are no longer understood: those of
// another version are removed, as their queries can be run again.
const manifestVersion = 1

// A manifest is what <id>.json holds.
type manifest struct {
	Version   int           `json:"version"`
	ID        string        `json:"id"`
	Workspace string        `json:"workspace"`
	SQL       string        `json:"sql"`
	Columns   []stored      `json:"columns"`
	Rows      int64         `json:"rows"`
	Bytes     int64         `json:"bytes"`
	Truncated bool          `json:"truncated"`
	Created   time.Time     `json:"created"`
	Elapsed   time.Duration `json:"elapsed_ns"`
}

func (s *Store) path(id, ending string) string { return filepath.Join(s.o.Dir, id+ending) }

// scan takes over what is whole, and removes what is not.
func (s *Store) scan() error {
	files, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return millrace.Errorf(millrace.Internal, "list the results of queries: %w", err)
	}
	torn := map[string]bool{}
	for _, f := range files {
		id, _, _ := strings.Cut(f.Name(), ".")
		if idPattern.MatchString(id) && !f.IsDir() {
			torn[id] = true
		}
	}
	for id := range torn {
		e, err := s.load(id)
		if err != nil {
			s.o.Logger.Info("a result that was not whole is removed", "id", id, "why", err)
			continue
		}
		s.results[id] = e
		torn[id] = false
	}
	for _, f := range files {
		id, ending, _ := strings.Cut(f.Name(), ".")
		remove, known := torn[id]
		if !known || !remove && !strings.HasSuffix(ending, strings.TrimPrefix(newEnding, ".")) {
			continue
		}
		if err := os.Remove(filepath.Join(s.o.Dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return millrace.Errorf(millrace.Internal, "remove what is left of the result %s: %w", id, err)
		}
	}
	return nil
}

// load reads the description of a result.
func (s *Store) load(id string) (*entry, error) {
	path := s.path(id, manifestEnding)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	info, err := os.Lstat(s.path(id, fileEnding))
	switch {
	case err != nil:
		return nil, err
	case m.Version != manifestVersion || m.ID != id || len(m.Columns) == 0:
		return nil, errors.New("another version of Millrace wrote it")
	case !info.Mode().IsRegular() || info.Size() != m.Bytes:
		return nil, errors.New("its file has another size than was written")
	}
	used := m.Created
	if info, err := os.Lstat(path); err == nil && info.ModTime().After(used) {
		used = info.ModTime()
	}
	return m.entry(min(used.UnixNano(), s.o.Now().UnixNano())), nil
}

func (m *manifest) entry(used int64) *entry {
	e := &entry{
		Result: Result{
			ID: m.ID, Workspace: m.Workspace, SQL: m.SQL, Rows: m.Rows, Bytes: m.Bytes,
			Truncated: m.Truncated, Created: m.Created, Elapsed: m.Elapsed,
		},
		columns: m.Columns, used: time.Unix(0, used), touched: time.Unix(0, used),
	}
	for _, c := range m.Columns {
		e.Columns = append(e.Columns, c.Column)
	}
	return e
}

// keep makes a written file a result.
func (s *Store) keep(m *manifest) (*entry, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(s.path(m.ID, fileEnding+newEnding), s.path(m.ID, fileEnding)); err != nil {
		return nil, err
	}
	manifestNew := s.path(m.ID, manifestEnding+newEnding)
	if err := writeSynced(manifestNew, data); err != nil {
		return nil, err
	}
	if err := os.Rename(manifestNew, s.path(m.ID, manifestEnding)); err != nil {
		return nil, err
	}
	return m.entry(s.o.Now().UnixNano()), syncDir(s.o.Dir)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// remove removes a result if that is agreed to, and says whether it was. Files
// that somebody reads stay until he is done.
func (s *Store) remove(id string, agree func(*entry) bool) (removed bool, err error) {
	s.mu.Lock()
	e := s.results[id]
	if e == nil || !agree(e) {
		s.mu.Unlock()
		return false, nil
	}
	delete(s.results, id)
	for key := range s.totals {
		if strings.HasPrefix(key, id) {
			delete(s.totals, key)
		}
	}
	s.dropWindows(id)
	e.gone = true
	unused := e.users == 0
	s.mu.Unlock()
	if unused {
		err = s.removeFiles(id)
	}
	return true, err
}

func (s *Store) removeFiles(id string) error {
	for _, ending := range []string{manifestEnding, fileEnding, fileEnding + newEnding, manifestEnding + newEnding} {
		if err := os.Remove(s.path(id, ending)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return millrace.Errorf(millrace.Internal, "remove the result %s: %w", id, err)
		}
	}
	return nil
}

// expire removes what nobody used for KeepFor.
func (s *Store) expire() {
	expired := func(e *entry) bool { return e.users == 0 && s.o.Now().Sub(e.used) > s.o.KeepFor }
	s.mu.Lock()
	ids := slices.Collect(maps.Keys(s.results))
	s.mu.Unlock()
	for _, id := range ids {
		if _, err := s.remove(id, expired); err != nil {
			s.o.Logger.Warn("a result that expired stays on disk", "id", id, "error", err)
		}
	}
}

// makeRoom removes results, the one unused for longest first, until so many
// bytes more have their place. The error is Limited when there is none.
func (s *Store) makeRoom(bytes int64) error {
	for {
		free, _, err := s.o.disk(s.o.Dir)
		if err != nil {
			return millrace.Errorf(millrace.Unavailable, "ask for the free space of %s: %w", s.o.Dir, err)
		}
		s.mu.Lock()
		total := s.stored() + s.writing + bytes
		oldest := s.oldest()
		s.mu.Unlock()
		short := free-bytes < s.o.ReserveBytes
		if !short && total <= s.o.TotalBytes {
			return nil
		}
		if oldest == "" {
			if short {
				return millrace.Errorf(millrace.Limited, "the disk of %s has %d MB free, and %d MB are kept free of results: make room on it", s.o.Dir, free>>20, s.o.ReserveBytes>>20)
			}
			return millrace.Errorf(millrace.Limited, "the results that are written and read at this moment take up the %d MB that results may have: try again when they are done", s.o.TotalBytes>>20)
		}
		removed, err := s.remove(oldest, func(e *entry) bool { return e.users == 0 })
		if err != nil {
			return err
		}
		if removed {
			s.o.Logger.Info("a result made room for others", "id", oldest)
		}
	}
}

// oldest is the result that nobody reads and that was unused for longest, or "".
// s.mu is held.
func (s *Store) oldest() string {
	var idle []*entry
	for _, e := range s.results {
		if e.users == 0 {
			idle = append(idle, e)
		}
	}
	if len(idle) == 0 {
		return ""
	}
	return slices.MinFunc(idle, func(a, b *entry) int {
		return cmp.Or(a.used.Compare(b.used), strings.Compare(a.ID, b.ID))
	}).ID
}

func diskSpace(dir string) (free, size int64, err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, 0, err
	}
	return int64(fs.Bavail) * int64(fs.Bsize), int64(fs.Blocks) * int64(fs.Bsize), nil
}
