package collect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func packed(b []byte) string {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(b)
	_ = z.Close()
	return buf.String()
}

const authorized = "Authorization: Basic d2ViXzIwMjY6\r\nConnection: close\r\n"

// request is a whole HTTP request with a right length.
func rawPost(path, headers, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: %d\r\n\r\n%s", path, authorized, headers, len(body), body)
}

func track(extra string) string {
	return rawPost("/v1/track", "", `{"event":"A","userId":"u",`+extra+`}`)
}

func hostileRequests() map[string]struct {
	request string
	status  int
	reason  string // part of the answer
} {
	type c = struct {
		request string
		status  int
		reason  string
	}
	event := `{"event":"A","userId":"u"}`
	good := `{"type":"page","userId":"u"}`
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	return map[string]c{
		"deep nesting":             {track(`"properties":` + deep[:0] + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), 400, "depth allows, which is 32: no more than 500 can be set"},
		"deep nesting in a batch":  {rawPost("/v1/batch", "", `{"batch":[`+good+`,{"type":"page","userId":"u","a":`+deep+`}]}`), 200, "depth allows"},
		"unclosed nesting":         {rawPost("/v1/track", "", strings.Repeat(`{"a":`, 9000)), 400, "not JSON"},
		"huge key":                 {track(`"` + strings.Repeat("k", 9000) + `":1`), 400, "key_length allows, which is 512: 16384 would hold it"},
		"many properties":          {track(strings.Repeat(`"k":1,`, 3000) + `"z":1`), 400, "properties allows, which is 2000: 4096 would hold them; send less, or change limits.properties in sources/web.yaml"},
		"large event":              {track(`"a":"` + strings.Repeat("x", 40_000) + `"`), 413, "event_size"},
		"large body":               {track(`"a":"` + strings.Repeat("x", 600_000) + `"`), 413, "batch_size"},
		"many events":              {rawPost("/v1/batch", "", `{"batch":[`+strings.Repeat(good+",", 2500)+good+`]}`), 413, "batch_events"},
		"context times events":     {rawPost("/v1/batch", "", `{"context":{"a":"`+strings.Repeat("x", 400_000)+`"},"batch":[`+strings.Repeat(good+",", 2000)+good+`]}`), 413, "smaller batches"},
		"invalid UTF-8":            {track("\"a\":\"\xff\xfe\""), 400, reasonUTF8},
		"half a surrogate in UTF8": {track("\"a\":\"\xed\xa0\x80\""), 400, reasonUTF8},
		"raw NUL":                  {track("\"a\":\"\x00\""), 400, reasonControl},
		"NUL between values":       {track("\x00\"a\":1"), 400, "not JSON"},
		"escaped NUL":              {track(`"a":"\u0000"`), 200, ""},
		"lone surrogate":           {track(`"a":"\ud800","\udc00":1`), 200, ""},
		"unknown escape":           {track(`"a":"\x41"`), 400, reasonEscape},
		"duplicate keys":           {track(`"userId":"v","event":"B","a":1,"a":2`), 200, ""},
		"1e400":                    {track(`"a":1e400,"b":-1e-400,"c":` + strings.Repeat("9", 5000)), 200, ""},
		"NaN":                      {track(`"a":NaN`), 400, "not JSON"},
		"trailing garbage":         {rawPost("/v1/track", "", event+"x"), 400, "follows"},
		"two events":               {rawPost("/v1/track", "", event+event), 400, "follows"},
		"empty":                    {rawPost("/v1/track", "", ""), 400, "empty"},
		"spaces":                   {rawPost("/v1/track", "", "  \n"), 400, "empty"},
		"BOM":                      {rawPost("/v1/track", "", "\xef\xbb\xbf"+event), 200, ""},
		"UTF-16":                   {rawPost("/v1/track", "", "\xff\xfe{\x00}\x00"), 400, "not JSON"},
		"batch that is none":       {rawPost("/v1/batch", "", `{"batch":{"a":1}}`), 400, "array"},
		"no batch":                 {rawPost("/v1/batch", "", `{}`), 400, "no batch array"},
		"empty batch":              {rawPost("/v1/batch", "", `{"batch":[]}`), 200, ""},
		"gzip as text":             {rawPost("/v1/track", "Content-Type: text/plain\r\n", packed([]byte(event))), 200, ""},
		"gzip as form":             {rawPost("/v1/track", "Content-Type: application/x-www-form-urlencoded\r\nContent-Encoding: gzip\r\n", packed([]byte(event))), 200, ""},
		"gzip that is none":        {rawPost("/v1/track", "Content-Encoding: gzip\r\n", event), 200, ""},
		"gzip bomb":                {rawPost("/v1/track", "", packed(make([]byte, 50<<20))), 413, "batch_size"},
		"gzip in gzip":             {rawPost("/v1/track", "", packed([]byte(packed([]byte(event))))), 400, "not JSON"},
		"gzip cut":                 {rawPost("/v1/track", "", packed([]byte(event))[:20]), 400, "gzip"},
		"gzip header only":         {rawPost("/v1/track", "", "\x1f\x8b"), 400, "gzip"},
		"gzip with a wrong sum":    {rawPost("/v1/track", "", packed([]byte(event))[:36]+"xxxxxxxx"), 400, "gzip"},
		"chunked":                  {"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + authorized + "Transfer-Encoding: chunked\r\n\r\n1a\r\n" + event + "\r\n0\r\n\r\n", 200, ""},
		"chunked badly":            {"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + authorized + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + event, 400, ""},
		"length too short":         {"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + authorized + "Content-Length: 10\r\n\r\n" + event, 400, "not JSON"},
		"length negative":          {"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + authorized + "Content-Length: -1\r\n\r\n" + event, 400, ""},
		"length too long":          {"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + authorized + "Content-Length: 100\r\n\r\n" + event, 408, "in time"},
		"no body comes":            {"POST /v1/track HTTP/1.1\r\nHost: x\r\n" + authorized + "Content-Length: 100\r\n\r\n", 408, "in time"},
		"huge header":              {"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("x", 100_000) + "\r\n\r\n", 431, ""},
		"long key":                 {"POST /v1/track HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + strings.Repeat("x", 9000) + "\r\nContent-Length: 0\r\n\r\n", 401, ""},
		"GET":                      {"GET /v1/track HTTP/1.1\r\nHost: x\r\n" + authorized + "\r\n", 405, "POST"},
		"unknown path":             {rawPost("/v1/../../etc/passwd", "", event), 404, ""},
		"stream without name":      {rawPost("/v1/stream/", "", event), 404, "/v1/stream/"},
		"stream with a bad name":   {rawPost("/v1/stream/a%00b", "", event), 404, ""},
	}
}

// TestHostile sends what nobody should: each gets its status, quickly, and the
// server goes on with its memory bounded.
func TestHostile(t *testing.T) {
	t.Parallel()
	h, k := start(t, func(o *Options, _ *HTTPSource) { o.BodyTimeout = 300 * time.Millisecond })
	s := httptest.NewUnstartedServer(h)
	ConfigureServer(s.Config)
	s.Start()
	defer s.Close()
	for name, c := range hostileRequests() {
		t.Run(name, func(t *testing.T) {
			status, answer := exchange(t, s.Listener.Addr().String(), c.request)
			if status != c.status || !strings.Contains(answer, c.reason) {
				t.Errorf("status %d, want %d with %q: %.300s", status, c.status, c.reason, answer)
			}
			for _, r := range k.take() {
				if !json.Valid(r.Body) || r.Meta != nil && !json.Valid(r.Meta) {
					t.Errorf("stream %s: not JSON: %.200q meta %.200q", r.Stream, r.Body, r.Meta)
				}
				if len(r.Body) > 8*maxRawBytes {
					t.Errorf("%d bytes were kept", len(r.Body))
				}
			}
		})
	}
	if n := h.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are still counted as in flight", n)
	}
}

// exchange sends a request over a connection of its own, without a care for the answer.
func exchange(t *testing.T, addr, request string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = io.WriteString(c, request) }()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// TestSlowBody sends a byte at a time.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	h, _ := start(t, func(o *Options, _ *HTTPSource) { o.BodyTimeout = 300 * time.Millisecond })
	s := httptest.NewServer(h)
	defer s.Close()
	r, w := io.Pipe()
	go func() {
		for range 2000 {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		_ = w.Close()
	}()
	req, err := http.NewRequest(http.MethodPost, s.URL+"/v1/track", r)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("web_2026", "")
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 408 || time.Since(began) > 20*time.Second {
		t.Errorf("status %d after %v", resp.StatusCode, time.Since(began))
	}
}

// TestMemory sends many bombs at once: the bodies in memory stay below their
// bound, and what does not fit is told to come back.
func TestMemory(t *testing.T) {
	const bound = 8 << 20
	h, _ := start(t, func(o *Options, _ *HTTPSource) { o.MaxInFlight = bound })
	bomb := packed(make([]byte, 20<<20))
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[int]int{}
	for range 64 {
		wg.Go(func() {
			for range 4 {
				w := post(h, "/v1/track", bomb)
				mu.Lock()
				seen[w.Code]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if seen[413]+seen[503] != 256 || seen[413] == 0 {
		t.Errorf("answers %v", seen)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 150<<20 {
		t.Errorf("%d MB on the heap", m.HeapAlloc>>20)
	}
	if n := h.inFlight.Load(); n != 0 {
		t.Errorf("%d bytes are still counted as in flight", n)
	}
	want(t, post(h, "/v1/track", `{"event":"A","userId":"u"}`), 200)
}

func TestRejectedFlood(t *testing.T) {
	t.Parallel()
	now := testNow
	h, k := start(t, func(o *Options, s *HTTPSource) {
		o.Now = func() time.Time { return now }
		s.Limits.RejectedRate = 1
	})
	got := want(t, post(h, "/v1/batch", `{"batch":[`+strings.Repeat(`{},`, 29)+`{"type":"page","userId":"u"}]}`), 200)
	if got["rejectedNotKept"] != 19.0 || len(got["rejected"].([]any)) != 29 {
		t.Errorf("answer %v", got)
	}
	if n := len(k.take()); n != 11 {
		t.Errorf("%d records", n)
	}
	now = now.Add(time.Minute)
	want(t, post(h, "/v1/track", `{}`), 400)
	rs := k.take()
	if len(rs) != 2 || !strings.Contains(string(rs[1].Body), `"reason":"19 rejected records before this one were not kept`) {
		t.Errorf("records %v", rs)
	}
	if a := h.Activity(); len(a) != 1 || a[0].Accepted != 1 || a[0].Dropped != 19 || !a[0].LastReceived.Equal(now) {
		t.Errorf("activity %+v", a)
	}
}
