package duckdb

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	duck "github.com/duckdb/duckdb-go-bindings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// query runs one SELECT in the child, over a connection of its own that is
// thrown away after, in a read-only transaction.
func (c *child) query(w *wire, req *request) (result, error) {
	if req.Query == nil {
		return result{}, errors.New("a query without a query")
	}
	watch := startWatch(w, req.Query.Timeout)
	res, err := c.runQuery(w, watch, req)
	reason := watch.end()
	if err == nil {
		return res, nil
	}
	if brokeEngine(err) {
		endProcess(err)
		return res, millrace.Errorf(millrace.Unavailable, "the warehouse engine failed and is being restarted: %s", cleanMessage(err.Error()))
	}
	switch reason {
	case stoppedByDeadline:
		return res, millrace.Errorf(millrace.Canceled, "the query ran over its deadline of %s: select less, or give it more time", req.Query.Timeout)
	case stoppedByAsker:
		return res, millrace.Errorf(millrace.Canceled, "the query was cancelled")
	}
	return res, queryError(err)
}

// queryError makes an error of the engine one for the author of the query.
func queryError(err error) error {
	var e *millrace.Error
	if errors.As(err, &e) {
		return err
	}
	message := err.Error()
	switch {
	case strings.Contains(message, "Out of Memory Error"), strings.Contains(message, "max_temp_directory_size"):
		message, _, _ = strings.Cut(cleanMessage(message), "\n") // what follows is advice on settings
		return millrace.Errorf(millrace.TooLarge, "the query needs more memory or disk than it may use: select fewer rows or columns, or group them: %s", message)
	case strings.HasPrefix(message, "IO Error"):
		return millrace.Errorf(millrace.Unavailable, "the warehouse could not read its file: %s", message)
	}
	return millrace.Errorf(millrace.Invalid, "%s", cleanMessage(message))
}

// Why a query was stopped.
type stopReason int

const (
	notStopped stopReason = iota
	stoppedByDeadline
	stoppedByAsker
)

// A watch stops a query when its deadline passes or the asker closes his side.
type watch struct {
	stopped chan struct{} // closed when the query is to stop
	done    chan struct{} // closed when it has ended
	reason  stopReason    // to be read when loop has ended
	loop    sync.WaitGroup

	mu   sync.Mutex
	conn *connection // to interrupt; nil when there is none
}

func startWatch(w *wire, timeout time.Duration) *watch {
	watch := &watch{stopped: make(chan struct{}), done: make(chan struct{})}
	left := make(chan struct{})
	go func() {
		_, _, _ = w.receive() // nothing more comes: it returns when the asker leaves
		close(left)
	}()
	watch.loop.Go(func() {
		deadline := time.NewTimer(timeout)
		defer deadline.Stop()
		select {
		case <-watch.done:
			return
		case <-deadline.C:
			watch.reason = stoppedByDeadline
			// Sending may block on an asker that does not read.
			_ = w.conn.SetWriteDeadline(time.Now().Add(answerGrace))
		case <-left:
			watch.reason = stoppedByAsker
		}
		close(watch.stopped)
		watch.interrupt()
	})
	return watch
}

// interrupt interrupts the query until it has ended, again and again: an
// interrupt counts for what runs at that moment only.
func (w *watch) interrupt() {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		w.mu.Lock()
		if w.conn != nil {
			w.conn.interrupt()
		}
		w.mu.Unlock()
		select {
		case <-w.done:
			return
		case <-again.C:
		}
	}
}

// attach sets the connection that is interrupted.
func (w *watch) attach(c *connection) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = c
}

// end ends the watch and says why the query was stopped, if it was.
func (w *watch) end() stopReason {
	close(w.done)
	w.loop.Wait()
	return w.reason
}

// runQuery answers a query over a connection of its own.
func (c *child) runQuery(w *wire, watch *watch, req *request) (result, error) {
	yieldPriority()
	if req.Op == opReadResult {
		return c.shelf.readResult(w, watch, req)
	}
	s := c.store(req.Workspace)
	db, err := s.acquire(watch.stopped)
	if err != nil {
		return result{}, err
	}
	defer s.release()
	conn, err := db.connect()
	if err != nil {
		return result{}, millrace.Errorf(millrace.Unavailable, "the warehouse gives no connection: %w", err)
	}
	watch.attach(conn)
	defer conn.close()
	defer watch.attach(nil)
	return answer(w, conn, req.Query, s.sources.Load())
}

// answerGrace is how long the end of an answer may take to send.
const answerGrace = 500 * time.Millisecond

// answer guards, prepares and runs a query, and sends its rows.
func answer(w *wire, conn *connection, q *wireQuery, settings *warehouse.Settings) (result, error) {
	// One row more than asked for says whether there were more.
	s, err := guard(conn, q.SQL, q.Limit+1)
	if err != nil {
		return result{}, warehouse.ExplainWord(err, q.SQL)
	}
	if s.params != len(q.Params) {
		return result{}, warehouse.WrongParameters(s.params, len(q.Params))
	}
	if err := conn.exec("BEGIN TRANSACTION READ ONLY"); err != nil {
		return result{}, err
	}
	// The query as it was given is prepared first: its errors point to places
	// that its author knows, and its columns have the names that he gave.
	given, err := prepareQuery(conn, s.sql, q.Params)
	if err != nil {
		return result{}, explainMissing(conn, err, s.tables, settings)
	}
	defer duck.DestroyPrepare(&given)
	run, shifted, names := given, false, columnNames(given)
	columns, texts := asText(given)
	if texts {
		if s.limited, err = selectAsText(s.limited, columns, names); err != nil {
			return result{}, err
		}
	}
	if s.limited != "" {
		limited, err := prepareQuery(conn, s.limited, q.Params)
		switch {
		case err == nil:
			defer duck.DestroyPrepare(&limited)
			run, shifted = limited, true
		case texts:
			return result{}, unshift(err)
		}
	}
	res, err := stream(w, run, names, q)
	if err != nil && shifted {
		err = unshift(err)
	}
	return res, err
}

// missingPattern finds the table that is not there.
var missingPattern = regexp.MustCompile(`^Catalog Error: Table with name "?([^"]+?)"? does not exist`)

// explainMissing says what to do when a query names a table that is not there.
func explainMissing(conn *connection, err error, named []warehouse.TableName, settings *warehouse.Settings) error {
	found := missingPattern.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	m := warehouse.Missing{Sources: map[string]string{}}
	for _, t := range named {
		if name := strings.ToLower(found[1]); name == t.Table || name == t.Schema+"."+t.Table {
			m.TableName = t
			break
		}
	}
	rows, findErr := conn.texts("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND table_name NOT LIKE '% (rebuild)'")
	if m.Table == "" || findErr != nil {
		return err
	}
	for _, row := range rows {
		m.Has = append(m.Has, warehouse.TableName{Schema: row[0], Table: row[1]})
	}
	if settings != nil {
		for source := range settings.Sources {
			m.Sources[source] = source
		}
	}
	if explained := m.Explain(); explained != nil {
		return explained
	}
	return err
}

// prepareQuery prepares exactly one SELECT and binds its parameters.
func prepareQuery(conn *connection, sql string, params []wireParam) (duck.PreparedStatement, error) {
	var extracted duck.ExtractedStatements
	defer duck.DestroyExtracted(&extracted)
	count := duck.ExtractStatements(conn.conn, sql, &extracted)
	if count != 1 {
		if message := duck.ExtractStatementsError(extracted); message != "" {
			return duck.PreparedStatement{}, errors.New(message)
		}
		return duck.PreparedStatement{}, millrace.Errorf(millrace.Invalid, "the query holds %d statements: send one SELECT at a time", count)
	}
	var stmt duck.PreparedStatement
	if duck.PrepareExtractedStatement(conn.conn, extracted, 0, &stmt) == duck.StateError {
		err := errors.New(duck.PrepareError(stmt))
		duck.DestroyPrepare(&stmt)
		return stmt, err
	}
	if duck.PreparedStatementType(stmt) != duck.StatementTypeSelect {
		duck.DestroyPrepare(&stmt)
		return stmt, millrace.Errorf(millrace.Invalid, "only a SELECT can be run here: the warehouse is read-only")
	}
	for i, p := range params {
		if bind(stmt, duck.IdxT(i+1), p) == duck.StateError {
			duck.DestroyPrepare(&stmt)
			return stmt, millrace.Errorf(millrace.Invalid, "the query does not take its parameter %d", i+1)
		}
	}
	return stmt, nil
}

func bind(stmt duck.PreparedStatement, i duck.IdxT, p wireParam) duck.State {
	switch {
	case p.Text != nil:
		return duck.BindVarcharLength(stmt, i, *p.Text, duck.IdxT(len(*p.Text)))
	case p.Bool != nil:
		return duck.BindBoolean(stmt, i, *p.Bool)
	case p.Int != nil:
		return duck.BindInt64(stmt, i, *p.Int)
	case p.Double != nil:
		return duck.BindDouble(stmt, i, *p.Double)
	case p.Special != "":
		f, err := strconv.ParseFloat(p.Special, 64)
		if err != nil {
			f = math.NaN()
		}
		return duck.BindDouble(stmt, i, f)
	}
	return duck.BindNull(stmt, i)
}

func columnNames(stmt duck.PreparedStatement) []string {
	names := make([]string, duck.PreparedStatementColumnCount(stmt))
	for i := range names {
		names[i] = duck.PreparedStatementColumnName(stmt, duck.IdxT(i))
	}
	return names
}

var linePattern = regexp.MustCompile(`LINE (\d+):`)

// unshift makes the lines in a message those of the query as it was given.
func unshift(err error) error {
	message := linePattern.ReplaceAllStringFunc(err.Error(), func(s string) string {
		n, convErr := strconv.Atoi(linePattern.FindStringSubmatch(s)[1])
		if convErr != nil || n < 2 {
			return s
		}
		return fmt.Sprintf("LINE %d:", n-1)
	})
	var e *millrace.Error
	if errors.As(err, &e) {
		return err
	}
	return errors.New(message)
}
