package result_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
)

// givenRows are rows that a test has made.
type givenRows struct {
	batch  arrow.RecordBatch
	times  int
	closed bool
}

func (r *givenRows) Schema() *arrow.Schema { return r.batch.Schema() }
func (r *givenRows) Truncated() bool       { return false }
func (r *givenRows) Close() error          { r.closed = true; return nil }
func (r *givenRows) Next(context.Context) (arrow.RecordBatch, error) {
	if r.times == 0 {
		return nil, io.EOF
	}
	r.times--
	r.batch.Retain()
	return r.batch, nil
}

func arrayOf(t *testing.T, typ arrow.DataType, text string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, typ, strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	return a
}

// Types that other warehouses may give come back as they would in an answer.
func TestArrowTypes(t *testing.T) {
	t.Parallel()
	f := open(t)
	jsonType, err := extensions.NewJSONType(arrow.BinaryTypes.String)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		typ    arrow.DataType
		values string
	}{
		"large string": {arrow.BinaryTypes.LargeString, `["a", null, ""]`},
		"large binary": {arrow.BinaryTypes.LargeBinary, `["AQI=", null]`},
		"string view":  {arrow.BinaryTypes.StringView, `["a", null, "a long text that is not inline"]`},
		"fixed binary": {&arrow.FixedSizeBinaryType{ByteWidth: 2}, `["AQI=", null]`},
		"decimal 256":  {&arrow.Decimal256Type{Precision: 60, Scale: 2}, `["123456789012345678901234567890123456789012345.67", null]`},
		"date 64":      {arrow.FixedWidthTypes.Date64, `["2026-11-21", null]`},
		"time 32":      {arrow.FixedWidthTypes.Time32s, `["10:11:12", null]`},
		"time 64 ns":   {arrow.FixedWidthTypes.Time64ns, `["10:11:12.123456", null]`},
		"duration":     {arrow.FixedWidthTypes.Duration_ms, `["1500ms", null]`},
		"months":       {arrow.FixedWidthTypes.MonthInterval, `[{"months": 3}, null]`},
		"null":         {arrow.Null, `[null, null]`},
		"dictionary":   {&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, `["a", "b", null, "a"]`},
		"numbers":      {&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.PrimitiveTypes.Int64}, `[5, null]`},
		"uuid":         {extensions.NewUUIDType(), `["6f1b2c3d-0000-4000-8000-00000000abcd", null]`},
		"large list":   {arrow.LargeListOf(arrow.PrimitiveTypes.Int64), `[[1, null], null, []]`},
		"fixed list":   {arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64), `[[1, 2], null]`},
		"empty struct": {arrow.StructOf(), `[{}, null]`},
		"seconds":      {arrow.FixedWidthTypes.Timestamp_s, `["2026-11-21 10:11:12Z", null]`},
	} {
		a := arrayOf(t, c.typ, c.values)
		schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: c.typ, Nullable: true}}, nil)
		batch := array.NewRecordBatch(schema, []arrow.Array{a}, int64(a.Len()))
		checkArrow(t, f, name, batch)
		if a.Len() > 1 {
			checkArrow(t, f, name+", a piece", batch.NewSlice(1, int64(a.Len())))
		}
	}
	text := arrayOf(t, arrow.BinaryTypes.String, `["{\"a\": [1]}", "\"=x\"", null, "null", "no JSON"]`)
	marked := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.BinaryTypes.String, Metadata: arrow.NewMetadata([]string{"ARROW:extension:name"}, []string{"arrow.json"})}}, nil)
	checkArrow(t, f, "marked as JSON", array.NewRecordBatch(marked, []arrow.Array{text}, 5))
	extended := array.NewExtensionArrayWithStorage(jsonType, text)
	checkArrow(t, f, "JSON", array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "v", Type: jsonType}}, nil), []arrow.Array{extended}, 5))
}

func checkArrow(t *testing.T, f fixture, name string, batch arrow.RecordBatch) {
	t.Helper()
	want := texts(t, &givenRows{batch: batch, times: 2})
	rows := &givenRows{batch: batch, times: 2}
	r, err := f.Create(context.Background(), question(query("SELECT")), rows, nil)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if typ := result.TypeName(batch.Schema().Field(0)); r.Columns[0].Type != typ || !rows.closed {
		t.Errorf("%s: %+v, not %s; closed %v", name, r.Columns, typ, rows.closed)
	}
	got, _ := f.page(t, r.ID, result.View{})
	same(t, name, got, want)
	lines := strings.Split(strings.TrimSpace(f.export(t, r.ID, result.View{}, "ndjson")), "\n")
	for i, line := range lines {
		if line != fmt.Sprintf(`{"v":%s}`, want[i]) {
			t.Errorf("%s: download has %s, want %s", name, line, want[i])
		}
	}
	if got := f.export(t, r.ID, result.View{}, "csv"); strings.Contains(got, "\n\"=") || strings.Contains(got, "\n=") {
		t.Errorf("%s: a formula: %s", name, got)
	}
}

func TestNoColumns(t *testing.T) {
	t.Parallel()
	f := open(t)
	batch := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 3)
	_, err := f.Create(context.Background(), question(query("SELECT")), &givenRows{batch: batch, times: 1}, nil)
	kindIs(t, "no columns", err, millrace.Invalid)
}
