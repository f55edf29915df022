package archive

import (
	"context"
	"fmt"
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
	"github.com/millrace/millrace/blob/s3"
	"github.com/millrace/millrace/eventlog"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestDeadS3: the service dies in the middle of everything and comes back.
func TestDeadS3(t *testing.T) {
	t.Parallel()
	backend := s3mem.New()
	if err := backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	service := gofakes3.New(backend).Server()
	var dead atomic.Bool
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		// Dead on demand, and for one request in ten for no reason.
		if dead.Load() || requests.Add(1)%10 == 0 {
			panic(http.ErrAbortHandler)
		}
		service.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w := newWorld(t)
	bucket, err := s3.Open(t.Context(), "s3://bucket/archive?"+url.Values{"endpoint": {server.URL}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	w.bucket = bucket
	w.opts.Interval = 5 * time.Millisecond
	w.mustOpen()
	for round := range 2 {
		w.append(events("default", "web", round*100, 100)...)
		w.flush()
		dead.Store(true)
		w.clock.Add(time.Hour)
		w.append(events("default", "ios", round*100+50, 50)...)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := w.FlushNow(ctx); err == nil {
			t.Error("FlushNow into a dead service: no error")
		}
		cancel()
		eventually(t, "says that the service is dead", func() bool {
			s := w.Stats()
			return !s.FailingSince.IsZero() && strings.Contains(s.LastError, "check the endpoint")
		})
		dead.Store(false)
		w.publish()
	}
	w.check()
	w.clock.Add(2 * time.Hour)
	w.publish()
	w.check()
	same(t, w.published(), w.want)
}

func TestManySources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	for i := range 150 {
		w.append(events(fmt.Sprint("workspace-", i%4), fmt.Sprint("source_", i), i*10, 10)...)
	}
	w.flush()
	w.check()
	w.clock.Add(2 * time.Hour)
	w.publish()
	w.check()
	same(t, w.published(), w.want)
	if s := w.Stats(); s.Files != 150 {
		t.Errorf("%d files", s.Files)
	}
	f := eventlog.Filter{Workspace: "workspace-2", Sources: []string{"source_2", "source_3", "source_142"}}
	var want []eventlog.Entry
	for _, e := range w.want {
		if f.Match(&e.Record) {
			want = append(want, e)
		}
	}
	same(t, readAll(t, w.Archive, millrace.Position{}, f), want)
}
