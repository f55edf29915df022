package duckdb

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// formatVersion is the version of the system tables.
const formatVersion = "1"

var errNewerFormat = errors.New("its tables are of a newer format")

// A loader moves batches into a database, over a connection of its own. Its
// caller serializes.
type loader struct {
	conn   *connection
	shaper *warehouse.Shaper // nil before resume
	holds  bool              // rows are held back in the shaper
	at     millrace.Position // the checkpoint in the database
	fresh  freshRows
	// making is held while tables and columns are made: a merge beside that
	// would have to be undone, and the engine does not survive undoing it.
	making sync.Locker
}

func newLoader(db *database, fresh freshRows, making sync.Locker) (*loader, error) {
	c, err := db.connect()
	if err != nil {
		return nil, err
	}
	return &loader{conn: c, fresh: fresh, making: making}, nil
}

func (l *loader) close() { l.conn.close() }

// prepareSystemTables makes the tables of the system's schema, or checks that
// this version can read them.
func prepareSystemTables(c *connection) error {
	tables, err := readTables(c)
	if err != nil {
		return err
	}
	var missing strings.Builder
	for _, t := range warehouse.MissingSystemTables(tables) {
		if t.Create {
			createTable(&missing, t.TableName, t.Columns)
			continue
		}
		for _, column := range t.Columns {
			fmt.Fprintf(&missing, "ALTER TABLE %s ADD COLUMN %s %s;", sqlTable(t.TableName), quote(column.Name), sqlTypes[column.Type])
		}
	}
	err = c.exec(`BEGIN TRANSACTION;
		CREATE SCHEMA IF NOT EXISTS millrace;
		CREATE TABLE IF NOT EXISTS millrace.format (version VARCHAR NOT NULL);
		CREATE TABLE IF NOT EXISTS millrace.checkpoints (name VARCHAR NOT NULL, _epoch BIGINT NOT NULL, _seq BIGINT NOT NULL, _index INTEGER NOT NULL);
		CREATE TABLE IF NOT EXISTS millrace.pending ("schema" VARCHAR NOT NULL, "table" VARCHAR NOT NULL, _epoch BIGINT NOT NULL, _seq BIGINT NOT NULL, _index INTEGER NOT NULL);
		CREATE TABLE IF NOT EXISTS millrace.row_groups ("schema" VARCHAR NOT NULL, "table" VARCHAR NOT NULL, first_epoch BIGINT NOT NULL, first_seq BIGINT NOT NULL, last_epoch BIGINT NOT NULL, last_seq BIGINT NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL);
		INSERT INTO millrace.format SELECT '` + formatVersion + `' WHERE NOT EXISTS (FROM millrace.format);
		` + missing.String() + `
		COMMIT`)
	if err != nil {
		c.rollback()
		return fmt.Errorf("make the system tables: %w", err)
	}
	rows, err := c.texts("SELECT version FROM millrace.format")
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row[0] != formatVersion {
			return fmt.Errorf("%w: it has format %s, and this version of Millrace reads format %s", errNewerFormat, row[0], formatVersion)
		}
	}
	return nil
}

// resume makes a new shaper from what the engine holds.
func (l *loader) resume(settings warehouse.Settings) (millrace.Position, error) {
	known, err := readKnown(l.conn)
	if err != nil {
		return millrace.Position{}, fmt.Errorf("read what the warehouse holds: %w", err)
	}
	shaper, err := warehouse.NewShaper(warehouse.ShaperOptions{Settings: settings, Known: known, Large: func(t warehouse.TableName, column string) (bool, error) {
		return holdsLarge(l.conn, t, column)
	}})
	if err != nil {
		return millrace.Position{}, err
	}
	l.shaper, l.holds, l.at = shaper, false, known.Scanned
	return shaper.Resume(), nil
}

// apply shapes a batch and commits what is due.
func (l *loader) apply(b warehouse.Batch) (warehouse.Progress, error) {
	l.shaper.Add(b)
	if err := l.shaper.Err(); err != nil {
		return warehouse.Progress{}, err
	}
	step := l.shaper.Take(b.Flush)
	if len(step.Buffers) > 0 || step.PendingChanged || step.Scanned != l.at {
		if err := l.write(step); err != nil {
			return warehouse.Progress{}, err
		}
		l.at = step.Scanned
		l.fresh.note(step)
	}
	l.shaper.Done(step)
	l.holds = len(step.Pending) > 0
	tables := l.shaper.EventTables()
	return warehouse.Progress{Scanned: step.Scanned, Committed: step.Committed, Rows: step.Rows, Discards: step.Discards, Notices: step.Notices, EventTables: &tables}, nil
}

// write commits a step.
func (l *loader) write(step *warehouse.Step) error {
	if slices.ContainsFunc(step.Buffers, makes) {
		l.making.Lock()
		defer l.making.Unlock()
	}
	return writeStep(l.conn, step, liveTables)
}

// makes says whether a table or a column has to be made or widened.
func makes(b *warehouse.Buffer) bool {
	return b.Create || slices.ContainsFunc(b.Columns, func(v *warehouse.Vector) bool { return v.New || v.Widened })
}

// readKnown reads where a shaper begins.
func readKnown(c *connection) (warehouse.Known, error) {
	var known warehouse.Known
	var err error
	if known.Tables, err = readTables(c); err != nil {
		return known, err
	}
	for _, t := range known.Tables {
		if t.Schema != warehouse.SystemSchema {
			continue
		}
		switch t.Table {
		case "names":
			known.Names, err = readNames(c)
		case "notices":
			known.Notices, err = readNotices(c)
		}
		if err != nil {
			return known, err
		}
	}
	rows, err := c.texts("SELECT name, '', _epoch::VARCHAR, _seq::VARCHAR, _index::VARCHAR FROM millrace.checkpoints WHERE name = 'scanned'" +
		` UNION ALL SELECT "schema", "table", _epoch::VARCHAR, _seq::VARCHAR, _index::VARCHAR FROM millrace.pending`)
	if err != nil {
		return known, err
	}
	known.Pending = map[warehouse.TableName]millrace.Position{}
	for _, row := range rows {
		p, err := millrace.ParsePosition(row[2] + "-" + row[3] + "-" + row[4])
		if err != nil {
			return known, err
		}
		if row[1] == "" {
			known.Scanned = p
		} else {
			known.Pending[warehouse.TableName{Schema: row[0], Table: row[1]}] = p
		}
	}
	return known, nil
}

// readTables lists the tables of sources and of the system, with their columns.
func readTables(c *connection) ([]warehouse.KnownTable, error) {
	rows, err := c.texts(`SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()
		WHERE NOT internal AND schema_name <> 'main' AND table_name NOT LIKE '% (rebuild)'
		  AND NOT (schema_name = 'millrace' AND table_name IN ('format', 'checkpoints', 'pending', 'row_groups'))
		  AND table_oid IN (SELECT table_oid FROM duckdb_tables()) -- not views
		ORDER BY schema_name, table_name, column_index`)
	if err != nil {
		return nil, err
	}
	var tables []warehouse.KnownTable
	for _, row := range rows {
		name := warehouse.TableName{Schema: row[0], Table: row[1]}
		if n := len(tables); n == 0 || tables[n-1].TableName != name {
			tables = append(tables, warehouse.KnownTable{TableName: name})
		}
		t := &tables[len(tables)-1]
		t.Columns = append(t.Columns, warehouse.Column{Name: row[2], Type: typeOf(row[3])})
	}
	return tables, nil
}

func readNames(c *connection) ([]warehouse.Name, error) {
	rows, err := c.texts("SELECT source, kind, original, name FROM millrace.names")
	names := make([]warehouse.Name, len(rows))
	for i, row := range rows {
		names[i] = warehouse.Name{Source: row[0], Kind: row[1], Original: row[2], Name: row[3]}
	}
	return names, err
}

func readNotices(c *connection) ([]string, error) {
	rows, err := c.texts("SELECT id FROM millrace.notices")
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row[0]
	}
	return ids, err
}

// sqlTypes are the engine's names of the types.
var sqlTypes = map[warehouse.Type]string{
	warehouse.Bool: "BOOLEAN", warehouse.BigInt: "BIGINT", warehouse.Double: "DOUBLE",
	warehouse.Timestamp: "TIMESTAMP WITH TIME ZONE", warehouse.Text: "VARCHAR", warehouse.JSON: "JSON",
	warehouse.Integer: "INTEGER",
}

// typeOf is the type of a column that the engine calls so.
func typeOf(sql string) warehouse.Type {
	for t, name := range sqlTypes {
		if strings.EqualFold(name, sql) {
			return t
		}
	}
	return warehouse.Text
}
