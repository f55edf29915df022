package serve

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
)

func TestMain(m *testing.M) {
	duckdb.ChildMain()
	os.Exit(m.Run())
}

// TestDuckDB asks a real warehouse through the API.
func TestDuckDB(t *testing.T) {
	t.Parallel()
	db, err := duckdb.Open(t.Context(), duckdb.Options{Dir: t.TempDir(), MemoryLimitBytes: 256 << 20, MaxConcurrentQueries: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	seq := uint64(0)
	apply := func(records ...millrace.Record) {
		t.Helper()
		seq++
		b := warehouse.Batch{Through: millrace.Position{Epoch: 1, Seq: seq, Index: millrace.EndOfFrame}, Flush: true}
		for i, r := range records {
			b.Entries = append(b.Entries, eventlog.Entry{Position: millrace.Position{Epoch: 1, Seq: seq, Index: uint32(i)}, Time: time.Now(), Record: r})
		}
		if _, err := db.Apply(t.Context(), "default", b); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld()
	w.query = db.Query
	s := start(t, w.options(t))
	_, body := call(t, "GET", s.URL+"/api/v1/rejected", "")
	if compact(t, body) != `{"rejected":[],"cursor":""}` {
		t.Errorf("nothing is rejected yet: %s", body)
	}
	rejected := func(n int) millrace.Record {
		raw, err := json.Marshal(fmt.Sprintf(`{"n":%d}`, n))
		if err != nil {
			t.Fatal(err)
		}
		return record("web", millrace.StreamRejected, fmt.Sprint("x", n), fmt.Sprintf(
			`{"id":"x%d","received_at":"2026-11-21T01:02:03.000Z","reason":"No type","field":"type","type":"","raw":%s}`, n, raw))
	}
	apply(record("web", "track:Order Completed", "a", `{"type":"track","event":"Order Completed","messageId":"a","userId":"ada","properties":{"cents":9007199254740993,"items":[1,{"k":"v"}],"ok":true}}`),
		rejected(1), rejected(2), rejected(3))
	resp, body := call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT cents, items, ok, received_at, 1.10::DECIMAL(9,2) AS d, 170141183460469231731687303715884105727::HUGEINT AS h, {'a': [1, NULL]} AS s, 'NaN'::DOUBLE AS n, MAP {'k': 1} AS m, INTERVAL 3 DAY AS i, 'x'::BLOB AS b FROM web.order_completed WHERE user_id = $1","params":["ada"]}`)
	got := decode[queryResult](t, body)
	want := `[9007199254740993,"[1,{\"k\":\"v\"}]",true,"2026-11-21T01:02:03Z",1.10,170141183460469231731687303715884105727,{"a":[1,null]},"NaN",{"k":1},"P3D","eA=="]`
	if resp.StatusCode != 200 || got.RowCount != 1 || !strings.Contains(compact(t, body), want) {
		t.Errorf("%d %s; want %s", resp.StatusCode, body, want)
	}
	_, body = call(t, "GET", s.URL+"/api/v1/rejected?limit=2&source=web&reason=TYPE", "")
	page := decode[struct {
		Rejected []Rejected
		Cursor   string
	}](t, body)
	if len(page.Rejected) != 2 || page.Rejected[0].ID != "x3" || page.Rejected[0].Raw != `{"n":3}` || page.Rejected[0].Field != "type" {
		t.Fatalf("first page %s", body)
	}
	apply(record("web", millrace.StreamResent, "y", `{"rejected_id":"x1","id":"new","outcome":"accepted","reason":""}`))
	_, body = call(t, "GET", s.URL+"/api/v1/rejected?limit=2&cursor="+page.Cursor, "")
	if !strings.Contains(body, `"id":"x1"`) || !strings.Contains(body, `"outcome":"accepted"`) || !strings.Contains(body, `"cursor":""`) {
		t.Errorf("last page %s", body)
	}
	if resp, body = call(t, "POST", s.URL+"/api/v1/rejected/x2/resend", ""); resp.StatusCode != 200 || string(w.resent[0].Body) != `{"n":2}` {
		t.Errorf("resend: %d %s, %+v", resp.StatusCode, body, w.resent)
	}
	resp, body = call(t, "POST", s.URL+"/api/v1/query", `{"sql":"DELETE FROM web.tracks"}`)
	wantProblem(t, resp, body, 400, "invalid", "")
	resp, body = call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT nothing FROM web.tracks"}`)
	wantProblem(t, resp, body, 400, "invalid", "nothing")
}

// TestDuckDBRooms asks a real warehouse everything that the web page asks.
func TestDuckDBRooms(t *testing.T) {
	t.Parallel()
	db, err := duckdb.Open(t.Context(), duckdb.Options{Dir: t.TempDir(), MemoryLimitBytes: 256 << 20, MaxConcurrentQueries: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	testRooms(t, db)
}
