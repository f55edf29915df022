package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// collisions are errors after which a transaction is run again: it was not
// serializable, locked what another had, or knew a table as it was before a migration.
var collisions = []string{"40001", "40P01", "0A000"}

func isCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}

// explain says what went wrong, to the program by its kind. It never says the URL.
func explain(doing string, err error) error {
	var own *millrace.Error
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.As(err, &connect):
		return millrace.Errorf(millrace.Unavailable, "the catalog's Postgres server at %s:%d cannot be reached (%s): is it running, and does it let user %s into database %s?",
			connect.Config.Host, connect.Config.Port, cause(err), connect.Config.User, connect.Config.Database)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return millrace.Errorf(millrace.Canceled, "the catalog had no time to %s: %w", doing, err)
	case errors.As(err, &pg):
		return refused(doing, err, pg)
	}
	return millrace.Errorf(millrace.Unavailable, "the connection to the catalog's Postgres server broke (to %s): %w", doing, err)
}

// refused explains what the server itself says.
func refused(doing string, err error, pg *pgconn.PgError) error {
	switch pg.Code {
	case "23505":
		return millrace.Errorf(millrace.Conflict, "it is in the catalog already: %w", err)
	case "23503", "23001":
		return millrace.Errorf(millrace.Conflict, "it refers to what is not in the catalog, or others refer to it: %w", err)
	case "25006":
		return catalog.ErrReadOnly
	case "42501":
		return millrace.Errorf(millrace.Unavailable, "the catalog's Postgres user may not %s: make it the owner of the catalog's schema, or let it create one: %w", doing, err)
	case "57014":
		return millrace.Errorf(millrace.Canceled, "the catalog's Postgres server was told to stop (to %s): %w", doing, err)
	case "55P03":
		return millrace.Errorf(millrace.Unavailable, "the catalog is busy: others hold what it needs to %s: %w", doing, err)
	case "XX001", "XX002":
		return millrace.Errorf(millrace.Internal, "the catalog's Postgres server says that its data is damaged: restore the newest backup, and look at its disk: %w", err)
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "22", "23", "42":
		return millrace.Errorf(millrace.Invalid, "the catalog cannot %s: %w", doing, err)
	case "54":
		return millrace.Errorf(millrace.TooLarge, "the catalog cannot %s: %w", doing, err)
	}
	return millrace.Errorf(millrace.Unavailable, "the catalog's Postgres server refused to %s: %w", doing, err)
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
