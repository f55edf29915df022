package send

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"
)

// An encoder makes track events of rows. It sees every row of an input in
// order, also those that are not sent, because the ID of a row says how many
// equal rows came before it.
type encoder struct {
	source, event           string
	eventJSON               []byte
	idField, user, timeName string
	times                   *timeFormat

	// of CSV
	names                     [][]byte // column names as JSON
	types                     []columnType
	idColumn, userColumn, tim int // -1 for none

	// ordinals counts equal rows by the first 64 bits of their hash, about 30
	// bytes of memory a row. Two rows that share them only count together.
	ordinals map[uint64]uint32
	ids      []byte
}

func newEncoder(o Options, event string) *encoder {
	e := &encoder{source: o.Source, event: event, idField: o.ID, user: o.User, timeName: o.Time,
		idColumn: -1, userColumn: -1, tim: -1, ordinals: map[uint64]uint32{}}
	e.eventJSON = appendString(nil, []byte(event))
	return e
}

// appendString writes s as a JSON string. s is valid UTF-8.
func appendString(dst, s []byte) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// madeID returns the ID of a row that has none of its own: a hash of source,
// event, the row's bytes, and how many equal rows came before it.
func (e *encoder) madeID(raw []byte) []byte {
	h := sha256.New()
	var n [8]byte
	for _, part := range [][]byte{[]byte(e.source), []byte(e.event), raw} {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	var sum [sha256.Size]byte
	row := binary.BigEndian.Uint64(h.Sum(sum[:0]))
	ordinal := e.ordinals[row]
	e.ordinals[row] = ordinal + 1
	binary.BigEndian.PutUint64(n[:], uint64(ordinal))
	h.Write(n[:])
	e.ids = hex.AppendEncode(e.ids[:0], h.Sum(sum[:0])[:16])
	return e.ids
}

var errNotUTF8 = errors.New("not UTF-8")

// csv appends the event of a CSV row to dst. Also a row that it refuses counts
// for the IDs of those behind it.
func (e *encoder) csv(dst []byte, row csvRow) ([]byte, error) {
	var id []byte
	if e.idColumn < 0 {
		id = e.madeID(row.raw)
	}
	if row.broken != nil {
		return dst, row.broken
	}
	if len(row.fields) != len(e.names) {
		return dst, fmt.Errorf("it has %d values, the header has %d", len(row.fields), len(e.names))
	}
	if !utf8.Valid(row.raw) {
		for i, f := range row.fields {
			if !utf8.Valid(f) {
				return dst, fmt.Errorf("the value of %s is %w: save the file as UTF-8, or say what it is with --encoding latin1 or windows-1252", e.names[i], errNotUTF8)
			}
		}
	}
	if e.idColumn >= 0 {
		if id = row.fields[e.idColumn]; len(id) == 0 {
			return dst, fmt.Errorf("it has no value in %s, which --id names", e.names[e.idColumn])
		}
	}
	var user []byte
	if e.userColumn >= 0 {
		user = integral(row.fields[e.userColumn])
	}
	at := time.Time{}
	if e.tim >= 0 {
		value := row.fields[e.tim]
		if len(value) == 0 {
			return dst, fmt.Errorf("it has no value in %s, which --time names", e.names[e.tim])
		}
		var err error
		if at, err = e.times.parse(string(value)); err != nil {
			return dst, fmt.Errorf("%s: %w", e.names[e.tim], err)
		}
	}
	dst = e.head(dst, id, user, at)
	first := true
	for i, v := range row.fields {
		if len(v) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, e.names[i]...), ':')
		if i == e.userColumn {
			v = user
		}
		// the time is kept as it is written: who gave a wrong zone or format
		// finds it in the archive
		dst = appendValue(dst, v, e.types[i])
	}
	return append(dst, "}}"...), nil
}

// head writes everything of an event before the members of its properties.
func (e *encoder) head(dst, id, user []byte, at time.Time) []byte {
	dst = append(dst, `{"type":"track","event":`...)
	dst = append(dst, e.eventJSON...)
	dst = append(dst, `,"messageId":`...)
	dst = appendString(dst, id)
	if len(user) > 0 {
		dst = append(dst, `,"userId":`...)
		dst = appendString(dst, user)
	} else {
		dst = append(dst, `,"anonymousId":`...)
		dst = appendString(dst, id)
	}
	if !at.IsZero() {
		dst = append(dst, `,"timestamp":`...)
		dst = appendTime(dst, at.UTC())
	}
	return append(dst, `,"properties":{`...)
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, "2006-01-02T15:04:05.999999999Z07:00")
	return append(dst, '"')
}

// json appends the event of a JSON object to dst.
func (e *encoder) json(dst []byte, row jsonRow) ([]byte, error) {
	var id []byte
	if e.idField == "" {
		id = e.madeID(row.raw)
	}
	switch {
	case row.broken != nil:
		return dst, row.broken
	case !utf8.Valid(row.raw):
		return dst, fmt.Errorf("it is %w", errNotUTF8)
	}
	if e.idField != "" {
		v, err := scalar(row.raw, e.idField)
		if err != nil {
			return dst, err
		}
		if id = v; len(id) == 0 {
			return dst, fmt.Errorf("it has no value in %q, which --id names", e.idField)
		}
	}
	var user []byte
	if e.user != "" {
		v, err := scalar(row.raw, e.user)
		if err != nil {
			return dst, err
		}
		user = integral(v)
	}
	at := time.Time{}
	if e.timeName != "" {
		v, err := scalar(row.raw, e.timeName)
		if err != nil {
			return dst, err
		}
		if len(v) == 0 {
			return dst, fmt.Errorf("it has no value in %q, which --time names", e.timeName)
		}
		if at, err = e.times.parse(string(v)); err != nil {
			return dst, fmt.Errorf("%q: %w", e.timeName, err)
		}
	}
	dst = e.head(dst, id, user, at)
	// what is between the braces of the object, byte for byte
	members := bytes.TrimSpace(row.raw[1 : len(row.raw)-1])
	return append(append(dst, members...), "}}"...), nil
}

// scalar returns the value of a member as text: empty when it is absent or
// null. The name is that of a member, or a path with dots.
func scalar(object []byte, name string) ([]byte, error) {
	v := member(object, name)
	switch v.Type {
	case gjson.Null:
		return nil, nil
	case gjson.JSON:
		return nil, fmt.Errorf("%q is no single value", name)
	case gjson.String:
		return []byte(v.Str), nil
	}
	return []byte(v.Raw), nil
}

func member(object []byte, name string) gjson.Result {
	var found gjson.Result
	parsed := gjson.ParseBytes(object)
	parsed.ForEach(func(key, value gjson.Result) bool {
		if key.Str == name {
			found = value
		}
		return true
	})
	if found.Exists() {
		return found
	}
	head, rest, nested := bytes.Cut([]byte(name), []byte("."))
	if !nested {
		return found
	}
	if inner := member(object, string(head)); inner.IsObject() {
		return member([]byte(inner.Raw), string(rest))
	}
	return found
}
