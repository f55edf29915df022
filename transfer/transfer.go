// Package transfer writes records into files that any program reads, and reads
// them again: lines of JSON, compressed with gzip, by workspace, source and day.
// docs/format/export.md specifies them.
package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Version is the newest version of the format.
const Version = 1

// Again says what becomes of an import that broke off and is done again: records
// come in anew, and only IDs within the window of their source are known.
const Again = "import again within the dedup window of their sources (24h where a source sets none), and they do not count twice; later they would: set dedup to more before (docs/backup.md)"

// About is the file that says what an export is; it is written last.
type About struct {
	Format  string            `json:"format"` // millrace-export
	Version int               `json:"version"`
	Taken   time.Time         `json:"taken"`
	Through millrace.Position `json:"through"` // the last record of the log
	Records int64             `json:"records"`
	Files   int64             `json:"files"` // with records
}

// AboutKey is where it is, and FormatName what it says.
const (
	AboutKey      = "millrace-export.json"
	FormatName    = "millrace-export"
	recordsPrefix = "records/"
	recordsSuffix = ".ndjson.gz"
)

// A line is a record as it is read. What is not UTF-8, or no JSON where that
// should be, is in the field with base64.
type line struct {
	ID         string          `json:"id"`
	Workspace  string          `json:"workspace"`
	Source     string          `json:"source"`
	Stream     string          `json:"stream"`
	Op         string          `json:"op"`
	Key        string          `json:"key"`
	Received   time.Time       `json:"received_at"`
	Occurred   time.Time       `json:"occurred_at"`
	Body       json.RawMessage `json:"body"`
	BodyBase64 []byte          `json:"body_base64"`
	Meta       json.RawMessage `json:"meta"`
	Exact      map[string]string
	ExactText  json.RawMessage `json:"exact"`
}

// timeFormat has the precision of records.
const timeFormat = "2006-01-02T15:04:05.000Z"

// AppendLine writes a record as one line. The body is as it was received, but
// for line ends between its values.
func AppendLine(out []byte, e *eventlog.Entry) []byte {
	exact := map[string]string{}
	text := func(name, value string) {
		out = append(out, '"')
		out = append(out, name...)
		out = append(out, '"', ':')
		if !utf8.ValidString(value) {
			exact[name] = base64.StdEncoding.EncodeToString([]byte(value))
		}
		quoted, _ := json.Marshal(value) // of a string: it never fails
		out = append(append(out, quoted...), ',')
	}
	out = append(out, '{')
	text("id", e.ID)
	text("workspace", e.Workspace)
	text("source", e.Source)
	text("stream", e.Stream)
	text("op", e.Op.String())
	text("key", e.Key)
	text("received_at", e.Received.UTC().Format(timeFormat))
	text("occurred_at", e.Occurred.UTC().Format(timeFormat))
	text("log_time", e.Time.UTC().Format(timeFormat))
	text("position", e.Position.Numbers())
	if len(exact) > 0 {
		names, _ := json.Marshal(exact) // of strings
		out = append(append(append(out, `"exact":`...), names...), ',')
	}
	if len(e.Meta) > 0 && json.Valid(e.Meta) {
		out = append(appendJSON(append(out, `"meta":`...), e.Meta), ',')
	}
	switch {
	case len(e.Body) == 0:
		out = append(out, `"body":null`...)
	case json.Valid(e.Body) && utf8.Valid(e.Body):
		out = appendJSON(append(out, `"body":`...), e.Body)
	default:
		out = append(out, `"body_base64":"`...)
		out = append(base64.StdEncoding.AppendEncode(out, e.Body), '"')
	}
	return append(out, '}', '\n')
}

// appendJSON appends a value on one line.
func appendJSON(out, value []byte) []byte {
	if !bytes.ContainsAny(value, "\r\n") {
		return append(out, value...)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, value) != nil {
		return append(out, "null"...) // it was valid
	}
	return append(out, compact.Bytes()...)
}

// ReadLine reads what AppendLine wrote. What anyone may have written is Invalid, or
// a record whose fields are as they say: whoever takes it in looks at them.
func ReadLine(text []byte) (r millrace.Record, err error) {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return r, millrace.Errorf(millrace.Invalid, "the line is no record: %w", err)
	}
	if l.ID == "" || l.Workspace == "" || l.Source == "" || l.Stream == "" {
		return r, millrace.Errorf(millrace.Invalid, "the record has no id, workspace, source or stream")
	}
	r = millrace.Record{ID: l.ID, Workspace: l.Workspace, Source: l.Source, Stream: l.Stream, Key: l.Key, Received: l.Received, Occurred: l.Occurred, Meta: l.Meta, Body: l.Body}
	found := false
	for op := millrace.OpEvent; op <= millrace.OpDelete; op++ {
		if l.Op == op.String() {
			r.Op, found = op, true
		}
	}
	if !found {
		return r, millrace.Errorf(millrace.Invalid, "%.40q is no operation", l.Op)
	}
	if string(r.Body) == "null" {
		r.Body = nil
	}
	if l.BodyBase64 != nil {
		r.Body = l.BodyBase64
	}
	if len(l.ExactText) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(l.ExactText, &l.Exact); err != nil {
		return r, millrace.Errorf(millrace.Invalid, "exact is no object of texts: %w", err)
	}
	for name, to := range map[string]*string{"id": &r.ID, "workspace": &r.Workspace, "source": &r.Source, "stream": &r.Stream, "key": &r.Key} {
		if value, ok := l.Exact[name]; ok {
			data, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return r, millrace.Errorf(millrace.Invalid, "exact.%s is no base64", name)
			}
			*to = string(data)
		}
	}
	return r, nil
}

// A Head is what a line says of where its record was. It is read without the rest.
type Head struct {
	Workspace string    `json:"workspace"` // the id of the space
	Source    string    `json:"source"`
	LogTime   time.Time `json:"log_time"`
	Position  string    `json:"position"`
}

// ReadHead reads the head of a line.
func ReadHead(text []byte) (h Head, err error) {
	if err := json.Unmarshal(text, &h); err != nil || h.Workspace == "" || h.Source == "" || h.LogTime.IsZero() || h.Position == "" {
		return h, millrace.Errorf(millrace.Invalid, "the line is no record of a log")
	}
	return h, nil
}

// namePart makes a name a part of a key, as the archive does.
func namePart(name string) string {
	var out strings.Builder
	const hex = "0123456789ABCDEF"
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || (c == '_' || c == '.') && i > 0 {
			out.WriteByte(c)
			continue
		}
		out.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return out.String()
}
