package serve

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// manyTables checks that a source with many tables is asked for its changes in
// a few queries, and that each column is found in its own table.
func (p *town) manyTables() {
	p.Helper()
	const tables = 60
	event := func(i, more int) millrace.Record {
		name := fmt.Sprintf("Event %d", i)
		body := fmt.Sprintf(`{"type":"track","event":%q,"userId":"ada","properties":{"first":1`, name)
		for j := range more {
			body += fmt.Sprintf(`,"later_%d_%d":true`, i, j)
		}
		return record("ios", "track:"+name, fmt.Sprintf("many-%d-%d", i, more), body+"}}")
	}
	var begin, later []millrace.Record
	for i := range tables {
		begin, later = append(begin, event(i, 0)), append(later, event(i, i%4))
	}
	p.now = p.now.Add(time.Hour)
	p.send(begin...)
	p.now = p.now.Add(time.Hour)
	for i := range later {
		later[i].ID += "-later"
	}
	p.send(later...)
	before := p.asked.Load()
	found := get[struct {
		Changes []SchemaChange
		Next    string
	}](p, "/api/v1/sources/ios/changes?limit=1000")
	var got, want []string
	for _, c := range found.Changes {
		if c.Kind == "column" {
			got = append(got, c.Table+" "+c.Name)
		}
	}
	for i := range tables {
		for j := range i % 4 {
			want = append(want, fmt.Sprintf("event_%d later_%d_%d", i, i, j))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.Errorf("changes %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	if n := p.asked.Load() - before; n > 5 {
		p.Errorf("%d queries found the changes of %d tables", n, tables)
	}
	p.laterColumn(event(7, 5))
}

// laterColumn checks that when columns began is found once: later only those
// are looked for that were not there.
func (p *town) laterColumn(r millrace.Record) {
	p.Helper()
	p.now = p.now.Add(time.Hour)
	r.ID += "-last"
	p.send(r)
	p.ahead.Add(int64(maxChangesAge)) // after which an answer is not given again
	time.Sleep(catalogAge)
	before := p.asked.Load()
	found := get[struct {
		Changes []SchemaChange
		Next    string
	}](p, "/api/v1/sources/ios/changes?limit=1000&table=event_7")
	var got []string
	for _, c := range found.Changes {
		if c.Kind == "column" {
			got = append(got, c.Name+" "+c.At.Format("15:04"))
		}
	}
	hour := func(back time.Duration) string { return p.now.Add(-back).Format("15:04") }
	want := []string{"later_7_3 " + hour(0), "later_7_4 " + hour(0), "later_7_0 " + hour(time.Hour), "later_7_1 " + hour(time.Hour), "later_7_2 " + hour(time.Hour)}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		p.Errorf("changes %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	if n := p.asked.Load() - before; n > 3 {
		p.Errorf("%d queries found two new columns", n)
	}
}
