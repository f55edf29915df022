package catalog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace"
)

// ReadBackup fills an empty store with a backup: the schema as it was then, its
// rows, and then the migrations that are newer. Backends call it.
func ReadBackup(ctx context.Context, s Store, r io.Reader, mark string, o MigrateOptions) error {
	o.Complete()
	all, err := readMigrations(o.Migrations, s.Dialect())
	if err != nil {
		return err
	}
	b := newBackupReader(r)
	header, err := b.header()
	if err != nil {
		return err
	}
	missing, err := compare(all, header.Migrations, "the backup", o.Version)
	if err != nil {
		return err
	}
	then := slices.DeleteFunc(slices.Clone(all), func(m migration) bool {
		return slices.ContainsFunc(missing, func(other migration) bool { return other.number == m.number })
	})
	read := false
	err = s.Change(ctx, func(tx Tx) error {
		if err := clearUnused(ctx, s, tx, mark, all); err != nil {
			return err
		}
		if err := build(ctx, s, tx, then, header.Migrations); err != nil {
			return err
		}
		if err := load(ctx, s, tx, b, &read); err != nil || mark == "" {
			return err
		}
		return setMark(ctx, tx, mark)
	})
	if read && millrace.KindOf(err) == millrace.Conflict { // a reference, which is looked at last
		return millrace.Errorf(millrace.Invalid, "the rows of the catalog's backup do not fit together: take another one: %w", err)
	}
	if err != nil {
		return err
	}
	_, err = Migrate(ctx, s, o)
	return err
}

// maxUnused is how many rows a table of a catalog may have that nobody used yet.
const maxUnused = 1000

// clearUnused drops all tables of a catalog that is as the migrations make it, or
// as a restore with this mark has.
func clearUnused(ctx context.Context, s Store, tx Tx, mark string, all []migration) error {
	var have map[string][]string
	again := false
	err := s.Clear(ctx, tx, func(tables []Table) (err error) {
		if again, err = marked(ctx, tx, tables, mark); err != nil || again {
			return err
		}
		have, err = contents(ctx, tx, tables)
		return err
	})
	if err != nil || again {
		return err
	}
	if err := build(ctx, s, tx, all, make([]applied, len(all))); err != nil {
		return err
	}
	return s.Clear(ctx, tx, func(tables []Table) error {
		unused, err := contents(ctx, tx, tables)
		if err != nil {
			return err
		}
		for table, rows := range have {
			if !slices.Equal(rows, unused[table]) {
				return notEmpty(table)
			}
		}
		return nil
	})
}

// contents are the rows of all tables, in text.
func contents(ctx context.Context, tx Tx, tables []Table) (map[string][]string, error) {
	all := map[string][]string{}
	for _, t := range tables {
		if t.Name == versionTable {
			continue
		}
		var b backupWriter
		b.lines = func(line []byte) error {
			if all[t.Name] = append(all[t.Name], string(line)); len(all[t.Name]) > maxUnused {
				return notEmpty(t.Name)
			}
			return nil
		}
		where := ""
		if t.Name == "lease" {
			where = " WHERE holder <> ''"
		}
		if err := b.table(ctx, tx, t, where); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func notEmpty(table string) error {
	return millrace.Errorf(millrace.Conflict, "the catalog is not empty (there are rows in %s): restore into a new one, which no server uses", table)
}

// build makes the schema that a backup has.
func build(ctx context.Context, s Store, tx Tx, all []migration, have []applied) error {
	create, err := render(createVersion, s.Dialect())
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, create[0]); err != nil {
		return err
	}
	for i, m := range all { // as many as have, which compare saw to
		if err := apply(ctx, tx, m, have[i].Millrace, have[i].Applied); err != nil {
			return err
		}
	}
	return nil
}

// load reads the rows into the tables, which migrations may have put rows into.
func load(ctx context.Context, s Store, tx Tx, b *backupReader, read *bool) error {
	tables, err := s.Tables(ctx, tx)
	if err != nil {
		return err
	}
	tables = slices.DeleteFunc(tables, func(t Table) bool { return t.Name == versionTable })
	return s.Load(ctx, tx, func() error {
		for _, t := range tables {
			if _, err := tx.Exec(ctx, "DELETE FROM "+names([]string{t.Name})); err != nil {
				return err
			}
		}
		in := &inserter{ctx: ctx, tx: tx}
		if err := b.body(tables, in.begin, in.row); err != nil {
			return err
		}
		if err := in.flush(); err != nil {
			return err
		}
		*read = true
		if slices.ContainsFunc(tables, func(t Table) bool { return t.Name == "lease" }) {
			_, err := tx.Exec(ctx, "UPDATE lease SET holder = ''") // nobody holds anything here
			return err
		}
		return nil
	})
}

// An inserter inserts many rows with a statement.
type inserter struct {
	ctx     context.Context
	tx      Tx
	table   Table
	pending []any
	size    int
}

const (
	insertValues = 900
	insertBytes  = 1 << 20
)

func (in *inserter) begin(t Table) error {
	err := in.flush()
	in.table = t
	return err
}

func (in *inserter) row(row []any) error {
	in.pending = append(in.pending, row...)
	for _, v := range row {
		switch v := v.(type) {
		case string:
			in.size += len(v)
		case []byte:
			in.size += len(v)
		}
	}
	if len(in.pending)+len(row) > insertValues || in.size > insertBytes {
		return in.flush()
	}
	return nil
}

func (in *inserter) flush() error {
	if len(in.pending) == 0 {
		return nil
	}
	var sql strings.Builder
	columns := make([]string, len(in.table.Columns))
	for i, c := range in.table.Columns {
		columns[i] = c.Name
	}
	fmt.Fprintf(&sql, "INSERT INTO %s (%s) VALUES ", names([]string{in.table.Name}), names(columns))
	for i := range in.pending {
		switch {
		case i == 0:
			sql.WriteString("(")
		case i%len(columns) == 0:
			sql.WriteString("), (")
		default:
			sql.WriteString(", ")
		}
		fmt.Fprintf(&sql, "$%d", i+1)
	}
	sql.WriteString(")")
	_, err := in.tx.Exec(in.ctx, sql.String(), in.pending...)
	in.pending, in.size = in.pending[:0], 0
	if err != nil {
		return millrace.Errorf(millrace.Invalid, "the backup's rows of %s do not fit together: %w", in.table.Name, err)
	}
	return nil
}

// A backupReader reads what anyone may have written.
type backupReader struct {
	in     *bufio.Reader
	sum    hash.Hash
	line   []byte
	number int   // of the line
	rows   int64 // so far
}

func newBackupReader(r io.Reader) *backupReader {
	return &backupReader{in: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
}

func (b *backupReader) wrong(format string, args ...any) error {
	return millrace.Errorf(millrace.Invalid, "line %d of the catalog's backup %s: it is damaged, or not a backup; take another one", b.number, fmt.Sprintf(format, args...))
}

// next reads a line. The sum is of those before it.
func (b *backupReader) next() error {
	b.sum.Write(b.line)
	b.line = b.line[:0]
	b.number++
	for {
		part, err := b.in.ReadSlice('\n')
		b.line = append(b.line, part...)
		switch {
		case len(b.line) > maxLine:
			return b.wrong("is longer than %d bytes", maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return b.wrong("has no end: the backup was cut")
		case err != nil:
			return millrace.Errorf(millrace.Unavailable, "reading the catalog's backup: %w", err)
		}
		if !utf8.Valid(b.line) {
			return b.wrong("is not UTF-8")
		}
		return nil
	}
}

// object decodes a line that is an object.
func (b *backupReader) object(v any) error {
	d := json.NewDecoder(bytes.NewReader(b.line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return b.wrong("cannot be read (%v)", err)
	}
	if rest, err := io.ReadAll(d.Buffered()); err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return b.wrong("has more than one value")
	}
	return nil
}

func (b *backupReader) header() (h backupHeader, err error) {
	if err := b.next(); err != nil {
		return h, err
	}
	var format struct {
		Format   *int   `json:"millrace_catalog"`
		Millrace string `json:"millrace"`
	}
	if err := json.Unmarshal(b.line, &format); err != nil || format.Format == nil {
		return h, b.wrong("is not the beginning of a backup")
	}
	if *format.Format > backupFormat {
		return h, millrace.Errorf(millrace.Conflict, "the catalog's backup was written by Millrace %.60q in a format that this version does not know (%d): restore it with that version or a newer one", format.Millrace, *format.Format)
	}
	if err := b.object(&h); err != nil {
		return h, err
	}
	if h.Format != backupFormat || len(h.Migrations) == 0 {
		return h, b.wrong("is not the beginning of a backup")
	}
	return h, nil
}

// body reads the tables, each once and in their order, and the end.
func (b *backupReader) body(tables []Table, begin func(Table) error, row func([]any) error) error {
	if err := b.next(); err != nil {
		return err
	}
	for _, t := range tables {
		var head backupTable
		if err := b.object(&head); err != nil {
			return err
		}
		if head.Table != t.Name || len(head.Columns) != len(t.Columns) || len(head.Types) != len(t.Columns) {
			return b.wrong("is not the table %s that its version has", t.Name)
		}
		for i, c := range t.Columns {
			if head.Columns[i] != c.Name || head.Types[i] != c.Type {
				return b.wrong("does not have the column %s of table %s", c.Name, t.Name)
			}
		}
		if err := begin(t); err != nil {
			return err
		}
		for {
			if err := b.next(); err != nil {
				return err
			}
			if b.line[0] != '[' {
				break
			}
			values, err := b.row(t.Columns)
			if err != nil {
				return err
			}
			b.rows++
			if err := row(values); err != nil {
				return err
			}
		}
	}
	return b.end()
}

func (b *backupReader) end() error {
	sum := hex.EncodeToString(b.sum.Sum(nil))
	var end backupEnd
	if err := b.object(&end); err != nil {
		return err
	}
	if end.Rows != b.rows || end.SHA256 != sum {
		return b.wrong("says %d rows with the sum %.64q, and there are %d with %s", end.Rows, end.SHA256, b.rows, sum)
	}
	if _, err := b.in.ReadByte(); !errors.Is(err, io.EOF) {
		return b.wrong("is not the last one")
	}
	return nil
}

// row decodes a line of values.
func (b *backupReader) row(columns []Column) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(b.line, &raw); err != nil || len(raw) != len(columns) {
		return nil, b.wrong("does not have the %d values of its table", len(columns))
	}
	values := make([]any, len(raw))
	for i, text := range raw {
		v, err := value(text, columns[i].Type)
		if err != nil {
			return nil, b.wrong("has a wrong value in column %s", columns[i].Name)
		}
		values[i] = v
	}
	return values, nil
}

var errValue = errors.New("wrong value")

func value(text []byte, kind string) (any, error) {
	if string(text) == "null" {
		return nil, nil
	}
	switch kind {
	case TypeInteger:
		return strconv.ParseInt(string(text), 10, 64)
	case TypeFloat:
		v, err := strconv.ParseFloat(string(text), 64)
		if err == nil && (math.IsInf(v, 0) || math.IsNaN(v)) {
			err = errValue
		}
		return v, err
	}
	if text[0] != '"' {
		return nil, errValue
	}
	plain, err := jsontext.AppendUnquote(nil, text)
	if err != nil {
		return nil, err
	}
	switch kind {
	case TypeText:
		if wrongText(string(plain)) != "" {
			return nil, errValue
		}
		return string(plain), nil
	case TypeBytes:
		if slices.Contains(plain, '\n') || slices.Contains(plain, '\r') { // which the decoder leaves out
			return nil, errValue
		}
		bytes := make([]byte, base64.StdEncoding.DecodedLen(len(plain)))
		n, err := base64.StdEncoding.Strict().Decode(bytes, plain)
		return bytes[:n], err
	}
	return nil, errValue
}
