package catalog

import (
	"context"
	"errors"
	"strings"

	"github.com/millrace/millrace"
)

// An Engine runs statements in the transaction of one connection. Backends have
// one; all else of a Tx is the Session's. Its errors have kinds.
type Engine interface {
	Exec(ctx context.Context, s *Statement, args []any) (rows int64, err error)
	Query(ctx context.Context, s *Statement, args []any) (Cursor, error)
}

// A Cursor reads what an Engine's query returns.
type Cursor interface {
	// Next returns the next row, which is valid until the next call, or nil after
	// the last. Its values are nil, int64, float64, string or []byte, and the
	// bytes belong to the caller.
	Next() ([]any, error)
	Close() error
}

// A Mode says what a Session may do.
type Mode uint8

// The modes of sessions.
const (
	Reading  Mode = iota
	Writing       // rows
	Changing      // tables too
)

// Sessions make Sessions.
type Sessions struct{ statements statements }

// A Session is the Tx of a backend: it looks at statements and values, and ends
// with the first error of a statement.
type Session struct {
	engine     Engine
	mode       Mode
	statements *statements
	open       *sessionRows
	err        error // the first of a statement
	over       bool
}

var _ Tx = (*Session)(nil)

// New returns a Session on an engine that has begun a transaction.
func (s *Sessions) New(e Engine, m Mode) *Session {
	return &Session{engine: e, mode: m, statements: &s.statements}
}

// Do runs f. The session is over afterwards. It fails when f or a statement of it did.
func (s *Session) Do(f func(Tx) error) error {
	defer func() {
		if s.open != nil {
			s.fail(s.open.Close())
		}
		s.over = true
	}()
	if err := f(s); err != nil {
		return err
	}
	return s.err
}

// Err returns the first error of a statement, which f may have hidden.
func (s *Session) Err() error { return s.err }

func (s *Session) fail(err error) error {
	if s.err == nil {
		s.err = err
	}
	return err
}

// Exec runs a statement. See Tx.
func (s *Session) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	statement, values, err := s.prepare(ctx, sql, args)
	if err != nil {
		return 0, s.fail(err)
	}
	n, err := s.engine.Exec(ctx, statement, values)
	if statement.Verb == "SELECT" || statement.Verb == "VALUES" {
		n = 0 // which engines count or do not
	}
	return n, s.fail(err)
}

// Query runs a statement that returns rows. See Tx.
func (s *Session) Query(ctx context.Context, sql string, args ...any) (Rows, error) {
	statement, values, err := s.prepare(ctx, sql, args)
	if err != nil {
		return nil, s.fail(err)
	}
	cursor, err := s.engine.Query(ctx, statement, values)
	if err != nil {
		return nil, s.fail(err)
	}
	s.open = &sessionRows{session: s, cursor: cursor, statement: statement}
	return s.open, nil
}

func (s *Session) prepare(ctx context.Context, sql string, args []any) (*Statement, []any, error) {
	switch {
	case s.over:
		return nil, nil, millrace.Errorf(millrace.Internal, "the transaction is over: a Tx cannot be used after its function")
	case s.err != nil:
		return nil, nil, s.err
	case s.open != nil:
		return nil, nil, millrace.Errorf(millrace.Invalid, "the rows of %s are still open: close them before the next statement", shorten(s.open.statement.Text))
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, millrace.Errorf(millrace.Canceled, "the catalog was not asked: %w", err)
	}
	statement, err := s.statements.parse(sql)
	if err != nil {
		return nil, nil, err
	}
	if err := s.allowed(statement); err != nil {
		return nil, nil, err
	}
	if statement.Params != len(args) {
		return nil, nil, millrace.Errorf(millrace.Invalid, "%d values are given, $%d is the last of %s", len(args), statement.Params, shorten(sql))
	}
	values, err := plainValues(args, s.mode != Changing)
	if err != nil {
		return nil, nil, millrace.Errorf(millrace.KindOf(err), "%w, in %s", err, shorten(sql))
	}
	return statement, values, nil
}

func (s *Session) allowed(statement *Statement) error {
	switch {
	case s.mode == Changing:
	case !strings.Contains(verbs, " "+statement.Verb+" "):
		return millrace.Errorf(millrace.Invalid, "a transaction takes SELECT, INSERT, UPDATE, DELETE and WITH, not %s: tables are changed by migrations", shorten(statement.Text))
	case s.mode == Reading && (statement.Verb == "INSERT" || statement.Verb == "UPDATE" || statement.Verb == "DELETE"):
		return ErrReadOnly
	}
	return nil
}

// ErrReadOnly is the error of a statement that writes in a View.
var ErrReadOnly = millrace.Errorf(millrace.Invalid, "a View of the catalog cannot write: use Update")

// ErrClosed is the error of a transaction after Close.
var ErrClosed = millrace.Errorf(millrace.Unavailable, "the catalog is closed: the server is stopping")

// sessionRows are the Rows of a Session.
type sessionRows struct {
	session   *Session
	cursor    Cursor
	statement *Statement
	row       []any
	err       error
	closed    bool
}

func (r *sessionRows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	row, err := r.cursor.Next()
	if r.row = row; err != nil {
		r.err = r.session.fail(err)
	}
	if row == nil {
		r.Close()
	}
	return row != nil
}

func (r *sessionRows) Scan(dest ...any) error {
	if r.row == nil {
		return millrace.Errorf(millrace.Internal, "there is no row to scan: call Next first, in %s", shorten(r.statement.Text))
	}
	if len(dest) != len(r.row) {
		return r.session.fail(millrace.Errorf(millrace.Invalid, "%d columns cannot be scanned into %d values, in %s", len(r.row), len(dest), shorten(r.statement.Text)))
	}
	for i, d := range dest {
		if problem := assign(d, r.row[i]); problem != "" {
			return r.session.fail(millrace.Errorf(millrace.Invalid, "column %d %s, in %s", i+1, problem, shorten(r.statement.Text)))
		}
	}
	return nil
}

func (r *sessionRows) Err() error { return r.err }

func (r *sessionRows) Close() error {
	if r.closed {
		return r.err
	}
	r.closed, r.row = true, nil
	if r.session.open == r {
		r.session.open = nil
	}
	if err := r.cursor.Close(); err != nil && r.err == nil {
		r.err = r.session.fail(err)
	}
	return r.err
}

// IsCanceled says whether an error came of a context that ended.
func IsCanceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
