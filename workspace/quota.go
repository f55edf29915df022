package workspace

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"

	"github.com/millrace/millrace"
)

// Quotas are what a workspace may use, all its environments together. Nil is no
// limit, 0 is nothing at all. A day begins at 0:00 UTC.
type Quotas struct {
	EventsPerDay       *int64 `json:"events_per_day,omitempty" doc:"Events taken in a day (UTC)"`
	BytesPerDay        *int64 `json:"bytes_per_day,omitempty" doc:"Bytes of events and rejected records stored in a day (UTC)"`
	QuerySecondsPerDay *int64 `json:"query_seconds_per_day,omitempty" doc:"Seconds that queries run in a day (UTC)"`
	Sources            *int64 `json:"sources,omitempty" doc:"Sources, in all environments"`
	EventTables        *int64 `json:"event_tables,omitempty" doc:"Tables of events, in all environments"`
	Members            *int64 `json:"members,omitempty" doc:"People, with invitations"`
	StorageBytes       *int64 `json:"storage_bytes,omitempty" doc:"Bytes kept in log, archive and warehouse; nothing is taken beyond it"`
}

// The names of quotas, as in JSON.
const (
	EventsPerDay       = "events_per_day"
	BytesPerDay        = "bytes_per_day"
	QuerySecondsPerDay = "query_seconds_per_day"
	Sources            = "sources"
	EventTables        = "event_tables"
	Members            = "members"
	StorageBytes       = "storage_bytes"
)

// what a quota counts, for people.
var quotaWords = map[string]string{
	EventsPerDay: "events a day", BytesPerDay: "bytes a day", QuerySecondsPerDay: "seconds of queries a day",
	Sources: "sources", EventTables: "event tables", Members: "members", StorageBytes: "bytes of storage",
}

// none is the limit where there is none.
const none = math.MaxInt64

// Of returns a quota by its name; false: there is no limit.
func (q Quotas) Of(name string) (limit int64, ok bool) {
	v := reflect.ValueOf(q)
	for i := range v.NumField() {
		tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if tag == name && !v.Field(i).IsNil() {
			return v.Field(i).Elem().Int(), true
		}
	}
	return none, false
}

// Validate refuses limits below 0.
func (q Quotas) Validate() error {
	for name, words := range quotaWords {
		if limit, ok := q.Of(name); ok && limit < 0 {
			return millrace.Errorf(millrace.Invalid, "%s cannot be %d: 0 allows no %s, leave it out for no limit", name, limit, words)
		}
	}
	return nil
}

// Check says whether a workspace may have so many of what is counted as it is
// (Sources, EventTables, Members): TooLarge when not. Check it in the transaction
// that adds one.
func (q Quotas) Check(name string, count int64) error {
	limit, ok := q.Of(name)
	if !ok || count <= limit {
		return nil
	}
	return millrace.Errorf(millrace.TooLarge, "this workspace may have %d %s, and would have %d: remove some, or ask whoever runs this server for more", limit, quotaWords[name], count)
}

func (q Quotas) encode() string {
	text, err := json.Marshal(q)
	if err != nil { // numbers only
		return "{}"
	}
	return string(text)
}

func decodeQuotas(text string) (q Quotas, err error) {
	return q, json.Unmarshal([]byte(text), &q)
}
