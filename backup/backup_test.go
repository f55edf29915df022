package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/local"
)

// noise is content that cannot be compressed, the same for the same seed.
func noise(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	data := make([]byte, n)
	_, _ = r.Read(data)
	return data
}

func bucket(t *testing.T, dir string) blob.Bucket {
	t.Helper()
	b, err := local.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func open(t *testing.T, b blob.Bucket, key Key) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Bucket: b, Key: key, Create: true, PackBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func take(t *testing.T, s *Store, files map[string][]byte) *Manifest {
	t.Helper()
	r, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	add(t, r, files)
	m, err := r.Finish("test", map[string]int{"files": len(files)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func add(t *testing.T, r *Run, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		f := File{Path: name, Mode: 0o600, Lasting: strings.HasPrefix(name, "lasting/")}
		if err := r.File(f, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// same compares a backup with what it should hold.
func same(t *testing.T, s *Store, m *Manifest, files map[string][]byte) {
	t.Helper()
	n := 0
	err := s.Files(t.Context(), m, func(c Content) error {
		n++
		var got bytes.Buffer
		if _, err := c.WriteTo(&got); err != nil {
			return err
		}
		if !bytes.Equal(got.Bytes(), files[c.Path]) {
			t.Errorf("%s differs", c.Path)
		}
		return nil
	})
	if err != nil || n != len(files) {
		t.Errorf("%d of %d files, %v", n, len(files), err)
	}
	report, err := s.Verify(t.Context(), m, nil)
	if err != nil || len(report.Problems) > 0 || report.Files != int64(len(files)) {
		t.Errorf("verify: %+v, %v", report, err)
	}
}

func set() map[string][]byte {
	return map[string][]byte{
		"empty": {}, "small": []byte("hello"), "lasting/large": noise(1, 9<<20), "text": bytes.Repeat([]byte("the same words again and again\n"), 100_000), "a b/ü": noise(2, 300<<10),
	}
}

func TestWhatIsStoredComesBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := NewKey()
	b := bucket(t, dir)
	files := set()
	m := take(t, open(t, b, key), files)
	if m.Stored >= m.Bytes-2<<20 {
		t.Errorf("%d bytes are stored for %d: nothing was compressed", m.Stored, m.Bytes)
	}
	same(t, open(t, b, key), m, files)
	found, err := open(t, b, key).Find(t.Context(), "", time.Time{})
	if err != nil || found.ID != m.ID {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := open(t, b, key).Find(t.Context(), "", m.Taken.Add(-time.Hour)); millrace.KindOf(err) != millrace.NotFound {
		t.Errorf("one from before the first: %v", err)
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, _ error) error { // nothing can be read without the key
		if d.IsDir() || d.Name() == identityKey {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || bytes.Contains(text, []byte("hello")) || bytes.Contains(text, []byte("the same words")) || bytes.Contains(text, []byte("large")) {
			t.Errorf("%s says what is in it, or %v", path, err)
		}
		return nil
	})
	if _, err := Open(t.Context(), Options{Bucket: b, Key: NewKey()}); millrace.KindOf(err) != millrace.Forbidden {
		t.Errorf("with another key: %v", err)
	}
}

func TestOnlyWhatIsNewIsStored(t *testing.T) {
	t.Parallel()
	s := open(t, bucket(t, t.TempDir()), NewKey())
	files := set()
	take(t, s, files)
	again := take(t, s, files)
	if newest, err := s.Find(t.Context(), "", time.Time{}); err != nil || newest.ID != again.ID { // in the same second
		t.Errorf("the newest is %v, %v", newest, err)
	}
	if again.Stored > 4<<10 {
		t.Errorf("the same again stores %d bytes", again.Stored)
	}
	// Something put into the middle of a file changes the chunks around it.
	large := files["lasting/large"]
	files["lasting/large"] = slices.Concat(large[:3<<20], []byte("inserted"), large[3<<20:])
	changed := take(t, s, files)
	if changed.Stored > 5<<20 {
		t.Errorf("eight bytes more store %d", changed.Stored)
	}
	same(t, s, changed, files)
	same(t, s, again, set())
}

func TestStampedFilesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	s := open(t, bucket(t, t.TempDir()), NewKey())
	data := noise(3, 2<<20)
	read := 0
	once := func(stamp string) *Manifest {
		r, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.File(File{Path: "a", Stamp: stamp, SizeBytes: int64(len(data))}, func() (io.ReadCloser, error) {
			read++
			return io.NopCloser(bytes.NewReader(data)), nil
		}); err != nil {
			t.Fatal(err)
		}
		m, err := r.Finish("test", nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	once("1")
	m := once("1")
	if read != 1 {
		t.Errorf("read %d times", read)
	}
	same(t, s, m, map[string][]byte{"a": data})
	if once("2"); read != 2 {
		t.Errorf("another state of the file was not read")
	}
}

// failing is a bucket that fails from the nth Put of a pack on.
type failing struct {
	blob.Bucket
	left atomic.Int64
}

var errFull = errors.New("no space left on device")

func (f *failing) Put(ctx context.Context, key string, r io.Reader) error {
	if strings.HasPrefix(key, packPrefix) && f.left.Add(-1) < 0 {
		return errFull
	}
	return f.Bucket.Put(ctx, key, r)
}

func TestACutOffBackupIsNotThereAndIsGoneOnWith(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), NewKey()
	f := &failing{Bucket: bucket(t, dir)}
	f.left.Store(5)
	s := open(t, f, key)
	r, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for i := range 20 {
		files[fmt.Sprint("f", i)] = noise(uint64(10+i), 1<<20)
	}
	failed := false
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err = r.File(File{Path: name}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files[name])), nil })
		if failed = err != nil; failed {
			break
		}
	}
	if !failed {
		_, err = r.Finish("test", nil)
	}
	r.Close()
	if !errors.Is(err, errFull) {
		t.Fatalf("on a full disk: %v", err)
	}
	if all, err := s.List(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("half a backup is there: %v, %v", all, err)
	}
	f.left.Store(1000)
	m := take(t, s, files)
	if m.Stored > m.Bytes-4<<20 {
		t.Errorf("%d of %d bytes were stored again", m.Stored, m.Bytes)
	}
	same(t, s, m, files)
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string, data []byte) error{
		"a bit":  func(path string, data []byte) error { data[len(data)/2] ^= 4; return os.WriteFile(path, data, 0o600) },
		"gone":   func(path string, _ []byte) error { return os.Remove(path) },
		"cut":    func(path string, data []byte) error { return os.WriteFile(path, data[:len(data)/3], 0o600) },
		"zeroes": func(path string, data []byte) error { return os.WriteFile(path, make([]byte, len(data)), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, key := t.TempDir(), NewKey()
			s := open(t, bucket(t, dir), key)
			files := map[string][]byte{"lasting/a": noise(4, 3<<20), "b": []byte("x")}
			m := take(t, s, files)
			packs, err := filepath.Glob(filepath.Join(dir, "pack", "*", "*"))
			if err != nil || len(packs) < 2 {
				t.Fatal(packs, err)
			}
			slices.SortFunc(packs, func(a, b string) int { return int(size(t, b) - size(t, a)) })
			data, err := os.ReadFile(packs[0])
			if err == nil {
				err = damage(packs[0], data)
			}
			if err != nil {
				t.Fatal(err)
			}
			report, err := s.Verify(t.Context(), m, nil)
			if err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "lasting/a") {
				t.Fatalf("%+v, %v", report, err)
			}
			// The damaged file is removed, and the next backup stores it again.
			if err := os.RemoveAll(packs[0]); err != nil {
				t.Fatal(err)
			}
			same(t, s, take(t, s, files), files)
		})
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	b, key := bucket(t, t.TempDir()), NewKey()
	s := open(t, b, key)
	r, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context()); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("a second one: %v", err)
	}
	if err := s.Delete(t.Context()); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("deleting meanwhile: %v", err)
	}
	// Whoever surely has ended is not waited for.
	other, err := Open(t.Context(), Options{Bucket: b, Key: key, Ended: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	next, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
	r.Close()
	take(t, s, set())
}

func TestDeleting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, bucket(t, dir), NewKey())
	first := map[string][]byte{"lasting/a": noise(5, 3<<20), "b": noise(6, 3<<20)}
	m1 := take(t, s, first)
	second := map[string][]byte{"lasting/a": first["lasting/a"], "b": noise(7, 3<<20)}
	m2 := take(t, s, second)
	before := packBytes(t, dir)
	if err := s.Delete(t.Context(), m1.ID); err != nil {
		t.Fatal(err)
	}
	if after := packBytes(t, dir); after > before-2<<20 {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	same(t, s, m2, second)
	if _, err := s.Find(t.Context(), m1.ID, time.Time{}); millrace.KindOf(err) != millrace.NotFound {
		t.Errorf("it is still there: %v", err)
	}
	// Nothing more is deleted while one cannot be read.
	if err := os.WriteFile(filepath.Join(dir, "backup", m2.ID), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context()); err == nil {
		t.Error("deleted beside a manifest that cannot be read")
	}
	if err := s.Delete(t.Context(), m2.ID); err != nil || packBytes(t, dir) > 0 {
		t.Errorf("%v, %d bytes left", err, packBytes(t, dir))
	}
}

func packBytes(t *testing.T, dir string) (sum int64) {
	t.Helper()
	packs, _ := filepath.Glob(filepath.Join(dir, "pack", "*", "*"))
	for _, p := range packs {
		sum += size(t, p)
	}
	return sum
}

func TestKeep(t *testing.T) {
	t.Parallel()
	var all []Listed
	newest := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	for i := range 400 { // every six hours
		all = append(all, Listed{Manifest: Manifest{ID: fmt.Sprint(i), Taken: newest.Add(-time.Duration(i) * 6 * time.Hour)}})
	}
	k, err := ParseKeep(" last=3, daily=7,weekly=4,monthly=2")
	if err != nil || k.String() != "last=3,daily=7,weekly=4,monthly=2" {
		t.Fatal(k, err)
	}
	goes := k.goes(all)
	left := map[string]bool{}
	for i := range all {
		left[all[i].ID] = !slices.Contains(goes, all[i].ID)
	}
	for _, id := range []string{"0", "1", "2", "4", "8", "24"} { // the newest, and the last of each day
		if !left[id] {
			t.Errorf("%s goes", id)
		}
	}
	if n := len(all) - len(goes); n < 10 || n > 14 {
		t.Errorf("%d stay", n)
	}
	if (Keep{}).goes(all) != nil || len((Keep{Last: 1}).goes(all)) != 399 {
		t.Error("all, and the newest alone")
	}
	for _, bad := range []string{"", "3", "last", "last=0", "last=-1", "hourly=3", "last=x"} {
		if _, err := ParseKeep(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	k := NewKey()
	text := k.Reveal()
	if got, err := ParseKey(" " + strings.ToUpper(text[:20]) + "-" + text[20:] + "\n"); err != nil || got != k {
		t.Errorf("%v", err)
	}
	for i := range text { // one letter is another
		other := []byte(text)
		if other[i]++; other[i] == 'z'+1 {
			other[i] = 'a'
		}
		if got, err := ParseKey(string(other)); err == nil && got != k {
			t.Fatalf("a key with a mistake at %d is taken", i)
		}
	}
	if s := fmt.Sprintf("%v %+v %s %x", k, &k, k, k); strings.Contains(s, text[4:]) || strings.Contains(s, fmt.Sprintf("%x", k.bytes[:8])) {
		t.Error("it is printed")
	}
	path := filepath.Join(t.TempDir(), "key")
	made, err := WriteKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadKeyFile(path); err != nil || got != made {
		t.Error(err)
	}
	if _, err := WriteKeyFile(path); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("it is written over: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(path); millrace.KindOf(err) != millrace.Forbidden {
		t.Errorf("others may read it: %v", err)
	}
}

func TestOtherThingsAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Bucket: bucket(t, dir), Key: NewKey(), Create: true}); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("a folder with something else: %v", err)
	}
	if _, err := Open(t.Context(), Options{Bucket: bucket(t, t.TempDir()), Key: NewKey()}); millrace.KindOf(err) != millrace.NotFound {
		t.Errorf("an empty folder: %v", err)
	}
	newer := t.TempDir()
	if err := os.WriteFile(filepath.Join(newer, identityKey), []byte(`{"format":"millrace-backup","version":99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Bucket: bucket(t, newer), Key: NewKey()}); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("a newer format: %v", err)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(uint64(1), 5<<20)
	f.Add(uint64(2), 0)
	f.Add(uint64(3), minChunkBytes+1)
	s := newSplitter([32]byte{1})
	f.Fuzz(func(t *testing.T, seed uint64, n int) {
		if n < 0 || n > 16<<20 {
			return
		}
		data := noise(seed, n)
		var got []byte
		err := s.split(bytes.NewReader(data), func(chunk []byte) error {
			if len(chunk) > maxChunkBytes || len(chunk) == 0 {
				t.Fatalf("a chunk of %d bytes", len(chunk))
			}
			got = append(got, chunk...)
			return nil
		})
		if err != nil || !bytes.Equal(got, data) {
			t.Fatal("the chunks are not the file", err)
		}
	})
}

func BenchmarkBackup(b *testing.B) {
	bk, err := local.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer bk.Close()
	s, err := Open(b.Context(), Options{Bucket: bk, Key: NewKey(), Create: true})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		r, err := s.Begin(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		data := noise(uint64(n), 64<<20)
		n++
		if err := r.File(File{Path: "a"}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Finish("bench", nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*64/b.Elapsed().Seconds(), "MB/s")
}
