package result

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// Formats are what a result can be downloaded as.
var Formats = []string{"csv", "json", "ndjson", "parquet"}

// MediaTypes are the formats' media types.
var MediaTypes = map[string]string{
	"csv": "text/csv; charset=utf-8", "json": "application/json", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet",
}

// Export writes a view of a result: CSV in which no text is a formula (see
// HarmlessCSV), JSON as one array of objects, NDJSON as an object a line, or
// Parquet. The rows are read while they are written: w must not stand still
// for long. After an error what was written is not whole. Errors are those of
// Page, those of w, and Limited when too many downloads run.
func (s *Store) Export(ctx context.Context, id string, v View, format string, w io.Writer) error {
	if !slices.Contains(Formats, format) {
		return millrace.Errorf(millrace.Invalid, "a result is downloaded as one of %s, not %.40q", strings.Join(Formats, ", "), format)
	}
	if v.Limit < 0 || v.Offset < 0 {
		return millrace.Errorf(millrace.Invalid, "a download begins with row 0 or later, and has rows")
	}
	e, done, err := s.use(id)
	if err != nil {
		return err
	}
	if format == "parquet" && len(v.Columns)+len(v.Sort)+len(v.Filters) == 0 && v.Offset == 0 && (v.Limit == 0 || v.Limit >= e.Rows) {
		defer done()
		return s.copyFile(e, w)
	}
	defer done()
	picked, q, err := e.export(v)
	if err != nil {
		return err
	}
	select {
	case s.exports <- struct{}{}:
		defer func() { <-s.exports }()
	default:
		return &millrace.Error{Kind: millrace.Limited, RetryAfter: 10 * time.Second,
			Message: fmt.Sprintf("%d downloads run already: try again when one is done", cap(s.exports))}
	}
	q.Timeout = s.o.ExportTimeout
	rows, err := s.read(ctx, e, v.plain(), picked, q, func() {})
	if err != nil {
		return err
	}
	defer rows.Close()
	out := bufio.NewWriterSize(w, 64<<10)
	switch format {
	case "csv":
		err = exportCSV(ctx, rows, out)
	case "parquet":
		err = exportParquet(ctx, rows, e, picked, out)
	default:
		err = exportJSON(ctx, rows, out, format == "json")
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// export is the query for all rows of a view.
func (e *entry) export(v View) ([]int, warehouse.Query, error) {
	if v.Limit == 0 {
		v.Limit = warehouse.MaxQueryRows
	}
	q := warehouse.Query{Limit: int(min(v.Limit, max(e.Rows, 1))), MaxBytes: 1 << 40}
	b := e.builder()
	picked, err := b.pick(v.Columns)
	if err != nil {
		return nil, q, err
	}
	where, err := b.where(v.Filters)
	if err != nil {
		return nil, q, err
	}
	order := "" // files are read in their order
	if len(v.Sort) > 0 {
		if order, err = b.order(v.Sort); err != nil {
			return nil, q, err
		}
		order = " ORDER BY " + order
	}
	q.SQL = "SELECT " + list(picked) + " FROM result" + where + order
	if v.Offset > 0 {
		q.SQL += " OFFSET CAST(" + b.bind(v.Offset) + " AS BIGINT)"
	}
	q.Params = b.params
	return picked, q, nil
}

func (s *Store) copyFile(e *entry, w io.Writer) error {
	f, err := os.Open(s.path(e.ID, fileEnding))
	if err != nil {
		return millrace.Errorf(millrace.Unavailable, "read the result: %w", err)
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// each calls do for every batch of rows, and releases it.
func each(ctx context.Context, rows warehouse.Rows, do func(arrow.RecordBatch) error) error {
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = do(batch)
		batch.Release()
		if err != nil {
			return err
		}
	}
}

func exportCSV(ctx context.Context, rows warehouse.Rows, out *bufio.Writer) error {
	var b []byte
	for i, f := range rows.Schema().Fields() {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendCSV(b, HarmlessCSV(f.Name), false)
	}
	b = append(b, '\n')
	alone := rows.Schema().NumFields() == 1
	var buf []byte
	err := each(ctx, rows, func(batch arrow.RecordBatch) error {
		columns := csvCells(batch)
		for i := range int(batch.NumRows()) {
			for j, c := range columns {
				if j > 0 {
					b = append(b, ',')
				}
				var text string
				var null bool
				text, null, buf = c(buf[:0], i)
				b = AppendCSV(b, text, null && !alone)
			}
			b = append(b, '\n')
			if _, err := out.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
		return nil
	})
	if err == nil {
		_, err = out.Write(b)
	}
	return err
}

// AppendCSV writes a value as RFC 4180 has it: null as nothing, an empty text as
// "". Where a line has one value, null is to be written as an empty text, since
// readers skip empty lines.
func AppendCSV(b []byte, s string, null bool) []byte {
	if null {
		return b
	}
	if s != "" && !strings.ContainsAny(s, ",\"\r\n") && !strings.HasPrefix(s, " ") {
		return append(b, s...)
	}
	b = append(b, '"')
	for {
		before, after, found := strings.Cut(s, `"`)
		b = append(b, before...)
		if !found {
			return append(b, '"')
		}
		b, s = append(b, `""`...), after
	}
}

// A csvCell gives a value as text, and says whether it is null.
type csvCell func(buf []byte, i int) (text string, null bool, grown []byte)

// csvCells returns what gives the values of a batch.
func csvCells(batch arrow.RecordBatch) []csvCell {
	out := make([]csvCell, batch.NumCols())
	for j, c := range Cells(batch) {
		a := batch.Column(j)
		if text, ok := a.(*array.String); ok && !isJSON(batch.Schema().Field(j)) {
			out[j] = func(buf []byte, i int) (string, bool, []byte) {
				if text.IsNull(i) {
					return "", true, buf
				}
				return HarmlessCSV(text.Value(i)), false, buf
			}
			continue
		}
		out[j] = func(buf []byte, i int) (string, bool, []byte) {
			if a.IsNull(i) {
				return "", true, buf
			}
			buf = c(buf, i)
			switch {
			case len(buf) > 0 && buf[0] == '"':
				return HarmlessCSV(unquote(buf)), false, buf
			case string(buf) == "null": // of JSON
				return "", true, buf
			}
			return string(buf), false, buf
		}
	}
	return out
}

var plainNumber = regexp.MustCompile(`^[-+]?[0-9][0-9.,]*$`)

// HarmlessCSV puts a ' before text that a spreadsheet would run as a formula.
func HarmlessCSV(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r\n|", rune(s[0])) && !strings.HasPrefix(s, "＝") && !strings.HasPrefix(s, "＋") &&
		!strings.HasPrefix(s, "－") && !strings.HasPrefix(s, "＠") || plainNumber.MatchString(s) {
		return s
	}
	return "'" + s
}

func exportJSON(ctx context.Context, rows warehouse.Rows, out *bufio.Writer, list bool) error {
	fields := rows.Schema().Fields()
	names := make([][]byte, len(fields))
	for i, f := range fields {
		names[i] = append(AppendText(nil, f.Name), ':')
	}
	begin, between, end := "", "\n", "\n"
	if list {
		begin, between, end = "[\n", ",\n", "\n]\n"
	}
	var b []byte
	b, first := append(b, begin...), true
	err := each(ctx, rows, func(batch arrow.RecordBatch) error {
		columns := Cells(batch)
		for i := range int(batch.NumRows()) {
			if !first {
				b = append(b, between...)
			}
			first = false
			b = append(b, '{')
			for j, c := range columns {
				if j > 0 {
					b = append(b, ',')
				}
				b = c(append(b, names[j]...), i)
			}
			b = append(b, '}')
			if _, err := out.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
		return nil
	})
	if err != nil {
		return err
	}
	if list || !first {
		b = append(b, end...)
	}
	_, err = out.Write(b)
	return err
}

func exportParquet(ctx context.Context, rows warehouse.Rows, e *entry, picked []int, out io.Writer) error {
	ks := make([]keeper, len(picked))
	for i, f := range rows.Schema().Fields() {
		f.Metadata = arrow.Metadata{} // JSON is in the file already
		ks[i] = keeperOf(f)
		ks[i].field.Name, ks[i].field.Nullable = fileName(e.Columns[picked[i]].Name), true
	}
	w := newFileWriter(out, ks)
	return errors.Join(each(ctx, rows, w.write), w.close())
}
