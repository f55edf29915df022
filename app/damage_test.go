package app_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

func logBlock(data string, number int) string {
	return filepath.Join(data, fmt.Sprintf("log/jetstream/$G/streams/log/msgs/%d.blk", number))
}

// damageFile inverts a byte.
func damageFile(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := []byte{0}
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

// verify returns the result of verifying the log or the archive.
func (r *running) verify(what string) (v struct {
	OK             bool
	Problems, Lost []string
}) {
	r.t.Helper()
	status, answer, _ := r.post("/api/v1/"+what+"/verifications", "{}")
	var job struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &job); err != nil || status != http.StatusAccepted {
		r.t.Fatalf("verify answers %d %s", status, answer)
	}
	eventually(r.t, 20*time.Second, "the verification is done", func() bool {
		resp, err := http.Get(r.URL() + "/api/v1/jobs/" + job.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		defer resp.Body.Close()
		var now struct {
			State  string
			Result json.RawMessage
		}
		if err := json.NewDecoder(resp.Body).Decode(&now); err != nil || now.State != "done" {
			return false
		}
		if err := json.Unmarshal(now.Result, &v); err != nil {
			r.t.Fatal(err)
		}
		return true
	})
	return v
}

// damageFrame changes a byte of a frame's section; the first frame is 0.
func damageFrame(t *testing.T, path string, frame int) {
	t.Helper()
	block, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for n := -1; n < frame; n++ {
		next := bytes.Index(block[at+1:], []byte("MRFR"))
		if next < 0 {
			t.Fatalf("%s has %d frames", path, n+1)
		}
		at += 1 + next
	}
	damageFile(t, path, int64(at)+int64(binary.LittleEndian.Uint32(block[at+24:]))-5)
}

// unread is a project and the data of a server that stopped with twenty events
// in its log, "a-0-" to "a-19-", which neither archive nor warehouse has read.
func unread(t *testing.T) (dir, data string) {
	t.Helper()
	dir, data = project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, &clock{})
	r.reader("pause", "archive")
	r.reader("pause", "warehouse")
	for i := range 20 {
		r.track(fmt.Sprintf("a-%d-", i))
	}
	r.stop()
	return dir, data
}

// TestADamagedFrame of the newest block costs that frame and nothing behind
// it; status and verify tell.
func TestADamagedFrame(t *testing.T) {
	t.Parallel()
	dir, data := unread(t)
	info, err := os.Stat(logBlock(data, 1))
	if err != nil {
		t.Fatal(err)
	}
	damageFile(t, logBlock(data, 1), info.Size()/2)
	r := start(t, dir, data, &clock{})
	r.reader("resume", "archive")
	r.reader("resume", "warehouse")
	if got := r.counts(r.track("b")); got != "[20 20]" {
		t.Errorf("tracks has %s, want 20", got)
	}
	r.archived()
	s := r.status(t)
	if len(s.Notices) != 1 || !strings.Contains(s.Notices[0], "log/damaged-") || len(s.Problems) > 0 {
		t.Errorf("status says %q, %q", s.Notices, s.Problems)
	}
	for _, what := range []string{"log", "archive"} {
		if v := r.verify(what); !v.OK || len(v.Lost) != 1 {
			t.Errorf("verifying the %s: %+v", what, v)
		}
	}
}

// TestADamagedFrameOfAnOlderBlock stops archive and warehouse with a message
// whose command makes them go on without it.
func TestADamagedFrameOfAnOlderBlock(t *testing.T) {
	t.Parallel()
	dir, data := unread(t)
	damageFrame(t, logBlock(data, 1), 10)
	a, err := app.Open(t.Context(), app.Options{Dir: dir, Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev}.WithoutLogCheck())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := &running{App: a, t: t}
	r.reader("resume", "archive")
	r.reader("resume", "warehouse")
	last := r.track("last")
	command := ""
	eventually(t, 20*time.Second, "status names the command", func() bool {
		_, command, _ = strings.Cut(strings.Join(r.status(t).Problems, "\n"), "millrace reader reset archive --after ")
		return command != ""
	})
	after, _, ok := strings.Cut(command, " --yes")
	if !ok {
		t.Fatalf("the command is %q", command)
	}
	if status, answer, _ := r.post("/api/v1/readers/archive/reset", map[string]string{"after": after}); status != http.StatusOK {
		t.Fatalf("reset answers %d %s", status, answer)
	}
	r.archived()
	if got := r.counts(last); got != "[20 20]" {
		t.Errorf("tracks has %s, want 20", got)
	}
	if status, answer, _ := r.post("/api/v1/readers/archive/reset", map[string]string{"after": after}); status != http.StatusConflict {
		t.Errorf("a second reset answers %d %s", status, answer)
	}
	eventually(t, 20*time.Second, "nothing is wrong any more", func() bool { return len(r.status(t).Problems) == 0 })
	for _, what := range []string{"log", "archive"} {
		if v := r.verify(what); !v.OK || len(v.Lost) != 1 {
			t.Errorf("verifying the %s: %+v", what, v)
		}
	}
}

// TestADamagedFrameThatIsArchived is not lost: tables are made anew with it.
func TestADamagedFrameThatIsArchived(t *testing.T) {
	t.Parallel()
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, &clock{})
	for i := range 20 {
		r.track(fmt.Sprintf("a-%d-", i))
	}
	r.archived()
	r.stop()
	damageFrame(t, logBlock(data, 1), 10)
	r = start(t, dir, data, &clock{})
	last := r.track("last")
	if n := len(r.status(t).Notices); n != 1 {
		t.Errorf("%d notices, want 1", n)
	}
	r.counts(last)
	r.rebuild()
	if got := r.counts(last); got != "[21 21]" {
		t.Errorf("made anew, tracks has %s, want 21", got)
	}
}
