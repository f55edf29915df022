package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets this binary be the processes that a measurement starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "-limit-") {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestQuick measures a little of each kind with the real binary.
func TestQuick(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := os.Getenv("MILLRACE_TEST_BINARY")
	if binary == "" {
		binary = filepath.Join(dir, "millrace")
		if out, err := exec.Command("go", "build", "-o", binary, "github.com/millrace/millrace/cmd/millrace").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	page := filepath.Join(dir, "page.md")
	if err := measure(t.Context(), options{binary: binary, dir: dir, run: "bulk", quick: true, write: page}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## Log to DuckDB in bulk", "| 50 event names, rebuild |", "≥ 0.6 × the limit"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
}

// parseRequest reads a request as a server does.
func parseRequest(t *testing.T, b []byte) []byte {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	if key, _, _ := r.BasicAuth(); key != writeKey {
		t.Errorf("the key is %q", key)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type testEvent struct {
	Event, MessageID, UserID string
	Timestamp                time.Time
	Properties               map[string]any
}

func TestEvents(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	size := 0
	for i := range 50 {
		request := singleRequest(i)
		request.fill(time.Now())
		text := parseRequest(t, request.bytes)
		var e testEvent
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if e.Event != eventName(i) || len(e.MessageID) != 36 || e.UserID == "" || time.Since(e.Timestamp) > time.Minute || len(e.Properties) != 13 {
			t.Errorf("event %d: %+v", i, e)
		}
		if seen[e.MessageID] || seen[e.Event] {
			t.Errorf("%s %s was there before", e.Event, e.MessageID)
		}
		seen[e.MessageID], seen[e.Event] = true, true
		size += len(text)
	}
	if mean := size / 50; mean < 750 || mean > 1000 {
		t.Errorf("an event has %d bytes", mean)
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	request := batchRequest(7, 50, 100)
	ids := map[string]bool{}
	for range 3 {
		request.fill(time.Now())
		var b struct{ Batch []testEvent }
		if err := json.Unmarshal(parseRequest(t, request.bytes), &b); err != nil {
			t.Fatal(err)
		}
		for i, e := range b.Batch {
			if e.Event != eventName((7+i)%50) {
				t.Errorf("event %d is %s", i, e.Event)
			}
			ids[e.MessageID] = true
		}
	}
	if len(ids) != 300 {
		t.Errorf("%d IDs in 300 events", len(ids))
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	text := "HTTP/1.1 200 OK\r\nMillrace-Position: 1-2-3\r\nContent-Length: 16\r\n\r\n{\"success\":true}HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
	r := bufio.NewReader(strings.NewReader(text))
	for _, want := range []string{"200 1-2-3", "503 "} {
		status, position, err := readAnswer(r)
		if got := fmt.Sprint(status, " ", position); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, _, err := readAnswer(bufio.NewReader(strings.NewReader("SSH-2.0\r\n"))); err == nil {
		t.Error("no error for what is no answer")
	}
}

// TestDocument proves that measuring a part leaves the rest of the page as it is.
func TestDocument(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	one := &section{id: "one", title: "One", how: "How.", taken: at}
	one.judge("speed", "5", "10", "≥ 0.6 × the limit", false)
	one.judge("size", "5", "10", "≤ 10", true)
	two := &section{id: "two", title: "Two", how: "How.", taken: at, profile: []share{{"fsync", 12.3}}}
	two.judge("lag", "1 s", "", "≤ 2 s", true)
	first := document("", "machine A", []*section{two, one}, []string{"one", "two"})
	first = strings.Replace(first, "<!-- end of comments -->", "By hand.\n<!-- end of comments -->", 1)
	two.rows[0].value = "0.5 s"
	second := document(first, "machine B", []*section{two}, []string{"one", "two"})
	for _, want := range []string{"By hand.", "machine A", "machine B", "| lag | 0.5 s |", "2 aims are met, 1 are missed:\n\n- One, speed: 5; the aim is ≥ 0.6 × the limit\n", "| fsync | 12 % |"} {
		if strings.Count(second, want) != 1 {
			t.Errorf("%q is there %d times in\n%s", want, strings.Count(second, want), second)
		}
	}
	if strings.Contains(second, "| lag | 1 s |") || strings.Index(second, "## One") > strings.Index(second, "## Two") {
		t.Error(second)
	}
	if again := document(second, "machine B", []*section{two}, []string{"one", "two"}); again != second {
		t.Errorf("writing it again changed it to\n%s", again)
	}
}

// TestQuickIsNotJudged proves that a quick run never counts as an aim met or missed.
func TestQuickIsNotJudged(t *testing.T) {
	t.Parallel()
	s := &section{id: "one", title: "One", how: "How.", quick: true}
	s.judge("speed", "5", "10", "≥ 6", false)
	s.judge("size", "5", "10", "≤ 10", true)
	page := document("", "machine", []*section{s}, []string{"one"})
	if strings.Contains(page, missed) || strings.Contains(page, "| "+met+" |") || !strings.Contains(page, quickNote) || !strings.Contains(page, "No aim was judged.") {
		t.Error(page)
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, want %s", n, got, want)
		}
	}
}
