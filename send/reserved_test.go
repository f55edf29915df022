package send

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/terminal"
	"github.com/millrace/millrace/warehouse"
)

// discarded says whether the warehouse has no column for a property.
func discarded(t *testing.T, property string) (gone bool, columns []string) {
	t.Helper()
	shaper, err := warehouse.NewShaper(warehouse.ShaperOptions{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := millrace.Position{Epoch: 1, Seq: 1}
	shaper.Add(warehouse.Batch{Through: p, Flush: true, Entries: []eventlog.Entry{{Position: p, Time: at, Record: millrace.Record{
		ID: "m", Workspace: "default", Source: "web", Stream: "track:Sold", Received: at, Occurred: at,
		Body: fmt.Appendf(nil, `{"event":"Sold","properties":{%q:"something else"}}`, property),
	}}}})
	step := shaper.Take(true)
	for _, b := range step.Buffers {
		if b.TableName == (warehouse.TableName{Schema: "web", Table: "sold"}) {
			for _, c := range b.Columns {
				columns = append(columns, c.Name)
			}
		}
	}
	return step.Discards > 0, columns
}

// What is said to go to discards is what the warehouse puts there: of the names
// of its own columns, and of names near them.
func TestReservedAgreesWithTheWarehouse(t *testing.T) {
	t.Parallel()
	_, own := discarded(t, "price")
	if len(own) < 10 {
		t.Fatalf("the table has the columns %v", own)
	}
	for _, name := range append(own, append([]string{"Id", "ID", "messageId", "userId", "User ID", "context_ip", "contextual", "context.ip",
		"Timestamp", "time", "uuidTs", "Event", "source", "name", "type", "properties", "anonymousId", "price_"}, reservedColumns...)...) {
		if strings.HasPrefix(name, "_") { // a property's column never begins so
			continue
		}
		if gone, _ := discarded(t, name); gone != reserved(name) {
			t.Errorf("%s: the warehouse discards it: %v; said: %v", name, gone, reserved(name))
		}
	}
}

func TestWarnReserved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o     Options
		names string
		want  string
	}{
		"nothing given": {Options{}, "id messageId event userId timestamp context_ip",
			"columns id, event, userId, timestamp, context_ip have names that tables use for themselves and go to discards: give --id id, --user userId, --time timestamp, or rename them\n"},
		"given":        {Options{ID: "id", User: "userId", Time: "timestamp"}, "id userId timestamp price", ""},
		"another ID":   {Options{ID: "messageId"}, "id messageId", "column id has a name that tables use for themselves and goes to discards: rename it\n"},
		"none of ours": {Options{}, "invoice day", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			warnReserved(terminal.New(terminal.Options{Out: io.Discard, Err: &out, Getenv: func(string) string { return "" }}), c.o, strings.Fields(c.names))
			if out.String() != c.want {
				t.Errorf("%s", out.String())
			}
		})
	}
}

// The text of a time stays as it is, so that a wrong zone can be put right.
func TestTimesAreKeptAsWritten(t *testing.T) {
	t.Parallel()
	e := newEncoder(Options{Source: "s", Time: "t"}, "e")
	var err error
	if e.times, err = newTimeFormat("D/M/YYYY H:mm", time.UTC); err != nil {
		t.Fatal(err)
	}
	e.names, e.types, e.tim = [][]byte{[]byte(`"t"`)}, []columnType{typeText}, 0
	event, err := e.csv(nil, csvRow{raw: []byte("01/02/2026 10:00"), fields: [][]byte{[]byte("01/02/2026 10:00")}})
	if err != nil || !bytes.Contains(event, []byte(`"timestamp":"2026-02-01T10:00:00Z"`)) || !bytes.Contains(event, []byte(`"t":"01/02/2026 10:00"`)) {
		t.Errorf("%s, %v", event, err)
	}
}
