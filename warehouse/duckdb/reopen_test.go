package duckdb

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// The file is closed and opened again between batches: rows that wait for
// their tables are neither lost nor doubled, and queries beside it only wait.
func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newStore(&childConfig{Dir: dir, SpillDir: dir, EngineMemoryBytes: 128 << 20, SpillLimitBytes: 1 << 30, Threads: 1}, ws)
	s.mu.Lock()
	after, err := s.resume()
	s.mu.Unlock()
	if err != nil || after != (millrace.Position{}) {
		t.Fatal(after, err)
	}
	stop := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { // as a query does
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			db, err := s.acquire(stop)
			if err != nil {
				continue
			}
			if c, err := db.connect(); err != nil {
				t.Error(err)
			} else {
				if _, err := c.texts("SELECT table_name FROM duckdb_tables()"); err != nil {
					t.Error(err)
				}
				c.close()
			}
			s.release()
		}
	})
	const batches, rows = 30, 50
	opened, held := 0, 0
	for i := range batches {
		b := tracks(i*rows, (i+1)*rows)
		b.Flush = i == batches-1
		s.mu.Lock()
		progress, err := s.apply(b)
		s.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if progress.Committed.Before(progress.Scanned) {
			held++
		}
		for { // not while a query has the file
			before := s.db
			done, err := s.reopen()
			if err != nil {
				t.Fatal(err)
			}
			if done {
				if s.db == before {
					t.Fatal("the file is the same as before")
				}
				opened++
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	beside.Wait()
	if opened != batches || held == 0 {
		t.Errorf("opened %d times, rows were held back %d times", opened, held)
	}
	got, err := s.loader.conn.texts("SELECT (SELECT count(*) FROM web.tracks)::VARCHAR, ((SELECT count(*) FROM web.event_0) + (SELECT count(*) FROM web.event_1) + (SELECT count(*) FROM web.event_2))::VARCHAR")
	if want := fmt.Sprint(batches * rows); err != nil || got[0][0] != want || got[0][1] != want {
		t.Errorf("rows %v, %v; want %s twice", got, err, want)
	}
	if progress, err := s.apply(warehouse.Batch{Through: through(batches*rows - 1), Flush: true}); err != nil || progress.Committed != through(batches*rows-1) {
		t.Errorf("after it: %+v, %v", progress, err)
	}
	s.forgetLoader()
	s.db.close()
}
