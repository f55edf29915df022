package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// failure explains an error of the loader's connections. All but a refusal of
// Millrace's own and a full server (Limited) is Unavailable: the loader resumes
// and tries again.
func failure(what string, err error) error {
	var own *millrace.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return millrace.Errorf(millrace.Canceled, "%s in Postgres: %w", what, err)
	case errors.As(err, &connect):
		return millrace.Errorf(millrace.Unavailable, "Postgres at %s:%d cannot be reached (%s): is it running, and does it let user %s into database %s?",
			connect.Config.Host, connect.Config.Port, cause(err), connect.Config.User, connect.Config.Database)
	case errors.As(err, &pg) && pg.Code[:min(2, len(pg.Code))] == "53":
		return millrace.Errorf(millrace.Limited, "Postgres has no room to %s: %s", what, pg.Message)
	case errors.As(err, &pg) && strings.HasPrefix(pg.Code, "XX"):
		return warehouse.Suspect(millrace.Errorf(millrace.Unavailable, "Postgres failed to %s: %s (%s)", what, pg.Message, pg.Code))
	case errors.As(err, &pg):
		return millrace.Errorf(millrace.Unavailable, "Postgres refused to %s: %s (%s)", what, pg.Message, pg.Code)
	}
	return warehouse.Suspect(millrace.Errorf(millrace.Unavailable, "the connection to Postgres broke: %w", err))
}

// cause is the innermost message, which names no password.
func cause(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Message
	}
	// The driver tries an address with TLS and without: the last says enough.
	var several interface{ Unwrap() []error }
	for errors.As(err, &several) && len(several.Unwrap()) > 0 {
		err = several.Unwrap()[len(several.Unwrap())-1]
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// isRowRefusal says whether the server refused what is in a row: a wrong
// value, a violated constraint, or something that is too large for it.
func isRowRefusal(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "22", "23", "54", "P0": // P0 is what a trigger of someone else says
		return true
	}
	return false
}

func isCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, code := range codes {
		if pg.Code == code || len(code) == 2 && strings.HasPrefix(pg.Code, code) {
			return true
		}
	}
	return false
}

// Error codes of Postgres that mean something here.
const (
	codeCanceled        = "57014"
	codeLockTimeout     = "55P03"
	codeDependent       = "2BP01"
	codeReadOnly        = "25006"
	codePrivilege       = "42501"
	codeNoSchema        = "3F000"
	codeNoTable         = "42P01"
	codeNoColumn        = "42703"
	codeDuplicateTable  = "42P07"
	codeDuplicateColumn = "42701"
	codeDuplicateObject = "42710"
)
