package catalogtest

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

func testViolations(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	mustExec(t, c, "INSERT INTO thing (id, name) VALUES (1, 'a')")
	mustExec(t, c, "INSERT INTO thing (id, parent) VALUES (2, 1)")
	tests := map[string]struct {
		sql  string
		kind millrace.Kind
	}{
		"primary key":   {"INSERT INTO thing (id) VALUES (1)", millrace.Conflict},
		"unique":        {"INSERT INTO thing (id, name) VALUES (3, 'a')", millrace.Conflict},
		"unique update": {"UPDATE thing SET name = 'a' WHERE id = 2", millrace.Conflict},
		"no parent":     {"INSERT INTO thing (id, parent) VALUES (3, 99)", millrace.Conflict},
		"has children":  {"DELETE FROM thing WHERE id = 1", millrace.Conflict},
		"not null":      {"INSERT INTO counter (name) VALUES ('x')", millrace.Invalid},
		"null key":      {"INSERT INTO counter (name, n) VALUES (NULL, 1)", millrace.Invalid},
		"check":         {"INSERT INTO thing (id, name) VALUES (3, 'refused; as1')", millrace.Invalid},
		"type":          {"INSERT INTO counter (name, n) VALUES ('x', 'y')", millrace.Invalid},
		"syntax":        {"SELECT FROM WHERE", millrace.Invalid},
		"no table":      {"SELECT 1 FROM nothing", millrace.Invalid},
		"no column":     {"UPDATE thing SET nothing = 1", millrace.Invalid},
	}
	for name, test := range tests {
		_, err := exec(ctx, c, test.sql)
		if millrace.KindOf(err) != test.kind || err == nil {
			t.Errorf("%s: %v (%s), want %s", name, err, millrace.KindOf(err), test.kind)
		}
	}
	// A constraint is no obstacle to whoever says what to do then.
	n, err := exec(ctx, c, "INSERT INTO thing (id, name) VALUES (1, 'b') ON CONFLICT DO NOTHING")
	if n != 0 || err != nil {
		t.Error(n, err)
	}
	n, err = exec(ctx, c, "INSERT INTO thing (id, name) VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET name = excluded.name")
	if n != 1 || err != nil || mustOne[string](t, c, "SELECT name FROM thing WHERE id = 1") != "b" {
		t.Error(n, err)
	}
}

func testKinds(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	_, err := one[int](ctx, c, "SELECT n FROM counter WHERE name = $1", "none")
	wantKind(t, err, millrace.NotFound)
	if n, err := exec(ctx, c, "UPDATE counter SET n = 1"); n != 0 || err != nil {
		t.Error(n, err)
	}
	mustExec(t, c, "INSERT INTO counter (name, n) VALUES ('a', 1), ('b', 2)")
	if n, err := exec(ctx, c, "SELECT * FROM counter"); n != 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := exec(ctx, c, "UPDATE counter SET n = n + 1"); n != 2 || err != nil {
		t.Error(n, err)
	}
	for _, sql := range []string{"INSERT INTO counter (name, n) VALUES ('x', 1)", "UPDATE counter SET n = 0", "DELETE FROM counter", "WITH x AS (SELECT 1) INSERT INTO counter (name, n) VALUES ('x', 1)"} {
		err := c.View(ctx, func(tx catalog.Tx) error { _, err := tx.Exec(ctx, sql); return err })
		wantKind(t, err, millrace.Invalid)
	}
	err = c.Update(ctx, func(tx catalog.Tx) error { // rows of what was changed
		got, err := catalog.All[string](ctx, tx, "DELETE FROM counter WHERE n > $1 RETURNING name", 2)
		if len(got) != 1 || got[0] != "b" {
			t.Error(got)
		}
		_, execErr := tx.Exec(ctx, "INSERT INTO counter (name, n) VALUES ('c', 1), ('d', 1) RETURNING n")
		if execErr != nil {
			t.Error(execErr)
		}
		return err
	})
	if got := mustOne[int](t, c, "SELECT count(*) FROM counter"); err != nil || got != 3 {
		t.Error(got, err)
	}
}

type word string

type everything struct {
	Integer int64
	Text    word
	Bytes   []byte
	Float   float64
	_       int
	Flag    bool
	Time    time.Time
	JSON    json.RawMessage
	None    *string
	Some    *int
	At      *time.Time
}

func testValues(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	for i, v := range []int64{0, -1, math.MaxInt64, math.MinInt64, 1 << 53, 1<<53 + 1} {
		mustExec(t, c, "INSERT INTO thing (id, parent) VALUES ($1, $1)", v)
		if got := mustOne[int64](t, c, "SELECT parent FROM thing WHERE id = $1", v); got != v {
			t.Errorf("%d: %d became %d", i, v, got)
		}
	}
	for _, v := range []string{"", " ", "Grüße 世界 🚀 e\u0301", "'; DROP TABLE thing; --", "\x01\t\r\n\x7f\\", strings.Repeat("ä", 100_000)} {
		mustExec(t, c, "DELETE FROM counter")
		mustExec(t, c, "INSERT INTO counter (name, n) VALUES ($1, 1)", v)
		if got := mustOne[string](t, c, "SELECT name FROM counter WHERE name = $1", v); got != v {
			t.Errorf("%.40q became %.40q", v, got)
		}
	}
	long := make([]byte, 3<<20)
	for i := range long {
		long[i] = byte(i * 7)
	}
	for i, v := range [][]byte{nil, {}, {0}, []byte("a\x00b\xff'"), long} {
		mustExec(t, c, "UPDATE thing SET data = $1 WHERE id = 0", v)
		got := mustOne[[]byte](t, c, "SELECT data FROM thing WHERE id = 0")
		if !slices.Equal(got, v) || (got == nil) != (v == nil) {
			t.Errorf("%d: %d bytes became %d", i, len(v), len(got))
		}
	}
	for _, v := range []float64{0, -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3, 2} {
		mustExec(t, c, "UPDATE thing SET number = $1 WHERE id = 0", v)
		if got := mustOne[float64](t, c, "SELECT number FROM thing WHERE id = 0"); got != v {
			t.Errorf("%v became %v", v, got)
		}
	}
	some, at := 5, time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)
	want := everything{Integer: 7, Text: "w", Bytes: []byte{1}, Float: 0.5, Flag: true, Time: at, JSON: json.RawMessage(`{"a": 1}`), Some: &some, At: &at}
	var got everything
	err := c.View(ctx, func(tx catalog.Tx) (err error) {
		got, err = catalog.One[everything](ctx, tx, `SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), data, number, CAST($3 AS BIGINT), CAST($4 AS BIGINT),
			CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS BIGINT), CAST($4 AS BIGINT) FROM (SELECT data, number FROM thing WHERE id = 0) AS one`,
			want.Integer, want.Text, want.Flag, want.Time, want.JSON, want.None, want.Some)
		return err
	})
	if got.Bytes, got.Float = want.Bytes, want.Float; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got := mustOne[time.Time](t, c, "SELECT CAST($1 AS BIGINT)", time.Time{}); !got.IsZero() {
		t.Errorf("no time became %v", got)
	}
}

func testWrongValues(t *testing.T, p Place) {
	c := open(t, p, Schema)
	for name, v := range map[string]any{
		"NUL": "a\x00b", "no UTF-8": "a\xff", "not a number": math.NaN(), "infinite": math.Inf(1), "too large": uint64(math.MaxUint64),
		"struct": struct{}{}, "map": map[string]int{}, "JSON with NUL": json.RawMessage("\x00"), "named with NUL": word("\x00"),
	} {
		_, err := exec(t.Context(), c, "UPDATE counter SET name = $1", v)
		if millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "$1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := exec(t.Context(), c, "UPDATE thing SET data = $1, name = $2", make([]byte, catalog.MaxValuesBytes), "x")
	wantKind(t, err, millrace.TooLarge)
}

func testScans(t *testing.T, p Place) {
	c := open(t, p, Schema)
	ctx := t.Context()
	tests := map[string]func() error{
		"NULL":         func() error { _, err := one[string](ctx, c, "SELECT CAST(NULL AS TEXT)"); return err },
		"text":         func() error { _, err := one[int](ctx, c, "SELECT 'x'"); return err },
		"number":       func() error { _, err := one[string](ctx, c, "SELECT CAST(1 AS BIGINT)"); return err },
		"overflow":     func() error { _, err := one[int8](ctx, c, "SELECT CAST(1000 AS BIGINT)"); return err },
		"negative":     func() error { _, err := one[uint](ctx, c, "SELECT CAST(-1 AS BIGINT)"); return err },
		"two":          func() error { _, err := one[bool](ctx, c, "SELECT CAST(2 AS BIGINT)"); return err },
		"more columns": func() error { _, err := one[int](ctx, c, "SELECT 1, 2"); return err },
		"less columns": func() error { _, err := one[everything](ctx, c, "SELECT 1, 2"); return err },
	}
	for name, test := range tests {
		if err := test(); millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "column") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := mustOne[any](t, c, "SELECT 1"); got != int64(1) { // any integer is an int64
		t.Errorf("%T", got)
	}
	if got := mustOne[*string](t, c, "SELECT CAST(NULL AS TEXT)"); got != nil {
		t.Error(got)
	}
}
