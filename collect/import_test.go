package collect

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// TestImportable: an import is no way around what intake makes sure of.
func TestImportable(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 12, 0, 0, 123_456_789, time.UTC)
	good := millrace.Record{ID: "1", Source: "web", Stream: "track:Seen", Received: at, Occurred: at.AddDate(-90, 0, 0), Body: []byte(`{"a":["}",{"b":"\""}]}`), Meta: []byte(`{}`)}
	r := good
	if err := importable(&r); err != nil || r.Received.Nanosecond() != 123_000_000 {
		t.Errorf("%v, %v", err, r.Received)
	}
	for name, change := range map[string]func(r *millrace.Record){
		"no id":               func(r *millrace.Record) { r.ID = "" },
		"no stream":           func(r *millrace.Record) { r.Stream = "" },
		"another stream":      func(r *millrace.Record) { r.Stream = "drop table" },
		"a stream in folders": func(r *millrace.Record) { r.Stream = "stream:../x" },
		"not received":        func(r *millrace.Record) { r.Received = time.Time{} },
		"did not occur":       func(r *millrace.Record) { r.Occurred = time.Time{} },
		"too late":            func(r *millrace.Record) { r.Received = at.AddDate(9000, 0, 0) },
		"no JSON":             func(r *millrace.Record) { r.Body = []byte(`{"a":`) },
		"two values":          func(r *millrace.Record) { r.Body = []byte(`{} {}`) },
		"too deep":            func(r *millrace.Record) { r.Body = []byte(strings.Repeat("[", 600) + strings.Repeat("]", 600)) },
		"meta is no object":   func(r *millrace.Record) { r.Meta = []byte(`[]`) },
	} {
		r := good
		if change(&r); millrace.KindOf(importable(&r)) != millrace.Invalid {
			t.Errorf("%s: %v", name, importable(&r))
		}
	}
}
