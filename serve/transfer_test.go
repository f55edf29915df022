package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/transfer"
)

// A depot is a Transfer on a log in memory.
type depot struct {
	log    Log
	taken  []millrace.Record
	refuse func(n int) error // of the n-th append
	n      int
}

func (d *depot) Records(ctx context.Context, space string, after millrace.Position) (eventlog.Reader, error) {
	return d.log.Open(ctx, after, eventlog.Filter{Workspace: space})
}

func (d *depot) Project(context.Context, string) (*tree.Tree, error) {
	return tree.Of(map[string]string{"millrace.yaml": "name: shop\n"})
}

func (d *depot) Metadata(context.Context, string) (map[string][]byte, error) {
	return map[string][]byte{"workspace": []byte("{}\n")}, nil
}

func (d *depot) Import(_ context.Context, _ string, records []millrace.Record) (millrace.Position, error) {
	d.n++
	if d.refuse != nil {
		if err := d.refuse(d.n); err != nil {
			return millrace.Position{}, err
		}
	}
	d.taken = append(d.taken, records...)
	return millrace.Position{Epoch: 1, Seq: uint64(d.n), Index: uint32(len(records) - 1)}, nil
}

func exportedLine(id, source string, body int) string {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := millrace.Record{ID: id, Workspace: "elsewhere", Source: source, Stream: "page", Received: at, Occurred: at, Body: []byte(`{"x":"` + strings.Repeat("x", body) + `"}`)}
	return string(transfer.AppendLine(nil, &eventlog.Entry{Record: r}))
}

// TestImport sends what an export has, and what it cannot have: a request is read
// whole before anything of it is appended, and what was appended is said.
func TestImport(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	d := &depot{log: o.Log}
	o.Transfer = d
	s := start(t, o)
	path := s.URL + "/api/v1/import/records"
	two := exportedLine("1", "web", 10) + "\n" + exportedLine("2", "web", 10)
	if resp, body := call(t, "POST", path, two); resp.StatusCode != 200 || !strings.Contains(body, `{"records":2,"duplicates":1,"position":"1-1-1"}`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if len(d.taken) != 2 || d.taken[0].Workspace != millrace.DefaultWorkspace || d.taken[1].ID != "2" {
		t.Errorf("taken are %+v", d.taken)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(two)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if resp, body := call(t, "POST", path, packed.String()); resp.StatusCode != 200 || len(d.taken) != 4 {
		t.Errorf("as gzip: %d %s", resp.StatusCode, body)
	}
	var bomb bytes.Buffer
	z = gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, importBytes+1)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"nothing": {" \n", 400, "there are no records"}, "no line": {two + "{\n", 400, "line 4"}, "no id": {`{"source":"web"}`, 400, "has no id"},
		"of the server itself": {exportedLine("3", "millrace", 1), 400, "leave them out"}, "too large": {exportedLine("3", "web", eventlog.MaxAppendSizeBytes), 413, "4 MiB"},
		"a bomb": {bomb.String(), 413, "16 MiB"}, "a broken gzip": {packed.String()[:packed.Len()-9], 400, "cannot be unpacked"},
	} {
		if resp, body := call(t, "POST", path, c.body); resp.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %d", name, resp.StatusCode, body, c.status)
		}
	}
	if len(d.taken) != 4 {
		t.Errorf("of what is wrong %d records were taken", len(d.taken)-4)
	}
	d.n, d.refuse = 0, func(n int) error {
		if n == 2 {
			return millrace.Errorf(millrace.Unavailable, "the disk is full")
		}
		return nil
	}
	large := exportedLine("5", "web", 3<<20) + exportedLine("6", "web", 3<<20)
	if resp, body := call(t, "POST", path, large); resp.StatusCode != 503 || !strings.Contains(body, "the first 1 records of this request were taken") {
		t.Errorf("broken off: %d %s", resp.StatusCode, body)
	}
}

// TestExportRecords reads all that the log has of the space, and goes on behind a
// position.
func TestExportRecords(t *testing.T) {
	t.Parallel()
	o := newWorld().options(t)
	log := newLog(t)
	o.Log, o.Transfer = log, &depot{log: log}
	s := start(t, o)
	if resp, body := call(t, "GET", s.URL+"/api/v1/export/records", ""); resp.StatusCode != 200 || !strings.HasPrefix(body, `{"end":{"records":0`) {
		t.Errorf("of an empty log: %d %s", resp.StatusCode, body)
	}
	var at []millrace.Position
	for i := range 3 {
		for _, space := range []string{millrace.DefaultWorkspace, "w2"} {
			now := time.Now()
			p, err := log.Append(t.Context(), []millrace.Record{{ID: fmt.Sprint(space, i), Workspace: space, Source: "web", Stream: "page", Received: now, Occurred: now, Body: []byte("{}")}})
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, p)
		}
	}
	for query, want := range map[string]string{"": "default0 default1 default2", "?after=" + at[0].Numbers(): "default1 default2", "?until=" + at[2].Numbers(): "default0 default1",
		"?after=" + at[0].Numbers() + "&until=" + at[3].Numbers(): "default1", "?after=" + at[5].Numbers(): ""} {
		resp, body := call(t, "GET", s.URL+"/api/v1/export/records"+query, "")
		var got []string
		whole := false
		for line := range strings.Lines(body) {
			if r, err := transfer.ReadLine([]byte(line)); err == nil {
				got = append(got, r.ID)
			}
			whole = strings.HasPrefix(line, fmt.Sprintf(`{"end":{"records":%d,`, len(got)))
		}
		if resp.StatusCode != 200 || strings.Join(got, " ") != want || !whole {
			t.Errorf("%s: %d %s", query, resp.StatusCode, body)
		}
	}
	resp, body := call(t, "GET", s.URL+"/api/v1/export/records?after=x", "")
	wantProblem(t, resp, body, http.StatusBadRequest, "invalid", "position")
	resp, body = call(t, "GET", start(t, newWorld().options(t)).URL+"/api/v1/export/records", "")
	wantProblem(t, resp, body, http.StatusNotFound, "not_found", "neither exports nor imports")
}

// TestExportsAreTold: whatever leaves by an export is in the audit trail, however its
// beginning is said, and so is what goes on with one.
func TestExportsAreTold(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t)
	log := newLog(t)
	o.Log, o.Transfer = log, &depot{log: log}
	now := time.Now()
	at, err := log.Append(t.Context(), []millrace.Record{{ID: "1", Workspace: millrace.DefaultWorkspace, Source: "web", Stream: "page", Received: now, Occurred: now, Body: []byte("{}")}})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, o)
	for i, c := range []struct{ path, action, says string }{
		{"/records", "workspace.export", `"after":"0-0-0"`}, {"/records?after=start", "workspace.export", `"after":"0-0-0"`}, {"/records?after=0-0-0", "workspace.export", `"after":"0-0-0"`},
		{"/records?after=" + at.Numbers(), "workspace.export", `"after":"` + at.Numbers()}, {"/files", "workspace.export_files", `"metadata":["workspace"]`}, {"/audit", "workspace.export_trail", `"format":"ndjson"`},
	} {
		if resp, text := call(t, "GET", s.URL+"/api/v1/export"+c.path, ""); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", c.path, resp.StatusCode, text)
		}
		_, text := call(t, "GET", s.URL+"/api/v1/audit?action=workspace", "")
		page := decode[struct {
			Entries []AuditEntry
			Next    string
		}](t, text)
		if len(page.Entries) != i+1 || page.Entries[0].Action != c.action || !strings.Contains(string(page.Entries[0].After), c.says) {
			t.Errorf("%s is told as %s", c.path, text)
		}
	}
}
