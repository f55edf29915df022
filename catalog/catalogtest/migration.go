package catalogtest

import (
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// with returns Schema with further files.
func with(files map[string]string) fstest.MapFS {
	all := maps.Clone(Schema)
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

func testMigrations(t *testing.T, p Place) {
	c := open(t, p, Schema)
	mustExec(t, c, "INSERT INTO thing (id, name) VALUES (1, 'kept')")
	c.Close()
	next := with(map[string]string{
		"0002_more.sql":  "ALTER TABLE thing ADD COLUMN more TEXT NOT NULL DEFAULT 'm;';\nUPDATE thing SET more = name || more;;\n",
		"0003_other.sql": "CREATE TABLE other (id BIGINT NOT NULL, data {{bytes}}, PRIMARY KEY (id)); CREATE UNIQUE INDEX other_data ON other (data); DROP TABLE counter",
	})
	for range 2 { // the second time nothing is to be done
		c = open(t, p, next)
		if s, err := c.Status(t.Context()); s.Schema != 3 || err != nil {
			t.Errorf("%+v, %v", s, err)
		}
		if got := mustOne[string](t, c, "SELECT more FROM thing"); got != "keptm;" {
			t.Error(got)
		}
		if got := mustOne[int](t, c, "SELECT count(*) FROM schema_version WHERE millrace <> '' AND applied > 1700000000000000 AND length(checksum) = 64"); got != 3 {
			t.Errorf("%d migrations are written down", got)
		}
		c.Close()
	}
}

func testRefusedSchemas(t *testing.T, p Place) {
	two := with(map[string]string{"0002_more.sql": "CREATE TABLE more (id BIGINT PRIMARY KEY)", "0004_last.sql": "CREATE TABLE last (id BIGINT PRIMARY KEY)"})
	open(t, p, two).Close()
	changed := with(map[string]string{"0002_more.sql": "CREATE TABLE more (id BIGINT PRIMARY KEY) ", "0004_last.sql": string(two["0004_last.sql"].Data)})
	between := maps.Clone(two)
	between["0003_late.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE late (id BIGINT PRIMARY KEY)")}
	for name, test := range map[string]struct {
		files fstest.MapFS
		kind  millrace.Kind
		words []string
	}{
		"newer":       {Schema, millrace.Conflict, []string{"0002_more", "Millrace 9.9-test", "or a newer one", "backup"}},
		"changed":     {changed, millrace.Conflict, []string{"0002_more.sql", "is not the one", "9.9-test"}},
		"between":     {between, millrace.Conflict, []string{"0003_late.sql", "under development"}},
		"wrong name":  {with(map[string]string{"2_x.sql": "SELECT 1"}), millrace.Internal, []string{"NNNN_name.sql"}},
		"same number": {with(map[string]string{"0001_x.sql": "SELECT 1"}), millrace.Internal, []string{"same number"}},
		"no end":      {with(map[string]string{"0002_x.sql": "SELECT '"}), millrace.Internal, []string{"0002_x.sql", "does not end"}},
	} {
		c, err := p.Open(test.files)
		if err == nil {
			c.Close()
		}
		if wantKind(t, err, test.kind); err == nil {
			continue
		}
		for _, word := range test.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not say %q", name, err, word)
			}
		}
	}
	open(t, p, two)
}

// testBrokenMigration has one fail in its middle: nothing of it stays.
func testBrokenMigration(t *testing.T, p Place) {
	c := open(t, p, Schema)
	mustExec(t, c, "INSERT INTO thing (id, name) VALUES (1, 'a'), (2, 'b')")
	c.Close()
	_, err := p.Open(with(map[string]string{
		"0002_good.sql": "CREATE TABLE good (id BIGINT PRIMARY KEY)",
		"0003_bad.sql":  "CREATE TABLE bad (id BIGINT PRIMARY KEY); DELETE FROM thing; INSERT INTO bad (id) VALUES (1), (1)",
	}))
	if wantKind(t, err, millrace.Conflict); err == nil || !strings.Contains(err.Error(), "0003_bad.sql") || !strings.Contains(err.Error(), "statement 3") {
		t.Error(err)
	}
	c = open(t, p, with(map[string]string{"0002_good.sql": "CREATE TABLE good (id BIGINT PRIMARY KEY)", "0003_bad.sql": "CREATE TABLE bad (id BIGINT PRIMARY KEY)"}))
	if got := mustOne[int](t, c, "SELECT (SELECT count(*) FROM thing) + (SELECT count(*) FROM good) + (SELECT count(*) FROM bad)"); got != 2 {
		t.Error(got)
	}
}

func testMigratedByTwo(t *testing.T, p Place) {
	files := map[string]string{}
	for _, name := range []string{"0002_a", "0003_b", "0004_c", "0005_d"} {
		files[name+".sql"] = "CREATE TABLE t" + name + " (id BIGINT PRIMARY KEY); INSERT INTO counter (name, n) VALUES ('" + name + "', 1)"
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			c, err := p.Open(with(files))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if got, err := one[int](t.Context(), c, "SELECT count(*) FROM counter"); got != 4 || err != nil {
				t.Errorf("%d migrations, %v", got, err)
			}
		})
	}
	all.Wait()
}

// testMigratedLater has a standby of a newer version wait until it may migrate.
func testMigratedLater(t *testing.T, p Place) {
	later := func(files fstest.MapFS, schema int) catalog.Catalog {
		t.Helper()
		c, err := p.OpenLater(files)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if s, err := c.Status(t.Context()); s.Schema != schema || err != nil {
			t.Errorf("schema %d, want %d, %v", s.Schema, schema, err)
		}
		return c
	}
	before := with(map[string]string{"0002_more.sql": "CREATE TABLE more (id BIGINT PRIMARY KEY)"})
	next := with(map[string]string{"0002_more.sql": "CREATE TABLE more (id BIGINT PRIMARY KEY)", "0003_last.sql": "DROP TABLE counter"})
	first := later(before, 2) // a new one is made at once
	standby := later(next, 2)
	mustExec(t, first, "INSERT INTO counter (name, n) VALUES ('a', 1)")
	if err := standby.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := standby.Status(t.Context()); s.Schema != 3 || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
	_, err := exec(t.Context(), first, "INSERT INTO counter (name, n) VALUES ('b', 1)")
	wantKind(t, err, millrace.Invalid)
	if _, err := p.OpenLater(Schema); err == nil {
		t.Error("an older version opened it")
	} else {
		wantKind(t, err, millrace.Conflict)
	}
	wantKind(t, first.Migrate(t.Context()), millrace.Conflict)
}
