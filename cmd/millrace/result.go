package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"golang.org/x/term"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/terminal"
)

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// A resultWriter writes the rows of a result in one of the formats.
type resultWriter struct {
	result *client.Result
	bar    *terminal.Progress
	w      io.Writer
	rows   int64
}

// each calls f with every row.
func (r *resultWriter) each(f func(row []json.RawMessage) error) error {
	for {
		row, err := r.result.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(row) != len(r.result.Columns) {
			return millrace.Errorf(millrace.Internal, "the server gave a row of %d values under %d columns", len(row), len(r.result.Columns))
		}
		if err := f(row); err != nil {
			return err
		}
		if r.rows++; r.rows%1024 == 0 {
			r.bar.Set(r.rows, 0)
		}
	}
}

// numeric says whether a column of that type stands on the right.
func numeric(kind string) bool {
	kind = strings.ToLower(kind)
	if strings.ContainsAny(kind, "[(") && !strings.HasPrefix(kind, "decimal(") {
		return false
	}
	for _, n := range []string{"int", "double", "float", "decimal", "numeric", "real", "hugeint"} {
		if strings.Contains(kind, n) && !strings.HasPrefix(kind, "interval") && !strings.HasPrefix(kind, "point") {
			return true
		}
	}
	return false
}

// text is a value without the quotes of JSON.
func text(v json.RawMessage) (s string, null bool) {
	v = bytes.TrimSpace(v)
	if len(v) == 0 || string(v) == "null" {
		return "", true
	}
	if v[0] == '"' && json.Unmarshal(v, &s) == nil {
		return s, false
	}
	return string(v), false
}

func (r *resultWriter) table(width int, colors terminal.Palette) (cut int, err error) {
	t := terminal.Table{Width: width, Palette: colors}
	for _, c := range r.result.Columns {
		t.Columns = append(t.Columns, terminal.Column{Name: c.Name, Right: numeric(c.Type)})
	}
	err = r.each(func(row []json.RawMessage) error {
		line := make([]string, len(row))
		for i, v := range row {
			s, null := text(v)
			if null {
				s = "∅"
			}
			line[i] = s
		}
		t.Rows = append(t.Rows, line)
		return nil
	})
	if err != nil {
		return 0, err
	}
	r.bar.Finish()
	return t.Write(r.w)
}

// csv writes RFC 4180 as result.AppendCSV has it: null is nothing, and an empty
// text is "".
func (r *resultWriter) csv(raw bool) error {
	w := bufio.NewWriterSize(r.w, 64<<10)
	var line []byte
	for i, c := range r.result.Columns {
		name := c.Name
		if !raw {
			name = result.HarmlessCSV(name)
		}
		if i > 0 {
			line = append(line, ',')
		}
		line = result.AppendCSV(line, name, false)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return err
	}
	alone := len(r.result.Columns) == 1
	err := r.each(func(row []json.RawMessage) error {
		line = line[:0]
		for i, v := range row {
			s, null := text(v)
			if !raw && len(v) > 0 && v[0] == '"' {
				s = result.HarmlessCSV(s)
			}
			if i > 0 {
				line = append(line, ',')
			}
			line = result.AppendCSV(line, s, null && !alone)
		}
		_, err := w.Write(append(line, '\n'))
		return err
	})
	return errors.Join(err, w.Flush())
}

// json writes an array of objects, or an object a line.
func (r *resultWriter) json(array bool) error {
	names := make([][]byte, len(r.result.Columns))
	seen := map[string]int{}
	for i, c := range r.result.Columns {
		name := c.Name
		if seen[c.Name]++; seen[c.Name] > 1 {
			name += "_" + strconv.Itoa(seen[c.Name])
		}
		quoted, err := json.Marshal(name)
		if err != nil {
			return err
		}
		names[i] = append(quoted, ':')
	}
	w := bufio.NewWriter(r.w)
	begin, between, end := "", "\n", "\n"
	if array {
		begin, between, end = "[\n", ",\n", "\n]\n"
	}
	first := true
	_, _ = w.WriteString(begin)
	err := r.each(func(row []json.RawMessage) error {
		if !first {
			_, _ = w.WriteString(between)
		}
		first = false
		_ = w.WriteByte('{')
		for i, v := range row {
			if i > 0 {
				_ = w.WriteByte(',')
			}
			_, _ = w.Write(names[i])
			_, _ = w.Write(v)
		}
		return w.WriteByte('}')
	})
	if array || !first {
		_, _ = w.WriteString(end)
	}
	return errors.Join(err, w.Flush())
}

// writeParquet writes the result as a Parquet file, compressed with zstd.
func writeParquet(ctx context.Context, api *client.Client, q client.Query, w io.Writer, bar *terminal.Progress) (truncated bool, err error) {
	stream, err := api.QueryArrow(ctx, q)
	if err != nil {
		return false, err
	}
	defer stream.Close()
	reader, err := ipc.NewReader(stream)
	if err != nil {
		return false, millrace.Errorf(millrace.Unavailable, "the answer of %s is no Arrow stream: %w", api.Server(), err)
	}
	defer reader.Release()
	properties := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDictionaryDefault(true))
	// the writer closes what it writes to, if it can: w is the caller's
	file, err := pqarrow.NewFileWriter(reader.Schema(), struct{ io.Writer }{w}, properties, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return false, millrace.Errorf(millrace.Invalid, "the result cannot be written as Parquet: %w", err)
	}
	rows := int64(0)
	for reader.Next() {
		batch := reader.RecordBatch()
		if err := file.WriteBuffered(batch); err != nil {
			return false, errors.Join(err, file.Close())
		}
		rows += batch.NumRows()
		bar.Set(rows, 0)
	}
	if err := reader.Err(); err != nil && !errors.Is(err, io.EOF) {
		_ = file.Close()
		return false, millrace.Errorf(millrace.Unavailable, "the answer of %s ended in the middle (%w): try again", api.Server(), err)
	}
	if err := file.Close(); err != nil {
		return false, err
	}
	// what follows the stream's end carries the trailer
	_, err = io.Copy(io.Discard, stream)
	return stream.Truncated(), err
}
