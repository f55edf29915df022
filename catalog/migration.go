package catalog

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

//go:embed migrations/*.sql
var embedded embed.FS

// Migrations are the files of this program: NNNN_name.sql, SQL as in a Tx plus
// CREATE TABLE and INDEX, ALTER and DROP, with {{bytes}} as the type of bytes.
// A statement after the line "-- on sqlite:" or "-- on postgres:" is that
// engine's alone: a trigger, which each writes its own way.
// A file never changes once it is released; a new one goes on from there.
func Migrations() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return files
}

// A Dialect says how an engine writes what differs in migrations.
type Dialect struct {
	Name  string            // sqlite or postgres
	Bytes string            // instead of {{bytes}}
	Types map[string]string // instead of these words in CREATE TABLE and ALTER TABLE
	Table string            // after the last parenthesis of CREATE TABLE
}

// A Table is a table of the engine. Its columns are in their order.
type Table struct {
	Name    string
	Columns []Column
	Key     []string // the columns of the primary key
}

// A Column has one of the four types.
type Column struct{ Name, Type string }

// The types of columns.
const (
	TypeInteger = "bigint"
	TypeFloat   = "double"
	TypeText    = "text"
	TypeBytes   = "bytes"
)

// A Store is what a backend gives for what all of them share.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	// Change runs f once in a durable transaction that may change tables. One
	// runs at a time, over all processes.
	Change(ctx context.Context, f func(Tx) error) error
	Dialect() Dialect
	// Tables returns the tables in order of their names.
	Tables(ctx context.Context, tx Tx) ([]Table, error)
	// Clear removes all that is in the store, in a Change, when allowed agrees;
	// nobody else writes to the tables from before it is asked.
	Clear(ctx context.Context, tx Tx, allowed func([]Table) error) error
	// Load runs f in a Change with rows allowed to refer to those that come later.
	Load(ctx context.Context, tx Tx, f func() error) error
}

// MigrateOptions say how a Store is brought to the newest schema.
type MigrateOptions struct {
	Migrations fs.FS            // default Migrations()
	Version    string           // of Millrace, for people; default development
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger     // default discards
	// Later leaves a store that has tables as it is, when this program may use it.
	Later bool
}

// Complete sets the defaults.
func (o *MigrateOptions) Complete() {
	if o.Migrations == nil {
		o.Migrations = Migrations()
	}
	if o.Version == "" {
		o.Version = "development"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

type migration struct {
	number         int
	name, checksum string
	statements     []string
}

// An applied migration is a row of the table of versions.
type applied struct {
	Number   int       `json:"number"`
	Name     string    `json:"name"`
	Checksum string    `json:"checksum"`
	Millrace string    `json:"millrace"`
	Applied  time.Time `json:"applied"`
}

const (
	versionTable  = "schema_version"
	createVersion = `CREATE TABLE schema_version (
	number   BIGINT PRIMARY KEY,
	name     TEXT NOT NULL,
	checksum TEXT NOT NULL, -- SHA-256 of the file
	millrace TEXT NOT NULL, -- the version of Millrace that applied it
	applied  BIGINT NOT NULL
)`
)

// Migrate applies the migrations that are missing, each in a transaction. It
// fails with Conflict when the store has one that this program does not know,
// or one that is not what was applied. It returns the number of the newest.
func Migrate(ctx context.Context, s Store, o MigrateOptions) (newest int, err error) {
	o.Complete()
	all, err := readMigrations(o.Migrations, s.Dialect())
	if err != nil {
		return 0, err
	}
	for done, begun := false, false; !done; {
		err := s.Change(ctx, func(tx Tx) error {
			have, err := versions(ctx, s, tx)
			if err != nil {
				return err
			}
			missing, err := compare(all, have, "the catalog", o.Version)
			if err != nil {
				return err
			}
			if len(have) > 0 {
				newest = have[len(have)-1].Number
			}
			begun = begun || len(have) == 0
			if done = len(missing) == 0 || o.Later && !begun; done {
				return nil
			}
			o.Logger.Info("migrating the catalog", "migration", missing[0].file())
			if len(have) == 0 {
				create, err := render(createVersion, s.Dialect())
				if err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, create[0]); err != nil {
					return err
				}
			}
			return apply(ctx, tx, missing[0], o.Version, o.Now())
		})
		if err != nil {
			return 0, err
		}
	}
	return newest, nil
}

func (m migration) file() string { return fmt.Sprintf("%04d_%s.sql", m.number, m.name) }

// versions returns what was applied, in order.
func versions(ctx context.Context, s Store, tx Tx) ([]applied, error) {
	tables, err := s.Tables(ctx, tx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(tables, func(t Table) bool { return t.Name == versionTable }) {
		if len(tables) > 0 {
			return nil, millrace.Errorf(millrace.Conflict, "the catalog's place has tables that are not Millrace's (%s …): give the catalog a place of its own", tables[0].Name)
		}
		return nil, nil
	}
	return All[applied](ctx, tx, "SELECT number, name, checksum, millrace, applied FROM schema_version ORDER BY number")
}

// compare returns the migrations that have to be applied to what has some.
func compare(all []migration, have []applied, what, version string) (missing []migration, err error) {
	byNumber, last := map[int]migration{}, 0
	for _, m := range all {
		byNumber[m.number] = m
	}
	for _, h := range have {
		m, known := byNumber[h.Number]
		switch {
		case !known || h.Number <= last:
			return nil, millrace.Errorf(millrace.Conflict, "%s was last changed by Millrace %.60s (migration %04d_%.60s), which this one (%s) does not know: run Millrace %.60s or a newer one, or restore the backup that was made before the upgrade",
				what, h.Millrace, h.Number, h.Name, version, h.Millrace)
		case m.checksum != h.Checksum:
			return nil, millrace.Errorf(millrace.Conflict, "migration %s of this Millrace (%s) is not the one that Millrace %.60s applied to %s: run that version or a newer release; a released migration never changes",
				m.file(), version, h.Millrace, what)
		}
		last = h.Number
		delete(byNumber, h.Number)
	}
	for _, m := range all {
		if _, is := byNumber[m.number]; !is {
			continue
		}
		if m.number < last {
			return nil, millrace.Errorf(millrace.Conflict, "%s has migration %d without %s before it, as only a version under development makes it: begin a new catalog, or restore a backup of a release", what, last, m.file())
		}
		missing = append(missing, m)
	}
	return missing, nil
}

func apply(ctx context.Context, tx Tx, m migration, version string, at time.Time) error {
	for i, statement := range m.statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return millrace.Errorf(millrace.KindOf(err), "migration %s cannot be applied to the catalog, which stays as it was: statement %d: %w", m.file(), i+1, err)
		}
	}
	_, err := tx.Exec(ctx, "INSERT INTO schema_version (number, name, checksum, millrace, applied) VALUES ($1, $2, $3, $4, $5)",
		m.number, m.name, m.checksum, version, at)
	return err
}

var migrationName = regexp.MustCompile(`^([0-9]{4})_([a-z0-9_]+)\.sql$`)

// readMigrations returns the migrations in order, for an engine.
func readMigrations(files fs.FS, d Dialect) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, name := range names { // in order
		parts := migrationName.FindStringSubmatch(name)
		if parts == nil {
			return nil, millrace.Errorf(millrace.Internal, "migration %s has to be called NNNN_name.sql", name)
		}
		number, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil, err
		}
		if len(all) > 0 && all[len(all)-1].number == number {
			return nil, millrace.Errorf(millrace.Internal, "migrations %s and %s have the same number", all[len(all)-1].file(), name)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		statements, err := render(string(text), d)
		if err != nil {
			return nil, millrace.Errorf(millrace.Internal, "migration %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{number: number, name: parts[2], checksum: hex.EncodeToString(sum[:]), statements: statements})
	}
	return all, nil
}

// render returns the statements of a migration in the engine's words.
func render(text string, d Dialect) ([]string, error) {
	all, err := splitStatements(strings.ReplaceAll(text, "{{bytes}}", d.Bytes))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, statement := range all {
		only := engineLine.FindStringSubmatch(statement)
		switch {
		case only != nil && d.Name == "":
			return nil, millrace.Errorf(millrace.Internal, "the engine does not say its name, which %s asks for", shorten(statement))
		case only != nil && only[1] != d.Name:
			continue
		}
		if statement, err = renderTable(statement, d); err != nil {
			return nil, err
		}
		out = append(out, statement)
	}
	return out, nil
}

// engineLine is the comment before a statement of one engine.
var engineLine = regexp.MustCompile(`^\s*(?:--.*\n\s*)*?-- on (sqlite|postgres):\n`)

// renderTable replaces the types of a CREATE TABLE or ALTER TABLE.
func renderTable(statement string, d Dialect) (string, error) {
	var words, out []string // the first two words in capitals; what is written
	var before [2]token     // the two that are not blank, the nearest first
	end := 0
	err := eachToken(statement, func(t token) error {
		upper := strings.ToUpper(t.text)
		if with, is := d.Types[upper]; is && t.kind == word && len(words) == 2 && words[1] == "TABLE" && isType(before) {
			t.text = with
		}
		if t.kind == word && len(words) < 2 {
			words = append(words, upper)
		}
		if t.kind != blank {
			before = [2]token{{t.kind, upper}, before[0]}
		}
		out = append(out, t.text)
		if t.text == ")" {
			end = len(out)
		}
		return nil
	})
	if err == nil && strings.Join(words, " ") == "CREATE TABLE" {
		out = slices.Insert(out, end, d.Table)
	}
	return strings.TrimSpace(strings.Join(out, "")), err
}

// isType says whether a word after these two is a type: one after the name of
// a column. Columns may have the names of types.
func isType(before [2]token) bool {
	switch before[0].text {
	case "TYPE", "DOUBLE":
		return true
	case "COLUMN":
		return false
	}
	return (before[0].kind == word || before[0].kind == quoted) && slices.Contains([]string{"(", ",", "COLUMN", "ADD"}, before[1].text)
}
