package secret_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/secret"
)

func testRewrap(t *testing.T, c catalog.Catalog) {
	p := open(t, c, 0)
	p.put(t, "", "key", canary)
	for i := range 3 {
		if _, err := p.keys.Data(t.Context(), fmt.Sprint("space", i)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := secret.OpenKeyRing(t.Context(), secret.KeyRingOptions{Catalog: c, Getenv: environment(1)})
	wantKind(t, err, millrace.Invalid, "another one", p.keys.MasterID(), "MILLRACE_MASTER_KEY")
	q := open(t, c, 1, 0)
	q.want(t, ref("", "key"), canary) // before
	if n, err := q.keys.Rewrap(t.Context(), owner); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if m, err := q.keys.Masters(t.Context()); err != nil || len(m) != 1 || m[q.keys.MasterID()] != 4 {
		t.Errorf("%v, %v", m, err)
	}
	q.want(t, ref("", "key"), canary)
	open(t, c, 1).want(t, ref("", "key"), canary) // without the old one
}

func testRotate(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	if n, err := p.vault.RotateKey(t.Context(), "w_a", owner); n != 0 || err != nil { // there is no key yet
		t.Errorf("%d, %v", n, err)
	}
	const values = 120 // more than one transaction encrypts
	for i := range values {
		p.put(t, "", fmt.Sprintf("k%d", i/3), fmt.Sprintf("value %d", i))
	}
	if n, err := p.vault.RotateKey(t.Context(), "w_a", owner); n != values || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	q := open(t, c)
	for i := range values {
		q.want(t, ref("", fmt.Sprintf("k%d#%d", i/3, i%3+1)), fmt.Sprintf("value %d", i))
	}
	count := func(sql string) int64 {
		t.Helper()
		var n int64
		if err := c.View(t.Context(), func(tx catalog.Tx) (err error) { n, err = catalog.One[int64](t.Context(), tx, sql); return err }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if old := count("SELECT count(*) FROM secret_version WHERE data_key <> 2"); old != 0 {
		t.Errorf("%d values have the old key", old)
	}
	if n := count("SELECT count(*) FROM secret_key WHERE state = 'destroyed' AND length(wrapped) = 0 AND number = 1"); n != 1 {
		t.Error("the old key is there")
	}
}

// errCrash is what a transaction fails with when the process is said to have died.
var errCrash = errors.New("the process died")

// A dying catalog runs so many transactions that write, and then dies: before
// one is committed, or just after it.
type dying struct {
	catalog.Catalog
	left  int
	after bool
}

func (d *dying) Update(ctx context.Context, f func(catalog.Tx) error) error {
	if d.left--; d.left >= 0 {
		return d.Catalog.Update(ctx, f)
	}
	if d.after && d.left == -1 {
		if err := d.Catalog.Update(ctx, f); err != nil {
			return err
		}
		return errCrash
	}
	if d.left == -1 {
		return d.Catalog.Update(ctx, func(tx catalog.Tx) error { return errors.Join(f(tx), errCrash) })
	}
	return errCrash
}

// Re-keying that is ended at any step: every value can be read, and the next
// one finishes it.
func testCrash(t *testing.T, c catalog.Catalog) {
	p := open(t, c, 0)
	const values = 220
	var all []secret.Put
	for i := range values {
		all = append(all, secret.Put{Workspace: "w_a", Path: fmt.Sprintf("k%d", i), Value: secret.NewValue(fmt.Sprintf("value %d", i)), Uses: &stripe})
	}
	for _, put := range all {
		if _, err := p.vault.Put(t.Context(), put, owner); err != nil {
			t.Fatal(err)
		}
	}
	check := func(q *parts) {
		t.Helper()
		for i := 0; i < values; i += 37 {
			v, err := q.vault.Reveal(t.Context(), ref("", fmt.Sprintf("k%d", i)), owner)
			if err != nil || v.Reveal() != fmt.Sprintf("value %d", i) {
				t.Fatalf("%q, %v", v.Reveal(), err)
			}
		}
	}
	masters := []byte{0}
	for step := 0; ; step++ {
		crashed := false
		d := &dying{Catalog: c, left: step / 2, after: step%2 == 1}
		if _, err := open(t, d, masters...).vault.RotateKey(t.Context(), "w_a", owner); err != nil {
			if crashed = errors.Is(err, errCrash); !crashed {
				t.Fatal(err)
			}
		}
		check(open(t, c, masters...))
		next := byte(step + 1)
		d = &dying{Catalog: c, left: step % 4 / 2, after: step%2 == 1}
		if _, err := open(t, d, append([]byte{next}, masters...)...).keys.Rewrap(t.Context(), owner); err != nil && !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		q := open(t, c, append([]byte{next}, masters...)...)
		check(q)
		if _, err := q.keys.Rewrap(t.Context(), owner); err != nil {
			t.Fatal(err)
		}
		masters = []byte{next}
		check(open(t, c, masters...))
		if !crashed {
			break
		}
		if step > 40 {
			t.Fatal("it never ends")
		}
	}
	q := open(t, c, masters...)
	if _, err := q.vault.RotateKey(t.Context(), "w_a", owner); err != nil {
		t.Fatal(err)
	}
	check(q)
}

func noEnvironment(string) (string, bool) { return "", false }

// The master key is made once, and never over what is encrypted already.
func TestMasterKeyFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(folder, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	openRing := func(getenv func(string) (string, bool)) (*secret.KeyRing, error) {
		return secret.OpenKeyRing(context.Background(), secret.KeyRingOptions{Catalog: c, Folder: folder, Getenv: getenv})
	}
	file := filepath.Join(folder, secret.MasterFile)
	r, err := openRing(noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, err := openRing(noEnvironment); err != nil || again.MasterID() != r.MasterID() {
		t.Error(err)
	}
	if _, err := r.Data(t.Context(), "space"); err != nil {
		t.Fatal(err)
	}
	id, err := secret.AddMasterKey(file)
	if err != nil || id == r.MasterID() {
		t.Fatal(id, err)
	}
	both, err := openRing(noEnvironment)
	if err != nil || both.MasterID() != id {
		t.Fatal(err)
	}
	if n, err := both.Rewrap(t.Context(), owner); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := secret.DropMasterKeys(file); err != nil {
		t.Fatal(err)
	}
	if _, err := openRing(noEnvironment); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = openRing(noEnvironment)
	wantKind(t, err, millrace.Invalid, "chmod 600")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	_, err = openRing(noEnvironment)
	wantKind(t, err, millrace.Invalid, "missing", file, "a new key would not help")
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("a master key was made over what is encrypted")
	}
	for name, test := range map[string]struct {
		set  map[string]string
		want string
	}{
		"both":         {map[string]string{secret.MasterVariable: masterKey(1), secret.MasterFileVariable: "/x"}, "set one of them"},
		"empty":        {map[string]string{secret.MasterVariable: " "}, "holds no master key"},
		"short":        {map[string]string{secret.MasterVariable: masterKey(1) + " c2hvcnQ="}, "master key 2"},
		"not base64":   {map[string]string{secret.MasterVariable: "canary!"}, "not base64 of 32 bytes"},
		"another":      {map[string]string{secret.MasterVariable: masterKey(1)}, "another one"},
		"missing file": {map[string]string{secret.MasterFileVariable: filepath.Join(folder, "no")}, "does not exist"},
	} {
		_, err := openRing(func(name string) (string, bool) { v, ok := test.set[name]; return v, ok })
		t.Log(name, err)
		wantKind(t, err, millrace.Invalid, test.want)
	}
	left, err := filepath.Glob(filepath.Join(folder, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("%q, %v", left, err)
	}
}

// A process is killed at any moment of a change of keys, again and again.
func TestKilledWhileRekeying(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for round := range 4 {
		killed := runHelper(t, folder, time.Duration(30+50*round)*time.Millisecond)
		c, err := sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(folder, "catalog.db")})
		if err != nil {
			t.Fatal(err)
		}
		r, err := secret.OpenKeyRing(context.Background(), secret.KeyRingOptions{Catalog: c, Folder: folder, Getenv: noEnvironment})
		if err != nil {
			t.Fatal(err)
		}
		v, err := secret.New(secret.Options{Catalog: c, Keys: r})
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := v.List(context.Background(), "w_a", "", 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range all {
			got, err := v.Reveal(context.Background(), ref("", i.Path), owner)
			if err != nil || got.Reveal() != strings.Repeat(i.Path+" ", 10) {
				t.Fatalf("round %d, %s: %q, %v", round, i.Path, got.Reveal(), err)
			}
		}
		t.Logf("round %d: killed %v, %d secrets are whole", round, killed, len(all))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRekey changes the master key under a vault that is used meanwhile.
func TestRekey(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(folder, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	file := filepath.Join(folder, secret.MasterFile)
	open := func() *secret.KeyRing {
		t.Helper()
		r, err := secret.OpenKeyRing(t.Context(), secret.KeyRingOptions{Catalog: c, Folder: folder, Getenv: noEnvironment})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := open()
	if !r.Made() || r.MasterFile() != file || open().Made() {
		t.Error("who is told that the key was made")
	}
	for i := range 5 {
		if _, err := r.Data(t.Context(), fmt.Sprint("space", i)); err != nil {
			t.Fatal(err)
		}
	}
	first, making := r.MasterID(), make(chan error, 1)
	go func() {
		for i := range 40 {
			if _, err := r.Data(t.Context(), fmt.Sprint("more", i)); err != nil {
				making <- err
				return
			}
		}
		making <- nil
	}()
	for range 3 {
		if _, err := r.Rekey(t.Context(), owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-making; err != nil {
		t.Fatal(err)
	}
	if _, err := secret.AddMasterKey(file); err != nil { // as a crash leaves it
		t.Fatal(err)
	}
	q := open()
	done, err := q.Rekey(t.Context(), owner)
	if err != nil || done.Keys != 45 || done.Before != "" || done.File != file || len(done.Unneeded) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	if wraps, err := q.Masters(t.Context()); err != nil || len(wraps) != 1 || wraps[done.Master] != 45 || done.Master == first {
		t.Errorf("%v, %v", wraps, err)
	}
	if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("%d lines, %v", strings.Count(string(text), "\n"), err)
	}
	open()
	_, err = openIn(t, c, environment(7)).Rekey(t.Context(), owner)
	wantKind(t, err, millrace.Conflict, "a comma and the old one")
}

// openIn opens keys of the environment over a catalog that has others: none are
// left to open.
func openIn(t *testing.T, c catalog.Catalog, getenv func(string) (string, bool)) *secret.KeyRing {
	t.Helper()
	if err := c.Update(t.Context(), func(tx catalog.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM secret_key")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r, err := secret.OpenKeyRing(t.Context(), secret.KeyRingOptions{Catalog: c, Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
