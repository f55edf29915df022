package archive

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/tidwall/gjson"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// A column of the files. Exactly one of bytes, long and int is set.
type column struct {
	name     string
	logical  schema.LogicalType // nil: plain bytes or number
	optional bool
	dict     bool // many values occur again
	bloom    bool // in published files
	noStats  bool
	bytes    func(row *row) []byte // nil is null
	long     func(row *row) int64
	int      func(row *row) int32
}

// A row is a record with what the columns need of it.
type row struct {
	*eventlog.Entry
	typ, event          string
	hasEvent            bool
	userID, anonymousID []byte
	exact               []byte
}

var (
	text      = schema.StringLogicalType{}
	timestamp = schema.NewTimestampLogicalType(true, schema.TimeUnitMillis)
)

// columns in the order of the format; docs/format/archive.md specifies them.
// The numbers of the constants below are places in this list.
var columns = []column{
	{name: "id", logical: text, bloom: true, bytes: func(r *row) []byte { return valid(r.ID) }},
	{name: "workspace", logical: text, dict: true, bytes: func(r *row) []byte { return valid(r.Workspace) }},
	{name: "source", logical: text, dict: true, bytes: func(r *row) []byte { return valid(r.Source) }},
	{name: "stream", logical: text, dict: true, bytes: func(r *row) []byte { return valid(r.Stream) }},
	{name: "type", logical: text, dict: true, bytes: func(r *row) []byte { return valid(r.typ) }},
	{name: "event", logical: text, dict: true, optional: true, bytes: func(r *row) []byte {
		if !r.hasEvent {
			return nil
		}
		return valid(r.event)
	}},
	{name: "user_id", logical: text, dict: true, optional: true, bloom: true, bytes: func(r *row) []byte { return r.userID }},
	{name: "anonymous_id", logical: text, dict: true, optional: true, bloom: true, bytes: func(r *row) []byte { return r.anonymousID }},
	{name: "op", logical: text, dict: true, bytes: func(r *row) []byte { return []byte(r.Op.String()) }},
	{name: "key", logical: text, dict: true, bytes: func(r *row) []byte { return valid(r.Key) }},
	{name: "received_at", logical: timestamp, long: func(r *row) int64 { return r.Received.UnixMilli() }},
	{name: "occurred_at", logical: timestamp, long: func(r *row) int64 { return r.Occurred.UnixMilli() }},
	{name: "log_time", logical: timestamp, long: func(r *row) int64 { return r.Time.UnixMilli() }},
	{name: "epoch", long: func(r *row) int64 { return int64(r.Position.Epoch) }},
	{name: "seq", long: func(r *row) int64 { return int64(r.Position.Seq) }},
	{name: "index", int: func(r *row) int32 { return int32(r.Position.Index) }},
	{name: "body", optional: true, noStats: true, bytes: func(r *row) []byte { return r.Body }},
	{name: "meta", optional: true, noStats: true, bytes: func(r *row) []byte { return r.Meta }},
	{name: "exact", optional: true, noStats: true, bytes: func(r *row) []byte { return r.exact }},
}

// Places of columns, for the reader.
const (
	colID        = 0
	colWorkspace = 1
	colSource    = 2
	colStream    = 3
	colOp        = 8
	colKey       = 9
	colReceived  = 10
	colOccurred  = 11
	colLogTime   = 12
	colEpoch     = 13
	colSeq       = 14
	colIndex     = 15
	colBody      = 16
	colMeta      = 17
	colExact     = 18
)

// fileSchema returns the Parquet schema of columns. Its nodes remember what they
// are asked, so no two writers may share one.
func fileSchema() *schema.GroupNode {
	var fields schema.FieldList
	for i, c := range columns {
		repetition := parquet.Repetitions.Required
		if c.optional {
			repetition = parquet.Repetitions.Optional
		}
		physical := parquet.Types.ByteArray
		switch {
		case c.long != nil:
			physical = parquet.Types.Int64
		case c.int != nil:
			physical = parquet.Types.Int32
		}
		if c.logical == nil {
			fields = append(fields, schema.MustPrimitive(schema.NewPrimitiveNode(c.name, repetition, physical, int32(i+1), -1)))
		} else {
			fields = append(fields, schema.MustPrimitive(schema.NewPrimitiveNodeLogical(c.name, repetition, c.logical, physical, -1, int32(i+1))))
		}
	}
	return schema.MustGroup(schema.NewGroupNode("millrace", parquet.Repetitions.Required, fields, -1))
}

// properties of a file of that many rows.
func properties(published bool, rows int) *parquet.WriterProperties {
	props := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithCompressionLevel(1), // 3 costs a quarter more time and made no smaller files
		parquet.WithDictionaryDefault(false),
		parquet.WithCreatedBy("millrace"),
		parquet.WithMaxStatsSize(256),
	}
	for i, c := range columns {
		if c.dict {
			props = append(props, parquet.WithDictionaryFor(c.name, true))
		}
		if c.long != nil || c.int != nil {
			props = append(props, parquet.WithEncodingFor(c.name, parquet.Encodings.DeltaBinaryPacked))
		}
		if c.noStats {
			props = append(props, parquet.WithStatsFor(c.name, false))
		}
		if published && c.bloom {
			props = append(props, parquet.WithBloomFilterEnabledFor(c.name, true),
				parquet.WithBloomFilterNDVFor(c.name, int64(max(rows, 32))), parquet.WithBloomFilterFPPFor(c.name, 0.01))
		}
		if published && (i == colStream || i == colLogTime) {
			props = append(props, parquet.WithPageIndexEnabledFor(c.name, true))
		}
	}
	if published {
		props = append(props, parquet.WithSortingColumns([]parquet.SortingColumn{{ColumnIdx: colStream}, {ColumnIdx: colLogTime}}))
	}
	return parquet.NewWriterProperties(props...)
}

// fill sets r to what the columns show of e.
func (r *row) fill(e *eventlog.Entry) {
	*r = row{Entry: e}
	r.typ, r.event, r.hasEvent = strings.Cut(e.Stream, ":")
	r.userID = field(e, "userId")
	r.anonymousID = field(e, "anonymousId")
	if !utf8.ValidString(e.ID) || !utf8.ValidString(e.Stream) || !utf8.ValidString(e.Key) || !utf8.ValidString(e.Workspace) || !utf8.ValidString(e.Source) {
		r.exact, _ = json.Marshal(exactNames{ID: []byte(e.ID), Stream: []byte(e.Stream), Key: []byte(e.Key), Workspace: []byte(e.Workspace), Source: []byte(e.Source)})
	}
}

// exactNames are the names of a record some of which are not UTF-8; in JSON
// they are base64.
type exactNames struct {
	ID        []byte `json:"id"`
	Stream    []byte `json:"stream"`
	Key       []byte `json:"key"`
	Workspace []byte `json:"workspace"`
	Source    []byte `json:"source"`
}

func (x *exactNames) restore(rec *millrace.Record) {
	rec.ID, rec.Stream, rec.Key = string(x.ID), string(x.Stream), string(x.Key)
	rec.Workspace, rec.Source = string(x.Workspace), string(x.Source)
}

// field returns a string or number at the top of the body, or else of the
// meta, as text; nil when there is none.
func field(e *eventlog.Entry, name string) []byte {
	for _, object := range [][]byte{e.Body, e.Meta} {
		if len(object) == 0 || object[0] != '{' {
			continue
		}
		v := gjson.GetBytes(object, name)
		switch v.Type {
		case gjson.String:
			return valid(v.Str)
		case gjson.Number:
			return valid(v.Raw)
		}
	}
	return nil
}

// valid returns s, with what is not UTF-8 replaced, so that no record makes a
// file unreadable to others.
func valid(s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return stringBytes(s)
}

var opsByName = map[string]millrace.Op{
	"event": millrace.OpEvent, "insert": millrace.OpInsert, "update": millrace.OpUpdate, "delete": millrace.OpDelete,
}

func parseOp(name string) (millrace.Op, error) {
	op, ok := opsByName[name]
	if !ok {
		return 0, fmt.Errorf("unknown operation %.20q", name)
	}
	return op, nil
}
