package serve

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/serve/logring"
	"github.com/millrace/millrace/warehouse/duckdb"
)

func TestLogs(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	o.Logs = logring.New(100)
	log := slog.New(o.Logs.Handler(slog.DiscardHandler))
	s := start(t, o)
	log.Info("began", "part", "x")
	log.With("part", "archive").Warn("slow", "took", "5s")
	log.With("part", "warehouse").Error("gone")
	for query, want := range map[string]string{"": "[began slow gone]", "?part=archive": "[slow]", "?level=error": "[gone]", "?q=TOOK%3D5": "[slow]", "?after=2": "[gone]", "?limit=1": "[gone]"} {
		_, body := call(t, "GET", s.URL+"/api/v1/logs"+query, "")
		page := decode[logPage](t, body)
		var got []string
		for _, l := range page.Lines {
			got = append(got, l.Message)
		}
		if fmt.Sprint(got) != want || page.Last != 3 {
			t.Errorf("%s: %s, last %d; want %s", query, got, page.Last, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/logs?follow=true&level=warn", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "data: ") {
				if !strings.Contains(lines.Text(), want) {
					t.Errorf("%s; want %s", lines.Text(), want)
				}
				return
			}
		}
		t.Errorf("nothing follows: %v", lines.Err())
	}
	next("slow")
	next("gone")
	log.Info("not asked for")
	log.Warn("later")
	next("later")
}

func TestSupportBundle(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t, adminToken)
	o.Mode, o.Logs = Production, logring.New(10)
	slog.New(o.Logs.Handler(slog.DiscardHandler)).Info("hello")
	const literal = "ada@secret.example"
	if _, err := o.Jobs.Start("query", func(context.Context, func(job.Progress)) (any, error) { return literal, errors.New(literal) }); err != nil {
		t.Fatal(err)
	}
	s := start(t, o)
	resp, body := call(t, "GET", s.URL+"/api/v1/support-bundle", "", "Authorization", "Bearer "+testToken)
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), `attachment; filename="millrace-support-`) {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	zip, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for tarball := tar.NewReader(zip); ; {
		h, err := tarball.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tarball)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "millrace-support/")] = string(data)
		if bytes.Contains(data, []byte(testToken)) {
			t.Errorf("%s holds the admin token", h.Name)
		}
		if bytes.Contains(data, []byte(literal)) || bytes.Contains(data, []byte("web_2026")) {
			t.Errorf("%s holds what a query asked for, or a key: %s", h.Name, data)
		}
	}
	if len(files) != 9 || !strings.Contains(files["status.json"], `"shop"`) || !strings.Contains(files["log.ndjson"], "hello") ||
		!strings.Contains(files["metrics.txt"], "# TYPE ") || !strings.Contains(files["goroutines.txt"], "goroutine ") || !strings.Contains(files["tables.json"], "this could not be told: no table") {
		for name, text := range files {
			t.Errorf("%s: %.200s", name, text)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { return now }
	s := start(t, o)
	resp, body := call(t, "GET", s.URL+"/api/v1/history", "")
	wantProblem(t, resp, body, 404, "not_found", "keeps no history")
	store, err := history.Open(history.Options{File: filepath.Join(t.TempDir(), "history.db"), Now: o.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for i := range 3 {
		err := store.Record(t.Context(), now.Add(time.Duration(i-5)*10*time.Second), []history.Sample{
			{Name: "millrace_log_bytes", Value: float64(i)}, {Name: "millrace_collect_events_total", Kind: history.Counter, Labels: map[string]string{"source": "web"}, Value: float64(10 * i)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Mark(t.Context(), history.Mark{At: now.Add(-time.Minute), Kind: history.MarkReload, Text: "saved"}); err != nil {
		t.Fatal(err)
	}
	o.History, o.Metrics = store, nil
	s = start(t, o)
	_, body = call(t, "GET", s.URL+"/api/v1/history?names=millrace_collect_events_total&labels=source:web&from=2026-11-21T09:00:00Z", "")
	found := decode[struct{ Series []HistorySeries }](t, body)
	if len(found.Series) != 1 || found.Series[0].Kind != "counter" || found.Series[0].Unit != "events" || found.Series[0].Labels["source"] != "web" || len(found.Series[0].Points) == 0 {
		t.Errorf("series %s", body)
	}
	_, body = call(t, "GET", s.URL+"/api/v1/marks", "")
	if body != `{"marks":[{"at":"2026-11-21T09:59:00Z","kind":"reload","text":"saved"}]}`+"\n" {
		t.Errorf("marks %s", body)
	}
	for _, bad := range []string{"labels=source", "from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"} {
		if resp, body := call(t, "GET", s.URL+"/api/v1/history?"+bad, ""); resp.StatusCode != 400 {
			t.Errorf("%s: %d %s", bad, resp.StatusCode, body)
		}
	}
}

// A folder is a project's on disk.
type folder struct {
	*project.Folder
	dir   string
	saved int
}

var testKinds = project.Kinds{"sources": {"http": func() any { return new(struct{ Kind string }) }}}

// CheckUses lets nobody but who may allow it use the secret "stolen".
func (f *folder) CheckUses(_ context.Context, who access.Principal, texts map[string][]byte) error {
	for _, text := range texts {
		if bytes.Contains(text, []byte("${secret:stolen}")) {
			return who.Allow(access.SecretUse, "default", "default")
		}
	}
	return nil
}

func (f *folder) Check(_ context.Context, _ access.Principal, texts map[string][]byte) []project.Problem {
	return project.Check(os.DirFS(f.dir), texts, testKinds, project.Options{Warehouses: []string{"duckdb"}, Archives: []string{"file"}})
}
func (f *folder) Known(access.Principal) project.Known { return project.Known{} }
func (f *folder) SchemaFor(path string) string         { return project.SchemaFor(path, testKinds) }
func (f *folder) Schemas() (map[string][]byte, error)  { return project.Schemas(testKinds, nil) }
func (f *folder) Saved()                               { f.saved++ }

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "millrace.yaml"), []byte("name: shop # ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("SECRET=x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := project.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	o := newWorld().options(t)
	files := &folder{Folder: f, dir: dir}
	o.Files = files
	s := start(t, o)
	_, body := call(t, "GET", s.URL+"/api/v1/files", "")
	if !strings.Contains(body, `"path":"millrace.yaml"`) || strings.Contains(body, ".env") || !strings.Contains(body, `"reloads":true`) || !strings.Contains(body, `"schema":"millrace.json"`) {
		t.Errorf("files %s", body)
	}
	at := func(path string) string { return s.URL + "/api/v1/files/text?path=" + url.QueryEscape(path) }
	_, body = call(t, "GET", at("millrace.yaml"), "")
	text := decode[FileText](t, body)
	if text.Text != "name: shop # ours\n" || text.ETag == "" {
		t.Fatalf("%s", body)
	}
	for _, path := range []string{"../x", ".env", "/etc/passwd", "nothing.yaml", "a/../../x.yaml"} {
		if resp, body := call(t, "GET", at(path), ""); resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	resp, body := call(t, "PUT", at("millrace.yaml"), `{"text":"nam: shop\n","etag":"`+text.ETag+`"}`)
	saved := decode[savedFile](t, body)
	if resp.StatusCode != 200 || len(saved.Problems) == 0 || saved.Problems[0].Line != 1 || files.saved != 1 {
		t.Errorf("with a mistake: %d %s", resp.StatusCode, body)
	}
	resp, body = call(t, "PUT", at("millrace.yaml"), `{"text":"name: other\n","etag":"`+text.ETag+`"}`)
	wantProblem(t, resp, body, 409, "conflict", "has changed meanwhile")
	if p := decode[Problem](t, body); p.Conflict == nil || p.Conflict.Text != "nam: shop\n" || p.Conflict.ETag != saved.ETag {
		t.Errorf("conflict %s", body)
	}
	_, body = call(t, "PUT", at("millrace.yaml"), `{"text":"name: shop # ours\ncatalog: sqlite\n","before":"name: shop # ours\n","etag":"`+text.ETag+`"}`)
	if p := decode[Problem](t, body); p.Conflict == nil || p.Conflict.Merged == nil || *p.Conflict.Merged != "nam: shop\ncatalog: sqlite\n" {
		t.Errorf("a conflict with what both began from: %s", body)
	}
	_, body = call(t, "PUT", at("millrace.yaml"), `{"text":"name: mine\n","before":"name: shop # ours\n","etag":"`+text.ETag+`"}`)
	if p := decode[Problem](t, body); p.Conflict == nil || p.Conflict.Merged != nil || !strings.Contains(p.Conflict.Marked, "<<<<<<< yours") || len(p.Conflict.Conflicts) == 0 {
		t.Errorf("a conflict of both in one place: %s", body)
	}
	_, body = call(t, "PUT", at("millrace.yaml"), `{"text":"name: mine\n","before":"another text","etag":"`+text.ETag+`"}`)
	if p := decode[Problem](t, body); p.Conflict == nil || p.Conflict.Merged != nil || p.Conflict.Marked != "" {
		t.Errorf("a text that was never there is what both began from: %s", body)
	}
	resp, body = call(t, "PUT", at("millrace.yaml"), `{"text":"name: shop # ours\n","etag":"`+saved.ETag+`"}`)
	saved = decode[savedFile](t, body)
	if resp.StatusCode != 200 || len(saved.Problems) != 0 {
		t.Errorf("mended: %d %s", resp.StatusCode, body)
	}
	resp, body = call(t, "POST", s.URL+"/api/v1/files/edit", `{"path":"millrace.yaml","etag":"`+saved.ETag+`","dry":true,"changes":[{"op":"set","path":["name"],"value":"store"}]}`)
	if edited := decode[savedFile](t, body); resp.StatusCode != 200 || edited.Text != "name: store # ours\n" || edited.ETag != saved.ETag {
		t.Errorf("dry edit: %d %s", resp.StatusCode, body)
	}
	resp, body = call(t, "POST", s.URL+"/api/v1/files/edit", `{"path":"sources/web.yaml","changes":[{"op":"set","path":["kind"],"value":"http"}]}`)
	if edited := decode[savedFile](t, body); resp.StatusCode != 200 || edited.Text != "kind: http\n" || len(edited.Problems) != 0 {
		t.Errorf("a new file: %d %s", resp.StatusCode, body)
	}
	_, body = call(t, "POST", s.URL+"/api/v1/files/check", `{"texts":{"sources/web.yaml":"kind: htp\n"}}`)
	if !strings.Contains(body, `"line":1`) {
		t.Errorf("check %s", body)
	}
	_, body = call(t, "POST", s.URL+"/api/v1/files/complete", `{"path":"millrace.yaml","text":"nam","line":1,"column":4}`)
	if !strings.Contains(body, `"label":"warehouse"`) {
		t.Errorf("complete %s", body)
	}
	_, body = call(t, "GET", s.URL+"/api/v1/schemas", "")
	if body != `{"schemas":["millrace.json","sources.json"]}`+"\n" {
		t.Errorf("schemas %s", body)
	}
	if resp, body = call(t, "GET", s.URL+"/api/v1/schemas/sources.json", ""); resp.StatusCode != 200 || !strings.Contains(body, `"$schema"`) {
		t.Errorf("schema %d %s", resp.StatusCode, body)
	}
	_, body = call(t, "GET", at("sources/web.yaml"), "")
	etag := decode[FileText](t, body).ETag
	if resp, body = call(t, "POST", s.URL+"/api/v1/files/rename", `{"from":"sources/web.yaml","to":"sources/ios.yaml","etag":"`+etag+`"}`); resp.StatusCode != 200 {
		t.Errorf("rename %d %s", resp.StatusCode, body)
	}
	if resp, body = call(t, "DELETE", at("sources/ios.yaml")+"&etag="+url.QueryEscape(etag), ""); resp.StatusCode != 200 {
		t.Errorf("remove %d %s", resp.StatusCode, body)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := duckdb.Open(t.Context(), duckdb.Options{Dir: t.TempDir(), ResultsDir: dir, MemoryLimitBytes: 256 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	store, err := result.Open(result.Options{Dir: dir, Engine: db, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.query = db.Query
	o := w.options(t)
	o.Results = store
	s := start(t, o)
	resp, body := call(t, "POST", s.URL+"/api/v1/results", `{"sql":"SELECT i, 'name ' || i AS name FROM range(1000) t(i)","wait_ms":25000}`)
	made := decode[resultOrJob](t, body)
	if resp.StatusCode != 201 || made.Result == nil || made.Result.Rows != 1000 || resp.Header.Get("Location") != "/api/v1/results/"+made.Result.ID {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if chart := made.Result.Chart; chart.Kind != "bar" || chart.X != "name" || fmt.Sprint(chart.Y) != "[{i sum}]" {
		t.Errorf("suggested %+v", chart)
	}
	at := s.URL + "/api/v1/results/" + made.Result.ID
	if _, body = call(t, "GET", at, ""); decode[StoredResult](t, body).Rows != 1000 {
		t.Errorf("%s", body)
	}
	_, body = call(t, "POST", at+"/rows", `{"sort":[{"column":"i","desc":true}],"filters":[{"column":"name","op":"ends_with","value":"7"}],"limit":2}`)
	if compact(t, body) != `{"columns":[{"name":"i","type":"bigint"},{"name":"name","type":"text"}],"total":100,"rows":[[997,"name 997"],[987,"name 987"]]}` {
		t.Errorf("rows %s", body)
	}
	if resp, body = call(t, "POST", at+"/stats", `{"column":"i"}`); resp.StatusCode != 200 || !strings.Contains(body, `"max":999`) {
		t.Errorf("stats %d %s", resp.StatusCode, body)
	}
	if resp, body = call(t, "POST", at+"/chart", `{"kind":"bar","x":"i"}`); resp.StatusCode != 200 || !strings.Contains(body, `"points"`) {
		t.Errorf("chart %d %s", resp.StatusCode, body)
	}
	for format, want := range map[string]string{"csv": "i,name\r\n5,name 5", "ndjson": `{"i":5,"name":"name 5"}`, "parquet": "PAR1"} {
		resp, body = call(t, "GET", at+"/download?format="+format+"&name=orders&view="+url.QueryEscape(`{"filters":[{"column":"i","op":"eq","value":5}]}`), "")
		if resp.StatusCode != 200 || !strings.HasPrefix(strings.ReplaceAll(body, "\r\n", "\n"), strings.ReplaceAll(want, "\r\n", "\n")) || resp.Header.Get("Content-Disposition") != `attachment; filename="orders.`+format+`"` {
			t.Errorf("%s: %d %q %v", format, resp.StatusCode, body, resp.Header)
		}
	}
	resp, body = call(t, "GET", at+"/download?view="+url.QueryEscape(`{"sort":[{"column":"none"}]}`), "")
	wantProblem(t, resp, body, 400, "invalid", "no column")
	resp, body = call(t, "POST", s.URL+"/api/v1/results", `{"sql":"SELECT nothing"}`)
	wantProblem(t, resp, body, 400, "invalid", "nothing")
	for sql, want := range map[string]string{`SELECT 1,\n  frm x`: "2 3", `SELECT 1\nFRM x y`: "2 5", `SELECT 'ü', nothing`: "1 13",
		`SELECT ` + strings.Repeat("1234, ", 100) + `nothing, ` + strings.Repeat("5678, ", 100) + `1`: "1 608"} {
		for _, path := range []string{"/api/v1/results", "/api/v1/query"} {
			_, body = call(t, "POST", s.URL+path, `{"sql":"`+sql+`"}`)
			if wrong := decode[Problem](t, body); fmt.Sprint(wrong.Line, wrong.Column) != want {
				t.Errorf("%s: %d %d is wrong, want %s: %s", path, wrong.Line, wrong.Column, want, body)
			}
		}
	}
	call(t, "POST", s.URL+"/api/v1/results", `{"sql":"SELECT 1,\n  nothing"}`)
	failed := job.Job{State: job.Running}
	for failed.State == job.Running {
		_, body = call(t, "GET", s.URL+"/api/v1/jobs", "")
		failed = decode[struct{ Jobs []job.Job }](t, body).Jobs[0]
	}
	if failed.State != job.Failed || failed.Cause != "invalid" || failed.Line != 2 || failed.Column != 3 || !strings.Contains(failed.Error, "nothing") {
		t.Errorf("the job of a query that is wrong: %+v", failed)
	}
	resp, body = call(t, "POST", s.URL+"/api/v1/results", `{"sql":"SELECT count(*) FROM range(30000) a, range(30000) b WHERE a.range * b.range % 7 = 3","wait_ms":1}`)
	slow := decode[resultOrJob](t, body)
	if resp.StatusCode != 202 || slow.Result != nil || slow.Job.State != job.Running {
		t.Errorf("slow %d %s", resp.StatusCode, body)
	}
	if resp, _ = call(t, "DELETE", s.URL+"/api/v1/jobs/"+slow.Job.ID, ""); resp.StatusCode != 200 {
		t.Errorf("cancel %d", resp.StatusCode)
	}
	if resp, _ = call(t, "DELETE", at, ""); resp.StatusCode != 204 {
		t.Errorf("delete %d", resp.StatusCode)
	}
	for _, path := range []string{"", "/download"} {
		resp, body = call(t, "GET", at+path, "")
		wantProblem(t, resp, body, 404, "not_found", "run its query again")
	}
}

func TestSnippetsAndTestEvent(t *testing.T) {
	t.Parallel()
	w := newWorld()
	o := w.options(t)
	var got string
	o.Collect = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key, _, _ := r.BasicAuth()
		got = r.URL.Path + " " + key + " " + string(body)
		rw.Header().Set("Millrace-Position", "1-7-0")
		if strings.Contains(string(body), "bad") {
			_, _ = io.WriteString(rw, `{"success":false,"rejected":[{"index":0,"messageId":"m","reason":"no name","field":"event"}],"records":1}`)
			return
		}
		_, _ = io.WriteString(rw, `{"success":true,"messageIds":[{"index":0,"messageId":"made"}]}`)
	})
	s := start(t, o)
	_, body := call(t, "GET", s.URL+"/api/v1/sources/web/snippets", "")
	if !strings.Contains(body, `"key":"web_2026"`) || !strings.Contains(body, "curl "+s.URL+"/v1/track -u web_2026:") {
		t.Errorf("snippets %s", body)
	}
	resp, body := call(t, "GET", s.URL+"/api/v1/sources/web/snippets?address="+url.QueryEscape("https://x.example\"; rm"), "")
	wantProblem(t, resp, body, 400, "invalid", "is not the address of a server")
	resp, body = call(t, "GET", s.URL+"/api/v1/sources/ios/snippets", "")
	wantProblem(t, resp, body, 409, "conflict", "")
	_, body = call(t, "POST", s.URL+"/api/v1/sources/web/test", "")
	if sent := decode[TestSent](t, body); !sent.Accepted || *sent.Position != (millrace.Position{Epoch: 1, Seq: 7}) || !strings.HasPrefix(got, `/v1/batch web_2026 {"batch":[{"type":"track","event":"Test Event"`) {
		t.Errorf("%s, %s", body, got)
	}
	_, body = call(t, "POST", s.URL+"/api/v1/sources/web/test", `{"event":{"bad":1}}`)
	if sent := decode[TestSent](t, body); sent.Accepted || sent.Reason != "no name" {
		t.Errorf("%s", body)
	}
	resp, body = call(t, "POST", s.URL+"/api/v1/sources/ios/test", "")
	wantProblem(t, resp, body, 409, "conflict", "has no key")
}
