package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	_ "github.com/mattn/go-sqlite3"

	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/testserver"
)

// A tampering changes a catalog's file behind Millrace's back.
type tampering struct {
	sql  []string
	want []string // kind first-last of each finding of the installation's chain, kind@workspace first-last of others
}

// shift moves the numbers of rows by making them negative first.
func shift(table string, from, by int) []string {
	return []string{
		fmt.Sprintf("UPDATE %s SET seq = -seq WHERE seq >= %d", table, from),
		fmt.Sprintf("UPDATE %s SET seq = -seq + %d WHERE seq < 0", table, by),
	}
}

const forged = `{"seq":5,"workspace_seq":0,"time":"2026-03-02T09:00:05Z","actor":{"kind":"person","id":"p_eve","name":"Eve"},"action":"thing.change","object":{"kind":"thing","id":"x","name":""},"workspace":"","environment":"","from":{"address":"","agent":"","request":""},"before":null,"after":null,"note":"","salt":"00"}`

var tamperings = map[string]tampering{
	"a word":                  {[]string{`UPDATE audit_entry SET body = replace(body, 'blue', 'grey') WHERE seq = 7`}, []string{"changed 7", "changed@w_a 3"}},
	"the name of who did it":  {[]string{`UPDATE audit_entry SET body = replace(body, 'Ann', 'Bob') WHERE seq = 3`}, []string{"changed 3"}},
	"not JSON any more":       {[]string{`UPDATE audit_entry SET body = 'x' WHERE seq = 3`}, []string{"changed 3"}},
	"its hash":                {[]string{`UPDATE audit_chain SET hash = zeroblob(32) WHERE seq = 6`}, []string{"changed 6"}},
	"the hash before":         {[]string{`UPDATE audit_chain SET previous = zeroblob(32) WHERE seq = 6`}, []string{"changed 6"}},
	"the last":                {[]string{`UPDATE audit_entry SET body = replace(body, 'blue', 'grey') WHERE seq = 12`}, []string{"changed 12"}},
	"the first":               {[]string{`UPDATE audit_entry SET body = replace(body, 'blue', 'grey') WHERE seq = 1`}, []string{"changed 1", "changed@w_a 1"}},
	"only a workspace's hash": {[]string{`UPDATE audit_chain SET workspace_hash = zeroblob(32) WHERE seq = 7`}, []string{"changed@w_a 3"}},
	"to another workspace":    {[]string{`UPDATE audit_chain SET workspace = 'w_b', number = 99 WHERE seq = 7`}, []string{"changed 7", "removed@w_a 3", "removed@w_b 5-98", "changed@w_b 99"}},
	"removed":                 {[]string{`DELETE FROM audit_entry WHERE seq = 6`, `DELETE FROM audit_chain WHERE seq = 6`}, []string{"removed 6"}},
	"two removed":             {[]string{`DELETE FROM audit_entry WHERE seq IN (6, 7)`, `DELETE FROM audit_chain WHERE seq IN (6, 7)`}, []string{"removed 6-7", "removed@w_a 3"}},
	"only what it said":       {[]string{`DELETE FROM audit_entry WHERE seq = 6`}, []string{"removed 6"}},
	"the first removed":       {[]string{`DELETE FROM audit_entry WHERE seq = 1`, `DELETE FROM audit_chain WHERE seq = 1`}, []string{"removed 1", "removed@w_a 1"}},
	"the last removed":        {[]string{`DELETE FROM audit_entry WHERE seq = 12`, `DELETE FROM audit_chain WHERE seq = 12`}, []string{"removed 12"}},
	"all removed":             {[]string{`DELETE FROM audit_entry`, `DELETE FROM audit_chain`}, []string{"removed 1-12", "removed@w_a 1-4", "removed@w_b 1-4"}},
	"removed and renumbered": {append([]string{`DELETE FROM audit_entry WHERE seq = 6`, `DELETE FROM audit_chain WHERE seq = 6`},
		append(shift("audit_entry", 7, -1), shift("audit_chain", 7, -1)...)...), []string{"removed 6", "reordered 7-12"}},
	"erased without a word": {[]string{`INSERT INTO audit_tombstone SELECT seq, workspace_hash FROM audit_chain WHERE seq = 7`, `DELETE FROM audit_entry WHERE seq = 7`},
		[]string{"changed 7", "changed@w_a 3"}},
	"erased by a lie": {[]string{`INSERT INTO audit_erased VALUES ('w_a', 4, 12)`, `INSERT INTO audit_tombstone SELECT seq, workspace_hash FROM audit_chain WHERE seq = 7`,
		`DELETE FROM audit_entry WHERE seq = 7`}, []string{"changed 7", "changed@w_a 3"}},
	"cut off by a lie": {[]string{`INSERT INTO audit_anchor SELECT '', seq, hash, 12 FROM audit_chain WHERE seq = 4`}, []string{"removed 1-4"}},
	"inserted": {append(append(shift("audit_entry", 5, 1), shift("audit_chain", 5, 1)...),
		`INSERT INTO audit_entry VALUES (5, '`+forged+`')`,
		`INSERT INTO audit_chain SELECT 5, hash, zeroblob(32), '', 5, NULL, NULL FROM audit_chain WHERE seq = 4`), []string{"inserted 5", "reordered 5-12"}},
	"inserted before the first":    {[]string{`INSERT INTO audit_entry VALUES (0, '` + forged + `')`, `INSERT INTO audit_chain VALUES (0, zeroblob(32), zeroblob(32), '', 0, NULL, NULL)`}, []string{"inserted 0"}},
	"two changed places":           {slices.Concat(swap("audit_entry", 6, 9), swap("audit_chain", 6, 9)), []string{"reordered 6", "reordered 9"}},
	"neighbours changed places":    {slices.Concat(swap("audit_entry", 6, 7), swap("audit_chain", 6, 7)), []string{"reordered 6", "reordered 7"}},
	"what they say changed places": {swap("audit_entry", 6, 9), []string{"changed 6", "changed 9"}},
	"what was before":              {[]string{`UPDATE audit_entry SET body = replace(body, '"before":{"n":6}', '"before":{"n":60}') WHERE seq = 6`}, []string{"changed 6"}},
	"what was hidden":              {[]string{`UPDATE audit_entry SET body = replace(body, '"password":"[secret]"', '"password":"known"') WHERE seq = 8`}, []string{"changed 8", "changed@w_b 3"}},
	"what was hidden, and its hash": {[]string{`UPDATE audit_entry SET body = replace(body, '"password":"[secret]"', '"password":"known"') WHERE seq = 8`,
		`UPDATE audit_chain SET hash = zeroblob(32), workspace_hash = zeroblob(32) WHERE seq = 8`}, []string{"changed 8", "changed@w_b 3"}},
	"two workspaces changed their chains": {[]string{`UPDATE audit_chain SET workspace = 'w_x' WHERE workspace = 'w_a'`, `UPDATE audit_chain SET workspace = 'w_a' WHERE workspace = 'w_b'`,
		`UPDATE audit_chain SET workspace = 'w_b' WHERE workspace = 'w_x'`}, chainsChanged()},
	"their ends too": {[]string{`UPDATE audit_chain SET workspace = 'w_x' WHERE workspace = 'w_a'`, `UPDATE audit_chain SET workspace = 'w_a' WHERE workspace = 'w_b'`,
		`UPDATE audit_chain SET workspace = 'w_b' WHERE workspace = 'w_x'`, `UPDATE audit_head SET workspace = 'w_x' WHERE workspace = 'w_a'`,
		`UPDATE audit_head SET workspace = 'w_a' WHERE workspace = 'w_b'`, `UPDATE audit_head SET workspace = 'w_b' WHERE workspace = 'w_x'`}, chainsChanged()},
	"the ends of two workspaces": {[]string{`UPDATE audit_head SET workspace = 'w_x' WHERE workspace = 'w_a'`,
		`UPDATE audit_head SET workspace = 'w_a' WHERE workspace = 'w_b'`, `UPDATE audit_head SET workspace = 'w_b' WHERE workspace = 'w_x'`}, []string{"changed@w_a 4", "changed@w_b 4"}},
	"the last three removed": {[]string{`DELETE FROM audit_entry WHERE seq > 9`, `DELETE FROM audit_chain WHERE seq > 9`}, []string{"removed 10-12", "removed@w_a 4", "removed@w_b 4"}},
}

func swap(table string, a, b int) []string {
	return []string{
		fmt.Sprintf("UPDATE %s SET seq = -1 WHERE seq = %d", table, a),
		fmt.Sprintf("UPDATE %s SET seq = %d WHERE seq = %d", table, a, b),
		fmt.Sprintf("UPDATE %s SET seq = %d WHERE seq = -1", table, b),
	}
}

// chainsChanged is what is found when the entries of two workspaces are counted to
// each other's.
func chainsChanged() (want []string) {
	for _, n := range []int{1, 2, 4, 5, 7, 8, 10, 11} {
		want = append(want, fmt.Sprintf("changed %d", n))
	}
	for n := range 4 {
		want = append(want, fmt.Sprintf("changed@w_a %d", n+1), fmt.Sprintf("changed@w_b %d", n+1))
	}
	return want
}

// behind runs statements on the file without Millrace, its triggers gone.
func behind(t *testing.T, file string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	rows, err := db.Query("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
	if err != nil {
		t.Fatal(err)
	}
	var triggers []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		triggers = append(triggers, "DROP TRIGGER "+name)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range slices.Concat(triggers, statements) {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// found writes a report's findings as tamperings do.
func found(r *audit.Report) []string {
	var all []string
	for _, f := range r.Findings {
		s := f.Kind
		if f.Workspace != "" {
			s += "@" + f.Workspace
		}
		if s += fmt.Sprintf(" %d", f.First); f.Last != f.First {
			s += fmt.Sprintf("-%d", f.Last)
		}
		all = append(all, s)
	}
	return all
}

// told are n entries, of which the eighth has something secret.
func told(n int) []audit.Entry {
	all := some(n)
	if n > 7 {
		all[7].After = map[string]any{"n": 9, "color": "blue", "password": "canary"}
	}
	return all
}

// closed returns the file of a catalog with n entries that nobody has open, and its head.
func closed(t *testing.T, n int) (file string, head audit.Head) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "catalog.db")
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return file, filled(t, c, n)
}

// filled writes n entries into a catalog and closes it.
func filled(t *testing.T, c catalog.Catalog, n int) (head audit.Head) {
	t.Helper()
	l := newLog(t, c)
	write(t, l, told(n)...)
	head, err := l.Head(context.Background(), "")
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	return head
}

// A tamperer changes a catalog of 12 entries behind Millrace's back, by statements,
// and returns its log and the head that it had before.
type tamperer func(t *testing.T, statements ...string) (*audit.Log, audit.Head)

func tamperSQLite(t *testing.T, statements ...string) (*audit.Log, audit.Head) {
	t.Helper()
	file, head := closed(t, 12)
	behind(t, file, statements...)
	return newLog(t, openSQLite(t, file)), head
}

var auditTables = []string{"audit_entry", "audit_chain", "audit_head", "audit_anchor", "audit_erased", "audit_tombstone", "audit_index"}

// tamperPostgres uses one schema, whose rows it puts back each time.
func tamperPostgres(t *testing.T) tamperer {
	t.Helper()
	o := postgres.Options{URL: testserver.Postgres(t).URL, Schema: "tampered"}
	open := func() *postgres.Catalog {
		c, err := postgres.Open(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	head := filled(t, open(), 12)
	on, err := pgx.Connect(t.Context(), o.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = on.Close(context.Background()) })
	run := func(t *testing.T, statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := on.Exec(t.Context(), strings.ReplaceAll(s, "zeroblob(32)", "decode(repeat('00', 32), 'hex')")); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	run(t, "SET search_path = "+o.Schema, "SET session_replication_role = replica") // no triggers
	var before []string
	for _, table := range auditTables {
		run(t, "CREATE TEMP TABLE before_"+table+" AS TABLE "+table)
		before = append(before, "DELETE FROM "+table, "INSERT INTO "+table+" TABLE before_"+table)
	}
	c := open()
	t.Cleanup(func() { _ = c.Close() })
	return func(t *testing.T, statements ...string) (*audit.Log, audit.Head) {
		t.Helper()
		run(t, slices.Concat(before, statements)...)
		return newLog(t, c), head
	}
}

func TestTampering(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		for name, test := range tamperings {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test.found(t, tamperSQLite)
			})
		}
		t.Run("the end and its notes", func(t *testing.T) { cutWithNotes(t, tamperSQLite) })
	})
	t.Run("postgres", func(t *testing.T) {
		tamper := tamperPostgres(t)
		for name, test := range tamperings {
			t.Run(name, func(t *testing.T) { test.found(t, tamper) })
		}
		t.Run("the end and its notes", func(t *testing.T) { cutWithNotes(t, tamper) })
	})
}

func (test tampering) found(t *testing.T, tamper tamperer) {
	l, _ := tamper(t, test.sql...)
	r := verify(t, l, audit.VerifyOptions{})
	got := found(r)
	slices.Sort(got)
	want := slices.Sorted(slices.Values(test.want))
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q: %+v", got, want, r.Findings)
	}
	for _, f := range r.Findings {
		if f.Message == "" || !strings.Contains(f.Message, fmt.Sprint(f.First)) {
			t.Errorf("%+v says too little", f)
		}
	}
}

// Who cuts the end off with all that tells of it is found out by a head that was
// noted elsewhere, until something is appended and after that.
func cutWithNotes(t *testing.T, tamper tamperer) {
	l, head := tamper(t, `DELETE FROM audit_entry WHERE seq > 9`, `DELETE FROM audit_chain WHERE seq > 9`, `UPDATE audit_head SET number = 9, hash = (SELECT hash FROM audit_chain WHERE seq = 9) WHERE workspace = ''`,
		`UPDATE audit_head SET number = 3, hash = (SELECT workspace_hash FROM audit_chain c WHERE c.workspace = audit_head.workspace AND c.number = 3) WHERE workspace <> ''`)
	if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Head.Number != 9 {
		t.Errorf("%+v", r)
	}
	if got := found(verify(t, l, audit.VerifyOptions{Heads: []audit.Head{head}})); !slices.Equal(got, []string{"removed 12"}) {
		t.Errorf("found %q", got)
	}
	write(t, l, some(5)...)
	if got := found(verify(t, l, audit.VerifyOptions{Heads: []audit.Head{head}})); !slices.Equal(got, []string{"changed 12"}) {
		t.Errorf("after more, found %q", got)
	}
}

// One byte of the file is enough, and it need not go through SQL.
func TestTamperingWithBytes(t *testing.T) {
	t.Parallel()
	file, _ := closed(t, 12)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`"id":"t_8"(?:[^}]*}){3}[^}]*"color":"(blue)"`).FindAllSubmatchIndex(data, -1)
	if len(all) == 0 {
		t.Fatal("the file does not hold entry 8 as text")
	}
	for _, at := range all { // pages that were split hold old copies
		data[at[2]] = 'B'
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r := verify(t, newLog(t, openSQLite(t, file)), audit.VerifyOptions{})
	if got := found(r); !slices.Contains(got, "changed 8") {
		t.Errorf("found %q", got)
	}
}

// Who makes every hash anew is found out by a head that was noted elsewhere.
func TestNotedHead(t *testing.T) {
	t.Parallel()
	file, head := closed(t, 12)
	l := newLog(t, openSQLite(t, file))
	write(t, l, some(3)...)
	if r := verify(t, l, audit.VerifyOptions{Heads: []audit.Head{head}}); !r.OK() || r.Head.Number != 15 {
		t.Errorf("%+v", r)
	}
	var read audit.Head
	if err := read.UnmarshalText([]byte(head.String())); err != nil || read != head {
		t.Errorf("%v, %v", read, err)
	}
	for _, wrong := range []string{"", ":", "a:b", ":1:ff", "w::" + head.Hash.String(), ":-1:" + head.Hash.String()} {
		if read.UnmarshalText([]byte(wrong)) == nil {
			t.Errorf("%q is a head", wrong)
		}
	}
	// Another history of as many entries, whole in itself.
	other, _ := closed(t, 15)
	if r := verify(t, newLog(t, openSQLite(t, other)), audit.VerifyOptions{}); !r.OK() {
		t.Errorf("%+v", r)
	}
	if r := verify(t, newLog(t, openSQLite(t, other)), audit.VerifyOptions{Heads: []audit.Head{head}}); !slices.Equal(found(r), []string{"changed 12"}) {
		t.Errorf("%+v", r)
	}
	// The end is gone, and the program's own note of it too.
	short, _ := closed(t, 10)
	if r := verify(t, newLog(t, openSQLite(t, short)), audit.VerifyOptions{Heads: []audit.Head{head}}); !slices.Equal(found(r), []string{"removed 12"}) {
		t.Errorf("%+v", r)
	}
}

// What was erased is in no free page of the file either.
func TestErasedOnDisk(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "catalog.db")
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t, c)
	for i := range 60 {
		e := entry(i)
		if e.Workspace == "w_a" {
			e.Note = "canary of the workspace"
		}
		write(t, l, e)
	}
	if err := c.Update(t.Context(), func(tx catalog.Tx) error { return l.Erase(t.Context(), tx, "w_a", cleaner) }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Tend(t.Context()), c.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "canary") {
		t.Error("it is still in the file")
	}
}
