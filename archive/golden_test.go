package archive

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

var golden = flag.String("golden", "", "write the golden archive of the current version into this new folder")

// TestGolden reads an archive that format version 1 wrote. It is never made
// anew: a change of the format gets a version and a folder of its own.
func TestGolden(t *testing.T) {
	t.Parallel()
	if *golden != "" {
		writeGolden(t, *golden)
	}
	dir := filepath.Join(t.TempDir(), "bucket")
	if err := os.CopyFS(dir, os.DirFS("testdata/v1/bucket")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/v1/records.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []eventlog.Entry
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	b, err := local.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, err := Open(t.Context(), Options{Bucket: b})
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, a, millrace.Position{}, eventlog.Filter{})
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
	for i := range want {
		// JSON holds no invalid UTF-8: this one is compared by hand.
		if e := &got[i]; strings.HasPrefix(e.ID, "hostile") {
			if e.ID != "hostile\xff" || e.Stream != "track:\x00\xfe" || e.Key != "k\xff" {
				t.Errorf("the hostile record is %+v", e)
			}
			e.ID, e.Stream, e.Key = want[i].ID, want[i].Stream, want[i].Key
		}
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("record %d is\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
	report, err := a.Verify(t.Context(), nil)
	if err != nil || len(report.Problems) > 0 || report.Records != int64(len(want)) {
		t.Errorf("Verify: %+v, %v", report, err)
	}
	if s := a.Stats(); s.FreshFiles == 0 || s.Files == 0 {
		t.Errorf("the golden archive holds too little: %+v", s)
	}
}

func writeGolden(t *testing.T, dir string) {
	w := newWorld(t)
	b, err := local.Open(t.Context(), filepath.Join(dir, "bucket"))
	if err != nil {
		t.Fatal(err)
	}
	w.bucket = b
	w.log = mem.New(mem.Options{Epoch: 1_795_255_200_000, Now: w.clock.Now})
	w.opts.MaxFileBytes, w.opts.MaxSliceBytes = 4000, 8000
	w.mustOpen()
	w.append(events("default", "web", 0, 20)...)
	w.append(millrace.Record{
		ID: "hostile\xff", Workspace: "other", Source: "web", Stream: "track:\x00\xfe", Key: "k\xff",
		Received: tenOClock, Occurred: tenOClock, Body: []byte("\x00\xff{"), Meta: []byte("\xfe"),
	})
	w.flush()
	w.clock.Add(time.Hour)
	w.append(events("default", "ios", 20, 10)...)
	w.publish()
	w.append(events("default", "web", 30, 5)...)
	w.flush()
	w.check()
	w.stop()
	data, err := json.MarshalIndent(w.want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "records.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSchema holds the columns of version 1 in place.
func TestSchema(t *testing.T) {
	t.Parallel()
	want := `id string required; workspace string required; source string required; stream string required; type string required; ` +
		`event string optional; user_id string optional; anonymous_id string optional; op string required; key string required; ` +
		`received_at timestamp required; occurred_at timestamp required; log_time timestamp required; epoch INT64 required; seq INT64 required; ` +
		`index INT32 required; body BYTE_ARRAY optional; meta BYTE_ARRAY optional; exact BYTE_ARRAY optional`
	var got []string
	sc := schema.NewSchema(fileSchema())
	for i := range sc.NumColumns() {
		c := sc.Column(i)
		kind := c.PhysicalType().String()
		switch c.LogicalType().(type) {
		case schema.StringLogicalType:
			kind = "string"
		case schema.TimestampLogicalType:
			kind = "timestamp"
		}
		got = append(got, c.Name()+" "+kind+" "+strings.ToLower(c.SchemaNode().RepetitionType().String()))
	}
	if strings.Join(got, "; ") != want {
		t.Errorf("columns:\n%s, want\n%s", strings.Join(got, "; "), want)
	}
	for i, name := range map[int]string{colID: "id", colWorkspace: "workspace", colSource: "source", colStream: "stream", colOp: "op", colKey: "key",
		colReceived: "received_at", colOccurred: "occurred_at", colLogTime: "log_time", colEpoch: "epoch", colSeq: "seq", colIndex: "index",
		colBody: "body", colMeta: "meta", colExact: "exact"} {
		if columns[i].name != name {
			t.Errorf("column %d is %s, not %s", i, columns[i].name, name)
		}
	}
}
