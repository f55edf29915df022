package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// verdicts call every record with an even index a duplicate.
type verdicts struct{ err error }

func (v verdicts) Wait(context.Context, millrace.Position) error { return v.err }

func (v verdicts) Duplicates(_ context.Context, after, through millrace.Position) ([]millrace.Position, error) {
	var out []millrace.Position
	for seq := after.Seq; seq <= through.Seq; seq++ {
		for i := uint32(0); i < 4; i += 2 {
			p := millrace.Position{Epoch: through.Epoch, Seq: seq, Index: i}
			if p.After(after) && !p.After(through) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

func record(source, stream, id, body string) millrace.Record {
	now := time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)
	return millrace.Record{ID: id, Workspace: "default", Source: source, Stream: stream, Key: "ada", Received: now, Occurred: now, Body: []byte(body)}
}

func appendAll(t *testing.T, log eventlog.Appender, records ...millrace.Record) millrace.Position {
	t.Helper()
	p, err := log.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTail(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	log := newLog(t)
	o.Log, o.Verdicts = log, verdicts{}
	s := start(t, o)
	other := record("web", "identify", "x", `{}`)
	other.Workspace = "someone_else"
	appendAll(t, log, record("web", "track:Order Completed", "a", "{\n  \"total\": 5\n}"), record("web", "identify", "b", `{"anonymousId":"anonymous-7","traits":{"city":"Köln"}}`),
		record("ios", "track:App Opened", "c", `{}`), record("web", millrace.StreamRejected, "d", `{"reason":"no type"}`), other)
	for query, want := range map[string]string{
		"after=0-0-0&limit=4":                         "a duplicate,b accepted,c duplicate,d rejected",
		"after=0-0-0&limit=1&source=ios":              "c duplicate",
		"after=0-0-0&limit=1&event=identify":          "b accepted",
		"after=0-0-0&limit=1&event=App+Opened":        "c duplicate",
		"after=0-0-0&limit=1&event=rejected":          "d rejected",
		"after=0-0-0&limit=1&grep=K%C3%96LN":          "b accepted",
		"after=0-0-0&limit=1&result=accepted":         "b accepted",
		"after=0-0-0&limit=2&result=duplicate":        "a duplicate,c duplicate",
		"after=0-0-0&limit=4&user=ada":                "a duplicate,b accepted,c duplicate,d rejected",
		"after=0-0-0&limit=1&user=anonymous-7":        "b accepted",
		"backlog=2&limit=2":                           "c duplicate,d rejected",
		"backlog=1&limit=1&source=web&event=identify": "b accepted",
		"backlog=100&limit=2&result=duplicate":        "a duplicate,c duplicate",
	} {
		resp, body := call(t, "GET", s.URL+"/api/v1/tail?"+query, "")
		var got []string
		for line := range strings.Lines(body) {
			l := decode[TailLine](t, line)
			got = append(got, l.ID+" "+l.Result)
		}
		if strings.Join(got, ",") != want || resp.Header.Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	_, body := call(t, "GET", s.URL+"/api/v1/tail?after=0-0-0&limit=1", "")
	first := decode[TailLine](t, body)
	if first.Event != "Order Completed" || string(first.Body) != `{"total":5}` || first.Op != "event" || first.Position.Seq != 1 {
		t.Errorf("first line %s", body)
	}
	resp, body := call(t, "GET", s.URL+"/api/v1/tail?limit=2", "", "Accept", "text/event-stream", "Last-Event-ID", first.Position.String())
	if want := "event: record\nid: " + first.Position.String()[:len(first.Position.String())-1] + "1\ndata: {"; resp.Header.Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(body, want) {
		t.Errorf("events %q, want %q", body, want)
	}
	resp, body = call(t, "GET", s.URL+"/api/v1/tail?after=yesterday", "")
	wantProblem(t, resp, body, 400, "invalid", "not a log position")
	resp, body = call(t, "GET", s.URL+"/api/v1/tail?after=99999999999999-1-0", "")
	wantProblem(t, resp, body, 409, "ahead", "")
}

// TestTailLive follows from now on, with a follower that does not judge.
func TestTailLive(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	log := newLog(t)
	stopping := make(chan struct{})
	o.Log, o.Verdicts, o.Stopping, o.MaxTails = log, verdicts{context.DeadlineExceeded}, stopping, 1
	s := start(t, o)
	appendAll(t, log, record("web", "identify", "before", `{}`))
	resp, err := http.Get(s.URL + "/api/v1/tail")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	refused, body := call(t, "GET", s.URL+"/api/v1/tail", "")
	wantProblem(t, refused, body, 429, "limited", "too many tails run already")
	lines := bufio.NewScanner(resp.Body)
	for _, id := range []string{"one", "two"} {
		appendAll(t, log, record("web", "identify", id, `not JSON`))
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if l := decode[TailLine](t, lines.Text()); l.ID != id || l.Result != "received" || string(l.Body) != `"not JSON"` {
			t.Errorf("line %s", lines.Text())
		}
	}
	close(stopping)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"kind":"unavailable"`) || lines.Scan() {
		t.Errorf("the end is %s", lines.Text())
	}
}

// stuffed is a log whose reader gives more than any client takes.
type stuffed struct {
	batches int
	body    string
	ended   chan struct{} // closed when all has been read
}

func (s *stuffed) Bounds(context.Context) (first, last millrace.Position, err error) {
	return millrace.Position{Epoch: 1, Seq: 1}, millrace.Position{Epoch: 1}, nil
}

func (s *stuffed) Open(context.Context, millrace.Position, eventlog.Filter) (eventlog.Reader, error) {
	return &stuffedReader{stuffed: s}, nil
}

type stuffedReader struct {
	*stuffed
	seq uint64
}

func (r *stuffedReader) Close() error { return nil }

func (r *stuffedReader) Next(context.Context) (eventlog.Batch, error) {
	if r.seq == uint64(r.batches) {
		close(r.ended)
		return eventlog.Batch{}, &millrace.Error{Kind: millrace.Gone, Message: "trimmed under the reader", First: millrace.Position{Epoch: 1, Seq: 99}}
	}
	r.seq++
	var b eventlog.Batch
	for i := range 1000 {
		b.Records = append(b.Records, eventlog.Entry{Position: millrace.Position{Epoch: 1, Seq: r.seq, Index: uint32(i)},
			Record: record("web", "identify", fmt.Sprint(i), r.body)})
	}
	return b, nil
}

// slowWriter is a client that takes nothing until it is let.
type slowWriter struct {
	*httptest.ResponseRecorder
	let <-chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.let
	return w.ResponseRecorder.Write(p)
}

// TestTailSlow checks that a slow client is told what it missed, or misses
// nothing when it asked for a position or is behind by a few seconds only.
func TestTailSlow(t *testing.T) {
	t.Parallel()
	const many = 30 // more than may wait, in lines as in bytes
	large := `{"a":"` + strings.Repeat("x", 3_000) + `"}`
	for query, c := range map[string]struct {
		body    string
		batches int // of 1,000 lines
		keeps   bool
	}{"": {"{}", many, false}, "?after=1-0-0": {"{}", many, true}, "?source=web": {large, many, false}, "?source=web&after=1-0-0": {large, many, true},
		"?user=ada": {"{}", 10, true}} { // seconds of a busy server have room
		o := newWorld().options(t)
		keeps := c.keeps
		log := &stuffed{batches: c.batches, body: c.body, ended: make(chan struct{})}
		o.Log = log
		h, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		w := &slowWriter{ResponseRecorder: httptest.NewRecorder(), let: log.ended}
		if keeps && strings.Contains(query, "after") {
			let := make(chan struct{})
			time.AfterFunc(100*time.Millisecond, func() { close(let) })
			w.let = let
		}
		r := httptest.NewRequest("GET", "/api/v1/tail"+query, nil)
		r.RemoteAddr, r.Host = "127.0.0.1:5555", "localhost"
		h.ServeHTTP(w, r)
		var records, dropped int64
		var end string
		for line := range strings.Lines(w.Body.String()) {
			if line == "\n" { // a sign of life
				continue
			}
			var l struct {
				ID      string
				Dropped int64
				Error   *Problem
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			dropped += l.Dropped
			if l.ID != "" {
				records++
			}
			if l.Error != nil {
				end = l.Error.Kind + " " + l.Error.First.String()
			}
		}
		if records+dropped != int64(c.batches)*1000 || (dropped == 0) != keeps || end != "gone 1-99-0" {
			t.Errorf("%q: %d records, %d dropped, end %q", query, records, dropped, end)
		}
		if held := records * int64(len(c.body)); !keeps && held > tailBytes+pieceBytes+1<<16 {
			t.Errorf("%q: %d bytes waited for the client", query, held)
		}
		if !keeps && records > tailBuffer+1000 {
			t.Errorf("%q: %d lines waited for the client", query, records)
		}
	}
}

func TestTailLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "{\r\n}": "{}", "\n": `"\n"`, "\xff": "\"\ufffd\""} {
		if got := string(oneLine([]byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
