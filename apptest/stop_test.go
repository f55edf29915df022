package apptest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/archive"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/testserver"
)

// TestACleanStop shows that after SIGTERM archive and warehouse hold
// everything that the log holds, however long they wait otherwise.
func TestACleanStop(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml":    "name: test\narchive_interval: 1h\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
	}})
	send(t, s, "first", 20)
	last := send(t, s, "first", 20) // duplicates of those
	last2 := send(t, s, "second", 20)
	s.Stop()
	if out := s.Output(); strings.Contains(out, "WARN") || strings.Contains(out, "ERROR") {
		t.Errorf("the stop complains:\n%s", out)
	}
	bucket, err := local.Open(t.Context(), filepath.Join(s.Data, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	a, err := archive.Open(t.Context(), archive.Options{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", filepath.Join(s.Data, "warehouse", "default.duckdb")+"?access_mode=read_only")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var tracks, sent int
	if err := db.QueryRow("SELECT (SELECT count(*) FROM web.tracks), (SELECT count(*) FROM web.sent)").Scan(&tracks, &sent); err != nil || tracks != 40 || sent != 40 {
		t.Errorf("the warehouse has %d tracks and %d sent, want 40 of each; %v", tracks, sent, err)
	}
	var audited int64
	_ = db.QueryRow("SELECT count(*) FROM millrace.audit").Scan(&audited) // no table: the trail's entries had not come to the log
	through, err := a.Through(t.Context())
	if stats := a.Stats(); err != nil || stats.Records != 40+audited || through.String() < last2[:strings.LastIndex(last2, "-")] {
		t.Errorf("the archive has %d records through %s, the last ones were sent to %s and %s, %d are of the audit trail; %v", stats.Records, through, last, last2, audited, err)
	}
}

// TestAStuckStoreDoesNotHoldTheStop lets S3 and Postgres hang: the server stops
// when the drain is over, and they get the rest after the next start.
func TestAStuckStoreDoesNotHoldTheStop(t *testing.T) {
	s3, pg := testserver.S3(t), testserver.Postgres(t)
	url := pg.Database("shop")
	bucket, before := hang(t, between(s3.URL, "http://", "&")), hang(t, between(url, "@", "/"))
	const drain = 2 * time.Second
	s := apptest.New(t, apptest.Options{Command: "serve", Args: []string{"--drain", drain.String()}, Files: map[string]string{
		"millrace.yaml": "name: test\narchive_interval: 1h\nwarehouse: ${secret:warehouse_url}\narchive: " +
			strings.Replace(s3.URL, between(s3.URL, "http://", "&"), bucket.address, 1) + "\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [web_stop]\n",
	}, Env: []string{"MILLRACE_ADMIN_TOKEN=" + strings.Repeat("x", 32),
		"MILLRACE_SECRET_WAREHOUSE_URL=" + strings.Replace(url, between(url, "@", "/"), before.address, 1)}})
	s.Token = strings.Repeat("x", 32)
	s.Run()
	s.WaitReady(30 * time.Second)
	post := func(id string) (last string) {
		last, err := s.Post("/v1/track", "web_stop", `{"messageId":"`+id+`","userId":"u","event":"Sent"}`, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return last
	}
	s.Value("SELECT count(*) FROM web.sent", post("a"))
	bucket.stuck.Store(true)
	before.stuck.Store(true)
	post("b")
	began := time.Now()
	s.Stop()
	if took := time.Since(began); took > drain+20*time.Second {
		t.Errorf("the stop took %s, the drain is %s", took, drain)
	}
	for _, part := range []string{"part=archive", "part=warehouse"} {
		if out := s.Output(); !strings.Contains(out, "not everything is stored before the stop") || !strings.Contains(out, part) {
			t.Errorf("the stop does not say that the %s lacks something:\n%s", part, out)
		}
	}
	bucket.free()
	before.free()
	s.Run()
	s.WaitReady(30 * time.Second)
	if got := s.Value("SELECT count(*) FROM web.sent", post("c")); got != "3" {
		t.Errorf("%s rows after the next start, want 3", got)
	}
}

// TestACopyOfTheDataFolder runs beside its original against one Postgres: it
// loads nothing and says why, until the original has ended.
func TestACopyOfTheDataFolder(t *testing.T) {
	t.Parallel()
	o := apptest.Options{Files: map[string]string{
		"millrace.yaml":    "name: test\nwarehouse: ${secret:warehouse_url}\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
	}, Env: []string{"MILLRACE_SECRET_WAREHOUSE_URL=" + testserver.Postgres(t).Database("shop")}}
	first := apptest.Start(t, o)
	first.Value("SELECT 1", send(t, first, "before", 5))
	first.Stop()
	o.Data = filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(o.Data, os.DirFS(first.Data)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(o.Data, "master.key"), 0o600); err != nil { // as cp -p would
		t.Fatal(err)
	}
	first.Run()
	first.WaitReady(30 * time.Second)
	first.Value("SELECT 1", send(t, first, "first", 5))
	second := apptest.Start(t, o)
	last := send(t, second, "second", 5)
	who := fmt.Sprintf("another Millrace (process %d on ", first.Pid())
	apptest.Eventually(t, 20*time.Second, func() error {
		_, err := second.TryQuery("SELECT count(*) FROM web.tracks", "")
		status, body, _ := second.Do("GET", "/readyz", nil)
		if status != 200 || !strings.Contains(string(body), who) || err == nil || !strings.Contains(err.Error(), who) {
			return fmt.Errorf("a query says %v, /readyz %d %s; want %s", err, status, body, who)
		}
		return nil
	})
	if got := first.Value("SELECT count(*) FROM web.tracks WHERE id LIKE 'second%'", ""); got != "0" {
		t.Errorf("%s rows of the copy are in the original's tables", got)
	}
	first.Stop()
	apptest.Eventually(t, 30*time.Second, func() error {
		_, err := second.TryQuery("SELECT 1", last)
		if err == nil || !strings.Contains(err.Error(), "another server has loaded its own records meanwhile") {
			return fmt.Errorf("a query on the copy says %v", err)
		}
		return nil
	})
	first.Run() // the copy has let go of the tables
	first.WaitReady(30 * time.Second)
	again := send(t, first, "again", 5)
	apptest.Eventually(t, 30*time.Second, func() error {
		r, err := first.TryQuery("SELECT count(*), count(DISTINCT id) FROM web.tracks WHERE id NOT LIKE 'second%'", again)
		if err == nil && fmt.Sprint(r.Rows) != "[[15 15]]" {
			err = fmt.Errorf("tracks has %v, want 15 different rows", r.Rows)
		}
		return err
	})
	// Made anew from the copy's history, the tables are the copy's.
	first.Stop()
	second.Job("/api/v1/warehouse/rebuilds", map[string]any{"yes": true})
	if got := second.Value("SELECT count(*) FROM web.tracks WHERE id LIKE 'second%'", last); got != "5" {
		t.Errorf("after a rebuild the copy's tables have %s of its 5 rows", got)
	}
}

// TestTablesAheadOfTheLog puts the data folder back to an earlier state while the
// tables on Postgres are out of reach, so that the start cannot compare the two:
// they are not taken for tables of this log later either, when it has grown beyond
// what they have, until they are made anew.
func TestTablesAheadOfTheLog(t *testing.T) {
	t.Parallel()
	url := testserver.Postgres(t).Database("shop")
	before := hang(t, between(url, "@", "/"))
	s := apptest.Start(t, apptest.Options{Files: map[string]string{
		"millrace.yaml":    "name: test\nwarehouse: ${secret:warehouse_url}\n",
		"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\n",
	}, Env: []string{"MILLRACE_SECRET_WAREHOUSE_URL=" + strings.Replace(url, between(url, "@", "/"), before.address, 1)}})
	s.Value("SELECT 1", send(t, s, "early", 3))
	s.Stop()
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.CopyFS(kept, os.DirFS(s.Data)); err != nil {
		t.Fatal(err)
	}
	s.Run()
	s.WaitReady(30 * time.Second)
	s.Value("SELECT 1", send(t, s, "lost", 5))
	s.Stop()
	if err := errors.Join(os.RemoveAll(s.Data), os.Rename(kept, s.Data), os.Chmod(filepath.Join(s.Data, "master.key"), 0o600)); err != nil {
		t.Fatal(err)
	}
	before.stuck.Store(true)
	s.Run()
	last := send(t, s, "fresh", 2)
	before.free()
	ahead := func(after string) {
		t.Helper()
		apptest.Eventually(t, 60*time.Second, func() error {
			if _, err := s.TryQuery("SELECT 1", after); err == nil || !strings.Contains(err.Error(), "make the tables anew") {
				return fmt.Errorf("a query says %v", err)
			}
			return nil
		})
	}
	ahead(last)
	last = send(t, s, "more", 20) // the log grows beyond what the tables have
	s.Stop()
	s.Run()
	ahead(last)
	s.Job("/api/v1/warehouse/rebuilds", map[string]any{"yes": true})
	if got := s.Value("SELECT count(*) FROM web.tracks", last); got != "25" {
		t.Errorf("made anew, the tables have %s rows of 25", got)
	}
	s.Stop()
	s.Run()
	s.WaitReady(30 * time.Second)
	if got := s.Value("SELECT count(*) FROM web.tracks", send(t, s, "end", 1)); got != "26" {
		t.Errorf("after the next start the tables have %s rows of 26", got)
	}
}

// between is what lies between two marks of an address.
func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}

// A hanging is a proxy that can stop passing anything on while its
// connections stay open.
type hanging struct {
	address string
	stuck   atomic.Bool
	mu      sync.Mutex
	held    []net.Conn
}

func hang(t *testing.T, to string) *hanging {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hanging{address: ln.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = ln.Close(); h.free() })
	pass := func(dst, src net.Conn) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := src.Read(buffer)
			for h.stuck.Load() && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			if n > 0 {
				if _, err := dst.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil {
				if errors.Is(err, io.EOF) && !h.stuck.Load() {
					_ = dst.Close()
				}
				return
			}
		}
	}
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			h.mu.Lock()
			h.held = append(h.held, in, out)
			h.mu.Unlock()
			go pass(out, in)
			go pass(in, out)
		}
	}()
	return h
}

// free cuts the connections, and lets new ones pass.
func (h *hanging) free() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.held {
		_ = c.Close()
	}
	h.held = nil
	h.stuck.Store(false)
}
