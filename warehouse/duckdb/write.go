package duckdb

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A target is where steps are written to: the live tables, or a rebuild's.
type target struct {
	suffix     string // of a table's name in the engine
	checkpoint bool   // whether steps carry the workspace's checkpoint
}

// shadowSuffix marks the tables of a rebuild. No table of events has such a
// name: theirs are snake_case.
const shadowSuffix = " (rebuild)"

var (
	liveTables   = target{checkpoint: true}
	shadowTables = target{suffix: shadowSuffix}
)

// place returns what the engine calls a table.
func (t target) place(n warehouse.TableName) warehouse.TableName {
	n.Table += t.suffix
	return n
}

// sqlTable is a table's name in SQL.
func sqlTable(n warehouse.TableName) string { return quote(n.Schema) + "." + quote(n.Table) }

// writeStep commits a step in one transaction. Rows, columns and tables that
// the engine refuses are found and set aside, and the rest is written.
func writeStep(c *connection, step *warehouse.Step, to target) error {
	// Each round sets something aside, or it is the last.
	for {
		refused, err := tryStep(c, step, to)
		if err == nil {
			return nil
		}
		c.rollback()
		if refused.buffer == nil || !isRefusal(err) {
			return err
		}
		found, findErr := false, error(nil)
		if refused.making {
			found, findErr = refuseDefinitions(c, step, to)
		} else {
			found, findErr = refuseRows(c, step, refused.buffer, to, err)
		}
		if findErr != nil {
			return errors.Join(err, findErr)
		}
		if !found {
			return err
		}
	}
}

// A refused says where a step failed: at a buffer's table and columns, or at
// its rows.
type refused struct {
	buffer *warehouse.Buffer
	making bool
}

// tryStep commits a step.
func tryStep(c *connection, step *warehouse.Step, to target) (refused, error) {
	if err := c.begin(); err != nil {
		return refused{}, err
	}
	for _, b := range step.Buffers {
		if b.Idle() {
			continue
		}
		if err := alterTable(c, b, to); err != nil {
			return refused{b, true}, err
		}
		if b.Rows == 0 {
			continue
		}
		if err := writeRows(c, b, to.place(b.TableName), 0, b.Rows); err != nil {
			return refused{b, false}, err
		}
	}
	if to.checkpoint {
		if err := writeCheckpoint(c, step); err != nil {
			return refused{}, err
		}
	}
	return refused{}, c.commit()
}

// holdsLarge says whether a column is BIGINT and holds whole numbers that a
// double would round.
func holdsLarge(c *connection, table warehouse.TableName, column string) (bool, error) {
	rows, err := c.texts("SELECT data_type FROM duckdb_columns() WHERE schema_name = ? AND table_name = ? AND column_name = ?",
		table.Schema, table.Table, column)
	if err != nil || len(rows) == 0 || rows[0][0] != sqlTypes[warehouse.BigInt] {
		return false, err
	}
	rows, err = c.texts(fmt.Sprintf("SELECT 'yes' FROM %[1]s WHERE %[2]s > 9007199254740992 OR %[2]s < -9007199254740992 LIMIT 1",
		sqlTable(table), quote(column)))
	return len(rows) > 0, err
}

// alterTable makes the table and the columns that are missing.
func alterTable(c *connection, b *warehouse.Buffer, to target) error {
	name := to.place(b.TableName)
	var sql strings.Builder
	if b.Create {
		fmt.Fprintf(&sql, "CREATE SCHEMA IF NOT EXISTS %s;", quote(name.Schema))
		columns := make([]warehouse.Column, len(b.Columns))
		for i, v := range b.Columns {
			columns[i] = v.Column
		}
		createTable(&sql, name, columns)
		return c.exec(sql.String())
	}
	for _, v := range b.Columns {
		sql.WriteString(alterColumn(name, v))
	}
	if sql.Len() == 0 {
		return nil
	}
	return c.exec(sql.String())
}

// alterColumn is the statement that makes or widens a column, or "".
func alterColumn(name warehouse.TableName, v *warehouse.Vector) string {
	switch {
	case v.New:
		return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s;", sqlTable(name), quote(v.Name), sqlTypes[v.Type])
	case v.Widened:
		return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s;", sqlTable(name), quote(v.Name), sqlTypes[v.Type])
	}
	return ""
}

// createTable writes the statement that makes a table.
func createTable(sql *strings.Builder, name warehouse.TableName, columns []warehouse.Column) {
	fmt.Fprintf(sql, "CREATE TABLE %s (", sqlTable(name))
	for i, column := range columns {
		if i > 0 {
			sql.WriteString(", ")
		}
		fmt.Fprintf(sql, "%s %s", quote(column.Name), sqlTypes[column.Type])
	}
	sql.WriteString(");")
}

// writeCheckpoint stores how far the workspace is.
func writeCheckpoint(c *connection, step *warehouse.Step) error {
	var sql strings.Builder
	checkpointSQL(&sql, step.Scanned)
	if step.PendingChanged {
		sql.WriteString("DELETE FROM millrace.pending;")
		separator := "INSERT INTO millrace.pending VALUES "
		for name, p := range step.Pending {
			fmt.Fprintf(&sql, "%s(%s, %s, %d, %d, %d)", separator, literal(name.Schema), literal(name.Table), p.Epoch, p.Seq, p.Index)
			separator = ", "
		}
	}
	return c.exec(sql.String())
}

func checkpointSQL(sql *strings.Builder, p millrace.Position) {
	fmt.Fprintf(sql, "DELETE FROM millrace.checkpoints WHERE name = 'scanned'; INSERT INTO millrace.checkpoints VALUES ('scanned', %d, %d, %d);", p.Epoch, p.Seq, p.Index)
}
