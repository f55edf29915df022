package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/blobtest"
)

const secret = "a-very-secret-key"

func TestMain(m *testing.M) {
	// The SDK reads the environment of the process once for each bucket.
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true"} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// quick fails fast, so that the tests of faults are short.
var quick = timeouts{connect: time.Second, answer: time.Second, stall: 3 * time.Second, attempts: 3, backoff: 10 * time.Millisecond}

// A server is an S3 service in this process with a door in front of it.
type server struct {
	*httptest.Server
	// door may answer a request itself (true), or let it through.
	door atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func newServer(t *testing.T) *server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	service := gofakes3.New(backend).Server()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if door := s.door.Load(); door != nil && (*door)(w, r) {
			return
		}
		service.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) url(path string) string {
	return "s3://" + path + "?" + url.Values{"endpoint": {s.URL}}.Encode()
}

func (s *server) open(t *testing.T, path string, limits timeouts) *Bucket {
	t.Helper()
	b, err := open(t.Context(), s.url(path), limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"bucket", "bucket/a/prefix"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			blobtest.Run(t, func(t *testing.T) blob.Bucket {
				b, err := Open(t.Context(), newServer(t).url(path))
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
		})
	}
}

func TestPrefixesAreApart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a, b := s.open(t, "bucket/a", quick), s.open(t, "bucket/b", quick)
	if err := a.Put(t.Context(), "k", strings.NewReader("of a")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), "k"); millrace.KindOf(err) != millrace.NotFound {
		t.Errorf("Open in b: %v", err)
	}
	for info, err := range b.List(t.Context(), "") {
		t.Errorf("listed %v, %v in b", info.Key, err)
	}
	if got := blobtest.ReadAll(t, s.open(t, "bucket", quick), "a/k"); string(got) != "of a" {
		t.Errorf("got %q", got)
	}
}

// operations are all that can be asked of a bucket.
var operations = map[string]func(ctx context.Context, b *Bucket) error{
	"put":       func(ctx context.Context, b *Bucket) error { return b.Put(ctx, "k", strings.NewReader("content")) },
	"put large": func(ctx context.Context, b *Bucket) error { return b.Put(ctx, "k", io.LimitReader(zeros{}, 20<<20)) },
	"open": func(ctx context.Context, b *Bucket) error {
		_, err := b.Open(ctx, "k")
		return err
	},
	"list": func(ctx context.Context, b *Bucket) error {
		for _, err := range b.List(ctx, "") {
			return err
		}
		return nil
	},
	"delete": func(ctx context.Context, b *Bucket) error { return b.Delete(ctx, "k") },
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestFaults(t *testing.T) {
	t.Parallel()
	faults := map[string]struct {
		door func(w http.ResponseWriter, r *http.Request) bool
		kind millrace.Kind
		says string
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }, millrace.Unavailable, "failed"},
		"503": {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }, millrace.Unavailable, "failed"},
		"403": {func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true }, millrace.Forbidden, "credentials"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) bool {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}, millrace.Unavailable, "check the endpoint"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) bool { cut(w); return true }, millrace.Unavailable, "check the endpoint"},
		"nonsense": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(418)
			fmt.Fprint(w, "<html>not S3")
			return true
		}, millrace.Unavailable, "check the endpoint"},
	}
	for name, fault := range faults {
		for op, do := range operations {
			t.Run(name+" "+op, func(t *testing.T) {
				t.Parallel()
				s := newServer(t)
				b := s.open(t, "bucket/secret-prefix", quick)
				s.door.Store(&fault.door)
				begin := time.Now()
				err := do(t.Context(), b)
				if millrace.KindOf(err) != fault.kind || !strings.Contains(fmt.Sprint(err), fault.says) {
					t.Errorf("%v: %v, want %v that says %q", millrace.KindOf(err), err, fault.kind, fault.says)
				}
				if strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("the secret is in %v", err)
				}
				if took := time.Since(begin); took > 15*time.Second {
					t.Errorf("took %s", took)
				}
				s.door.Store(nil)
				if err := b.Put(t.Context(), "k", strings.NewReader("x")); err != nil {
					t.Errorf("when it is over: %v", err)
				}
			})
		}
	}
}

// cut closes the connection without an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func TestDeadServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	b := s.open(t, "bucket", quick)
	s.Close()
	for op, do := range operations {
		if err := do(t.Context(), b); millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), s.URL) {
			t.Errorf("%s: %v: %v", op, millrace.KindOf(err), err)
		}
	}
}

// TestShortFaults: what the service gets right at the next attempt is no error.
func TestShortFaults(t *testing.T) {
	t.Parallel()
	for op, do := range operations {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			b := s.open(t, "bucket", quick)
			if err := b.Put(t.Context(), "k", strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
			var n atomic.Int64
			door := func(w http.ResponseWriter, _ *http.Request) bool {
				if n.Add(1) == 1 {
					w.WriteHeader(503)
					return true
				}
				return false
			}
			s.door.Store(&door)
			if err := do(t.Context(), b); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCutWhileReading: a read goes on where the connection was cut.
func TestCutWhileReading(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	b := s.open(t, "bucket", quick)
	content := make([]byte, 3<<20)
	for i := range content {
		content[i] = byte(i >> 8)
	}
	if err := b.Put(t.Context(), "k", bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	var cuts atomic.Int64
	door := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || cuts.Add(1) > 2 {
			return false
		}
		var from, to int
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(content)))
		w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content[from : from+1<<20])
		panic(http.ErrAbortHandler)
	}
	s.door.Store(&door)
	s.Config.ErrorLog = nil
	o, err := b.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	got := make([]byte, len(content))
	if _, err := o.ReadAt(got, 0); err != nil || !bytes.Equal(got, content) {
		t.Errorf("got other bytes, %v", err)
	}
	if cuts.Load() != 3 {
		t.Errorf("%d requests", cuts.Load())
	}
}

// TestStalledUpload: an upload that does not move ends.
func TestStalledUpload(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	b := s.open(t, "bucket", quick)
	door := func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done() // reads nothing
		return true
	}
	s.door.Store(&door)
	begin := time.Now()
	err := b.Put(t.Context(), "k", io.LimitReader(zeros{}, 64<<20))
	if millrace.KindOf(err) != millrace.Unavailable || time.Since(begin) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

// TestRedirects: what is meant for the host of the address goes to no other that it
// names, neither objects nor what shows who asks.
func TestRedirects(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		s := newServer(t)
		b := s.open(t, "bucket", quick)
		door := func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, other.URL+r.URL.String(), status)
			return true
		}
		s.door.Store(&door)
		_, open := b.Open(t.Context(), "a")
		for name, err := range map[string]error{"put": b.Put(t.Context(), "a", strings.NewReader("an object")), "open": open, "delete": b.Delete(t.Context(), "a")} {
			if err == nil {
				t.Errorf("%d: %s is answered", status, name)
			}
		}
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestMissingBucket(t *testing.T) {
	t.Parallel()
	b := newServer(t).open(t, "missing", quick)
	for _, op := range []string{"put", "list"} {
		if err := operations[op](t.Context(), b); millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "create it") {
			t.Errorf("%s: %v: %v", op, millrace.KindOf(err), err)
		}
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		url  string
		says string // "" is no error
	}{
		"plain":                {"s3://bucket?region=eu-west-2", ""},
		"prefix":               {"s3://bucket/a/b/?region=eu-west-2", ""},
		"everything":           {"s3://bucket?region=x&endpoint=http://h:1&use_path_style=false&ssetype=AES256&kmskeyid=k&accelerate=false", ""},
		"another scheme":       {"gs://bucket", "s3://bucket"},
		"no bucket":            {"s3:///prefix?region=x", "s3://bucket"},
		"credentials":          {"s3://key:hidden@bucket?region=x", "AWS_ACCESS_KEY_ID"},
		"endpoint credentials": {"s3://bucket?endpoint=http://key:hidden@host", "AWS_ACCESS_KEY_ID"},
		"bad endpoint":         {"s3://bucket?endpoint=hidden:9000", "endpoint=https://"},
		"unknown parameter":    {"s3://bucket?region=x&colour=hidden", "colour"},
		"not a flag":           {"s3://bucket?region=x&s3ForcePathStyle=hidden", "s3ForcePathStyle"},
		"bad prefix":           {"s3://bucket/a//b?region=x", "not a key"},
		"bad encryption":       {"s3://bucket?region=x&ssetype=hidden", "AES256"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := Open(t.Context(), test.url)
			switch {
			case err == nil && test.says != "":
				t.Errorf("no error, want one that says %q", test.says)
			case err != nil && (test.says == "" || millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hidden")):
				t.Errorf("%v: %v, want one that says %q and nothing hidden", millrace.KindOf(err), err, test.says)
			case err == nil:
				b.Close()
			}
		})
	}
}
