package serve

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/warehouse"
)

// A place where records go is a log, whose duplicates are judged at once, and a
// warehouse that has the others.
type town struct {
	*testing.T
	db    warehouse.Warehouse
	log   *mem.Log
	seen  map[string]bool
	twice []millrace.Position
	world *world
	url   string
	now   time.Time
	asked atomic.Int64 // queries
	ahead atomic.Int64 // of the server's clock, in nanoseconds
}

func (p *town) Wait(context.Context, millrace.Position) error { return nil }

func (p *town) Duplicates(_ context.Context, after, through millrace.Position) (out []millrace.Position, err error) {
	for _, d := range p.twice {
		if d.After(after) && !d.After(through) {
			out = append(out, d)
		}
	}
	return out, nil
}

func newTown(t *testing.T, db warehouse.Warehouse) *town {
	t.Helper()
	if _, err := db.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	p := &town{T: t, db: db, log: newLog(t), seen: map[string]bool{}, world: newWorld(), now: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	p.world.query = func(ctx context.Context, q warehouse.Query) (warehouse.Rows, error) {
		p.asked.Add(1)
		return db.Query(ctx, q)
	}
	o := p.world.options(t)
	o.Log, o.Verdicts = p.log, p
	if sizer, ok := db.(warehouse.Sizer); ok {
		o.TableSizes = sizer.TableSizes
	}
	o.Now = func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }
	p.url = start(t, o).URL
	return p
}

// send appends records to the log and loads what is no duplicate.
func (p *town) send(records ...millrace.Record) millrace.Position {
	p.Helper()
	for i := range records {
		records[i].Received, records[i].Occurred = p.now, p.now
	}
	last := appendAll(p.T, p.log, records...)
	b := warehouse.Batch{Through: millrace.Position{Epoch: last.Epoch, Seq: last.Seq, Index: millrace.EndOfFrame}, Flush: true}
	for i, r := range records {
		at := millrace.Position{Epoch: last.Epoch, Seq: last.Seq, Index: last.Index - uint32(len(records)-1-i)}
		if key := r.Source + r.ID; p.seen[key] {
			p.twice = append(p.twice, at)
			continue
		} else if r.Stream != millrace.StreamRejected {
			p.seen[key] = true
		}
		b.Entries = append(b.Entries, eventlog.Entry{Position: at, Time: p.now, Record: r})
	}
	if _, err := p.db.Apply(p.Context(), "default", b); err != nil {
		p.Fatal(err)
	}
	return last
}

// get asks and returns the answer, of which the status has to be 200.
func get[T any](p *town, path string) T {
	p.Helper()
	resp, body := call(p.T, "GET", p.url+path, "")
	if resp.StatusCode != http.StatusOK {
		p.Fatalf("%s: %d %s", path, resp.StatusCode, body)
	}
	return decode[T](p.T, body)
}

// job starts a job and waits for its result.
func (p *town) job(path, body string) job.Job {
	p.Helper()
	resp, text := call(p.T, "POST", p.url+path, body)
	if resp.StatusCode != http.StatusAccepted {
		p.Fatalf("%s: %d %s", path, resp.StatusCode, text)
	}
	for range 1000 {
		_, text = call(p.T, "GET", p.url+resp.Header.Get("Location"), "")
		if !strings.Contains(text, `"state":"running"`) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return decode[job.Job](p.T, text)
}

func order(id, user, properties string) millrace.Record {
	r := record("web", "track:Order Completed", id, fmt.Sprintf(`{"type":"track","event":"Order Completed","messageId":%q,"userId":%q,"properties":%s}`, id, user, properties))
	r.Key = user
	return r
}

func refused(id, raw string) millrace.Record {
	r := record("web", millrace.StreamRejected, id, fmt.Sprintf(
		`{"id":%q,"received_at":"2026-11-21T10:00:00Z","reason":"event of %d bytes has no name: \"%s\"","field":"event","type":"track","raw":%q}`, id, len(raw), id, raw))
	r.Key = id
	return r
}

// fill sends what the rooms show.
func (p *town) fill() {
	p.Helper()
	p.send(order("o1", "ada", `{"total":42.5,"orderID":"A-1","items":[1,2]}`), order("o2", "bob", `{"total":7,"orderID":"A-2"}`), order("o1", "ada", `{"total":42.5}`))
	p.now = p.now.Add(2 * time.Hour)
	identify := record("web", "identify", "i1", `{"type":"identify","messageId":"i1","userId":"ada","traits":{"plan":"pro"}}`)
	stream := record("web", "stream:temperature", "s1", `{"messageId":"s1","sensor":"hall","celsius":21.5}`)
	stream.Key = "s1"
	p.send(order("o3", "ada", `{"total":"a lot","coupon":"X\"Y"}`), order("o4", "eve", `{"total":"12"}`), identify, stream)
	p.send(refused("r1", `{"type":"track","messageId":"x1","userId":"ada"}`), refused("r2", `{"type":"track","messageId":"x2","userId":"bob"}`))
}

func testRooms(t *testing.T, db warehouse.Warehouse) {
	p := newTown(t, db)
	for _, path := range []string{"/api/v1/sources/web/events", "/api/v1/sources/web/changes", "/api/v1/tables", "/api/v1/rejected/groups", "/api/v1/records?id=x", "/api/v1/attention"} {
		if resp, body := call(t, "GET", p.url+path, ""); resp.StatusCode != http.StatusOK {
			t.Errorf("%s before the first record: %d %s", path, resp.StatusCode, body)
		}
	}
	p.fill()
	p.events()
	p.tables()
	p.profile()
	p.why()
	p.records()
	p.rejected()
	p.widened()
	p.manyTables()
}

func (p *town) events() {
	p.Helper()
	type events struct {
		Events []SourceEvent
		Next   string
	}
	found := get[events](p, "/api/v1/sources/web/events?sort=name")
	var got []string
	for _, e := range found.Events {
		got = append(got, fmt.Sprintf("%s %s %s %d", e.Kind, e.Event, e.Table, e.Count))
	}
	if strings.Join(got, ", ") != "track Order Completed order_completed 4, identify identify identifies 1, stream temperature temperature 1" &&
		strings.Join(got, ", ") != "identify identify identifies 1, track Order Completed order_completed 4, stream temperature temperature 1" { // as the engine sorts
		p.Errorf("events %s", got)
	}
	first := get[events](p, "/api/v1/sources/web/events?limit=1")
	second := get[events](p, "/api/v1/sources/web/events?limit=5&cursor="+first.Next)
	if len(first.Events) != 1 || first.Events[0].Count != 4 || first.Next != "1" || len(second.Events) != 2 || second.Next != "" || first.Events[0].LastSeen.Hour() != 12 {
		p.Errorf("pages %+v %+v", first, second)
	}
	if found = get[events](p, "/api/v1/sources/web/events?q=TEMP"); len(found.Events) != 1 {
		p.Errorf("search %+v", found)
	}
	one := get[EventDetail](p, "/api/v1/sources/web/events/Order%20Completed")
	got = nil
	for _, q := range one.Properties {
		got = append(got, fmt.Sprintf("%s=%s %s %d %v", q.Column, q.Original, q.Type, q.Filled, q.Examples))
	}
	want := "total=total double 2 [7 42.5]|order_id=orderID text 2 [A-2 A-1]|items=items json 1 [[1,2]]|coupon=coupon text 1 [X\"Y]"
	if strings.Join(got, "|") != want || one.Count != 4 || one.FirstSeen.Hour() != 10 || one.Properties[3].FirstSeen.Hour() != 12 || one.Properties[0].Share != 0.5 {
		p.Errorf("event %s, want %s; %+v", strings.Join(got, "|"), want, one)
	}
	if one = get[EventDetail](p, "/api/v1/sources/web/events/temperature?kind=stream"); one.Count != 1 || len(one.Properties) < 2 {
		p.Errorf("stream %+v", one)
	}
	if one = get[EventDetail](p, "/api/v1/sources/web/events/identify?kind=identify"); one.Table != "identifies" || one.Properties[0].Original != "plan" {
		p.Errorf("identify %+v", one)
	}
	resp, body := call(p.T, "GET", p.url+"/api/v1/sources/web/events/"+url.PathEscape("a/b ?'\""), "")
	wantProblem(p.T, resp, body, 404, "not_found", "has received no track")
	changes := get[struct {
		Changes []SchemaChange
		Next    string
	}](p, "/api/v1/sources/web/changes")
	got = nil
	for _, c := range changes.Changes {
		got = append(got, c.Kind+" "+c.Name)
	}
	if !slices.Contains(got, "event Order Completed") || !slices.Contains(got, "column coupon") || !slices.Contains(got, "stream temperature") || slices.Contains(got, "column total") {
		p.Errorf("changes %s", got)
	}
}

func (p *town) tables() {
	p.Helper()
	type tables struct {
		Tables []TableSummary
		Next   string
	}
	all := get[tables](p, "/api/v1/tables?schema=web")
	var got []string
	for _, one := range all.Tables {
		got = append(got, fmt.Sprintf("%s %s %d", one.Table, one.Kind, *one.Rows))
	}
	if strings.Join(got, ", ") != "discards discards 2, identifies call 1, order_completed event 4, temperature stream 1, tracks call 4, users latest 1" {
		p.Errorf("tables %s", got)
	}
	if all.Tables[2].Original != "Order Completed" || all.Tables[2].LastReceived.Hour() != 12 {
		p.Errorf("%+v", all.Tables[2])
	}
	if page := get[tables](p, "/api/v1/tables?limit=3"); len(page.Tables) != 3 || page.Next != "3" {
		p.Errorf("page %+v", page)
	}
	one := get[TableDetail](p, "/api/v1/tables/web/order_completed")
	i := slices.IndexFunc(one.ColumnList, func(c TableColumn) bool { return c.Name == "total" })
	if i < 0 || one.ColumnList[i].Type != "double" || one.ColumnList[i].Fixed || !one.ColumnList[0].Fixed || one.ColumnList[0].Type != "text" {
		p.Errorf("table %+v", one)
	}
	sample := get[Rows](p, "/api/v1/tables/web/order_completed/sample?limit=2")
	if len(sample.Rows) != 2 || len(sample.Columns) != len(one.ColumnList) || string(sample.Rows[0][0]) != `"o4"` {
		p.Errorf("sample %+v", sample)
	}
	catalog := get[struct {
		Tables    []CatalogTable
		Functions []string
	}](p, "/api/v1/catalog")
	if !slices.ContainsFunc(catalog.Tables, func(c CatalogTable) bool {
		return c.Table == "order_completed" && len(c.Columns) == len(one.ColumnList)
	}) ||
		!slices.Contains(catalog.Functions, "count") || !slices.Contains(catalog.Functions, "date_trunc") {
		p.Errorf("catalog %+v", catalog)
	}
	for _, path := range []string{"", "/sample", "/why", "/why/rows"} {
		resp, body := call(p.T, "GET", p.url+"/api/v1/tables/web/order_complete"+path, "")
		wantProblem(p.T, resp, body, 404, "not_found", "the nearest is web.order_completed")
	}
}

func (p *town) profile() {
	p.Helper()
	j := p.job("/api/v1/tables/web/order_completed/profile", "")
	if j.State != job.Done || j.Unit != "columns" {
		p.Fatalf("profile %+v", j)
	}
	profile, _ := j.Result.(map[string]any)
	got := map[string]map[string]any{}
	for _, c := range profile["columns"].([]any) {
		column := c.(map[string]any)
		got[column["name"].(string)] = column
		if column["problem"] != nil {
			p.Errorf("%s: %v", column["name"], column["problem"])
		}
	}
	total := got["total"]
	if profile["rows"] != 4.0 || total["filled"] != 2.0 || total["distinct"] != 2.0 || fmt.Sprint(total["min"], total["max"]) != "7 42.5" || len(total["histogram"].([]any)) != profileBins {
		p.Errorf("total %+v", total)
	}
	if user := got["user_id"]; fmt.Sprint(user["top"]) != "[map[count:2 value:ada] map[count:1 value:bob] map[count:1 value:eve]]" {
		p.Errorf("user_id %+v", user)
	}
	if at := got["received_at"]; at["min"] != "2026-11-21T10:00:00Z" || len(at["histogram"].([]any)) != profileBins {
		p.Errorf("received_at %+v", at)
	}
	resp, body := call(p.T, "POST", p.url+"/api/v1/tables/web/order_completed/profile", `{"columns":["x\"; DROP TABLE web.tracks; --"]}`)
	wantProblem(p.T, resp, body, 404, "not_found", "has no column")
	preview := func(path, typ string) TypePreview {
		p.Helper()
		resp, body := call(p.T, "POST", p.url+"/api/v1/tables/web/order_completed/columns/"+path+"/type", `{"type":"`+typ+`"}`)
		if resp.StatusCode != http.StatusOK {
			p.Fatalf("%s to %s: %d %s", path, typ, resp.StatusCode, body)
		}
		return decode[TypePreview](p.T, body)
	}
	if v := preview("total", "text"); v.Kept != 2 || v.Lost != 0 || v.Discarded != 2 || v.Regained != 2 || v.Apply.File != "sources/web.yaml" || v.Apply.Path[1] != "order_completed.total" {
		p.Errorf("to text %+v", v)
	}
	if v := preview("total", "double"); v.Kept != 2 || v.Regained != 1 || fmt.Sprint(v.GainedWhy) != "[{12 1}]" {
		p.Errorf("to double %+v", v)
	}
	if v := preview("order_id", "bigint"); v.Kept != 0 || v.Lost != 2 || len(v.LostWhy) != 2 {
		p.Errorf("to bigint %+v", v)
	}
	resp, body = call(p.T, "POST", p.url+"/api/v1/tables/web/order_completed/columns/received_at/type", `{"type":"text"}`)
	wantProblem(p.T, resp, body, 400, "invalid", "has a type of its own")
}

func (p *town) why() {
	p.Helper()
	why := get[Why](p, "/api/v1/tables/web/order_completed/why")
	var got []string
	for _, r := range why.Reasons {
		got = append(got, fmt.Sprintf("%s %s %d %d", r.Category, r.Column, r.Count, len(r.Series)))
	}
	slices.Sort(got)
	if strings.Join(got, ", ") != "discarded total 2 1, duplicate  1 1, rejected  2 1" || !why.Duplicates.Whole || why.Bucket != "day" {
		p.Errorf("why %s %+v", got, why)
	}
	why = get[Why](p, "/api/v1/tables/web/order_completed/why?from=2026-11-21T11:00:00Z&until=2026-11-21T13:00:00Z")
	if why.Bucket != "minute" || slices.ContainsFunc(why.Reasons, func(r WhyReason) bool { return r.Category == "duplicate" }) || len(why.Reasons) != 2 || why.Reasons[0].Series[0].At.Hour() != 12 {
		p.Errorf("why later %+v", why)
	}
	rows := get[whyRows](p, "/api/v1/tables/web/order_completed/why/rows?column=total&limit=1")
	if len(rows.Discards) != 1 || rows.Discards[0].ID != "o4" || rows.Discards[0].Value != "12" || rows.Next != "1" {
		p.Errorf("rows %+v", rows)
	}
	rows = get[whyRows](p, "/api/v1/tables/web/order_completed/why/rows?cursor="+rows.Next)
	if len(rows.Discards) != 1 || rows.Discards[0].ID != "o3" || rows.Next != "" {
		p.Errorf("second page %+v", rows)
	}
	rows = get[whyRows](p, "/api/v1/tables/web/order_completed/why/rows?category=duplicate")
	if len(rows.Duplicates) != 1 || rows.Duplicates[0].ID != "o1" || rows.Duplicates[0].Result != "duplicate" {
		p.Errorf("duplicates %+v", rows)
	}
	resp, body := call(p.T, "GET", p.url+"/api/v1/tables/millrace/rejected/why", "")
	wantProblem(p.T, resp, body, 400, "invalid", "is not made of events")
}

func (p *town) records() {
	p.Helper()
	list := func(query string) (got []string, next string) {
		p.Helper()
		found := get[recordList](p, "/api/v1/records?"+query)
		for _, r := range found.Records {
			got = append(got, fmt.Sprintf("%s %s %s %d-%d", r.ID, r.Kind, r.Result, r.Position.Seq, r.Position.Index))
		}
		if found.Incomplete != "" {
			p.Errorf("%s: %s", query, found.Incomplete)
		}
		return got, found.Next
	}
	if got, _ := list("id=o1"); fmt.Sprint(got) != "[o1 track duplicate 1-2 o1 track accepted 1-0]" {
		p.Errorf("by ID: %s", got)
	}
	if got, _ := list("id=s1"); fmt.Sprint(got) != "[s1 stream accepted 2-3]" {
		p.Errorf("of a stream: %s", got)
	}
	if got, _ := list("id=x1"); fmt.Sprint(got) != "[r1 rejected rejected 3-0]" {
		p.Errorf("rejected: %s", got)
	}
	got, next := list("user=ada&source=web&limit=2")
	more, _ := list("user=ada&limit=9&cursor=" + next)
	if fmt.Sprint(got) != "[r1 rejected rejected 3-0 i1 identify accepted 2-2]" || !strings.HasPrefix(fmt.Sprint(more), "[o3 track accepted 2-0 o1 track duplicate 1-2 o1 track accepted 1-0") {
		p.Errorf("by user: %s, then %s", got, more)
	}
	epoch := strings.SplitN(next, "-", 2)[0]
	journey := get[Journey](p, "/api/v1/records/"+epoch+"-1-0")
	states := func(j Journey) (all []string) {
		for _, s := range j.Steps {
			all = append(all, s.Step+" "+s.State)
		}
		return all
	}
	if fmt.Sprint(states(journey)) != "[received done logged done judged done archived unknown loaded done]" || len(journey.Rows) != 2 || journey.Rows[0].Table != "tracks" ||
		journey.Rows[0].LoadedAt == nil || journey.Record.Result != "accepted" || string(journey.Rows[1].Values["total"]) != "42.5" {
		p.Errorf("journey %+v", journey)
	}
	journey = get[Journey](p, "/api/v1/records/"+epoch+"-1-2")
	if fmt.Sprint(states(journey)) != "[received done logged done judged done archived not loaded not]" || journey.Steps[2].Of == nil || journey.Steps[2].Of.Index != 0 {
		p.Errorf("of a duplicate %+v", journey)
	}
	journey = get[Journey](p, "/api/v1/records/"+epoch+"-2-0")
	if len(journey.Rows) != 3 || journey.Rows[2].Table != "discards" {
		p.Errorf("with a discard %+v", journey.Rows)
	}
	journey = get[Journey](p, "/api/v1/records/"+epoch+"-3-0")
	if journey.Record.Result != "rejected" || len(journey.Rows) != 1 || journey.Rows[0].Table != "rejected" {
		p.Errorf("rejected %+v", journey)
	}
	for path, status := range map[string]int{"0-9-0": 404, epoch + "-1-9": 404, epoch + "-999-0": 404, epoch + "-1-end": 400, "x": 400} {
		if resp, body := call(p.T, "GET", p.url+"/api/v1/records/"+path, ""); resp.StatusCode != status {
			p.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	resp, body := call(p.T, "GET", p.url+"/api/v1/records?id=a&user=b", "")
	wantProblem(p.T, resp, body, 400, "invalid", "one of the two")
}

func (p *town) rejected() {
	p.Helper()
	type groups struct {
		Groups []RejectedGroup
		Next   string
	}
	all := get[groups](p, "/api/v1/rejected/groups?source=web")
	if len(all.Groups) != 1 || all.Groups[0].Count != 2 || all.Groups[0].Open != 2 || fmt.Sprint(all.Groups[0].Examples) != "[r2 r1]" || all.Groups[0].Field != "event" {
		p.Fatalf("groups %+v", all)
	}
	group := all.Groups[0].Group
	if group != `event of # bytes has no name: "…"` {
		p.Errorf("group %q", group)
	}
	found := get[struct {
		Rejected []Rejected
		Cursor   string
	}](p, "/api/v1/rejected?open=true&group="+url.QueryEscape(group))
	if len(found.Rejected) != 2 {
		p.Errorf("of the group: %+v", found)
	}
	p.world.resubmit = func(r Resubmission) (Resubmitted, error) {
		if r.RejectedID == "r2" {
			return Resubmitted{Outcome: OutcomeRejected, Reason: "still no name"}, nil
		}
		return Resubmitted{ID: "new", Outcome: OutcomeAccepted, Position: millrace.Position{Epoch: 1, Seq: 2}}, nil
	}
	j := p.job("/api/v1/rejected/resend", fmt.Sprintf(`{"filter":{"source":"web","group":%q},"patch":{"event":"Mended"}}`, group))
	result, _ := j.Result.(map[string]any)
	if j.State != job.Done || fmt.Sprint(result["outcomes"]) != "map[accepted:1 rejected:1]" || result["records"] != 2.0 || j.Total != 2 || j.Done != 2 {
		p.Fatalf("resent %+v", j)
	}
	if first := result["list"].([]any)[0].(map[string]any); first["rejected_id"] != "r2" || first["reason"] != "still no name" {
		p.Errorf("list %+v", result["list"])
	}
	for _, r := range p.world.resent {
		if !strings.Contains(string(r.Body), `"event":"Mended"`) || !strings.Contains(string(r.Body), `"messageId":"x`) {
			p.Errorf("sent %s", r.Body)
		}
	}
	p.send(record("web", millrace.StreamResent, "y", `{"rejected_id":"r1","id":"new","outcome":"accepted","reason":""}`))
	if all = get[groups](p, "/api/v1/rejected/groups?open=true"); len(all.Groups) != 1 || all.Groups[0].Count != 1 {
		p.Errorf("open groups %+v", all)
	}
	j = p.job("/api/v1/rejected/resend", `{"ids":["r2","nobody"]}`)
	if result, _ = j.Result.(map[string]any); fmt.Sprint(result["outcomes"]) != "map[failed:1 rejected:1]" {
		p.Errorf("by IDs %+v", j)
	}
	for _, bad := range []string{`{}`, `{"ids":["a"],"filter":{}}`, `{"ids":["a"],"patch":[1]}`, `{"filter":{"source":"nobody"}}`} {
		if resp, body := call(p.T, "POST", p.url+"/api/v1/rejected/resend", bad); resp.StatusCode != 400 && resp.StatusCode != 404 {
			p.Errorf("%s: %d %s", bad, resp.StatusCode, body)
		}
	}
	attention := get[struct{ Items []Attention }](p, "/api/v1/attention")
	if len(attention.Items) > 1 {
		p.Errorf("attention %+v", attention)
	}
}
