package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
)

const fakeEpoch = 1767225600000

// fakeServer answers as the HTTP API is described, from memory.
type fakeServer struct {
	*httptest.Server
	token string // asked for when it is not ""

	mu      sync.Mutex
	events  []fakeEvent     // in the order of the log
	seen    map[string]bool // IDs
	seq     uint64
	frames  map[uint64][]bool // of each frame, which records are duplicates
	refuse  int               // how many of the next batches are answered 503
	jobs    map[string]*client.Job
	readers map[string]string
	behind  bool // the warehouse is
}

type fakeEvent struct {
	Event      string            `json:"event"`
	MessageID  string            `json:"messageId"`
	UserID     string            `json:"userId"`
	Properties json.RawMessage   `json:"properties"`
	Duplicate  bool              `json:"-"`
	Position   millrace.Position `json:"-"`
}

func newFakeServer(t testing.TB) *fakeServer {
	f := &fakeServer{seen: map[string]bool{}, frames: map[uint64][]bool{}, jobs: map[string]*client.Job{},
		readers: map[string]string{"archive": "running", "dedup": "running", "warehouse": "running"}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/batch", f.batch)
	api := func(pattern string, h http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			token := f.token
			f.mu.Unlock()
			if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
				f.problem(w, 401, "unauthorized", "this needs the admin token")
				return
			}
			h(w, r)
		})
	}
	api("GET /api/v1/status", f.status)
	api("GET /api/v1/sources", f.sources)
	api("GET /api/v1/sources/{source}", f.source)
	api("GET /api/v1/sources/{source}/events", f.sourceEvents)
	api("POST /api/v1/duplicates", f.duplicates)
	api("POST /api/v1/query", f.query)
	api("GET /api/v1/tail", f.tail)
	api("GET /api/v1/rejected", f.rejected)
	api("GET /api/v1/rejected/{id}", f.rejectedByID)
	api("POST /api/v1/rejected/{id}/resend", f.resend)
	api("GET /api/v1/readers", f.listReaders)
	api("POST /api/v1/readers/{name}/{action}", f.readerAction)
	api("POST /api/v1/warehouse/rebuilds", f.startJob("warehouse.rebuild", `{"records":3,"received":3,"rows":6,"discards":1,"seconds":1.5,"tables":[{"table":"shop.tracks","rows_before":4,"rows_after":5},{"table":"shop.thing","rows_before":1,"rows_after":1}]}`))
	api("POST /api/v1/archive/verifications", f.startJob("archive.verify", `{"ok":true,"problems":[],"files":3,"records":68223,"size_bytes":3100000}`))
	api("POST /api/v1/log/verifications", f.startJob("log.verify", `{"ok":false,"problems":["frame 7 is damaged"],"lost":["frame 3"],"frames":12,"records":6,"size_bytes":900}`))
	api("GET /api/v1/jobs/{id}", f.job)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
	})
	return f
}

func (f *fakeServer) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fakeServer) problem(w http.ResponseWriter, status int, kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "kind": kind, "detail": detail})
}

func (f *fakeServer) batch(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	refuse := f.refuse > 0
	if refuse {
		f.refuse--
	}
	f.mu.Unlock()
	if refuse {
		w.Header().Set("Retry-After", "1")
		f.json(w, 503, map[string]any{"success": false, "kind": "unavailable", "message": "the log is busy or away for a moment: send these again"})
		return
	}
	if key, _, _ := r.BasicAuth(); key != "dev_shop" {
		f.json(w, 401, map[string]any{"success": false, "kind": "unauthorized", "message": "this write key is not known"})
		return
	}
	src := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(src)
		if err != nil {
			f.json(w, 400, map[string]any{"success": false, "message": err.Error()})
			return
		}
		src = z
	}
	var body struct {
		Batch []fakeEvent `json:"batch"`
	}
	if err := json.NewDecoder(src).Decode(&body); err != nil {
		f.json(w, 400, map[string]any{"success": false, "message": err.Error()})
		return
	}
	answer, position := f.append(body.Batch)
	w.Header().Set("Millrace-Position", position.String())
	f.json(w, 200, answer)
}

// append stores events; those with a property "reject" are rejected.
func (f *fakeServer) append(events []fakeEvent) (answer map[string]any, last millrace.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	var rejected []map[string]any
	var verdicts []bool
	for i, e := range events {
		if bytes.Contains(e.Properties, []byte(`"reject"`)) {
			rejected = append(rejected, map[string]any{"index": i, "reason": "the fake does not like it", "field": "properties.reject"})
			continue
		}
		e.Duplicate = f.seen[e.MessageID]
		f.seen[e.MessageID] = true
		e.Position = millrace.Position{Epoch: fakeEpoch, Seq: f.seq, Index: uint32(len(verdicts))}
		verdicts = append(verdicts, e.Duplicate)
		f.events = append(f.events, e)
	}
	verdicts = append(verdicts, make([]bool, len(rejected))...)
	f.frames[f.seq] = verdicts
	answer = map[string]any{"success": true}
	if len(rejected) > 0 {
		answer["rejected"] = rejected
	}
	return answer, millrace.Position{Epoch: fakeEpoch, Seq: f.seq, Index: uint32(len(verdicts) - 1)}
}

// set changes how the fake behaves.
func (f *fakeServer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeServer) distinct() (all []fakeEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if !e.Duplicate {
			all = append(all, e)
		}
	}
	return all
}

func (f *fakeServer) last() millrace.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return millrace.Position{Epoch: fakeEpoch, Seq: f.seq, Index: millrace.EndOfFrame}
}

func (f *fakeServer) status(w http.ResponseWriter, _ *http.Request) {
	f.json(w, 200, map[string]any{
		"name": "shop", "version": "test", "mode": "dev", "started": time.Now().Add(-time.Hour), "ready": true,
		"problems": []string{}, "project": map[string]any{"problems": []string{}}, "notices": []string{"source old fell \x1b[31msilent"},
		"log":     map[string]any{"backend": "fake", "promise": "in memory", "last": f.last(), "size_bytes": 1 << 20, "retention_seconds": 604800},
		"readers": f.readerList(),
		"sources": []map[string]any{{"name": "shop", "kind": "http", "accepted": len(f.distinct()), "duplicates": 0, "rejected": 0}},
	})
}

func (f *fakeServer) sources(w http.ResponseWriter, _ *http.Request) {
	f.json(w, 200, map[string]any{"sources": []map[string]any{{"name": "shop", "kind": "http", "write_keys": []string{"dev_shop"}}}})
}

func (f *fakeServer) source(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("source") != "shop" {
		f.problem(w, 404, "not_found", fmt.Sprintf("there is no source %q: the project has shop", r.PathValue("source")))
		return
	}
	f.json(w, 200, map[string]any{"name": "shop", "kind": "http", "write_keys": []string{"dev_shop"}})
}

func (f *fakeServer) sourceEvents(w http.ResponseWriter, _ *http.Request) {
	f.json(w, 200, map[string]any{"events": []map[string]any{{"kind": "track", "event": "thing"}, {"kind": "page", "event": "page"}}, "next": ""})
}

func (f *fakeServer) duplicates(w http.ResponseWriter, r *http.Request) {
	var in struct{ Ranges []client.Range }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		f.problem(w, 400, "invalid", err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	judged, duplicates := int64(0), 0
	for _, g := range in.Ranges {
		verdicts := f.frames[g.Last.Seq]
		from := int64(g.Last.Index) - g.Count + 1
		if from < 0 || int(g.Last.Index) >= len(verdicts) {
			f.problem(w, 400, "invalid", "a range is not in its frame")
			return
		}
		for _, d := range verdicts[from : g.Last.Index+1] {
			if d {
				duplicates++
			}
		}
		judged += g.Count
	}
	f.json(w, 200, map[string]any{"judged": judged, "duplicates": duplicates})
}

// query knows three questions: "events", "hostile" and "many"; anything else is
// an error with its place.
func (f *fakeServer) query(w http.ResponseWriter, r *http.Request) {
	var q client.Query
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if err := d.Decode(&q); err != nil {
		f.problem(w, 400, "invalid", err.Error())
		return
	}
	columns, rows := "", []string{}
	switch strings.TrimSpace(q.SQL) {
	case "SELECT events":
		columns = `{"name":"event","type":"text"},{"name":"n","type":"bigint"}`
		counts := map[string]int{}
		for _, e := range f.distinct() {
			counts[e.Event]++
		}
		for name, n := range counts {
			rows = append(rows, fmt.Sprintf(`[%q,%d]`, name, n))
		}
		slices.Sort(rows)
	case "SELECT hostile":
		columns = `{"name":"v","type":"text"},{"name":"n","type":"double"}`
		rows = []string{`["=1+1",-5.5]`, `["\u001b[31mred\u202e",null]`, `["+44 20",2]`, `["a,\"b\"",3]`}
	case "SELECT params":
		columns = `{"name":"v","type":"text"}`
		var said []string
		for _, p := range q.Params {
			text, _ := json.Marshal(p)
			said = append(said, string(text))
		}
		quoted, _ := json.Marshal(strings.Join(said, " "))
		rows = []string{"[" + string(quoted) + "]"}
	case "SELECT many":
		columns = `{"name":"n","type":"bigint"}`
		for i := range min(q.Limit, 5000) {
			rows = append(rows, fmt.Sprintf("[%d]", i))
		}
	case "SELECT broken":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"columns":[{"name":"n","type":"bigint"}],"rows":[[1]],"error":{"kind":"canceled","detail":"the query took longer than 1s"},"row_count":1}`)
		return
	default:
		f.problem(w, 400, "invalid", "Parser Error: syntax error at or near \"SELEC\"\nLINE 1: SELEC 1\n        ^")
		return
	}
	if r.Header.Get("Accept") == client.ArrowContentType {
		f.arrow(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"columns":[%s],"rows":[%s],"row_count":%d,"truncated":%t,"elapsed_ms":12.5}`,
		columns, strings.Join(rows, ",\n"), len(rows), strings.HasSuffix(q.SQL, "many"))
}

// arrow answers three rows.
func (f *fakeServer) arrow(w http.ResponseWriter) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 2, 3}, []bool{true, false, true})
	batch := b.NewRecordBatch()
	defer batch.Release()
	w.Header().Set("Content-Type", client.ArrowContentType)
	w.Header().Set("Trailer", "Millrace-Truncated")
	out := ipc.NewWriter(w, ipc.WithSchema(schema))
	_ = out.Write(batch)
	_ = out.Close()
	w.Header().Set("Millrace-Truncated", "false")
}

func (f *fakeServer) tail(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	if r.URL.Query().Get("event") != "" {
		time.Sleep(500 * time.Millisecond) // nothing comes for a while
	}
	for i, e := range f.distinct() {
		if i == 3 {
			break
		}
		fmt.Fprintf(w, `{"position":%q,"result":"accepted","source":"shop","stream":"track:%s","event":%q,"key":%q,"id":%q,"received_at":"2026-01-01T12:00:00Z","body":{"note":"bell \u0007"}}`+"\n\n",
			e.Position, e.Event, e.Event, e.UserID, e.MessageID)
	}
	fmt.Fprintln(w, `{"dropped":2}`)
	if r.URL.Query().Get("limit") == "" {
		fmt.Fprintln(w, `{"error":{"kind":"gone","detail":"the log was trimmed"}}`)
	}
}

func (f *fakeServer) rejected(w http.ResponseWriter, r *http.Request) {
	all := []map[string]any{
		{"id": "r2", "source": "shop", "received_at": "2026-01-02T00:00:00Z", "reason": "too \x1b[2Jlarge", "field": "properties", "type": "track", "raw": "{}"},
		{"id": "r1", "source": "shop", "received_at": "2026-01-01T00:00:00Z", "reason": "no event", "field": "event", "type": "track", "raw": "{}"}}
	f.mu.Lock()
	behind := f.behind
	f.mu.Unlock()
	if after := r.URL.Query().Get("after"); after == "last" && behind {
		f.problem(w, 504, "canceled", "the warehouse did not reach it")
		return
	}
	if r.URL.Query().Get("cursor") == "" && r.URL.Query().Get("limit") == "1" {
		f.json(w, 200, map[string]any{"rejected": all[:1], "cursor": "c1"})
		return
	}
	f.json(w, 200, map[string]any{"rejected": all, "cursor": ""})
}

func (f *fakeServer) rejectedByID(w http.ResponseWriter, r *http.Request) {
	f.json(w, 200, map[string]any{"id": r.PathValue("id"), "source": "shop", "raw": `{"a":1}`})
}

func (f *fakeServer) resend(w http.ResponseWriter, r *http.Request) {
	outcome, reason := "accepted", ""
	switch r.PathValue("id") {
	case "nosuch":
		f.problem(w, 404, "not_found", "there is no rejected record nosuch")
		return
	case "r2":
		outcome, reason = "rejected", "too large"
	case "r3":
		outcome = "duplicate"
	case "r4":
		outcome, reason = "partly accepted", "too large"
	}
	f.json(w, 200, map[string]any{"rejected_id": r.PathValue("id"), "id": "new", "outcome": outcome, "reason": reason})
}

func (f *fakeServer) readerList() (all []map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range []string{"archive", "dedup", "warehouse"} {
		all = append(all, map[string]any{"name": name, "state": f.readers[name], "position": "1767225600000-7-3", "lag_seconds": 1.5})
	}
	return all
}

func (f *fakeServer) listReaders(w http.ResponseWriter, _ *http.Request) {
	f.json(w, 200, map[string]any{"readers": f.readerList()})
}

func (f *fakeServer) readerAction(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	_, known := f.readers[r.PathValue("name")]
	f.readers[r.PathValue("name")] = map[string]string{"pause": "paused", "resume": "running", "reset": "running"}[r.PathValue("action")]
	f.mu.Unlock()
	if !known {
		f.problem(w, 404, "not_found", "there is no such reader: archive, dedup, warehouse")
		return
	}
	f.json(w, 200, map[string]any{"name": r.PathValue("name")})
}

func (f *fakeServer) startJob(kind, result string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in client.Rebuild
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		j := &client.Job{ID: fmt.Sprintf("j%d", len(f.jobs)), Kind: kind, State: "running", Total: 2, Unit: "records", Result: json.RawMessage(result)}
		if in.From != nil && in.From.Year() == 2030 {
			j.Result = json.RawMessage(`{"records":3,"received":0,"rows":0,"discards":0,"seconds":0.1,"tables":[{"table":"shop.tracks","rows_before":4,"rows_after":4}]}`)
		}
		if in.Source == "small" && !in.Yes {
			j.Error = "fewer rows would result: 5 in place of 6. Give --yes if that is meant"
		}
		f.jobs[j.ID] = j
		f.json(w, 202, client.Job{ID: j.ID, Kind: kind, State: "running", Total: 2})
	}
}

// job answers with more done at each call.
func (f *fakeServer) job(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j := f.jobs[r.PathValue("id")]
	answer := *j
	if j.Done++; j.Done > 2 {
		answer.State = "done"
		if j.Error != "" {
			answer.State = "failed"
		}
	}
	if answer.State != "done" || len(answer.Result) == 0 {
		answer.Result = json.RawMessage("null")
	}
	f.json(w, 200, answer)
}
