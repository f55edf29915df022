package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// A Journey is a record and what became of it.
type Journey struct {
	Record TailLine `json:"record" doc:"As it was received, with the result."`
	Steps  []Step   `json:"steps" doc:"What happened to it, in order."`
	// Rows are of the warehouse.
	Rows []LoadedRow `json:"rows" doc:"What the tables have of it."`
}

// A Step is what happened to a record.
type Step struct {
	Step   string     `json:"step" enum:"received,logged,judged,archived,loaded" doc:"What happened."`
	State  string     `json:"state" enum:"done,waiting,not,unknown" doc:"not: it does not happen to this record, such as archiving a duplicate."`
	At     *time.Time `json:"at,omitempty" doc:"When."`
	Where  string     `json:"where,omitempty" doc:"The source, the position, the file, the tables."`
	Detail string     `json:"detail" doc:"For people."`
	// Of is the record that a duplicate repeats.
	Of *millrace.Position `json:"of,omitempty" doc:"Of a duplicate: the record that counts."`
}

// A LoadedRow is what a table has of a record.
type LoadedRow struct {
	Schema   string                     `json:"schema" doc:"Of the table."`
	Table    string                     `json:"table" doc:"Its name."`
	LoadedAt *time.Time                 `json:"loaded_at,omitempty" doc:"When the row was written; a rebuild writes it anew."`
	Values   map[string]json.RawMessage `json:"values" doc:"The row, without columns that are null."`
}

// An ArchivePlace is where the archive has a record.
type ArchivePlace struct {
	File      string    // key in the bucket
	Published bool      // in the folder of its hour, for good
	Modified  time.Time // when the file was written; zero when that is not known
}

// judgePatience is how long the verdict on a record is waited for.
const judgePatience = time.Second

// journey follows the record at a position.
func (s *server) journey(ctx context.Context, p millrace.Position) (Journey, error) {
	e, archived, err := s.recordAt(ctx, p)
	if err != nil {
		return Journey{}, err
	}
	logTime := e.Time.UTC()
	received := e.Received.UTC()
	out := Journey{Rows: []LoadedRow{}, Steps: []Step{
		{Step: "received", State: "done", At: &received, Where: e.Source, Detail: "intake took it for the source " + e.Source},
		{Step: "logged", State: "done", At: &logTime, Where: p.String(), Detail: "it was on disk before the sender was answered"},
	}}
	if archived {
		out.Steps[1].Detail += "; the log has forgotten it since, the archive has it"
	}
	result, judged := s.judge(ctx, &e, archived)
	out.Record = tailLine(&e, result)
	if result == tailRejected {
		out.Steps[0].Detail = "intake refused it, and kept it with the reason"
	}
	out.Steps = append(out.Steps, judged)
	if result == tailDuplicate {
		for _, step := range []string{"archived", "loaded"} {
			out.Steps = append(out.Steps, Step{Step: step, State: "not", Detail: "a duplicate is not counted again: only the log has it"})
		}
		return out, nil
	}
	out.Steps = append(out.Steps, s.archivedStep(ctx, &e))
	loaded, rows := s.loadedStep(ctx, &e)
	out.Steps, out.Rows = append(out.Steps, loaded), append(out.Rows, rows...)
	return out, nil
}

// judge says whether a record is a duplicate, and of which.
func (s *server) judge(ctx context.Context, e *eventlog.Entry, archived bool) (result string, step Step) {
	step = Step{Step: "judged", State: "done"}
	switch {
	case e.Stream == millrace.StreamRejected:
		step.State, step.Detail = "not", "a rejected record has an ID of its own, and is never a duplicate"
		return tailRejected, step
	case archived:
		step.Detail = "no duplicate: the archive has it, and it has none"
		return tailAccepted, step
	}
	err := error(millrace.Errorf(millrace.Unavailable, "nobody judges records here"))
	if s.o.Verdicts != nil {
		waiting, cancel := context.WithTimeout(ctx, judgePatience)
		defer cancel()
		err = s.o.Verdicts.Wait(waiting, e.Position)
	}
	if err != nil {
		step.State, step.Detail = "waiting", "whether it is a duplicate is not decided yet"
		return tailReceived, step
	}
	duplicates, err := s.o.Verdicts.Duplicates(ctx, before(e.Position), e.Position)
	switch {
	case err != nil:
		step.State, step.Detail = "unknown", "the verdict has left with the log: "+problemOf(ctx, err).Detail
		return tailAccepted, step
	case !slices.Contains(duplicates, e.Position):
		step.Detail = "no duplicate: no earlier record of the source has its ID within the window"
		return tailAccepted, step
	}
	step.Detail = "a duplicate: an earlier record of the source has the ID " + e.ID
	if of := s.firstOf(ctx, e); of != nil {
		step.Of, step.Where = of, of.String()
	}
	return tailDuplicate, step
}

// firstOf finds the record that a duplicate repeats.
func (s *server) firstOf(ctx context.Context, e *eventlog.Entry) *millrace.Position {
	found, err := s.loadedRecords(ctx, recordQuery{source: e.Source, id: e.ID, before: &e.Position, limit: 50})
	if err != nil {
		return nil
	}
	for _, r := range found {
		if r.Result == tailAccepted && r.ID == e.ID {
			return &r.Position
		}
	}
	return nil
}

func (s *server) archivedStep(ctx context.Context, e *eventlog.Entry) Step {
	step := Step{Step: "archived", State: "unknown", Detail: "this server does not say what its archive has"}
	if s.o.Locate == nil {
		return step
	}
	at, found, err := s.o.Locate(ctx, e.Workspace, e.Source, e.Position)
	switch {
	case err != nil:
		step.Detail = "the archive does not answer: " + problemOf(ctx, err).Detail
	case !found:
		step.State, step.Detail = "waiting", "it is in the log, and not yet in a file of the archive"
	default:
		step.State, step.Where = "done", at.File
		step.Detail = "in a fresh file, until its hour is published"
		if at.Published {
			step.Detail = "in a published file, where any engine can read it"
		}
		if !at.Modified.IsZero() {
			modified := at.Modified.UTC()
			step.At = &modified
		}
	}
	return step
}

// loadedTables are the tables that have a row of a record.
func loadedTables(all catalog, e *eventlog.Entry) []warehouse.TableName {
	schema, names := e.Source, streamTables(e.Source, e.Stream)
	if e.Stream == millrace.StreamRejected || e.Stream == millrace.StreamResent {
		schema, names = warehouse.SystemSchema, []string{e.Stream}
	}
	if schema == e.Source {
		names = append(names, "discards")
	}
	var tables []warehouse.TableName
	for _, name := range names {
		t := warehouse.TableName{Schema: schema, Table: name}
		if _, ok := all[t]; ok {
			tables = append(tables, t)
		}
	}
	return tables
}

// loadedStep finds what the tables have of a record.
func (s *server) loadedStep(ctx context.Context, e *eventlog.Entry) (Step, []LoadedRow) {
	step := Step{Step: "loaded", State: "unknown"}
	all, err := s.catalog(ctx)
	var rows []LoadedRow
	for _, t := range loadedTables(all, e) {
		if err != nil {
			break
		}
		var found []LoadedRow
		found, err = s.loadedRows(ctx, t, e.Position)
		rows = append(rows, found...)
	}
	var tables []string
	for _, r := range rows {
		tables = append(tables, r.Schema+"."+r.Table)
		if r.LoadedAt != nil && (step.At == nil || r.LoadedAt.After(*step.At)) {
			step.At = r.LoadedAt
		}
	}
	step.Where = strings.Join(slices.Compact(tables), ", ")
	switch {
	case err != nil:
		step.Detail = "the warehouse does not answer: " + problemOf(ctx, err).Detail
	case len(rows) > 0:
		step.State, step.Detail = "done", rowsText(len(rows))
	default:
		step.State, step.Detail = "waiting", "no table has it yet"
		waiting, cancel := context.WithTimeout(ctx, judgePatience)
		defer cancel()
		if s.space(ctx).Waiter.WaitFor(waiting, e.Position) == nil {
			step.State, step.Detail = "not", "the tables are complete beyond it, and none has a row of it: a later record may have replaced what users or accounts had of it, or it made none"
		}
	}
	return step, rows
}

const maxLoadedRows = 100 // of one table: discards may have many of a record

func (s *server) loadedRows(ctx context.Context, t warehouse.TableName, p millrace.Position) (out []LoadedRow, err error) {
	rows, err := s.rowsOf(ctx, fmt.Sprintf("SELECT * FROM %s WHERE _seq = $1 AND _epoch = $2 AND _index = $3 LIMIT %d", place(t), maxLoadedRows),
		[]any{int64(p.Seq), int64(p.Epoch), int64(p.Index)}, maxLoadedRows)
	if err != nil {
		return nil, err
	}
	for _, row := range rows.Rows {
		r := LoadedRow{Schema: t.Schema, Table: t.Table, Values: map[string]json.RawMessage{}}
		for j, value := range row {
			if string(value) == "null" {
				continue
			}
			name := rows.Columns[j].Name
			r.Values[name] = value
			if name == "uuid_ts" {
				var at time.Time
				if json.Unmarshal(value, &at) == nil {
					r.LoadedAt = &at
				}
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func rowsText(n int) string {
	if n == 1 {
		return "in one row of the warehouse"
	}
	return fmt.Sprintf("in %d rows of the warehouse", n)
}
