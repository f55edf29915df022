package duckdb

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// benchEvent is an event of about 800 bytes with twenty properties.
func benchEvent(n, names int) eventlog.Entry {
	event := fmt.Sprintf("Event %d", n%names)
	when := time.UnixMilli(1_700_000_000_000 + int64(n)).UTC()
	stamp := when.Format("2006-01-02T15:04:05.000Z")
	body := fmt.Sprintf(`{"type":"track","messageId":"msg-%016d","event":%q,"userId":"user-%d","anonymousId":"anon-%d-8f14e45f","timestamp":%q,"sentAt":%q,`+
		`"context":{"ip":"203.0.113.%d","userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","library":{"name":"analytics.js","version":"2.1.0"},"page":{"url":"https://shop.example.com/p/%d","path":"/p/%d","title":"Product %d"}},`+
		`"properties":{"order_id":"o-%d","total":%d.%02d,"quantity":%d,"currency":"EUR","coupon":"SUMMER%d","first":%t,"category":"category %d","sku":"SKU-%06d","shipping":%d.5,"position":%d,"list":"recommended for you","brand":"Brand %d"}}`,
		n, event, n%5000, n%9000, stamp, stamp, n%250, n%1000, n%1000, n%1000, n, n%500, n%100, n%7, n%20, n%2 == 0, n%40, n%30000, n%30, n%50, n%60)
	return eventlog.Entry{
		Position: millrace.Position{Epoch: 1, Seq: uint64(n/100) + 1, Index: uint32(n % 100)}, Time: when,
		Record: millrace.Record{
			ID: fmt.Sprintf("msg-%016d", n), Workspace: ws, Source: "web", Stream: millrace.StreamTrack + event, Key: fmt.Sprintf("user-%d", n%5000),
			Received: when, Occurred: when, Body: []byte(body), Meta: []byte(`{"receivedAt":"` + stamp + `","context":{"ip":"203.0.113.9"}}`),
		},
	}
}

func benchEvents(from, n, names int) []eventlog.Entry {
	entries := make([]eventlog.Entry, n)
	for i := range entries {
		entries[i] = benchEvent(from+i, names)
	}
	return entries
}

// cpuOf is the processor time of this process and of the child.
func cpuOf(b testing.TB, w *Warehouse) time.Duration {
	b.Helper()
	return selfCPU(b) + childCPU(b, w)
}

func selfCPU(b testing.TB) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func childCPU(b testing.TB, w *Warehouse) time.Duration {
	b.Helper()
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pidOf(b, w)) + "/stat")
	if err != nil {
		b.Fatal(err)
	}
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * 10 * time.Millisecond
}

func endOf(entries []eventlog.Entry) millrace.Position {
	p := entries[len(entries)-1].Position
	p.Index = millrace.EndOfFrame
	return p
}

// BenchmarkBulk loads events as a rebuild does, in large batches.
func BenchmarkBulk(b *testing.B) {
	const events, batch = 200_000, 20_000
	for _, names := range []int{5, 50} {
		entries := benchEvents(0, events, names)
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := openTest(b, func(o *Options) { o.MemoryLimitBytes = 1 << 30 })
				mustResume(b, w)
				runtime.GC()
				cpu := cpuOf(b, w)
				child := childCPU(b, w)
				b.StartTimer()
				began := time.Now()
				for chunk := range slices.Chunk(entries, batch) {
					mustApply(b, w, warehouse.Batch{Entries: chunk, Through: endOf(chunk)})
				}
				mustApply(b, w, warehouse.Batch{Through: endOf(entries), Flush: true})
				took := time.Since(began)
				b.ReportMetric(events/took.Seconds(), "events/s")
				b.ReportMetric(float64((cpuOf(b, w)-cpu).Nanoseconds())/1e3/events, "cpu-µs/event")
				b.ReportMetric(float64((childCPU(b, w)-child).Nanoseconds())/1e3/events, "child-µs/event")
				rss, _ := w.supervisor.state()
				b.ReportMetric(float64(rss>>20), "child-MB")
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
				size := fileSize(filepath.Join(w.o.Dir, ws+".duckdb")) + fileSize(filepath.Join(w.o.Dir, ws+".duckdb.wal"))
				b.ReportMetric(float64(size)/events, "disk-B/event")
			}
		})
		b.Run(fmt.Sprintf("names=%d/limit=read_json", names), func(b *testing.B) { benchReadJSON(b, entries) })
	}
}

// benchReadJSON is the limit: DuckDB reads the same events from a file, into
// tracks and one table of events.
func benchReadJSON(b *testing.B, entries []eventlog.Entry) {
	file := filepath.Join(b.TempDir(), "events.ndjson")
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriter(f)
	for i := range entries {
		out.Write(entries[i].Body)
		out.WriteByte('\n')
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	f.Close()
	for b.Loop() {
		b.StopTimer()
		db, err := openDatabase(filepath.Join(b.TempDir(), "limit.duckdb"), map[string]string{"threads": "1", "memory_limit": "1GB"})
		if err != nil {
			b.Fatal(err)
		}
		c, err := db.connect()
		if err != nil {
			b.Fatal(err)
		}
		cpu, began := selfCPU(b), time.Now()
		b.StartTimer()
		common := `messageId, userId, anonymousId, event, "timestamp", sentAt, context.ip, context.userAgent, context.library.name, context.library.version, context.page.url, context.page.path, context.page.title`
		source := "FROM read_json(" + literal(file) + ", format='newline_delimited')"
		if err := c.exec("BEGIN; CREATE TABLE tracks AS SELECT " + common + " " + source + "; CREATE TABLE event AS SELECT " + common + ", unnest(properties) " + source + "; COMMIT"); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		b.ReportMetric(float64(len(entries))/took.Seconds(), "events/s")
		b.ReportMetric(float64((selfCPU(b)-cpu).Nanoseconds())/1e3/float64(len(entries)), "cpu-µs/event")
		b.StopTimer()
		c.close()
		db.close()
		b.StartTimer()
	}
}

// BenchmarkQuery asks the smallest question, one after the other.
func BenchmarkQuery(b *testing.B) {
	w := loadedTest(b, 1000)
	cpu := cpuOf(b, w)
	for b.Loop() {
		if _, _, err := ask(w, warehouse.Query{SQL: "SELECT count(*) FROM web.tracks"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1e3, "ms/query")
	b.ReportMetric(float64((cpuOf(b, w)-cpu).Microseconds())/float64(b.N)/1e3, "cpu-ms/query")
}

// BenchmarkLive loads 5,000 events/s in a batch each second, as the loader
// does, for 30 s, with 50 event names; and the same beside a heavy query.
func BenchmarkLive(b *testing.B) {
	for _, heavy := range []bool{false, true} {
		b.Run(fmt.Sprintf("heavy=%v", heavy), func(b *testing.B) {
			for b.Loop() {
				benchLive(b, heavy)
			}
		})
	}
}

func benchLive(b *testing.B, heavy bool) {
	const perSecond, seconds, names = 5000, 30, 50
	b.StopTimer()
	w := openTest(b, func(o *Options) { o.MemoryLimitBytes = 1 << 30 })
	mustResume(b, w)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	entries := benchEvents(0, perSecond*seconds, names)
	runtime.GC()
	b.StartTimer()
	cpu := cpuOf(b, w)
	if heavy {
		go func() {
			for ctx.Err() == nil {
				if rows, err := w.Query(ctx, warehouse.Query{Workspace: ws, SQL: "SELECT count(DISTINCT a.id || b.range::VARCHAR) FROM web.tracks a, range(20) b"}); err == nil {
					_, _ = rows.Next(ctx)
					rows.Close()
				}
			}
		}()
	}
	var commits []time.Duration
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	i := 0
	for chunk := range slices.Chunk(entries, perSecond) {
		began := time.Now()
		mustApply(b, w, warehouse.Batch{Entries: chunk, Through: endOf(chunk)})
		commits = append(commits, time.Since(began))
		if i++; i < seconds {
			<-tick.C
		}
	}
	cancel()
	used := cpuOf(b, w) - cpu
	slices.Sort(commits)
	b.ReportMetric(float64(commits[len(commits)/2].Microseconds())/1e3, "apply-p50-ms")
	b.ReportMetric(float64(commits[len(commits)*99/100].Microseconds())/1e3, "apply-max-ms")
	if !heavy {
		b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(len(entries)), "cpu-µs/event")
	}
	rss, _ := w.supervisor.state()
	b.ReportMetric(float64(rss>>20), "child-MB")
	if !strings.Contains(mustAsk(b, w, "SELECT count(*) FROM web.tracks")[0], strconv.Itoa(len(entries))) {
		b.Fatal("events are missing")
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkUsers merges identifies of new and known users into a table of so many.
func BenchmarkUsers(b *testing.B) {
	for _, known := range []int{1_000_000, 5_000_000} {
		for _, rows := range []int{10, 1000, 10_000} {
			b.Run(fmt.Sprintf("known=%d/rows=%d", known, rows), func(b *testing.B) { benchUsers(b, known, rows) })
		}
	}
}

func benchUsers(b *testing.B, known, rows int) {
	s := newStore(&childConfig{Dir: b.TempDir(), SpillDir: b.TempDir(), EngineMemoryBytes: 1 << 30, SpillLimitBytes: 1 << 30, Threads: 1}, ws)
	s.path = s.config.Dir + "/users.duckdb"
	n := 0
	identify := func(rows int) warehouse.Batch {
		batch := warehouse.Batch{Flush: true}
		for range rows {
			n++
			e := track(n, "", "{}")
			user := fmt.Sprintf("user %x", uint64(n)*0x9e3779b97f4a7c15%uint64(known*11/10)*0x9e3779b97f4a7c15)
			e.Stream, e.Body = millrace.StreamIdentify, fmt.Appendf(nil, `{"userId":%q,"traits":{"email":"a%d@example.com","plan":"pro","age":%d}}`, user, n, n%90)
			batch.Entries, batch.Through = append(batch.Entries, e), e.Position
		}
		return batch
	}
	if _, err := s.resume(); err != nil {
		b.Fatal(err)
	}
	apply := func(batch warehouse.Batch) {
		if _, err := s.apply(batch); err != nil {
			b.Fatal(err)
		}
	}
	apply(identify(1))
	err := s.loader.conn.exec(fmt.Sprintf(`INSERT INTO web.users BY NAME SELECT printf('user %%x', (range * 11400714819323198485::HUGEINT %% 18446744073709551616)::UBIGINT) AS id,
		now() AS received_at, now() AS uuid_ts, 1 AS _epoch, 0 AS _seq, 0 AS _index, 'm' || range || '@example.com' AS email, 'free' AS plan, 5 AS age FROM range(%d); CHECKPOINT`, known))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		batch := identify(rows)
		b.StartTimer()
		apply(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/commit")
	s.forgetLoader()
	s.db.close()
}
