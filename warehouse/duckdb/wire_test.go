package duckdb

import (
	"bytes"
	"net"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

func TestEntriesTravel(t *testing.T) {
	t.Parallel()
	entries := tracks(0, 2000).Entries
	entries[3].Meta = []byte(`{"a":1}`)
	entries[4].Occurred, entries[4].Body = time.Time{}, bytes.Repeat([]byte("x"), 5<<20)
	entries[5].Received = time.UnixMilli(-5).UTC()
	entries[6].ID, entries[6].Body = "", []byte{}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	failed := make(chan error, 1)
	go func() { failed <- newWire(a).sendEntries(entries) }()
	got, err := newWire(b).receiveEntries(ws)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, entries) {
		t.Error("other entries arrived")
	}
}

func FuzzDecodeEntries(f *testing.F) {
	e := track(1, "Event", `{"a":1}`)
	f.Add(appendEntry(nil, &e))
	f.Add(appendEntry(appendEntry(nil, &e), &eventlog.Entry{}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := decodeEntries(nil, append([]byte(nil), data...), ws)
		if err != nil {
			return
		}
		var again []byte
		for i := range entries {
			again = appendEntry(again, &entries[i])
		}
		twice, err := decodeEntries(nil, again, ws)
		if err != nil || !reflect.DeepEqual(entries, twice) {
			t.Fatalf("%v after writing it again", err)
		}
	})
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{5, 0, 0, 0, 1, 'a', 'b', 'c', 'd'})
	f.Add([]byte{0, 0, 0, 0, 1})
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Fuzz(func(_ *testing.T, data []byte) {
		a, b := net.Pipe()
		defer b.Close()
		go func() {
			_, _ = a.Write(data)
			a.Close()
		}()
		w := newWire(b)
		for {
			if _, _, err := w.receive(); err != nil {
				return
			}
		}
	})
}

// A batch that is far larger than usual goes through with bounded memory.
func TestHugeBatch(t *testing.T) {
	t.Parallel()
	w := openTest(t)
	mustResume(t, w)
	const n = 60_000
	big := track(n, "Big", `{"text":"`+string(bytes.Repeat([]byte("x"), 3<<20))+`"}`)
	b := tracks(0, n)
	b.Entries, b.Through = append(b.Entries, big), through(n)
	if p := mustApply(t, w, b); p.Committed != through(n) {
		t.Fatalf("progress %+v", p)
	}
	if got := mustAsk(t, w, "SELECT (SELECT count(*) FROM web.tracks), (SELECT max(length(text)) FROM web.big)")[0]; got != "60001|3145728" {
		t.Errorf("got %s", got)
	}
	status, err := w.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status.RSSBytes > 700<<20 || status.RSSBytes == 0 || status.SizeBytes == 0 || status.Backend != "duckdb" || status.Restarts != 0 || status.Problem != "" {
		t.Errorf("status %+v", status)
	}
}

// Checkpoints are made under load, queries wait for them or go on, and nothing
// is in their way for long.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	w := openTest(t, func(o *Options) {
		o.checkpoint = checkpointPolicy{Quiet: time.Hour, QuietBytes: 1, TryBytes: 1 << 40, ForceBytes: 1 << 10}
	})
	mustResume(t, w)
	stop, done := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, _, err := ask(w, warehouse.Query{SQL: "SELECT count(*) FROM information_schema.tables", Timeout: 30 * time.Second}); err != nil {
				t.Error(err)
			}
			asked.Add(1)
		}
	}()
	// Rows reach the file itself by checkpoints only. How long that and the
	// queries take depends on what else the machine does, so go on until both
	// are seen, and for a while in any case.
	file := w.o.Dir + "/" + ws + ".duckdb"
	n, began := 0, time.Now()
	for ; time.Since(began) < time.Minute; n += 500 {
		if time.Since(began) > 2*time.Second && fileSize(file) >= 1<<20 && asked.Load() >= 10 {
			break
		}
		mustApply(t, w, tracks(n, n+500))
	}
	close(stop)
	<-done
	if size := fileSize(file); size < 1<<20 {
		t.Errorf("no checkpoint was made in %v of loading: the file has %d bytes", time.Since(began), size)
	}
	if asked := asked.Load(); asked < 10 {
		t.Errorf("only %d queries in %v", asked, time.Since(began))
	}
	stillWorks(t, w, n)
	if n := w.supervisor.restarts.Load(); n != 0 {
		t.Errorf("the engine was restarted %d times", n)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	w := loadedTest(t, 10)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Resume(t.Context(), ws); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Resume: %v", err)
	}
	if _, err := w.Query(t.Context(), warehouse.Query{Workspace: ws, SQL: "SELECT 1"}); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("Query: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
