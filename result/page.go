package result

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A Page is some rows of a result.
type Page struct {
	Columns []Column
	Total   int64          // rows that the filters leave
	Rows    warehouse.Rows // to be closed
}

// Page reads rows. Errors: NotFound, Invalid for a view that the result does
// not have, and those of a query.
func (s *Store) Page(ctx context.Context, id string, v View) (_ Page, err error) {
	e, done, err := s.use(id)
	if err != nil {
		return Page{}, err
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	if v.Limit < 0 || v.Limit > MaxPageRows || v.Offset < 0 {
		return Page{}, millrace.Errorf(millrace.Invalid, "a page has 1 to %d rows, from row 0 on", MaxPageRows)
	}
	def(&v.Limit, DefaultPageRows)
	p := Page{}
	if p.Total, err = s.total(ctx, e, v.Filters); err != nil {
		return Page{}, err
	}
	picked, sql, params, err := e.page(v)
	if err != nil {
		return Page{}, err
	}
	for _, i := range picked {
		p.Columns = append(p.Columns, e.Columns[i])
	}
	rows, err := s.pieces(ctx, e, v, p.Total)
	if err != nil {
		return Page{}, err
	}
	if rows != nil {
		done()
		p.Rows = rows
		return p, nil
	}
	p.Rows, err = s.read(ctx, e, v.plain(), picked, warehouse.Query{SQL: sql, Params: params, Limit: int(v.Limit), Timeout: s.o.Timeout}, done)
	return p, err
}

// page is the SQL of a view. The numbers of its rows are found first, from the
// columns that say which they are; the others are read for those rows alone.
func (e *entry) page(v View) (picked []int, sql string, params []any, err error) {
	b := e.builder()
	if picked, err = b.pick(v.Columns); err != nil {
		return nil, "", nil, err
	}
	if len(v.Filters) == 0 && len(v.Sort) == 0 {
		from, until := b.bind(v.Offset), b.bind(v.Offset+min(v.Limit, e.Rows))
		return picked, fmt.Sprintf("SELECT %s FROM result WHERE r >= CAST(%s AS BIGINT) AND r < CAST(%s AS BIGINT) ORDER BY r", list(picked), from, until), b.params, nil
	}
	where, err := b.where(v.Filters)
	if err != nil {
		return nil, "", nil, err
	}
	order, err := b.order(v.Sort)
	if err != nil {
		return nil, "", nil, err
	}
	sql = fmt.Sprintf("SELECT %s FROM result WHERE r IN (SELECT r FROM result%s ORDER BY %s LIMIT CAST(%s AS BIGINT) OFFSET CAST(%s AS BIGINT)) ORDER BY %s",
		list(picked), where, order, b.bind(v.Limit), b.bind(v.Offset), order)
	return picked, sql, b.params, nil
}

// maxTotals is how many counts are remembered.
const maxTotals = 1000

// total counts the rows that filters leave, once.
func (s *Store) total(ctx context.Context, e *entry, filters []Filter) (int64, error) {
	if len(filters) == 0 {
		return e.Rows, nil
	}
	b := e.builder()
	where, err := b.where(filters)
	if err != nil {
		return 0, err
	}
	key := e.ID + where + fmt.Sprintf("%q", b.params)
	s.mu.Lock()
	n, ok := s.totals[key]
	s.mu.Unlock()
	if ok {
		return n, nil
	}
	rows, err := s.values(ctx, e, "SELECT count(*) FROM result"+where, b.params, 1)
	if err != nil {
		return 0, err
	}
	if n, err = strconv.ParseInt(string(rows[0][0]), 10, 64); err != nil {
		return 0, millrace.Errorf(millrace.Internal, "the engine counts %s rows: %w", rows[0][0], err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.totals) >= maxTotals {
		clear(s.totals)
	}
	if s.results[e.ID] == e {
		s.totals[key] = n
	}
	return n, nil
}

// plain says whether the rows of a view are read as they are stored.
func (v *View) plain() bool { return len(v.Filters)+len(v.Sort) == 0 }

// run runs SQL over a result. A result whose file somebody else removed is
// forgotten.
func (s *Store) run(ctx context.Context, e *entry, plain bool, q warehouse.Query) (warehouse.Rows, error) {
	rows, err := s.o.Around(e.Workspace, plain, func() (warehouse.Rows, error) { return s.o.Engine.ReadResult(ctx, e.ID+fileEnding, q) })
	if err == nil {
		return rows, nil
	}
	if _, statErr := os.Lstat(s.path(e.ID, fileEnding)); errors.Is(statErr, fs.ErrNotExist) {
		if _, removeErr := s.remove(e.ID, func(found *entry) bool { return found == e }); removeErr != nil {
			s.o.Logger.Warn("a result whose file is gone stays", "error", removeErr)
		}
		return nil, notFound(e.ID)
	}
	return nil, err
}

// read runs SQL whose columns are those of the result with these numbers. done
// is called when the rows are closed, or when there are none.
func (s *Store) read(ctx context.Context, e *entry, plain bool, columns []int, q warehouse.Query, done func()) (warehouse.Rows, error) {
	rows, err := s.run(ctx, e, plain, q)
	if err != nil {
		return nil, err
	}
	got := rows.Schema().Fields()
	if len(got) != len(columns) {
		_ = rows.Close()
		return nil, millrace.Errorf(millrace.Internal, "the engine gives %d columns of the result %s, not %d", len(got), e.ID, len(columns))
	}
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: e.Columns[c].Name, Type: got[i].Type, Nullable: true}
		if e.columns[c].JSON {
			fields[i].Metadata = arrow.NewMetadata([]string{"ARROW:extension:name"}, []string{"arrow.json"})
		}
	}
	return &view{Rows: rows, schema: arrow.NewSchema(fields, nil), done: done}, nil
}

// A view gives the rows of a result the names that its query gave them.
type view struct {
	warehouse.Rows
	schema *arrow.Schema
	done   func()
	once   sync.Once
}

func (v *view) Schema() *arrow.Schema { return v.schema }

func (v *view) Next(ctx context.Context) (arrow.RecordBatch, error) {
	batch, err := v.Rows.Next(ctx)
	if err != nil {
		return nil, err
	}
	defer batch.Release()
	return array.NewRecordBatch(v.schema, batch.Columns(), batch.NumRows()), nil
}

func (v *view) Close() error {
	v.once.Do(v.done)
	return v.Rows.Close()
}

// values reads all of a short answer as JSON values, null for none.
func (s *Store) values(ctx context.Context, e *entry, sql string, params []any, limit int) ([][]Value, error) {
	rows, err := s.run(ctx, e, false, warehouse.Query{SQL: sql, Params: params, Limit: limit, Timeout: s.o.Timeout})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]Value
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		columns := Cells(batch)
		for i := range int(batch.NumRows()) {
			row := make([]Value, len(columns))
			for j, c := range columns {
				row[j] = c(nil, i)
			}
			out = append(out, row)
		}
		batch.Release()
	}
}
