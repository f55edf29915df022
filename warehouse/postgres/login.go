package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A login is who the queries of a workspace run as. A query can undo SET ROLE,
// so it is a login of its own, not a role that the loader's user takes on. Its
// password is made by each process anew and kept in memory only.
type login struct {
	role   string
	config *pgx.ConnConfig
	has    serverNames
}

// roleOf returns the role that queries of a workspace run as, or "" before it is known.
func (w *Warehouse) roleOf(workspace string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.logins[workspace]; l != nil {
		return l.role
	}
	return ""
}

// makeLogin makes the login of a workspace, or takes what Options give, and
// grants it what it has to read.
func (w *Warehouse) makeLogin(ctx context.Context, conn *pgx.Conn, ws *workspace) error {
	l := &login{}
	if w.o.QueryURL != "" && ws.name == millrace.DefaultWorkspace {
		config, err := pgx.ParseConfig(w.o.QueryURL)
		if err != nil {
			return err
		}
		l.config, l.role = config, config.User
	} else {
		l.config = w.config.Copy()
		// Roles belong to the server, not to the database.
		l.role = "millrace_query_" + hash(l.config.Database+"\x00"+ws.name)
		l.config.User, l.config.Password = l.role, w.secretOf(ws.name)
		if err := w.alterRole(ctx, conn, l); err != nil {
			return err
		}
	}
	for name := range l.config.RuntimeParams {
		delete(l.config.RuntimeParams, name)
	}
	l.config.RuntimeParams["application_name"] = "millrace query"
	l.config.RuntimeParams["client_encoding"] = "UTF8" // so that the server reads the bytes that the guard reads
	l.config.RuntimeParams["default_transaction_read_only"] = "on"
	var err error
	if l.has, err = readServerNames(ctx, conn); err != nil {
		return err
	}
	if err := w.grantAll(ctx, conn, ws, l.role); err != nil {
		return err
	}
	w.mu.Lock()
	w.logins[ws.name] = l
	w.mu.Unlock()
	return nil
}

// readServerNames reads what the guard has to know of the server.
func readServerNames(ctx context.Context, conn querier) (has serverNames, err error) {
	for set, sql := range map[*map[string]bool]string{
		&has.relations: "SELECT relname::text FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND starts_with(relname, 'pg_')",
		&has.functions: "SELECT DISTINCT proname::text FROM pg_proc WHERE starts_with(proname, 'pg_') OR starts_with(proname, 'lo_')",
	} {
		names, err := query(ctx, conn, func(row pgx.Rows) (name string, err error) { return name, row.Scan(&name) }, sql)
		if err != nil {
			return has, err
		}
		*set = make(map[string]bool, len(names))
		for _, name := range names {
			(*set)[name] = true
		}
	}
	return has, nil
}

// secretOf returns the password of the workspace's login.
func (w *Warehouse) secretOf(workspace string) string {
	if l := w.login(workspace); l != nil {
		return l.config.Password
	}
	return rand.Text()
}

// alterRole makes the role if need be and sets everything about it.
func (w *Warehouse) alterRole(ctx context.Context, conn *pgx.Conn, l *login) error {
	role := quote(l.role)
	attributes := "LOGIN NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT 50 PASSWORD " + literal(l.config.Password)
	var exists, dangerous, superuser bool
	err := conn.QueryRow(ctx, "SELECT count(*) > 0, coalesce(bool_or(rolsuper OR rolreplication OR rolbypassrls), false) FROM pg_roles WHERE rolname = $1", l.role).Scan(&exists, &dangerous)
	if err != nil {
		return err
	}
	if dangerous {
		return millrace.Errorf(millrace.Conflict, "the role %s that queries run as has been made more than an ordinary login: drop it, it is made again", l.role)
	}
	verb := "CREATE"
	if exists {
		verb = "ALTER"
	}
	if _, err := conn.Exec(ctx, verb+" ROLE "+role+" "+attributes); err != nil && !(verb == "CREATE" && isCode(err, codeDuplicateObject)) {
		if isCode(err, codePrivilege) {
			return millrace.Errorf(millrace.Conflict, "the user %s may not create the login that queries run as: ALTER ROLE %s CREATEROLE, or give the URL of a login that may only read (query_url)", w.config.User, quote(w.config.User))
		}
		return err
	}
	settings := []string{"default_transaction_read_only = on", "search_path = ''"}
	if err := conn.QueryRow(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user").Scan(&superuser); err != nil {
		return err
	}
	if superuser {
		settings = append(settings, fmt.Sprintf("temp_file_limit = '%dkB'", w.o.QuerySpillBytes>>10))
	}
	var sql strings.Builder
	for _, setting := range settings {
		fmt.Fprintf(&sql, "ALTER ROLE %s SET %s;", role, setting)
	}
	_, err = conn.Exec(ctx, sql.String())
	return err
}

// grantAll lets the role read all tables of the workspace.
func (w *Warehouse) grantAll(ctx context.Context, conn *pgx.Conn, ws *workspace, role string) error {
	var sql strings.Builder
	fmt.Fprintf(&sql, "GRANT CONNECT ON DATABASE %s TO %s;", quote(w.config.Database), quote(role))
	for schema := range ws.schemas {
		name := quote(physical(ws.name, schema))
		fmt.Fprintf(&sql, "GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON ALL TABLES IN SCHEMA %s TO %s;", name, quote(role), name, quote(role))
	}
	_, err := conn.Exec(ctx, sql.String())
	return err
}

// grant lets queries read a table that was made.
func (w *Warehouse) grant(sql *strings.Builder, ws *workspace, name warehouse.TableName) {
	if role := w.roleOf(ws.name); role != "" {
		fmt.Fprintf(sql, "GRANT SELECT ON TABLE %s TO %s;", table(physical(ws.name, name.Schema), name.Table), quote(role))
	}
}
