package catalog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/sqlite"
)

// schema has tables for tests, and that of leases.
func schema(t *testing.T) fstest.MapFS {
	t.Helper()
	files := maps.Clone(catalogtest.Schema)
	lease, err := catalog.Migrations().(interface {
		ReadFile(string) ([]byte, error)
	}).ReadFile("0001_catalog.sql")
	if err != nil {
		t.Fatal(err)
	}
	files["0002_lease.sql"] = &fstest.MapFile{Data: lease}
	files["0003_more.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE unkeyed (a TEXT, b BIGINT);\n-- on postgres:\nCREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';\n-- on postgres:\nCREATE TRIGGER nothing AFTER UPDATE ON unkeyed FOR EACH ROW EXECUTE FUNCTION nothing();")}
	return files
}

func openEmpty(t *testing.T, where string, files fstest.MapFS) catalog.Catalog {
	t.Helper()
	c, err := openAt(t.Context(), where, sqlite.Options{Migrations: files, Version: "1.0-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fill puts rows of all sorts into a catalog.
func fill(t *testing.T, c catalog.Catalog) {
	t.Helper()
	ctx := t.Context()
	err := c.Update(ctx, func(tx catalog.Tx) error {
		var err error
		exec := func(sql string, args ...any) {
			if _, e := tx.Exec(ctx, sql, args...); err == nil {
				err = e
			}
		}
		exec("INSERT INTO thing (id) VALUES ($1)", int64(1<<63-1))
		for i := range 300 { // later ones are what earlier ones refer to
			var parent any = int64(1<<63 - 1)
			if i%2 == 0 {
				parent = nil
			}
			exec("INSERT INTO thing (id, name, data, number, parent) VALUES ($1, $2, $3, $4, $5)", i-150, fmt.Sprintf("<ü> \"%d\" \u2028\x01\\ 世", i), bytes.Repeat([]byte{byte(i), 0}, i), float64(i)/7-3, parent)
		}
		exec("UPDATE thing SET data = NULL WHERE id = 7")
		exec("INSERT INTO counter (name, n) VALUES ('', $1), ('b', 0)", int64(-1<<63))
		exec("INSERT INTO unkeyed (a, b) VALUES ('x', 2), ('x', 1), ('a', NULL)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func backup(t *testing.T, c catalog.Catalog) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := c.Backup(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// body is a backup without its first line, which has the time, and its last, the sum of that.
func body(b []byte) string {
	text := string(b)
	_, text, _ = strings.Cut(text, "\n")
	return text[:strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n")]
}

func restore(t *testing.T, c catalog.Catalog, b []byte) {
	t.Helper()
	if err := c.Restore(t.Context(), iotest.HalfReader(bytes.NewReader(b)), ""); err != nil {
		t.Fatal(err)
	}
}

func TestBackupOfAFile(t *testing.T) {
	t.Parallel()
	testBackups(t, filepath.Join(t.TempDir(), "catalog.db"))
}

// testMark restores again into what a restore with the same mark has filled, as
// long as it was not ended and nobody used the catalog.
func testMark(t *testing.T, c catalog.Catalog, b []byte) {
	t.Helper()
	again := func(what, mark string, works bool) {
		t.Helper()
		err := c.Restore(t.Context(), bytes.NewReader(b), mark)
		if works && err != nil || !works && (millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "not empty")) {
			t.Errorf("restored %s: %v", what, err)
		}
	}
	again("for the first time", "a", true)
	again("by another restore", "b", false)
	again("without a mark", "", false)
	again("again", "a", true)
	if err := catalog.Unmark(t.Context(), c, "a"); err != nil {
		t.Fatal(err)
	}
	again("after it has ended", "a", false)
}

// testUsedMark is that a server has used what was restored.
func testUsedMark(t *testing.T, c catalog.Catalog, b []byte) {
	t.Helper()
	if err := c.Restore(t.Context(), bytes.NewReader(b), "a"); err != nil {
		t.Fatal(err)
	}
	held, err := catalog.Hold(t.Context(), c, "log", "server", catalog.LeaseOptions{})
	if err == nil {
		err = held.Release(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Restore(t.Context(), bytes.NewReader(b), "a"); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restored over what a server has used: %v", err)
	}
}

// testBackups backs a catalog up and restores it into the same engine, from
// there into a file, and back.
func testBackups(t *testing.T, where string) {
	files := schema(t)
	ctx := t.Context()
	first := openEmpty(t, where+"first", files)
	fill(t, first)
	held, err := catalog.Hold(ctx, first, "log", "server", catalog.LeaseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wrong := first.Restore(ctx, bytes.NewReader(backup(t, first)), "")
	if millrace.KindOf(wrong) != millrace.Conflict || !strings.Contains(wrong.Error(), "not empty") {
		t.Errorf("restored over what is there: %v", wrong)
	}
	if err := held.Release(ctx); err != nil {
		t.Fatal(err)
	}
	testMark(t, openEmpty(t, where+"marked", files), backup(t, first))
	testUsedMark(t, openEmpty(t, where+"used", files), backup(t, first))
	original := backup(t, first)
	want := strings.Replace(body(original), `"log","server"`, `"log",""`, 1)

	second, file := openEmpty(t, where+"second", files), openEmpty(t, filepath.Join(t.TempDir(), "x.db"), files)
	third := openEmpty(t, where+"third", files)
	restore(t, second, original)
	restore(t, file, backup(t, second))
	restore(t, third, backup(t, file))
	for name, c := range map[string]catalog.Catalog{"second": second, "file": file, "third": third} {
		if got := body(backup(t, c)); got != want {
			t.Errorf("%s differs: %s", name, difference(got, want))
		}
		// It works: references are checked, leases can be held, and tokens go on.
		_, err := execute(ctx, c, "INSERT INTO thing (id, parent) VALUES (9999, 12345678)")
		if millrace.KindOf(err) != millrace.Conflict {
			t.Errorf("%s takes a reference to nothing: %v", name, err)
		}
		h, err := catalog.Hold(ctx, c, "log", "server", catalog.LeaseOptions{})
		if err != nil || h.Token() != held.Token()+1 {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = h.Release(ctx)
		}
		if s, err := c.Status(ctx); err != nil || s.Schema != 3 || s.Problem != "" {
			t.Errorf("%+v, %v", s, err)
		}
	}
	testRefusedBackups(t, where, files, original)
	testBackupOfOlderSchema(t, where, files, original)
	testBackupWhileWriting(t, first)
}

func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\n%.300s\n%.300s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

func execute(ctx context.Context, c catalog.Catalog, sql string, args ...any) (n int64, err error) {
	err = c.Update(ctx, func(tx catalog.Tx) error {
		n, err = tx.Exec(ctx, sql, args...)
		return err
	})
	return n, err
}

// signed is a backup with the sum and number of rows that its lines have.
func signed(lines string) []byte {
	sum := sha256.Sum256([]byte(lines))
	rows := strings.Count(lines, "\n[")
	return fmt.Appendf(nil, "%s{\"rows\":%d,\"sha256\":\"%s\"}\n", lines, rows, hex.EncodeToString(sum[:]))
}

func testRefusedBackups(t *testing.T, where string, files fstest.MapFS, good []byte) {
	text := string(good)
	lines := text[:strings.LastIndex(text, `{"rows"`)]
	change := func(from, to string) []byte {
		if !strings.Contains(lines, from) {
			t.Errorf("there is no %s", from)
		}
		return signed(strings.Replace(lines, from, to, 1))
	}
	c := openEmpty(t, where+"refuses", files)
	for name, test := range map[string]struct {
		b    []byte
		kind millrace.Kind
	}{
		"nothing":           {nil, millrace.Invalid},
		"text":              {[]byte("hello\n"), millrace.Invalid},
		"an object":         {[]byte("{}\n"), millrace.Invalid},
		"newer format":      {change(`"millrace_catalog":1`, `"millrace_catalog":2`), millrace.Conflict},
		"no format":         {change(`"millrace_catalog":1`, `"millrace_catalog":0`), millrace.Invalid},
		"unknown field":     {change(`"millrace_catalog":1`, `"millrace_catalog":1,"x":1`), millrace.Invalid},
		"newer schema":      {change(`{"number":3,`, `{"number":33,`), millrace.Conflict},
		"other schema":      {change(`"checksum":"`, `"checksum":"00`), millrace.Conflict},
		"twice":             {change(`{"number":2,`, `{"number":1,`), millrace.Conflict},
		"cut in a row":      {good[:len(good)/2], millrace.Invalid},
		"without the end":   {[]byte(lines), millrace.Invalid},
		"without newline":   {good[:len(good)-1], millrace.Invalid},
		"more after":        {append(bytes.Clone(good), 'x'), millrace.Invalid},
		"changed":           {bytes.Replace(good, []byte(`["x",1]`), []byte(`["x",3]`), 1), millrace.Invalid},
		"a row less":        {bytes.Replace(good, []byte("[\"x\",1]\n"), nil, 1), millrace.Invalid},
		"other table":       {change(`{"table":"counter"`, `{"table":"schema_version"`), millrace.Invalid},
		"other column":      {change(`"columns":["name","n"]`, `"columns":["name","m"]`), millrace.Invalid},
		"other type":        {change(`"types":["text","bigint"]`, `"types":["text","text"]`), millrace.Invalid},
		"a table less":      {signed(lines[:strings.Index(lines, `{"table":"unkeyed"`)]), millrace.Invalid},
		"SQL":               {change(`{"table":"counter"`, `{"table":"counter\"; DROP TABLE lease; --"`), millrace.Invalid},
		"text as number":    {change(`["b",0]`, `["b","0"]`), millrace.Invalid},
		"number as text":    {change(`["b",0]`, `[1,0]`), millrace.Invalid},
		"too large":         {change(`["b",0]`, `["b",9223372036854775808]`), millrace.Invalid},
		"fraction":          {change(`["b",0]`, `["b",0.5]`), millrace.Invalid},
		"nested":            {change(`["b",0]`, `["b",[0]]`), millrace.Invalid},
		"NUL":               {change(`["b",0]`, `["b\u0000",0]`), millrace.Invalid},
		"half a character":  {change(`["b",0]`, `["b\ud800",0]`), millrace.Invalid},
		"no UTF-8":          {change(`["b",0]`, "[\"b\xff\",0]"), millrace.Invalid},
		"a value more":      {change(`["b",0]`, `["b",0,0]`), millrace.Invalid},
		"a value less":      {change(`["b",0]`, `["b"]`), millrace.Invalid},
		"two values":        {change(`["b",0]`, `["b",0] ["c",0]`), millrace.Invalid},
		"a key twice":       {change(`["b",0]`, `["",0]`), millrace.Invalid},
		"NULL":              {change(`["b",0]`, `["b",null]`), millrace.Invalid},
		"reference":         {change(`9223372036854775807]`, `9223372036854775806]`), millrace.Invalid},
		"empty line":        {change("[\"b\",0]\n", "\n"), millrace.Invalid},
		"deep":              {change(`["b",0]`, `["b",`+strings.Repeat("[", 100_000)), millrace.Invalid},
		"not base64":        {change(`"AQA="`, `"A==="`), millrace.Invalid},
		"base64 with space": {change(`"AQA="`, `"AQ\nA="`), millrace.Invalid},
	} {
		if strings.HasPrefix(where, "postgres:") && !slices.Contains([]string{"reference", "a key twice", "NULL", "cut in a row", "newer schema"}, name) {
			continue // refused before the engine is asked, which takes long
		}
		err := c.Restore(t.Context(), bytes.NewReader(test.b), "")
		if err == nil || millrace.KindOf(err) != test.kind {
			t.Errorf("%s: %v (%s), want %s", name, err, millrace.KindOf(err), test.kind)
		}
	}
	broken := errors.New("the network broke")
	err := c.Restore(t.Context(), io.MultiReader(bytes.NewReader(good[:len(good)/2]), iotest.ErrReader(broken)), "")
	if !errors.Is(err, broken) || millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("got %v", err)
	}
	if err := c.Backup(t.Context(), iotestWriter{broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	restore(t, c, good) // nothing of all that is there
}

type iotestWriter struct{ err error }

func (w iotestWriter) Write([]byte) (int, error) { return 0, w.err }

// testBackupOfOlderSchema restores what an older version wrote, and refuses to
// let an older version restore.
func testBackupOfOlderSchema(t *testing.T, where string, files fstest.MapFS, good []byte) {
	newer := maps.Clone(files)
	newer["0004_newer.sql"] = &fstest.MapFile{Data: []byte("ALTER TABLE counter ADD COLUMN twice BIGINT NOT NULL DEFAULT 0;\nUPDATE counter SET twice = n + n WHERE n < 10 AND n > -10;\nINSERT INTO counter (name, n, twice) VALUES ('new', 1, 2);")}
	c := openEmpty(t, where+"newer", newer)
	restore(t, c, good)
	want(t, c, "SELECT sum(twice) + count(*) FROM counter", 2+3)
	old := openEmpty(t, where+"old", files)
	if err := old.Restore(t.Context(), bytes.NewReader(backup(t, c)), ""); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "0004_newer") {
		t.Errorf("an older version restored it: %v", err)
	}
}

// testBackupWhileWriting has two counters that always are the same.
func testBackupWhileWriting(t *testing.T, c catalog.Catalog) {
	if _, err := execute(t.Context(), c, "UPDATE counter SET n = 0"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	var updates atomic.Int64
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := execute(t.Context(), c, "UPDATE counter SET n = n + 1"); err != nil {
				t.Error(err)
			}
			if _, err := execute(t.Context(), c, "INSERT INTO unkeyed (a, b) SELECT 'n', max(n) FROM counter"); err != nil {
				t.Error(err)
			}
			updates.Add(1)
		}
	}()
	for begun := time.Now(); time.Since(begun) < 300*time.Millisecond || updates.Load() < 3; {
		b := string(backup(t, c))
		var n, m int
		_, rest, _ := strings.Cut(b, `["",`)
		_, rest2, _ := strings.Cut(b, `["b",`)
		_, _ = fmt.Sscan(rest, &n)
		_, _ = fmt.Sscan(rest2, &m)
		rows := strings.Count(b, `["n",`)
		if n != m || rows != n && rows != n-1 {
			t.Fatalf("a backup has %d and %d, with %d rows", n, m, rows)
		}
	}
	stop()
	<-done
}

// FuzzBackup holds for any bytes: they are refused or read, and nothing else happens.
func FuzzBackup(f *testing.F) {
	tables := []catalog.Table{
		{Name: "a", Columns: []catalog.Column{{Name: "i", Type: catalog.TypeInteger}, {Name: "t", Type: catalog.TypeText}}},
		{Name: "b", Columns: []catalog.Column{{Name: "f", Type: catalog.TypeFloat}, {Name: "x", Type: catalog.TypeBytes}}},
	}
	head := `{"millrace_catalog":1,"millrace":"1","engine":"sqlite","taken":"2026-03-01T00:00:00Z","migrations":[{"number":1,"name":"a","checksum":"","millrace":"","applied":"2026-03-01T00:00:00Z"}]}` + "\n"
	a := `{"table":"a","columns":["i","t"],"types":["bigint","text"]}` + "\n"
	b := `{"table":"b","columns":["f","x"],"types":["double","bytes"]}` + "\n"
	good := signed(head + a + "[1,\"x\"]\n[-5,null]\n" + b + "[0.5,\"AAA=\"]\n[1e300,\"\"]\n")
	if err := catalog.ReadLines(good, tables); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(signed(head + a + b))
	f.Add(signed(head + a + "[\n" + b))
	f.Add([]byte(head))
	f.Add([]byte("{\"millrace_catalog\":1e9}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := catalog.ReadLines(b, tables); err != nil && millrace.KindOf(err) != millrace.Invalid && millrace.KindOf(err) != millrace.Conflict {
			t.Error(err)
		}
	})
}
