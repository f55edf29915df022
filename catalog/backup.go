package catalog

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// The lines of a backup are specified in docs/format/catalog.md.
const (
	backupFormat = 1
	// maxLine bounds the memory that a backup takes to be read: a row has at
	// most this many bytes.
	maxLine = 128 << 20
)

// backupHeader is the first line.
type backupHeader struct {
	Format     int       `json:"millrace_catalog"`
	Millrace   string    `json:"millrace"` // the version that wrote it
	Engine     string    `json:"engine"`   // for people
	Taken      time.Time `json:"taken"`
	Migrations []applied `json:"migrations"`
}

// backupTable begins the rows of a table.
type backupTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	Types   []string `json:"types"`
}

// backupEnd is the last line.
type backupEnd struct {
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"` // of all lines before
}

// WriteBackup writes a consistent copy of a store. Backends call it.
func WriteBackup(ctx context.Context, s Store, w io.Writer, o MigrateOptions) error {
	o.Complete()
	out := bufio.NewWriterSize(w, 64<<10)
	sum := sha256.New()
	b := &backupWriter{sum: sum, lines: func(line []byte) error {
		sum.Write(line)
		_, err := out.Write(line)
		return err
	}}
	err := s.View(ctx, func(tx Tx) error {
		if b.rows > 0 || b.begun {
			return millrace.Errorf(millrace.Unavailable, "the backup of the catalog was interrupted: make it again")
		}
		b.begun = true
		return b.write(ctx, s, tx, o)
	})
	if err == nil {
		err = out.Flush()
	}
	return err
}

type backupWriter struct {
	lines func([]byte) error // takes each
	sum   hash.Hash
	line  []byte
	rows  int64
	begun bool
}

func (b *backupWriter) write(ctx context.Context, s Store, tx Tx, o MigrateOptions) error {
	have, err := versions(ctx, s, tx)
	if err != nil {
		return err
	}
	if err := b.object(backupHeader{Format: backupFormat, Millrace: o.Version, Engine: s.Dialect().Name, Taken: o.Now().UTC(), Migrations: have}); err != nil {
		return err
	}
	tables, err := s.Tables(ctx, tx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.Name == versionTable {
			continue
		}
		if err := b.table(ctx, tx, t, ""); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return b.object(backupEnd{Rows: b.rows, SHA256: hex.EncodeToString(b.sum.Sum(nil))})
}

func (b *backupWriter) object(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b.line = append(b.line[:0], line...)
	return b.end()
}

// end writes the line.
func (b *backupWriter) end() error {
	b.line = append(b.line, '\n')
	if len(b.line) > maxLine {
		return millrace.Errorf(millrace.TooLarge, "a row of the catalog has %d bytes, more than a backup holds (%d)", len(b.line), maxLine)
	}
	return b.lines(b.line)
}

// table writes the rows of a table in the order of its key, so that both
// engines write the same. where is SQL, or empty.
func (b *backupWriter) table(ctx context.Context, tx Tx, t Table, where string) error {
	head := backupTable{Table: t.Name}
	for _, column := range t.Columns {
		head.Columns, head.Types = append(head.Columns, column.Name), append(head.Types, column.Type)
	}
	if err := b.object(head); err != nil {
		return err
	}
	order := t.Key
	if len(order) == 0 {
		order = head.Columns
	}
	rows, err := tx.Query(ctx, "SELECT "+names(head.Columns)+" FROM "+names([]string{t.Name})+where+" ORDER BY "+names(order))
	if err != nil {
		return err
	}
	defer rows.Close()
	row, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		b.rows++
		if err := b.row(row, t.Columns); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (b *backupWriter) row(row []any, columns []Column) error {
	b.line = append(b.line[:0], '[')
	for i, v := range row {
		if i > 0 {
			b.line = append(b.line, ',')
		}
		switch v := v.(type) {
		case nil:
			b.line = append(b.line, "null"...)
		case int64:
			b.line = strconv.AppendInt(b.line, v, 10)
		case float64:
			b.line = strconv.AppendFloat(b.line, v, 'g', -1, 64)
		case []byte:
			b.line = append(b.line, '"')
			b.line = base64.StdEncoding.AppendEncode(b.line, v)
			b.line = append(b.line, '"')
		case string:
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			b.line = append(b.line, text...)
		default:
			return millrace.Errorf(millrace.Internal, "column %s is a %T", columns[i].Name, v)
		}
	}
	b.line = append(b.line, ']')
	return b.end()
}

// names writes names of tables and columns, which are in double quotes for both engines.
func names(all []string) string {
	quoted := make([]string, len(all))
	for i, name := range all {
		quoted[i] = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return strings.Join(quoted, ", ")
}
