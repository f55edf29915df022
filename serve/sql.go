package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

// conditions are the WHERE of a query that is made here. Values are parameters,
// never text of the query; it runs on every engine.
type conditions struct {
	where  []string
	params []any
}

// value adds a parameter and returns how the query names it.
func (c *conditions) value(v any) string {
	c.params = append(c.params, v)
	return "$" + strconv.Itoa(len(c.params))
}

// add adds a condition in which each ? is one of the values.
func (c *conditions) add(condition string, values ...any) {
	for _, v := range values {
		condition = strings.Replace(condition, "?", c.value(v), 1)
	}
	c.where = append(c.where, condition)
}

// equal adds that a column has a value, when there is one.
func (c *conditions) equal(column, value string) {
	if value != "" {
		c.add(column+" = ?", value)
	}
}

// between adds bounds of a time; the zero time is none.
func (c *conditions) between(column string, from, until time.Time) {
	if !from.IsZero() {
		c.add(column+" >= CAST(? AS timestamptz)", timeText(from))
	}
	if !until.IsZero() {
		c.add(column+" < CAST(? AS timestamptz)", timeText(until))
	}
}

// before adds that a row lies before a position; nil is no bound. alias is of
// the table, with its point.
func (c *conditions) before(alias string, p *millrace.Position) {
	if p != nil {
		e, s, i := alias+"_epoch", alias+"_seq", alias+"_index"
		c.add(fmt.Sprintf("(%[1]s < ? OR %[1]s = ? AND (%[2]s < ? OR %[2]s = ? AND %[3]s < ?))", e, s, i),
			int64(p.Epoch), int64(p.Epoch), int64(p.Seq), int64(p.Seq), int64(p.Index))
	}
}

// String is the WHERE, or nothing.
func (c *conditions) String() string {
	if len(c.where) == 0 {
		return ""
	}
	return "\nWHERE " + strings.Join(c.where, " AND ")
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// newestFirst orders rows by their position.
const newestFirst = "_epoch DESC, _seq DESC, _index DESC"

// each calls do with every row of a query.
func (s *server) each(ctx context.Context, sql string, params []any, limit int, do func(columns []result.Cell, i int) error) error {
	return s.eachWithin(ctx, requestTimeout, sql, params, limit, do)
}

func (s *server) eachWithin(ctx context.Context, timeout time.Duration, sql string, params []any, limit int, do func(columns []result.Cell, i int) error) error {
	rows, err := s.space(ctx).Querier.Query(ctx, warehouse.Query{Workspace: s.space(ctx).ID, SQL: sql, Params: params, Limit: limit, Timeout: timeout})
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		columns := result.Cells(batch)
		for i := range int(batch.NumRows()) {
			if err = do(columns, i); err != nil {
				break
			}
		}
		batch.Release()
		if err != nil {
			return err
		}
	}
}

// scan reads the values of a row into pointers; NULL leaves what is there.
func scan(columns []result.Cell, i int, into ...any) error {
	if len(columns) < len(into) {
		return fmt.Errorf("the warehouse answered %d columns, not %d", len(columns), len(into))
	}
	for j := range into {
		if err := json.Unmarshal(columns[j](nil, i), into[j]); err != nil {
			return fmt.Errorf("column %d of the warehouse's answer: %w", j+1, err)
		}
	}
	return nil
}

// place is a table in a query.
func place(t warehouse.TableName) string {
	return warehouse.Identifier(t.Schema) + "." + warehouse.Identifier(t.Table)
}

// quoted is a name in a query, in quotes whatever it is.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// textOf is a text in a query. For names that come from the warehouse itself;
// what people send are parameters.
func textOf(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// offsetOf reads a cursor that is how many there were before it.
func offsetOf(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(cursor)
	if err != nil || n < 0 || n > 1e9 {
		return 0, errCursor()
	}
	return n, nil
}

// positionOf reads a cursor that is the position of the last one.
func positionOf(cursor string) (*millrace.Position, error) {
	if cursor == "" {
		return nil, nil
	}
	p, err := millrace.ParsePosition(cursor)
	if err != nil {
		return nil, errCursor()
	}
	return &p, nil
}

func errCursor() error {
	return millrace.Errorf(millrace.Invalid, "the cursor is not one of this list: begin again without")
}

// page cuts a list to what a cursor and a limit ask for, and returns the next cursor.
func page[T any](all []T, cursor string, limit int) (part []T, next string, err error) {
	from, err := offsetOf(cursor)
	if err != nil {
		return nil, "", err
	}
	from = min(from, len(all))
	until := min(from+limit, len(all))
	if until < len(all) {
		next = strconv.Itoa(until)
	}
	return slices.Clone(all[from:until]), next, nil
}
