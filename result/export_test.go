package result_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

const exported = `SELECT * FROM (VALUES
	(1, '=HYPERLINK("http://x")', '{"a": 1}'::JSON, TIMESTAMPTZ '2026-11-21 10:00:00+00', -1.50::DECIMAL(5,2), [1, NULL]),
	(2, e'two\nlines, "quoted"',  '"=1"'::JSON,     NULL,                                 NULL,                NULL),
	(3, '-5',                     'null'::JSON,     TIMESTAMPTZ '1970-01-01 00:00:00+00', 0,                   []),
	(4, NULL,                     NULL,             NULL,                                 0,                   NULL)
) AS t(id, name, doc, seen, price, list)`

func TestExport(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, exported)
	wants := map[string]string{
		"csv": `id,name,doc,seen,price,list
1,"'=HYPERLINK(""http://x"")","{""a"": 1}",2026-11-21T10:00:00Z,-1.50,"[1,null]"
2,"two
lines, ""quoted""","""=1""",,,
3,-5,null,1970-01-01T00:00:00Z,0.00,[]
4,,,,0.00,
`,
		"ndjson": `{"id":1,"name":"=HYPERLINK(\"http://x\")","doc":"{\"a\": 1}","seen":"2026-11-21T10:00:00Z","price":-1.50,"list":[1,null]}
{"id":2,"name":"two\nlines, \"quoted\"","doc":"\"=1\"","seen":null,"price":null,"list":null}
{"id":3,"name":"-5","doc":"null","seen":"1970-01-01T00:00:00Z","price":0.00,"list":[]}
{"id":4,"name":null,"doc":null,"seen":null,"price":0.00,"list":null}
`,
	}
	wants["json"] = "[\n" + strings.ReplaceAll(strings.TrimSpace(wants["ndjson"]), "}\n", "},\n") + "\n]\n"
	for format, want := range wants {
		if got := f.export(t, r.ID, result.View{}, format); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", format, got, want)
		}
	}
	if rows, err := csv.NewReader(strings.NewReader(wants["csv"])).ReadAll(); err != nil || len(rows) != 5 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	one := f.create(t, "SELECT unnest([NULL, '', ' a', 'b,c', e'\\r', 'd']) AS v")
	if got := f.export(t, one.ID, result.View{}, "csv"); got != "v\n\"\"\n\"\"\n\" a\"\n\"b,c\"\n\"'\r\"\nd\n" {
		t.Errorf("%q", got)
	}
	two := f.create(t, "SELECT unnest([NULL, '', 'a']) AS v, unnest(['', NULL, 'b']) AS w")
	if got := f.export(t, two.ID, result.View{}, "csv"); got != "v,w\n,\"\"\n\"\",\na,b\n" {
		t.Errorf("null and empty: %q", got)
	}
	if !json.Valid([]byte(wants["json"])) {
		t.Error("the JSON is none")
	}
	some := result.View{Columns: []string{"name", "id"}, Sort: []result.Sort{{Column: "id", Desc: true}}, Filters: []result.Filter{{Column: "id", Op: "ne", Value: "2"}}, Limit: 2}
	if got := f.export(t, r.ID, some, "csv"); got != "name,id\n,4\n-5,3\n" {
		t.Errorf("%q", got)
	}
	kindIs(t, "no format", f.Export(context.Background(), r.ID, result.View{}, "xlsx", &bytes.Buffer{}), millrace.Invalid)
}

// A Parquet download is the file, or one that reads the same.
func TestExportParquet(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, exported)
	read := func(name, data, sql string) []string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(f.dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		rows, err := f.w.ReadResult(context.Background(), name, warehouse.Query{SQL: sql})
		if err != nil {
			t.Fatal(err)
		}
		return texts(t, rows)
	}
	const all = "SELECT c0, c1, c2, c3, c4, c5 FROM result"
	want := read(r.ID+".parquet", f.export(t, r.ID, result.View{}, "parquet"), all)
	sorted := f.export(t, r.ID, result.View{Sort: []result.Sort{{Column: "id"}}}, "parquet")
	same(t, "sorted", read("sorted.parquet", sorted, all), want)
	part := f.export(t, r.ID, result.View{Columns: []string{"price"}, Offset: 2}, "parquet")
	same(t, "part", read("part.parquet", part, "SELECT c0, r FROM result"), []string{"0.00 0", "0.00 1"})
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestExportToNobody(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, "SELECT i, md5(i::VARCHAR) AS m FROM range(100000) t(i)")
	for _, format := range result.Formats {
		if err := f.Export(context.Background(), r.ID, result.View{}, format, brokenWriter{}); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", format, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Export(ctx, r.ID, result.View{}, "csv", &bytes.Buffer{}); millrace.KindOf(err) != millrace.Canceled {
		t.Error(err)
	}
	if rows, _ := f.page(t, r.ID, result.View{Limit: 3}); len(rows) != 3 {
		t.Errorf("%v", rows)
	}
}

// A slowWriter waits for somebody before it takes anything.
type slowWriter struct{ wait, waiting chan struct{} }

func (w slowWriter) Write(p []byte) (int, error) {
	w.waiting <- struct{}{}
	<-w.wait
	return len(p), nil
}

// Slow downloads keep nobody from looking at results, and the next one is refused.
func TestSlowDownloads(t *testing.T) {
	t.Parallel()
	f := open(t)
	r := f.create(t, "SELECT i, md5(i::VARCHAR) AS m FROM range(50000) t(i)")
	w := slowWriter{make(chan struct{}), make(chan struct{}, 1000)}
	ended := make(chan error)
	for range 2 {
		go func() { ended <- f.Export(context.Background(), r.ID, result.View{}, "csv", w) }()
		<-w.waiting
	}
	kindIs(t, "a third", f.Export(context.Background(), r.ID, result.View{}, "csv", &bytes.Buffer{}), millrace.Limited)
	if rows, _ := f.page(t, r.ID, result.View{Sort: []result.Sort{{Column: "m"}}}); len(rows) != 200 {
		t.Errorf("%d rows", len(rows))
	}
	if got := f.export(t, r.ID, result.View{}, "parquet"); int64(len(got)) != r.Bytes {
		t.Errorf("%d bytes", len(got))
	}
	close(w.wait)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	f.export(t, r.ID, result.View{}, "csv")
}
