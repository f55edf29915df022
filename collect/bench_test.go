package collect

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/nats"
)

// instant is a log that has everything at once.
type instant struct{ seq atomic.Uint64 }

func (i *instant) Append(_ context.Context, rs []millrace.Record) (millrace.Position, error) {
	return millrace.Position{Epoch: 1763683200000, Seq: i.seq.Add(1), Index: uint32(len(rs) - 1)}, nil
}

// sample is an event of about 800 bytes, as a server's SDK sends it.
func sample(i int) string {
	return fmt.Sprintf(`{"type":"track","event":"Order Completed","messageId":"node-next-1763683200000-%08d-5b2f4c1e","userId":"user-%d","anonymousId":null,"timestamp":"2026-11-21T00:00:00.000Z","_metadata":{"nodeVersion":"20.20.2","jsRuntime":"node"},"context":{"library":{"name":"@segment/analytics-node","version":"2.2.0"},"page":{"path":"/checkout","url":"https://shop.example.com/checkout?step=4","title":"Checkout – Shop"}},"properties":{"order_id":"A-%d","total":%d.25,"currency":"GBP","coupon":null,"products":[{"sku":"85123A","name":"WHITE HANGING HEART T-LIGHT HOLDER","quantity":6,"price":2.55},{"sku":"71053","name":"WHITE METAL LANTERN","quantity":6,"price":3.39}],"shipping":{"city":"Zürich","zip":"8001","express":false},"tags":["returning","newsletter"]},"integrations":{"All":true}}`, i, i%1000, i, i%500)
}

func sampleBatch(n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = sample(i)
	}
	return `{"batch":[` + strings.Join(items, ",") + `],"sentAt":"2026-11-21T00:00:01.000Z"}`
}

// readAndForget is the least that a handler can do.
var readAndForget = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = w.Write(successBody)
})

func benchHandler(b *testing.B) *Handler {
	h, _ := start(b, func(o *Options, _ *HTTPSource) { o.Log, o.Now = &instant{}, nil })
	return h
}

// loggedHandler appends to the log on disk.
func loggedHandler(b *testing.B) *Handler {
	log, err := nats.Open(context.Background(), nats.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := log.Close(); err != nil {
			b.Error(err)
		}
	})
	h, _ := start(b, func(o *Options, _ *HTTPSource) { o.Log, o.Now = log, nil })
	return h
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// flood sends request over connections until b.N answers were 200.
func flood(b *testing.B, h http.Handler, connections, events int, request []byte) {
	s := httptest.NewUnstartedServer(h)
	ConfigureServer(s.Config)
	s.Start()
	defer s.Close()
	var left atomic.Int64
	left.Store(int64(b.N))
	conns := make([]net.Conn, connections)
	for i := range conns {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = c
	}
	b.ResetTimer()
	cpu := cpuTime()
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			r := bufio.NewReaderSize(c, 1024)
			for left.Add(-1) >= 0 {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				if err := readAnswer(r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	n := float64(b.N * events)
	b.ReportMetric(n/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1000/n, "cpu-µs/event")
}

func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("answer %q", line)
	}
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return err
		}
		if len(line) <= 2 {
			_, err = r.Discard(length)
			return err
		}
		if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(string(n))); err != nil {
				return err
			}
		}
	}
}

func httpRequest(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: analytics-node/2.2.0\r\nAuthorization: Basic d2ViXzIwMjY6\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// BenchmarkSingle is one event a request at 128 connections, beside the least
// that a handler can do. The client is part of both.
func BenchmarkSingle(b *testing.B) {
	request := httpRequest("/v1/track", sample(1))
	b.Run("empty", func(b *testing.B) { flood(b, readAndForget, 128, 1, request) })
	b.Run("collect", func(b *testing.B) { flood(b, benchHandler(b), 128, 1, request) })
	b.Run("log", func(b *testing.B) { flood(b, loggedHandler(b), 128, 1, request) })
}

// BenchmarkBatch is 100 events a request at 16 connections.
func BenchmarkBatch(b *testing.B) {
	request := httpRequest("/v1/batch", sampleBatch(100))
	b.Run("empty", func(b *testing.B) { flood(b, readAndForget, 16, 100, request) })
	b.Run("collect", func(b *testing.B) { flood(b, benchHandler(b), 16, 100, request) })
	b.Run("log", func(b *testing.B) { flood(b, loggedHandler(b), 16, 100, request) })
}

// BenchmarkServe is the handler by itself.
func BenchmarkServe(b *testing.B) {
	for name, c := range map[string]struct {
		path, body string
		events     int
	}{
		"single": {"/v1/track", sample(1), 1},
		"batch":  {"/v1/batch", sampleBatch(100), 100},
	} {
		b.Run(name, func(b *testing.B) {
			h := benchHandler(b)
			body := bytes.NewReader([]byte(c.body))
			r := httptest.NewRequest(http.MethodPost, c.path, nil)
			r.SetBasicAuth("web_2026", "")
			r.ContentLength = int64(len(c.body))
			r.Body = io.NopCloser(body)
			w := &blackHole{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = body.Seek(0, io.SeekStart)
				clear(w.header)
				h.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N*c.events), "µs/event")
		})
	}
}

type blackHole struct{ header http.Header }

func (w *blackHole) Header() http.Header         { return w.header }
func (w *blackHole) Write(b []byte) (int, error) { return len(b), nil }
func (w *blackHole) WriteHeader(int)             {}

// BenchmarkScan is the scanner by itself.
func BenchmarkScan(b *testing.B) {
	body := []byte(sampleBatch(100))
	var s scanner
	var e envelope
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		e.reset()
		s.reset(body, scanLimits{depth: 32, keyLength: 512, members: 2000})
		if !s.batch(&e, 1000) {
			b.Fatal(s.err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N*100), "µs/event")
}

// manySpaces returns 100 sources for each of n spaces.
func manySpaces(n int) [][]Source {
	all := make([][]Source, n)
	for i := range all {
		all[i] = make([]Source, 100)
		for j := range all[i] {
			all[i][j] = Source{Workspace: fmt.Sprintf("1space%d", i), Name: fmt.Sprintf("source_%d", j), HTTP: &HTTPSource{Kind: "http", WriteKeys: []string{fmt.Sprintf("key_%d_%d_abcdefghijklmnop", i, j)}}}
		}
	}
	return all
}

// BenchmarkSpaces is a server of 2,000 spaces with 100 sources each: its start,
// what it keeps, and what changes and requests cost there.
func BenchmarkSpaces(b *testing.B) {
	all := manySpaces(2000)
	h := benchHandler(b)
	for _, sources := range all {
		if err := h.SetSpace(sources[0].Workspace, sources); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("start", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			h = benchHandler(b)
			runtime.GC()
			runtime.ReadMemStats(&before)
			for _, sources := range all {
				if err := h.SetSpace(sources[0].Workspace, sources); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/200_000, "B/source")
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/start")
	})
	b.Run("change", func(b *testing.B) {
		i := 0
		for b.Loop() {
			sources := all[i%len(all)]
			if err := h.SetSpace(sources[0].Workspace, sources); err != nil {
				b.Fatal(err)
			}
			i++
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/change")
	})
	b.Run("find", func(b *testing.B) {
		keys := make([][]byte, 4096)
		for i := range keys {
			keys[i] = []byte(all[i*7%2000][i%100].HTTP.WriteKeys[0])
		}
		i := 0
		for b.Loop() {
			if _, ok := h.keys.findBytes(keys[i&4095]); !ok {
				b.Fatal("a key is unknown")
			}
			i++
		}
	})
}
