package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// physical returns what the server calls a schema: the source's name in the
// default workspace, <workspace>__<source> in others.
func physical(workspace, schema string) string {
	if workspace == millrace.DefaultWorkspace {
		return schema
	}
	return warehouse.ShortName(workspace + "__" + schema)
}

// shadowSchema returns where the tables of a rebuild are until the swap. No
// source can have such a name.
func shadowSchema(workspace, schema string) string {
	return "millrace rebuild " + hash(physical(workspace, schema))
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// mark is the comment on schemas that are Millrace's, so that one that someone
// else made is never taken for a source's, and the workspace and source of a
// shortened name are known.
func mark(workspace, schema string) string { return "millrace:" + workspace + ":" + schema }

// unmark reads a mark of a workspace.
func unmark(workspace, comment string) (schema string, ok bool) {
	return strings.CutPrefix(comment, "millrace:"+workspace+":")
}

// objectName is the name of an index or a constraint of a table, as in
// "order (received_at)". Indexes share the names of tables, and no table's has
// a space. Postgres cuts what is longer than 63 bytes, so a long one is a hash.
func objectName(table, what string) string {
	name := table + " (" + what + ")"
	if len(name) > warehouse.MaxNameBytes {
		end := " " + hash(table+"\x00"+what) + " (" + what + ")"
		name = table[:max(0, min(len(table), warehouse.MaxNameBytes-len(end)))] + end
	}
	return name
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func table(schema, name string) string { return quote(schema) + "." + quote(name) }

var sqlTypes = [...]string{
	warehouse.Bool: "boolean", warehouse.BigInt: "bigint", warehouse.Double: "double precision",
	warehouse.Timestamp: "timestamp with time zone", warehouse.Text: "text", warehouse.JSON: "json", warehouse.Integer: "integer",
}

// typeOf reads a type as format_type writes it. What Millrace does not make is
// treated as text, and its rows may be refused.
func typeOf(name string) warehouse.Type {
	for t, sql := range sqlTypes {
		if sql == name && t > 0 {
			return warehouse.Type(t)
		}
	}
	return warehouse.Text
}
