package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

// numbers makes batches of one bigint column that count up.
func numbers(batches, each int) *rows {
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)
	r := &rows{schema: schema}
	n := int64(0)
	for range batches {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for range each {
			b.Field(0).(*array.Int64Builder).Append(n)
			n++
		}
		r.batches = append(r.batches, b.NewRecordBatch())
	}
	return r
}

func answering(r *rows) func(context.Context, warehouse.Query) (warehouse.Rows, error) {
	return func(context.Context, warehouse.Query) (warehouse.Rows, error) { return r, nil }
}

// TestValues writes each type of column.
func TestValues(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 21, 1, 2, 3, 456_000_000, time.FixedZone("", 3600))
	type column struct {
		field arrow.Field
		fill  func(b array.Builder)
		name  string // of the type
		want  string
	}
	tz := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/London"}
	plain := &arrow.TimestampType{Unit: arrow.Nanosecond}
	point := arrow.StructOf(arrow.Field{Name: `x"`, Type: arrow.PrimitiveTypes.Int32, Nullable: true}, arrow.Field{Name: "l", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	columns := []column{
		{arrow.Field{Type: arrow.PrimitiveTypes.Int64}, func(b array.Builder) { b.(*array.Int64Builder).Append(math.MaxInt64) }, "bigint", "9223372036854775807"},
		{arrow.Field{Type: arrow.PrimitiveTypes.Int64}, func(b array.Builder) { b.(*array.Int64Builder).Append(1<<53 + 1) }, "bigint", "9007199254740993"},
		{arrow.Field{Type: arrow.PrimitiveTypes.Uint64}, func(b array.Builder) { b.(*array.Uint64Builder).Append(math.MaxUint64) }, "ubigint", "18446744073709551615"},
		{arrow.Field{Type: arrow.PrimitiveTypes.Int8}, func(b array.Builder) { b.(*array.Int8Builder).Append(-5) }, "tinyint", "-5"},
		{arrow.Field{Type: &arrow.Decimal128Type{Precision: 38, Scale: 0}}, func(b array.Builder) {
			v, err := decimal128.FromString("-12345678901234567890123456789012345678", 38, 0)
			if err != nil {
				t.Fatal(err)
			}
			b.(*array.Decimal128Builder).Append(v)
		}, "hugeint", "-12345678901234567890123456789012345678"},
		{arrow.Field{Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}}, func(b array.Builder) {
			b.(*array.Decimal128Builder).Append(decimal128.FromI64(1890976212))
		}, "decimal(18,2)", "18909762.12"},
		{arrow.Field{Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}}, func(b array.Builder) {
			b.(*array.Decimal128Builder).Append(decimal128.FromI64(-5))
		}, "decimal(18,2)", "-0.05"},
		{arrow.Field{Type: arrow.PrimitiveTypes.Float64}, func(b array.Builder) { b.(*array.Float64Builder).Append(0.1) }, "double", "0.1"},
		{arrow.Field{Type: arrow.PrimitiveTypes.Float64}, func(b array.Builder) { b.(*array.Float64Builder).Append(1e300) }, "double", "1e+300"},
		{arrow.Field{Type: arrow.PrimitiveTypes.Float64}, func(b array.Builder) { b.(*array.Float64Builder).Append(math.NaN()) }, "double", `"NaN"`},
		{arrow.Field{Type: arrow.PrimitiveTypes.Float64}, func(b array.Builder) { b.(*array.Float64Builder).Append(math.Inf(-1)) }, "double", `"-Infinity"`},
		{arrow.Field{Type: arrow.PrimitiveTypes.Float32}, func(b array.Builder) { b.(*array.Float32Builder).Append(0.1) }, "float", "0.1"},
		{arrow.Field{Type: arrow.FixedWidthTypes.Boolean}, func(b array.Builder) { b.(*array.BooleanBuilder).Append(true) }, "bool", "true"},
		{arrow.Field{Type: arrow.BinaryTypes.String}, func(b array.Builder) { b.(*array.StringBuilder).Append("a\"\n\x00é\xff<") }, "text", "\"a\\\"\\n\\u0000é\ufffd<\""},
		{arrow.Field{Type: arrow.BinaryTypes.StringView}, func(b array.Builder) { b.(*array.StringViewBuilder).Append("view") }, "text", `"view"`},
		{arrow.Field{Type: arrow.BinaryTypes.Binary}, func(b array.Builder) { b.(*array.BinaryBuilder).Append([]byte{0, 255, 1}) }, "blob", `"AP8B"`},
		{arrow.Field{Type: tz}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(arrow.Timestamp(at.UnixMicro())) }, "timestamptz", `"2026-11-21T00:02:03.456Z"`},
		{arrow.Field{Type: plain}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(1) }, "timestamp", `"1970-01-01T00:00:00.000000001"`},
		{arrow.Field{Type: arrow.FixedWidthTypes.Date32}, func(b array.Builder) { b.(*array.Date32Builder).Append(arrow.Date32FromTime(at)) }, "date", `"2026-11-21"`},
		{arrow.Field{Type: arrow.FixedWidthTypes.Time64us}, func(b array.Builder) { b.(*array.Time64Builder).Append(3_600_000_001) }, "time", `"01:00:00.000001"`},
		{arrow.Field{Type: arrow.FixedWidthTypes.MonthDayNanoInterval}, func(b array.Builder) {
			b.(*array.MonthDayNanoIntervalBuilder).Append(arrow.MonthDayNanoInterval{Months: 14, Days: -2, Nanoseconds: -3_500_000_000})
		}, "interval", `"P14M-2DT-3.5S"`},
		{arrow.Field{Type: arrow.FixedWidthTypes.MonthDayNanoInterval}, func(b array.Builder) {
			b.(*array.MonthDayNanoIntervalBuilder).Append(arrow.MonthDayNanoInterval{})
		}, "interval", `"PT0S"`},
		{arrow.Field{Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)}, func(b array.Builder) {
			l := b.(*array.ListBuilder)
			l.Append(true)
			l.ValueBuilder().(*array.Int64Builder).AppendValues([]int64{1, 2, 3}, []bool{true, false, true})
		}, "bigint[]", "[1,null,3]"},
		{arrow.Field{Type: point}, func(b array.Builder) {
			s := b.(*array.StructBuilder)
			s.Append(true)
			s.FieldBuilder(0).(*array.Int32Builder).AppendNull()
			l := s.FieldBuilder(1).(*array.ListBuilder)
			l.Append(true)
			l.ValueBuilder().(*array.StringBuilder).Append("a")
		}, `struct(x" integer, l text[])`, `{"x\"":null,"l":["a"]}`},
		{arrow.Field{Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64)}, func(b array.Builder) {
			m := b.(*array.MapBuilder)
			m.Append(true)
			m.KeyBuilder().(*array.StringBuilder).AppendValues([]string{"a", "b"}, nil)
			m.ItemBuilder().(*array.Int64Builder).AppendValues([]int64{1, 2}, []bool{true, false})
		}, "map(text, bigint)", `{"a":1,"b":null}`},
		{arrow.Field{Type: arrow.MapOf(arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String)}, func(b array.Builder) {
			m := b.(*array.MapBuilder)
			m.Append(true)
			m.KeyBuilder().(*array.Int64Builder).Append(7)
			m.ItemBuilder().(*array.StringBuilder).Append("x")
		}, "map(bigint, text)", `[{"key":7,"value":"x"}]`},
		{arrow.Field{Type: arrow.BinaryTypes.String, Metadata: arrow.NewMetadata([]string{"ARROW:extension:name"}, []string{"arrow.json"})}, func(b array.Builder) {
			b.(*array.StringBuilder).Append(`{"big":123456789012345678901234567890}`)
		}, "json", `{"big":123456789012345678901234567890}`},
		{arrow.Field{Type: arrow.BinaryTypes.String, Metadata: arrow.NewMetadata([]string{"ARROW:extension:name"}, []string{"arrow.json"})}, func(b array.Builder) {
			b.(*array.StringBuilder).Append(`{broken`)
		}, "json", `"{broken"`},
		{arrow.Field{Type: extensions.NewUUIDType()}, func(b array.Builder) {
			if err := b.(*extensions.UUIDBuilder).AppendValueFromString("01234567-89ab-cdef-0123-456789abcdef"); err != nil {
				t.Fatal(err)
			}
		}, "uuid", `"01234567-89ab-cdef-0123-456789abcdef"`},
		{arrow.Field{Type: arrow.Null}, func(b array.Builder) { b.AppendNull() }, "null", "null"},
		{arrow.Field{Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}}, func(b array.Builder) {
			if err := b.(*array.BinaryDictionaryBuilder).AppendString("red"); err != nil {
				t.Fatal(err)
			}
		}, "text", `"red"`},
	}
	for i := range columns {
		c := columns[i]
		c.field.Name, c.field.Nullable = fmt.Sprintf("c%d", i), true
		schema := arrow.NewSchema([]arrow.Field{c.field}, nil)
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		c.fill(b.Field(0))
		b.Field(0).AppendNull()
		batch := b.NewRecordBatch()
		write := result.Cells(batch)[0]
		if got := string(write(nil, 0)); got != c.want {
			t.Errorf("%s: %s, want %s", c.field.Type, got, c.want)
		}
		if got := string(write(nil, 1)); got != "null" {
			t.Errorf("%s: a NULL is %s", c.field.Type, got)
		}
		if !json.Valid(write(nil, 0)) {
			t.Errorf("%s: not JSON", c.field.Type)
		}
		if got := result.TypeName(c.field); got != c.name {
			t.Errorf("%s is called %s, want %s", c.field.Type, got, c.name)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	w := newWorld()
	var asked warehouse.Query
	var waited millrace.Position
	result := numbers(2, 2)
	result.truncated = true
	w.waitFor = func(_ context.Context, p millrace.Position) error {
		waited = p
		return nil
	}
	w.query = func(_ context.Context, q warehouse.Query) (warehouse.Rows, error) {
		asked = q
		return result, nil
	}
	s := start(t, w.options(t))
	resp, body := call(t, "POST", s.URL+"/api/v1/query",
		`{"sql":"SELECT 1","params":["x",9007199254740993,1.5,true,null],"limit":4,"after":"7-8-9","timeout_ms":1500}`)
	got := decode[queryResult](t, body)
	if resp.StatusCode != 200 || got.RowCount != 4 || !got.Truncated || len(got.Rows) != 4 || got.Columns[0] != (queryColumn{"n", "bigint"}) || got.Error != nil {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if want := fmt.Sprint([]any{"x", int64(9007199254740993), 1.5, true, nil}); fmt.Sprint(asked.Params) != want {
		t.Errorf("parameters %v, want %s", asked.Params, want)
	}
	if asked.Limit != 4 || asked.Timeout != 1500*time.Millisecond || asked.Workspace != "default" || waited != (millrace.Position{Epoch: 7, Seq: 8, Index: 9}) {
		t.Errorf("asked %+v after %s", asked, waited)
	}
	if resp.Trailer.Get("Millrace-Truncated") != "true" || resp.Trailer.Get("Millrace-Row-Count") != "4" || !result.closed {
		t.Errorf("trailer %v, closed %t", resp.Trailer, result.closed)
	}
}

func TestQueryErrors(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = func(_ context.Context, q warehouse.Query) (warehouse.Rows, error) {
		kinds := map[string]millrace.Kind{"invalid": millrace.Invalid, "limited": millrace.Limited, "large": millrace.TooLarge, "slow": millrace.Canceled}
		if q.SQL == "late" { // the first batch already fails
			return &rows{schema: numbers(0, 0).schema, err: millrace.Errorf(millrace.TooLarge, "over 1GiB")}, nil
		}
		return nil, millrace.Errorf(kinds[q.SQL], "said by the engine")
	}
	w.waitFor = func(ctx context.Context, p millrace.Position) error {
		if p.Epoch == 9 {
			return millrace.Errorf(millrace.Ahead, "epoch 9 is not known")
		}
		<-ctx.Done()
		return ctx.Err()
	}
	s := start(t, w.options(t))
	for body, want := range map[string]struct {
		status       int
		kind, detail string
	}{
		`{"sql":"invalid"}`:                           {400, "invalid", "said by the engine"},
		`{"sql":"limited"}`:                           {429, "limited", "said by the engine"},
		`{"sql":"large"}`:                             {413, "too_large", "said by the engine"},
		`{"sql":"slow"}`:                              {504, "canceled", "said by the engine"},
		`{"sql":"late"}`:                              {413, "too_large", "over 1GiB"},
		`{"sql":"x","after":"9-1-0"}`:                 {409, "ahead", "epoch 9"},
		`{"sql":"x","after":"1-1-0","timeout_ms":20}`: {504, "canceled", "did not reach position 1-1-0"},
		`{"sql":"x","after":"yesterday"}`:             {422, "invalid", ""},
		`{}`:                                          {422, "invalid", "the request is not valid: sql is missing"},
		`{"sql":""}`:                                  {422, "invalid", "sql has at least 1 character"},
		`{"sql":"x","limit":-1}`:                      {422, "invalid", "limit is at least 0"},
		`{"sql":"x","limit":20000000}`:                {422, "invalid", "limit is at most 10000000"},
		`nonsense`:                                    {400, "invalid", "the body is not JSON"},
		`{"sql":"x","colour":1}`:                      {422, "invalid", "colour is no field that is known here"},
		`{"sql":"x","params":[{}]}`:                   {422, "invalid", "not valid"},
		`{"sql":"x","params":[1e999]}`:                {400, "invalid", ""},
		`{"sql":`:                                     {400, "invalid", ""},
		`{"sql":"` + strings.Repeat("x", 70_000) + `"}`:             {422, "invalid", "not valid"},
		`{"sql":"x","params":["` + strings.Repeat("x", 2e6) + `"]}`: {413, "too_large", ""},
	} {
		resp, got := call(t, "POST", s.URL+"/api/v1/query", body)
		if resp.StatusCode != want.status {
			t.Errorf("%.60s: %d %s", body, resp.StatusCode, got)
			continue
		}
		wantProblem(t, resp, got, want.status, want.kind, want.detail)
		if len(got) > 4000 {
			t.Errorf("%.60s: a problem of %d bytes", body, len(got))
		}
	}
}

// TestQueryCut fails after rows have left: no reader may take them for all.
func TestQueryCut(t *testing.T) {
	t.Parallel()
	w := newWorld()
	s := start(t, w.options(t))
	broken := func() *rows {
		r := numbers(40, 1000)
		r.err = millrace.Errorf(millrace.Unavailable, "the engine was restarted: ask again")
		return r
	}
	r := broken()
	w.query = answering(r)
	resp, body := call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT 1"}`)
	got := decode[queryResult](t, body)
	if resp.StatusCode != 200 || got.Error == nil || got.Error.Kind != "unavailable" || got.RowCount != 40_000 || strings.Contains(body, "elapsed_ms") {
		t.Errorf("%d …%s", resp.StatusCode, body[max(0, len(body)-300):])
	}
	if resp.Trailer.Get("Millrace-Error") != "unavailable" || resp.Trailer.Get("Millrace-Truncated") != "" || !r.closed {
		t.Errorf("trailer %v", resp.Trailer)
	}

	w.query = answering(broken())
	req, err := http.NewRequest("POST", s.URL+"/api/v1/query", strings.NewReader(`{"sql":"SELECT 1"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", arrowType)
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an Arrow stream that was cut ends with %v", err)
	}
}

func TestQueryArrow(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = answering(numbers(3, 1000))
	s := start(t, w.options(t))
	resp, body := call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT 1"}`, "Accept", arrowType)
	reader, err := ipc.NewReader(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	var n int64
	for reader.Next() {
		n += reader.RecordBatch().NumRows()
	}
	if reader.Err() != nil || n != 3000 || resp.Header.Get("Content-Type") != arrowType || resp.Trailer.Get("Millrace-Row-Count") != "3000" {
		t.Errorf("%d rows, %v, %v", n, reader.Err(), resp.Header)
	}
	for accept, empty := range map[string]string{"application/json": `{"columns":[{"name":"n","type":"bigint"}],"rows":[],"row_count":0,"truncated":false,"elapsed_ms":`, arrowType: ""} {
		w.query = answering(numbers(0, 0))
		resp, body = call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT 1"}`, "Accept", accept)
		if resp.StatusCode != 200 || len(body) == 0 || empty != "" && !strings.HasPrefix(compact(t, body), empty) {
			t.Errorf("no rows as %s: %d %q", accept, resp.StatusCode, body)
		}
	}
}

// TestQueryLeft checks that a query ends when its client leaves, before and
// while rows come.
func TestQueryLeft(t *testing.T) {
	t.Parallel()
	w := newWorld()
	ended := make(chan error, 1)
	s := start(t, w.options(t))
	leave := func(wait time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v1/query", strings.NewReader(`{"sql":"SELECT 1"}`))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Error("the query goes on")
		}
	}
	w.query = func(ctx context.Context, _ warehouse.Query) (warehouse.Rows, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}
	leave(50 * time.Millisecond)
	w.query = func(ctx context.Context, _ warehouse.Query) (warehouse.Rows, error) {
		context.AfterFunc(ctx, func() { ended <- ctx.Err() })
		r := numbers(100, 1000)
		r.wait = true
		return r, nil
	}
	leave(300 * time.Millisecond)
}

// TestQueryLong runs longer than a body may take to come in.
func TestQueryLong(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.query = func(ctx context.Context, _ warehouse.Query) (warehouse.Rows, error) {
		select {
		case <-time.After(300 * time.Millisecond):
			return numbers(1, 1), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	o := w.options(t)
	o.BodyReadTimeout = 50 * time.Millisecond
	s := start(t, o)
	if resp, body := call(t, "POST", s.URL+"/api/v1/query", `{"sql":"SELECT 1"}`, "Content-Type", "application/x-www-form-urlencoded"); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	slow, in := io.Pipe()
	defer in.Close()
	resp, err := http.Post(s.URL+"/api/v1/query", "application/json", slow)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a body that never comes: %d", resp.StatusCode)
	}
}

func BenchmarkQueryJSON(b *testing.B) {
	r := numbers(1, 10_000)
	columns := result.Cells(r.batches[0])
	var out []byte
	for b.Loop() {
		out = out[:0]
		for i := range 10_000 {
			out = append(columns[0](append(out, '['), i), ']')
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "rows/s")
}
