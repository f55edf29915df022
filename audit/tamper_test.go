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

	_ "github.com/mattn/go-sqlite3"

	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
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
}

func swap(table string, a, b int) []string {
	return []string{
		fmt.Sprintf("UPDATE %s SET seq = -1 WHERE seq = %d", table, a),
		fmt.Sprintf("UPDATE %s SET seq = %d WHERE seq = %d", table, a, b),
		fmt.Sprintf("UPDATE %s SET seq = %d WHERE seq = -1", table, b),
	}
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

// closed returns the file of a catalog with n entries that nobody has open, and its head.
func closed(t *testing.T, n int) (file string, head audit.Head) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "catalog.db")
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	l := newLog(t, c)
	write(t, l, some(n)...)
	if head, err = l.Head(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return file, head
}

func TestTampering(t *testing.T) {
	t.Parallel()
	for name, test := range tamperings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, _ := closed(t, 12)
			behind(t, file, test.sql...)
			r := verify(t, newLog(t, openSQLite(t, file)), audit.VerifyOptions{})
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
		})
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
