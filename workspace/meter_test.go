package workspace_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/workspace"
)

var _ collect.Gate = (*workspace.Meter)(nil)

// events are n records of a space with bodies of 10 bytes.
func events(space string, at time.Time, n int) []millrace.Record {
	all := make([]millrace.Record, n)
	for i := range all {
		all[i] = millrace.Record{ID: fmt.Sprint("e", i), Workspace: space, Source: "web", Stream: "page", Received: at, Occurred: at, Body: []byte(`{"a":"xyz"}`)[:10]}
	}
	return all
}

func (w *world) log() *mem.Log { return mem.New(mem.Options{Now: w.time}) }

func appendTo(t *testing.T, log *mem.Log, records []millrace.Record) millrace.Position {
	t.Helper()
	p, err := log.Append(t.Context(), records)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// on lets a meter run on a log until the test says stop.
func (w *world) on(log *mem.Log, change ...func(*workspace.MeterOptions)) (m *workspace.Meter, stop func()) {
	w.t.Helper()
	m = w.meter(append(change, func(o *workspace.MeterOptions) { o.Log = log })...)
	if err := m.Begin(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { _ = m.Run(ctx); close(done) }()
	return m, func() { cancel(); <-done }
}

// counted waits until a position is durably counted.
func counted(t *testing.T, m *workspace.Meter, p millrace.Position) {
	t.Helper()
	for began := time.Now(); m.Stats().Counted.Before(p); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("counted to %s, not %s: %s", m.Stats().Counted, p, m.Stats().Problem)
		}
	}
}

// sum is what a workspace used in all days.
func (w *world) sum(id string) (u workspace.Usage) {
	w.t.Helper()
	page, _, err := w.Usage(w.t.Context(), workspace.UsageOptions{Workspace: id, From: 1, To: 1 << 40})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, day := range page {
		u.Events, u.Rejected, u.Bytes, u.QuerySeconds = u.Events+day.Events, u.Rejected+day.Rejected, u.Bytes+day.Bytes, u.QuerySeconds+day.QuerySeconds
	}
	return u
}

func testMeter(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme, beta := w.create("acme"), w.create("beta")
	acme = ok(t)(w.AddEnvironment(t.Context(), acme.ID, "staging"))
	staging, _ := acme.Find("staging")
	log := w.log()
	midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	appendTo(t, log, append(events(acme.Main, midnight.Add(-time.Millisecond), 3), events(beta.Main, begin, 2)...))
	appendTo(t, log, append(events(acme.Main, midnight, 4), events(staging.Space, midnight, 5)...))
	other := events(acme.Main, midnight, 3)
	other[0].Stream, other[1].Stream, other[2].Source = millrace.StreamRejected, millrace.StreamResent, millrace.SourceMillrace
	last := appendTo(t, log, other)
	m, stop := w.on(log)
	counted(t, m, last)
	m.Queried(acme.Main, midnight, 1500*time.Millisecond)
	m.SetStored(acme.Main, midnight, workspace.Stored{Log: -1, Archive: -1, Warehouse: 7, EventTables: -1})
	m.SetStored(acme.Main, midnight, workspace.Stored{Log: -1, Archive: -1, Warehouse: 9, EventTables: -1})
	stop() // writes what there is
	got, next, err := w.Usage(t.Context(), workspace.UsageOptions{Workspace: acme.ID, To: workspace.Day(midnight)})
	if err != nil || next != nil || len(got) != 3 {
		t.Fatalf("%+v %v %v", got, next, err)
	}
	text, _ := json.Marshal(got)
	first, second := acme.Main, staging.Space
	unmeasured := `"storage_bytes":null,"log_bytes":null,"archive_bytes":null,"warehouse_bytes":null,"event_tables":null`
	production := `{"day":"2026-11-22","workspace":"acme","environment":"production","space":"` + first + `","events":4,"rejected":1,"bytes":50,"query_seconds":1.5,"storage_bytes":9,"log_bytes":null,"archive_bytes":null,"warehouse_bytes":9,"event_tables":null}`
	stage := `{"day":"2026-11-22","workspace":"acme","environment":"staging","space":"` + second + `","events":5,"rejected":0,"bytes":50,"query_seconds":0,` + unmeasured + `}`
	if second < first {
		production, stage = stage, production
	}
	if want := `[{"day":"2026-11-21","workspace":"acme","environment":"production","space":"` + first + `","events":3,"rejected":0,"bytes":30,"query_seconds":0,` + unmeasured + `},` + production + "," + stage + "]"; string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
	if u := w.sum(beta.ID); u.Events != 2 || u.Bytes != 20 {
		t.Errorf("%+v", u)
	}
}

// However often the server stops, each record counts once.
func testMeterCrashes(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{EventsPerDay: limit(1 << 40)}))
	log := w.log()
	total := 0
	for i := range 15 {
		ctx, crash := context.WithCancel(t.Context())
		m := w.meter(func(o *workspace.MeterOptions) {
			o.Log = log
			o.Store = w.again()
			if i%3 == 0 {
				o.Every = time.Hour // nothing is written before the crash, perhaps
			}
		})
		if err := m.Begin(ctx); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { _ = m.Run(ctx); close(done) }()
		for range 20 {
			n := 1 + i
			if yes, _, reason := m.Admit(acme.Main, w.time(), n, 10*n); !yes {
				t.Fatal(reason)
			}
			appendTo(t, log, events(acme.Main, w.time(), n))
			total += n
			if i%4 == 3 {
				time.Sleep(time.Millisecond)
			}
		}
		crash()
		<-done
	}
	_, last, _ := log.Bounds(t.Context())
	for range 2 { // the second one knows that all is counted, though nothing comes any more
		m, stop := w.on(log)
		counted(t, m, last)
		stop()
	}
	if u := w.sum(acme.ID); u.Events != int64(total) || u.Bytes != int64(10*total) {
		t.Errorf("%+v, want %d events", u, total)
	}
}

// Two servers that both count do not count twice.
func testTwoMeters(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	log := w.log()
	a, stopA := w.on(log)
	b, stopB := w.on(log)
	var last millrace.Position
	for range 200 {
		last = appendTo(t, log, events(acme.Main, w.time(), 3))
		time.Sleep(time.Millisecond)
	}
	for began := time.Now(); a.Stats().Counted.Before(last) && b.Stats().Counted.Before(last); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("nobody counts")
		}
	}
	stopA()
	stopB()
	if u := w.sum(acme.ID); u.Events != 600 {
		t.Errorf("%+v", u)
	}
}

func testNotices(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{EventsPerDay: limit(10), BytesPerDay: limit(0), QuerySecondsPerDay: limit(100)}))
	log := w.log()
	var mu sync.Mutex
	var told []string
	notify := func(o *workspace.MeterOptions) {
		o.Notify = func(_ context.Context, n workspace.Notice) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprintf("%s %d", n.Quota, n.Percent))
		}
	}
	has := func(want string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	m, stop := w.on(log, notify)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 7)))
	has("")
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 1)))
	has("events_per_day 80")
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 1)))
	stop()
	m, stop = w.on(log, notify) // another server
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 5)))
	has("events_per_day 80, events_per_day 100")
	m.Queried(acme.Main, w.time(), 90*time.Second)
	stop()
	has("events_per_day 80, events_per_day 100, query_seconds_per_day 80")
	list, err := w.Notices(t.Context(), acme.ID)
	if err != nil || len(list) != 3 || list[0].Workspace != acme.ID || list[0].Day != workspace.Day(begin) {
		t.Errorf("%+v %v", list, err)
	}
}

// What a space keeps is known to another server, counts for all environments, and
// is told of when it comes near to its quota.
func testStored(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	acme = ok(t)(w.AddEnvironment(t.Context(), acme.ID, "staging"))
	staging, _ := acme.Find("staging")
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{StorageBytes: limit(100), EventTables: limit(10)}))
	log := w.log()
	var mu sync.Mutex
	told := map[string]bool{}
	m, stop := w.on(log, func(o *workspace.MeterOptions) {
		o.Notify = func(_ context.Context, n workspace.Notice) {
			mu.Lock()
			defer mu.Unlock()
			told[fmt.Sprint(n.Quota, n.Percent)] = true
		}
	})
	most := func(space string, want int64) {
		t.Helper()
		if got := m.MostTables(space); got == nil || *got != want {
			t.Errorf("%s may have %v event tables, want %d", space, got, want)
		}
	}
	most(acme.Main, 10)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 1))) // it runs
	m.SetStored(acme.Main, w.time(), workspace.Stored{Log: 10, Archive: 20, Warehouse: 30, EventTables: 3})
	m.SetStored(staging.Space, w.time(), workspace.Stored{Log: -1, Archive: -1, Warehouse: 20, EventTables: 4})
	m.SetStored(acme.Main, w.time(), workspace.Stored{Log: 11, Archive: -1, Warehouse: -1, EventTables: 4})
	most(acme.Main, 6)
	most(staging.Space, 6)
	stop()
	if len(told) != 2 || !told["storage_bytes80"] || !told["event_tables80"] {
		t.Errorf("told of %v", told)
	}
	m, stop = w.on(log) // another server, before it has measured anything
	defer stop()
	most(acme.Main, 6)
	if got, want := m.Stored(acme.Main), (workspace.Stored{Log: 11, Archive: 20, Warehouse: 30, EventTables: 4}); got != want {
		t.Errorf("another server knows %+v, want %+v", got, want)
	}
	near := m.Near(staging.Space, w.time())
	if len(near) != 2 || near[0].Quota != workspace.StorageBytes || near[0].Used != 81 || near[1].Used != 8 || near[1].Percent() != 80 {
		t.Errorf("%+v", near)
	}
	w.pass(3 * 24 * time.Hour)
	m.SetStored(staging.Space, w.time(), workspace.Stored{Log: 20, Archive: -1, Warehouse: -1, EventTables: -1})
	if yes, _, reason := m.Admit(acme.Main, w.time(), 1, 1); yes || !strings.Contains(reason, "100 bytes of storage") {
		t.Errorf("beyond the quota: %v %s", yes, reason)
	}
}

func testUsage(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	log := w.log()
	var last millrace.Position
	for day := range 40 {
		last = appendTo(t, log, events(acme.Main, begin.Add(time.Duration(day-39)*24*time.Hour), day+1))
	}
	m, stop := w.on(log)
	counted(t, m, last)
	stop()
	page, next, err := w.Usage(t.Context(), workspace.UsageOptions{Workspace: acme.ID})
	if err != nil || next != nil || len(page) != 30 || page[29].Day != "2026-11-21" || page[29].Events != 40 {
		t.Errorf("%d days, %v, %v", len(page), next, err)
	}
	for format, lines := range map[string]int{workspace.NDJSON: 40, workspace.CSV: 41} {
		var out bytes.Buffer
		if err := w.Export(t.Context(), &out, format, workspace.UsageOptions{Workspace: acme.ID, From: 1, Limit: 7}); err != nil || bytes.Count(out.Bytes(), []byte("\n")) != lines {
			t.Errorf("%s: %v\n%s", format, err, &out)
		}
		if !strings.Contains(out.String(), "2026-11-21") || format == workspace.CSV && !strings.Contains(out.String(), "\n2026-11-20,acme,production,"+acme.Main+",39,0,390,0,,,,,\n") {
			t.Errorf("%s", &out)
		}
	}
	wantKind(t, millrace.Invalid, w.Export(t.Context(), &bytes.Buffer{}, "xlsx", workspace.UsageOptions{Workspace: acme.ID}))
	_, _, err = w.Usage(t.Context(), workspace.UsageOptions{Workspace: acme.ID, Space: "1other"})
	wantKind(t, millrace.NotFound, err)
	_, _, err = w.Usage(t.Context(), workspace.UsageOptions{Workspace: "w_other"})
	wantKind(t, millrace.NotFound, err)
}

// Records of a purged space that are still in the log leave nothing behind.
func testUsageOfPurged(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	log := w.log()
	m, stop := w.on(log)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 7)))
	ok(t)(w.Delete(t.Context(), acme.ID))
	w.pass(8 * 24 * time.Hour)
	if n, err := w.purger(step("a", nil)).Once(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	m.Queried(acme.Main, w.time(), time.Second)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 7)))
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 7)))
	stop()
	m, stop = w.on(log)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 7)))
	stop()
	if n := w.rows(acme.Main, acme.ID); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// What did not pass the gate counts all the same, and what was there before.
func testUngated(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{EventsPerDay: limit(100)}))
	log := w.log()
	m, stop := w.on(log)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 60)))
	stop()
	appendTo(t, log, events(acme.Main, w.time(), 30)) // and was not counted before the crash
	w.Store = w.again()
	m = w.meter(func(o *workspace.MeterOptions) { o.Log = log })
	if err := m.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if yes, _, _ := m.Admit(acme.Main, w.time(), 7, 1); !yes { // before it runs
		t.Error("refused")
	}
	appendTo(t, log, events(acme.Main, w.time(), 7))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _ = m.Run(ctx) }()
	_, last, _ := log.Bounds(t.Context())
	counted(t, m, last)
	for i, want := range []bool{true, true, true, false} { // 97, 98, 99, 100
		if yes, _, reason := m.Admit(acme.Main, w.time(), 1, 1); yes != want {
			t.Errorf("%d: %t %s", i, yes, reason)
		}
	}
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{EventsPerDay: limit(200)}))
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 150))) // beside the gate
	if yes, _, _ := m.Admit(acme.Main, w.time(), 1, 1); yes {
		t.Error("what was counted from the log is not known to the gate")
	}
}
