package audit_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/testserver"
)

func testAppend(t *testing.T, c catalog.Catalog) {
	l := newLog(t, c)
	write(t, l, some(10)...)
	all, err := l.After(t.Context(), 0, 100)
	if err != nil || len(all) != 10 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	for i, k := range all {
		if k.Seq != int64(i+1) || k.Object.ID != fmt.Sprintf("t_%d", i+1) || k.Actor != ann || !k.Time.Equal(monday.Add(time.Duration(i+1)*time.Second).Truncate(time.Microsecond)) {
			t.Errorf("%+v", k)
		}
	}
	if last := all[9]; last.Workspace != "w_a" || last.WorkspaceSeq != 4 || fmt.Sprintf("%s", last.After) != `{"color":"blue","n":11}` {
		t.Errorf("%+v: %s", last, last.After)
	}
	if got, err := l.After(t.Context(), 7, 2); err != nil || len(got) != 2 || got[0].Seq != 8 {
		t.Errorf("%+v, %v", got, err)
	}
	r := verify(t, l, audit.VerifyOptions{})
	if !r.OK() || r.Entries != 10 || r.Head.Number != 10 {
		t.Errorf("%+v", r)
	}
	head, err := l.Head(t.Context(), "w_b")
	if err != nil || head.Number != 3 {
		t.Errorf("%v, %v", head, err)
	}
	r = verify(t, l, audit.VerifyOptions{Workspace: "w_b", Heads: []audit.Head{head}})
	if !r.OK() || r.Entries != 3 || r.Head != head {
		t.Errorf("%+v", r)
	}
}

func testNothingWithoutItsChange(t *testing.T, c catalog.Catalog) {
	l := newLog(t, c)
	write(t, l, some(2)...)
	failed := fmt.Errorf("the change failed")
	err := c.Update(t.Context(), func(tx catalog.Tx) error {
		if err := l.Append(t.Context(), tx, entry(3)); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	write(t, l, entry(4))
	if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Entries != 3 {
		t.Errorf("%+v", r)
	}
}

// Writers at the same time: no number is missing or double, a reader never sees
// a later one before an earlier one, and what a writer does first comes first.
func testConcurrent(t *testing.T, c catalog.Catalog) {
	l, err := audit.New(audit.Options{Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 12
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := l.Write(context.Background(), audit.Entry{Actor: audit.Actor{Kind: audit.Key, ID: fmt.Sprint(w)}, Action: "thing.change",
					Workspace: []string{"w_a", "w_b", ""}[w%3], Object: audit.Object{ID: fmt.Sprint(i)}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	next, seen := map[string]int{}, int64(0)
	for ended := false; ; {
		all, err := l.After(context.Background(), seen, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range all {
			if k.Seq != seen+1 || k.Object.ID != fmt.Sprint(next[k.Actor.ID]) {
				t.Fatalf("number %d of writer %s is %s after %d", k.Seq, k.Actor.ID, k.Object.ID, seen)
			}
			next[k.Actor.ID]++
			seen = k.Seq
		}
		if ended && len(all) == 0 {
			break
		}
		select {
		case <-done:
			ended = true
		case <-time.After(5 * time.Millisecond):
		}
	}
	if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Entries != writers*each {
		t.Errorf("%+v", r)
	}
}

// The engines themselves refuse what is no appending.
func testAppendOnly(t *testing.T, c catalog.Catalog) {
	l := newLog(t, c)
	write(t, l, some(5)...)
	for _, table := range []string{"audit_entry", "audit_chain", "audit_tombstone", "audit_anchor", "audit_erased"} {
		column := "seq"
		if table == "audit_tombstone" || table == "audit_anchor" || table == "audit_erased" {
			if err := c.Update(t.Context(), func(tx catalog.Tx) error {
				sql := map[string]string{"audit_tombstone": "INSERT INTO audit_tombstone (seq, digest) VALUES (4, $1)",
					"audit_anchor": "INSERT INTO audit_anchor (workspace, number, hash, seq) VALUES ('w_x', 1, $1, 1)",
					"audit_erased": "INSERT INTO audit_erased (workspace, number, seq) VALUES ('w_x', length($1), 1)"}[table]
				_, err := tx.Exec(t.Context(), sql, []byte{1})
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		for _, sql := range []string{
			"UPDATE " + table + " SET " + column + " = " + column + " + 100",
			"DELETE FROM " + table,
		} {
			err := c.Update(t.Context(), func(tx catalog.Tx) error {
				n, err := tx.Exec(t.Context(), sql)
				if err == nil {
					t.Errorf("%s changed %d rows", sql, n)
				}
				return err
			})
			if err == nil {
				t.Errorf("%s is done", sql)
			}
		}
	}
	for _, sql := range []string{"DELETE FROM audit_head", "UPDATE audit_head SET number = number - 1"} {
		if err := c.Update(t.Context(), func(tx catalog.Tx) error { _, err := tx.Exec(t.Context(), sql); return err }); err == nil {
			t.Errorf("%s is done", sql)
		}
	}
	if s, err := c.Status(t.Context()); err == nil && s.Engine == "sqlite" {
		if err := c.Update(t.Context(), func(tx catalog.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT OR REPLACE INTO audit_entry (seq, body) VALUES (3, '{}')")
			return err
		}); err == nil {
			t.Error("an entry can be replaced")
		}
	}
	if all, err := l.After(t.Context(), 0, 10); err != nil || len(all) != 5 || all[2].Erased() {
		t.Errorf("%+v, %v", all, err)
	}
}

var cleaner = audit.By{Actor: audit.Actor{Kind: audit.System}, Note: "older than the retention"}

func testCut(t *testing.T, c catalog.Catalog) {
	l := newLog(t, c)
	write(t, l, some(20)...)
	old, err := l.Head(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, until := range []int{8, 13, 13} { // the last one has nothing to do
		before := verify(t, l, audit.VerifyOptions{}).Cut
		n, more, err := l.Cut(t.Context(), monday.Add(time.Duration(until)*time.Second+time.Millisecond), cleaner)
		if err != nil || more || before+n != int64(until) {
			t.Fatalf("until %d: cut %d, more %v, %v", until, n, more, err)
		}
		if r := verify(t, l, audit.VerifyOptions{Heads: []audit.Head{old}}); !r.OK() || r.Cut == 0 {
			t.Errorf("%+v", r)
		}
		if err := l.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := verify(t, l, audit.VerifyOptions{Heads: []audit.Head{old}})
		if !r.OK() || r.Cut == 0 || r.Entries+r.Cut != r.Head.Number {
			t.Errorf("%+v", r)
		}
		if r := verify(t, l, audit.VerifyOptions{Workspace: "w_a"}); !r.OK() || r.Cut == 0 || r.Entries+r.Cut != r.Head.Number {
			t.Errorf("%+v", r)
		}
	}
	if _, err := l.After(t.Context(), 3, 10); millrace.KindOf(err) != millrace.Gone {
		t.Errorf("what was cut off can be read: %v", err)
	}
	page, err := l.Search(t.Context(), audit.Filter{}, "", 100)
	if err != nil || len(page.Entries) != 22-13 || page.Next != "" {
		t.Errorf("%d entries, %v", len(page.Entries), err)
	}
	if note := page.Entries[0]; note.Action != "audit.cut" || note.Note != cleaner.Note {
		t.Errorf("%+v", note)
	}
}

func testErase(t *testing.T, c catalog.Catalog) {
	l := newLog(t, c)
	write(t, l, some(30)...)
	err := c.Update(t.Context(), func(tx catalog.Tx) error { return l.Erase(t.Context(), tx, "w_a", cleaner) })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Entries != 31 {
			t.Errorf("%+v", r)
		}
		if err := l.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Erased != 10 {
		t.Errorf("%+v", r)
	}
	if left, err := l.Search(t.Context(), audit.Filter{Workspace: "w_a"}, "", 100); err != nil || len(left.Entries) != 0 {
		t.Errorf("%+v, %v", left, err)
	}
	write(t, l, some(4)...) // what comes later stays
	if r := verify(t, l, audit.VerifyOptions{}); !r.OK() || r.Erased != 10 || r.Entries != 35 {
		t.Errorf("%+v", r)
	}
	for _, f := range []audit.Filter{{}, {Workspace: "w_a"}} {
		checkExport(t, l, f)
	}
	if _, _, err := l.Cut(t.Context(), monday.Add(12*time.Second), cleaner); err != nil {
		t.Fatal(err)
	}
	if err := l.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, l, audit.VerifyOptions{}); !r.OK() {
		t.Errorf("%+v", r)
	}
}

// checker returns the documented program that verifies exports.
var checker = sync.OnceValues(func() (string, error) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "format", "audit.md"))
	if err != nil {
		return "", err
	}
	block := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(doc)
	if block == nil {
		return "", fmt.Errorf("docs/format/audit.md has no program")
	}
	return string(block[1]), nil
})

func runChecker(t *testing.T, export []byte) (string, error) {
	t.Helper()
	program, err := checker()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testserver.Install(t, []string{"python3"}, "python3"), "-c", program)
	cmd.Stdin = bytes.NewReader(export)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func checkExport(t *testing.T, l *audit.Log, f audit.Filter) {
	t.Helper()
	for _, format := range audit.Formats {
		var out bytes.Buffer
		if err := l.Export(t.Context(), &out, f, format); err != nil {
			t.Fatal(err)
		}
		export := out.Bytes()
		if said, err := runChecker(t, export); err != nil || !strings.HasPrefix(said, "whole:") {
			t.Errorf("%s of %+v: %v: %s\n%s", format, f, err, said, export)
		}
		for what, changed := range map[string][]byte{
			"a word":  bytes.ReplaceAll(export, []byte("blue"), []byte("grey")),
			"removed": slices.Concat(export[:bytes.LastIndexByte(export[:len(export)/2], '\n')+1], after(export[len(export)/2:])),
		} {
			if said, err := runChecker(t, changed); err == nil {
				t.Errorf("%s of %+v, %s: %s", format, f, what, said)
			}
		}
	}
}

// after returns what follows the first line that ends in the data.
func after(data []byte) []byte {
	_, rest, _ := bytes.Cut(data, []byte("\n"))
	_, rest, _ = bytes.Cut(rest, []byte("\n"))
	return rest
}

func testExport(t *testing.T, c catalog.Catalog) {
	l := newLog(t, c)
	all := some(20)
	all[4].Note, all[4].Object.Name = "=cmd|' /C calc'!A0", "+1+1\n\"x\",\"entry\":{"
	write(t, l, all...)
	checkExport(t, l, audit.Filter{})
	checkExport(t, l, audit.Filter{Workspace: "w_a"})
	var out bytes.Buffer
	if err := l.Export(t.Context(), &out, audit.Filter{}, "csv"); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) != 21 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for _, line := range lines {
		for _, cell := range line {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula: %s", cell)
			}
		}
	}
	out.Reset()
	if err := l.Export(t.Context(), &out, audit.Filter{Object: "t_7"}, "ndjson"); err != nil {
		t.Fatal(err)
	}
	var line struct {
		Chain  string
		Number int64
		Entry  struct{ Object audit.Object }
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Number != 7 || line.Entry.Object.ID != "t_7" {
		t.Errorf("%s: %v", out.String(), err)
	}
	if err := l.Export(t.Context(), &out, audit.Filter{}, "xml"); millrace.KindOf(err) != millrace.Invalid {
		t.Error(err)
	}
}
