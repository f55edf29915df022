package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// queueWait is how long a query waits for one of those that run to end.
const queueWait = 10 * time.Second

// Query runs one SELECT. See warehouse.Warehouse.
func (w *Warehouse) Query(ctx context.Context, q warehouse.Query) (warehouse.Rows, error) {
	if err := w.refuseDropped(q.Workspace); err != nil {
		return nil, err
	}
	w.complete(&q)
	l := w.login(q.Workspace)
	if l == nil {
		return nil, millrace.Errorf(millrace.Unavailable, "the warehouse is not open yet: its loader has not reached Postgres%s", w.why())
	}
	sql, err := guard(shorthand(q.SQL), len(q.Params), l.has)
	if err != nil {
		return nil, err
	}
	if err := checkParameters(shorthand(q.SQL), len(q.Params)); err != nil {
		return nil, err
	}
	if err := w.enter(ctx); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	ctx, cancel := context.WithTimeoutCause(ctx, q.Timeout, errDeadline)
	r := &rows{query: q, sent: sql, ctx: ctx, w: w, asked: w.workspace(q.Workspace)}
	r.release = func() { w.left(r); cancel(); stop(nil); <-w.slots; <-w.queue }
	w.asks(r, stop)
	if err := r.open(l, sql, w.o.QueryWorkMemoryBytes); err != nil {
		err = r.explain(err)
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

var errDeadline = errors.New("the query's deadline passed")

func (w *Warehouse) complete(q *warehouse.Query) {
	if q.Limit <= 0 {
		q.Limit = warehouse.DefaultQueryRows
	}
	q.Limit = min(q.Limit, warehouse.MaxQueryRows)
	if q.MaxBytes <= 0 {
		q.MaxBytes = warehouse.DefaultQueryBytes
	}
	if q.Timeout <= 0 {
		q.Timeout = w.o.QueryTimeout
	}
}

func (w *Warehouse) login(workspace string) *login {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logins[workspace]
}

func (w *Warehouse) why() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem == "" {
		return ""
	}
	return "; " + w.problem
}

// enter takes a place among the queries that run.
func (w *Warehouse) enter(ctx context.Context) error {
	busy := func() error {
		return millrace.Errorf(millrace.Limited, "too many queries run and wait: try again in a moment")
	}
	select {
	case w.queue <- struct{}{}:
	default:
		return busy()
	}
	timer := time.NewTimer(queueWait)
	defer timer.Stop()
	select {
	case w.slots <- struct{}{}:
		return nil
	case <-timer.C:
		<-w.queue
		return busy()
	case <-ctx.Done():
		<-w.queue
		return millrace.Errorf(millrace.Canceled, "the query was canceled while it waited: %w", ctx.Err())
	}
}

// open connects, begins a read-only transaction that is never committed, and
// declares the cursor.
func (r *rows) open(l *login, sql string, workMemory int64) error {
	connected, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	conn, err := pgx.ConnectConfig(connected, l.config)
	cancel()
	if err != nil {
		if r.ctx.Err() != nil {
			return err
		}
		if isCode(err, "28", "3D") {
			return millrace.Errorf(millrace.Unavailable, "the login that queries run as was not let in (%s): it is made anew when the loader begins again; see that pg_hba.conf lets %s into the database with a password", cause(err), l.role)
		}
		return failure("run the query", err)
	}
	r.conn = conn.PgConn()
	timeout := max(1, r.query.Timeout.Milliseconds())
	setup := fmt.Sprintf(`BEGIN TRANSACTION READ ONLY;
		SET LOCAL statement_timeout = %d; SET LOCAL idle_in_transaction_session_timeout = '120s'; SET LOCAL lock_timeout = '10s';
		SET LOCAL work_mem = '%dkB'; SET LOCAL cursor_tuple_fraction = 1; SET LOCAL search_path = '';
		SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'iso_8601'; SET LOCAL bytea_output = 'hex';
		SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on; SET LOCAL max_parallel_workers_per_gather = 1`,
		timeout, max(64, workMemory>>10))
	if err := r.conn.Exec(r.ctx, setup).Close(); err != nil {
		return err
	}
	values, oids, err := parameters(r.query.Params)
	if err != nil {
		return err
	}
	if err := r.conn.ExecParams(r.ctx, declare+sql, values, oids, nil, nil).Read().Err; err != nil {
		return err
	}
	statement, err := r.conn.Prepare(r.ctx, "next", "FETCH FORWARD 1 FROM result", nil)
	if err != nil {
		return err
	}
	r.fields = statement.Fields
	if err := r.fetch(); err != nil {
		return err
	}
	return r.describe()
}

// parameters are the values of $1 … in text.
func parameters(params []any) (values [][]byte, oids []uint32, err error) {
	for i, p := range params {
		var value []byte
		oid := uint32(0)
		switch p := p.(type) {
		case nil:
		case string:
			value = []byte(p)
			if p == "" {
				value = []byte{}
			}
		case bool:
			value, oid = strconv.AppendBool(nil, p), 16
		case int64:
			value, oid = strconv.AppendInt(nil, p, 10), 20
		case float64:
			value, oid = appendFloat(p), 701
		default:
			return nil, nil, millrace.Errorf(millrace.Invalid, "parameter %d is a %T: use text, number, true, false or null", i+1, p)
		}
		values, oids = append(values, value), append(oids, oid)
	}
	return values, oids, nil
}

func appendFloat(f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return []byte("Infinity")
	case math.IsInf(f, -1):
		return []byte("-Infinity")
	}
	return strconv.AppendFloat(nil, f, 'g', -1, 64)
}

// noteSilent notes for queries which sources have received nothing.
func (ws *workspace) noteSilent() {
	silent := map[string]string{}
	for source := range ws.settings.Sources {
		if !ws.schemas[source] {
			silent[physical(ws.name, source)] = source
		}
	}
	ws.silents.Store(&silent)
}

// missingPattern finds the table that is not there.
var missingPattern = regexp.MustCompile(`^(?:relation|schema) "([^"]+)"`)

// explainMissing says what to do when a query names a table that is not there;
// nil when the error is another one.
func (r *rows) explainMissing(pg *pgconn.PgError) error {
	found := missingPattern.FindStringSubmatch(pg.Message)
	if found == nil || pg.Code != codeNoTable && pg.Code != codeNoSchema {
		return nil
	}
	var m warehouse.Missing
	schema, name, qualified := strings.Cut(found[1], ".")
	if m.Schema, m.Table = schema, name; !qualified {
		m.Schema, m.Table = "", schema
	}
	if silents := r.asked.silents.Load(); silents != nil {
		m.Sources = *silents
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 2*time.Second)
	defer cancel()
	has, err := query(ctx, r.w.pool, func(row pgx.Rows) (t warehouse.TableName, err error) {
		return t, row.Scan(&t.Schema, &t.Table)
	}, `SELECT n.nspname::text, c.relname::text FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
		WHERE c.relkind IN ('r', 'p', 'v', 'm') AND starts_with(obj_description(n.oid, 'pg_namespace'), $1)`, mark(r.asked.name, ""))
	if err != nil {
		return nil // the server's own words have to do
	}
	m.Has = has
	return m.Explain()
}

// explain makes an error one for the query's author.
func (r *rows) explain(err error) error {
	var own *millrace.Error
	var pg *pgconn.PgError
	if errors.As(err, &own) {
		return err
	}
	if cause := context.Cause(r.ctx); millrace.KindOf(cause) == millrace.Gone {
		return cause
	}
	if r.ctx.Err() != nil || isCode(err, codeCanceled) {
		if errors.Is(context.Cause(r.ctx), errDeadline) || r.ctx.Err() == nil {
			return millrace.Errorf(millrace.Canceled, "the query ran longer than %s and was stopped: ask for less, or give it more time", r.query.Timeout)
		}
		return millrace.Errorf(millrace.Canceled, "the query was canceled")
	}
	if !errors.As(err, &pg) {
		return millrace.Errorf(millrace.Unavailable, "the connection to Postgres broke while the query ran: try again")
	}
	if err := r.explainMissing(pg); err != nil {
		return millrace.Errorf(millrace.Invalid, "%s%s", err, r.place(int(pg.Position)))
	}
	if isCode(err, codeReadOnly) || strings.HasPrefix(pg.Message, "DECLARE CURSOR ") || strings.HasPrefix(pg.Message, "SELECT ... INTO ") { // DELETE in WITH, FOR UPDATE
		return millrace.Errorf(millrace.Invalid, "%s", warehouse.OnlySelect)
	}
	message := pg.Message
	if pg.Hint != "" {
		message += ". " + pg.Hint
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "53": // disk full, out of memory, too many connections, spill over its limit
		if pg.Code == "53400" {
			return millrace.Errorf(millrace.TooLarge, "the query sorts or joins more than it may spill: %s", message)
		}
		return millrace.Errorf(millrace.Unavailable, "Postgres has no room for the query: %s", message)
	case "57", "08", "58", "XX":
		return millrace.Errorf(millrace.Unavailable, "Postgres ended the query: %s", message)
	}
	return warehouse.ExplainWord(millrace.Errorf(millrace.Invalid, "%s%s", message, r.place(int(pg.Position))), r.query.SQL)
}

// declare stands before the query when it is sent.
const declare = "DECLARE result NO SCROLL CURSOR FOR "

// place says where in the query a character of what was sent lies, from 1:
// " (line 1, column 14)". Nothing where the query was sent in other words.
func (r *rows) place(position int) string {
	at := position - 1 - len(declare)
	asked, sent := []rune(r.query.SQL), []rune(r.sent)
	if position == 0 || at < 0 || at > min(len(asked), len(sent)) || string(asked[:at]) != string(sent[:at]) {
		return ""
	}
	before := string(asked[:at])
	return fmt.Sprintf(" (line %d, column %d)", strings.Count(before, "\n")+1, at-utf8.RuneCountInString(before[:strings.LastIndexByte(before, '\n')+1])+1)
}
