package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/send"
	"github.com/millrace/millrace/terminal"
)

func testScreen() (*terminal.Screen, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return terminal.New(terminal.Options{Out: out, Err: out, Getenv: func(string) string { return "" }}), out
}

// A problem of the project is one of the server, and is shown once; a position
// at the end of a frame is shown as one.
func TestStatusScreen(t *testing.T) {
	t.Parallel()
	var s serverStatus
	err := json.Unmarshal([]byte(`{"name": "shop", "problems": ["project: web.yaml is wrong"], "project": {"problems": ["web.yaml is wrong"]}}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	s.Readers = []client.Reader{{Name: "archive", Position: "7-20-2147483647"}, {Name: "dedup", Position: "7-20-3"}}
	screen, out := testScreen()
	if err := s.write(screen, "here", time.Now()); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Count(text, "web.yaml is wrong") != 1 || !strings.Contains(text, "7-20-end") || !strings.Contains(text, "7-20-3") {
		t.Errorf("status shows:\n%s", text)
	}
}

// A problem that a part, its reader and the server tell is shown once; one that
// only the part tells is shown there.
func TestStatusTellsAProblemOnce(t *testing.T) {
	t.Parallel()
	const problem = "the database is away (a long text of what it is and what to do)"
	var s serverStatus
	err := json.Unmarshal([]byte(`{"name": "shop", "ready": true,
		"log": {"backend": "nats", "refusing": "the disk is full"}, "archive": {"location": "file:archive", "problem": "failing since 5: the bucket is away"},
		"warehouse": {"backend": "postgres", "problem": "`+problem+`"}, "readers": [{"name": "warehouse", "state": "failing", "problem": "`+problem+`"}],
		"problems": ["warehouse: `+problem+`", "archive: the bucket is away"]}`), &s)
	if err != nil {
		t.Fatal(err)
	}
	screen, out := testScreen()
	if err := s.write(screen, "here", time.Now()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for part, times := range map[string]int{problem: 1, "the bucket is away": 1, "failing, see above": 2, "REFUSING: the disk is full": 1, "ready, with 2 problems": 1} {
		if strings.Count(text, part) != times {
			t.Errorf("%q is there %d times, want %d:\n%s", part, strings.Count(text, part), times, text)
		}
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		result send.Result
		want   string
	}{
		"empty":      {send.Result{Complete: true}, "no rows"},
		"duplicates": {send.Result{Complete: true, Judged: true, Rows: 100, Sent: 100, Duplicates: 95}, "whatever the event"},
		"a few":      {send.Result{Complete: true, Judged: true, Rows: 3, Sent: 3, Duplicates: 3}, "whatever the event is called"},
		"again":      {send.Result{Complete: true, Judged: true, Rows: 3, Sent: 3, Duplicates: 3, Earlier: 3}, ""},
		"some":       {send.Result{Complete: true, Judged: true, Rows: 100, Sent: 100, Duplicates: 50}, ""},
		"repeated":   {send.Result{Complete: true, Judged: true, Rows: 100, Sent: 100, Duplicates: 95, Repeated: 95}, ""},
		"not known":  {send.Result{Complete: true, Rows: 100, Sent: 100}, ""},
	} {
		screen, out := testScreen()
		hint(send.Options{Screen: screen}, c.result)
		if got := out.String(); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]string{"shop": "shop", "./a-b/c_1": "./a-b/c_1", "My Project!": "'My Project!'", "it's": `'it'\''s'`, "": "''"} {
		if got := shellWord(word); got != want {
			t.Errorf("%q became %s, want %s", word, got, want)
		}
	}
}
