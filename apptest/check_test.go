package apptest_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/archive"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/serve"
)

// numbered are the events of each client in the order in which they were found.
type numbered map[string][]int64

// check wants each client's events from 1 to at least what was acknowledged,
// each once, in order. Those sent last and not acknowledged may be there.
func (found numbered) check(t *testing.T, where string, clients []*sender) {
	t.Helper()
	for _, c := range clients {
		list := found[c.name]
		for i, n := range list {
			if n != int64(i)+1 {
				t.Errorf("%s: %s's event %d stands at place %d of %d, and then come %v", where, c.name, n, i+1, len(list), list[i+1:min(len(list), i+8)])
				break
			}
		}
		if n, acked := int64(len(list)), c.acked.Load(); n < acked || n > acked+max(1, c.step) {
			t.Errorf("%s has %d events of %s, %d were acknowledged", where, n, c.name, acked)
		}
	}
}

// checkEnd is check of the part that a log still has: in order, without gaps,
// up to the end.
func (found numbered) checkEnd(t *testing.T, where string, clients []*sender) {
	t.Helper()
	for _, c := range clients {
		list := found[c.name]
		if len(list) == 0 {
			t.Errorf("%s has nothing of %s", where, c.name)
			continue
		}
		for i, n := range list {
			if n != list[0]+int64(i) {
				t.Errorf("%s: %s's event %d follows %d", where, c.name, n, list[i-1])
				break
			}
		}
		if last, acked := list[len(list)-1], c.acked.Load(); last < acked || last > acked+max(1, c.step) {
			t.Errorf("%s ends with event %d of %s, %d were acknowledged", where, last, c.name, acked)
		}
	}
}

// add counts an ID such as client3-17.
func (found numbered) add(id string) {
	name, number, ok := strings.Cut(id, "-")
	var n int64
	if _, err := fmt.Sscanf(number, "%d", &n); ok && err == nil {
		found[name] = append(found[name], n)
	}
}

// checkWarehouse reads event tables and tracks, seeing the position after.
func checkWarehouse(t *testing.T, s *apptest.Server, after string, clients []*sender) {
	t.Helper()
	tracks, inTracks := numbered{}, numbered{}
	var union []string
	for i := range 7 {
		union = append(union, fmt.Sprintf("SELECT id, user_id, n, _epoch, _seq, _index FROM web.counted_%d", i))
	}
	for _, row := range s.Query("SELECT id, n FROM ("+strings.Join(union, " UNION ALL ")+") AS events ORDER BY _epoch, _seq, _index", after).Rows {
		tracks.add(fmt.Sprint(row[0]))
		if _, n, _ := strings.Cut(fmt.Sprint(row[0]), "-"); n != fmt.Sprint(row[1]) {
			t.Errorf("the warehouse has %v as n of %v", row[1], row[0])
		}
	}
	tracks.check(t, "the warehouse's event tables", clients)
	for _, row := range s.Query("SELECT id FROM web.tracks WHERE user_id <> 'last' ORDER BY _epoch, _seq, _index", after).Rows {
		inTracks.add(fmt.Sprint(row[0]))
	}
	inTracks.check(t, "the warehouse's tracks", clients)
	for _, c := range clients {
		n := len(tracks[c.name]) / 5
		want := fmt.Sprintf("%d, %d", n, n)
		row := s.Query(fmt.Sprintf("SELECT count(*), count(DISTINCT id) FROM web.identifies WHERE user_id = '%s'", c.name), after).Rows[0]
		if got := fmt.Sprintf("%v, %v", row...); got != want {
			t.Errorf("identifies has %s rows and different ones of %s, want %s", got, c.name, want)
		}
	}
}

// readLog reads the log through the tail, from a position to the last event.
func readLog(s *apptest.Server, after string) numbered {
	found := numbered{}
	for _, record := range s.Tail("after="+after, "last") {
		if record.Result == "accepted" {
			found.add(record.ID)
		}
	}
	return found
}

// readArchive reads an archive as a reader of the log's past does, and verifies it.
func readArchive(t *testing.T, bucket blob.Bucket) numbered {
	t.Helper()
	ctx := context.Background()
	a, err := archive.Open(ctx, archive.Options{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := a.Verify(ctx, nil); err != nil || len(report.Problems) > 0 {
		t.Errorf("archive verify: %v, %v", report.Problems, err)
	}
	reader, err := a.Open(ctx, millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	found := numbered{}
	for {
		b, err := reader.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Records {
			found.add(e.ID)
		}
		if b.AtEnd {
			return found
		}
	}
}

// localArchive opens the archive in the data folder.
func localArchive(t *testing.T, s *apptest.Server) blob.Bucket {
	t.Helper()
	bucket, err := local.Open(t.Context(), filepath.Join(s.Data, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	return bucket
}

// readPublished reads the published hours as docs/archive.md says, without Millrace.
func readPublished(t *testing.T, dir string) numbered {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT id FROM read_parquet('" + dir + "/default/*/date=*/hour=*/*.parquet', hive_partitioning = true) WHERE type = 'track' ORDER BY epoch, seq, index")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := numbered{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		found.add(id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func status(s *apptest.Server) (st serve.Status, err error) {
	code, text, err := s.Do("GET", "/api/v1/status", nil)
	if err == nil && code != 200 {
		err = fmt.Errorf("status answers %d %s", code, text)
	}
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	return st, err
}

// stored waits until archive and warehouse have everything that the log has.
func stored(t *testing.T, s *apptest.Server) {
	t.Helper()
	apptest.Eventually(t, time.Minute, func() error {
		st, err := status(s)
		if err != nil {
			return err
		}
		for _, r := range st.Readers {
			if r.Position.Before(st.Log.Last) || r.State != "running" {
				return fmt.Errorf("%s is %s at %s, the log ends at %s; %s", r.Name, r.State, r.Position, st.Log.Last, r.Problem)
			}
		}
		return nil
	})
}

// published waits until the archive has published all hours: move the clock
// past the last one before.
func published(t *testing.T, s *apptest.Server) {
	t.Helper()
	apptest.Eventually(t, time.Minute, func() error {
		report, err := freshFiles(filepath.Join(s.Data, "archive"))
		if err == nil && report > 0 {
			err = fmt.Errorf("%d ranges are not published", report)
		}
		return err
	})
}

// freshFiles counts the ranges that the archive's manifest names as fresh.
func freshFiles(dir string) (int, error) {
	bucket, err := local.Open(context.Background(), dir)
	if err != nil {
		return 0, err
	}
	defer bucket.Close()
	a, err := archive.Open(context.Background(), archive.Options{Bucket: bucket})
	if err != nil {
		return 0, err
	}
	return int(a.Stats().FreshFiles), nil
}
