package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// BenchmarkTenants measures a server with many workspaces of many sources each:
// how long it takes to start, what memory it takes, and what intake takes of
// events of all of them, beside events of one. MILLRACE_TENANTS and
// MILLRACE_TENANT_SOURCES say how many; 2000 and 100 are what a server is for.
func BenchmarkTenants(b *testing.B) {
	tenants, each := size("MILLRACE_TENANTS", 50), size("MILLRACE_TENANT_SOURCES", 10)
	data := filepath.Join(b.TempDir(), "data")
	o := app.Options{Dir: project(b, small), Data: data, Listen: "127.0.0.1:0", Mode: serve.Dev}
	r := launch(b, o)
	began := time.Now()
	for i := range tenants {
		files := map[string]string{"millrace.yaml": "name: tenant\n"}
		for j := range each {
			files[fmt.Sprintf("sources/s%d.yaml", j)] = fmt.Sprintf("kind: http\nwrite_keys: [dev_t%d_s%d]\n", i, j)
		}
		if err := r.Deploy(fmt.Sprintf("t%dx", i), files); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(time.Since(began).Seconds()/float64(tenants)*1000, "ms/tenant-made")
	r.stop()
	for b.Loop() {
		began := time.Now()
		r := launch(b, o)
		b.ReportMetric(time.Since(began).Seconds(), "s/start")
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap")
		one := events(b, r, func(n int) string { return "dev_t0_s0" })
		b.ReportMetric(one, "events/s-one")
		all := events(b, r, func(n int) string { return fmt.Sprintf("dev_t%d_s%d", n%tenants, n/tenants%each) })
		b.ReportMetric(all, "events/s-all")
		b.ReportMetric(all/one, "ratio")
		b.ReportMetric(float64(r.OpenSpaces()), "open")
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap-after")
		began = time.Now()
		r.stop()
		b.ReportMetric(time.Since(began).Seconds(), "s/stop")
	}
}

// A launched is an App that runs until stop.
type launched struct {
	*app.App
	stop func()
}

func launch(b *testing.B, o app.Options) *launched {
	b.Helper()
	a, err := app.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return &launched{a, func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		if err := a.Close(); err != nil {
			b.Error(err)
		}
	}}
}

func size(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// events sends batches of 100 for 5 s, with the key of each number, and returns
// how many were taken a second.
func events(b *testing.B, r *launched, key func(n int) string) float64 {
	b.Helper()
	const batch, senders, lasts = 100, 8, 5 * time.Second
	event := `{"type":"track","userId":"u","event":"Seen","properties":{"n":1,"page":"/pricing","referrer":"https://example.com"}}`
	body := `{"batch":[` + strings.TrimSuffix(strings.Repeat(event+",", batch), ",") + `]}`
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	var n, taken atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range senders {
		all.Go(func() {
			for time.Since(began) < lasts {
				req, err := http.NewRequest("POST", r.URL()+"/v1/batch", strings.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				req.SetBasicAuth(key(int(n.Add(1))), "")
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Errorf("batch answers %s", resp.Status)
					return
				}
				taken.Add(batch)
			}
		})
	}
	all.Wait()
	return float64(taken.Load()) / time.Since(began).Seconds()
}
