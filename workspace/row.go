package workspace

import (
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A row is what the catalog keeps of a workspace.
type row struct {
	ID, Name, Title string
	State           State
	Reason          string
	Since           time.Time
	Suspended       bool // when it was deleted
	PurgeAfter      *time.Time
	Main            string
	Quotas          string
	Created         time.Time
	Version         int64
}

const rowColumns = "id, name, title, state, reason, since, suspended, purge_after, main, quotas, created, version"

type environmentRow struct {
	Space, Workspace, Name string
	State                  State
	Since                  time.Time
	PurgeAfter             *time.Time
	Problem                string
	Created                time.Time
}

const environmentColumns = "space, workspace, name, state, since, purge_after, problem, created"

type nameRow struct {
	Name, Workspace string
	Until           *time.Time
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func (e *environmentRow) environment() Environment {
	return Environment{Space: e.Space, Name: e.Name, State: e.State, Since: e.Since, PurgeAfter: timeOf(e.PurgeAfter), Created: e.Created, Problem: e.Problem}
}

func (r *row) workspace() (Workspace, error) {
	q, err := decodeQuotas(r.Quotas)
	return Workspace{ID: r.ID, Name: r.Name, Title: r.Title, State: r.State, Reason: r.Reason, Since: r.Since,
		PurgeAfter: timeOf(r.PurgeAfter), Created: r.Created, Main: r.Main, Quotas: q}, err
}

// read returns the workspaces that condition chooses, whole, in order of their names.
func (s *Store) read(ctx context.Context, tx catalog.Tx, condition string, args ...any) ([]Workspace, error) {
	rows, err := catalog.All[row](ctx, tx, "SELECT "+rowColumns+" FROM workspace "+condition, args...)
	if err != nil {
		return nil, err
	}
	all, at := make([]Workspace, len(rows)), map[string]int{}
	for i := range rows {
		if all[i], err = rows[i].workspace(); err != nil {
			return nil, err
		}
		at[all[i].ID] = i
	}
	// All of them in one question where there are many.
	where, of := "", []any{}
	if len(rows) == 1 {
		where, of = " WHERE workspace = $1", []any{rows[0].ID}
	}
	for e, err := range catalog.Each[environmentRow](ctx, tx, "SELECT "+environmentColumns+" FROM environment"+where+" ORDER BY name", of...) {
		if err != nil {
			return nil, err
		}
		if i, ok := at[e.Workspace]; ok {
			all[i].Environments = append(all[i].Environments, e.environment())
		}
	}
	now := s.now()
	for n, err := range catalog.Each[nameRow](ctx, tx, "SELECT name, workspace, until FROM workspace_name"+where+" ORDER BY until DESC NULLS LAST, name", of...) {
		if err != nil {
			return nil, err
		}
		if i, ok := at[n.Workspace]; ok && n.Until != nil && n.Until.After(now) {
			all[i].OldNames = append(all[i].OldNames, OldName{n.Name, *n.Until})
		}
	}
	return all, nil
}

// get returns a workspace by its id.
func (s *Store) get(ctx context.Context, tx catalog.Tx, id string) (Workspace, error) {
	all, err := s.read(ctx, tx, "WHERE id = $1", id)
	if err != nil {
		return Workspace{}, err
	}
	if len(all) == 0 {
		return Workspace{}, notFound(id)
	}
	return all[0], nil
}

func notFound(id string) error {
	return millrace.Errorf(millrace.NotFound, "there is no workspace %.80q", id)
}

// touch gives a workspace the next version, so that every server sees its change.
func touch(ctx context.Context, tx catalog.Tx, id string) error {
	v, err := nextVersion(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE workspace SET version = $1 WHERE id = $2", v, id)
	return err
}

func nextVersion(ctx context.Context, tx catalog.Tx) (int64, error) {
	if _, err := tx.Exec(ctx, "UPDATE workspace_sequence SET version = version + 1 WHERE name = 'workspace'"); err != nil {
		return 0, err
	}
	return version(ctx, tx)
}

func version(ctx context.Context, tx catalog.Tx) (int64, error) {
	return catalog.One[int64](ctx, tx, "SELECT version FROM workspace_sequence WHERE name = 'workspace'")
}

// Get returns a workspace by its id; NotFound when there is none.
func (s *Store) Get(ctx context.Context, id string) (w Workspace, err error) {
	err = s.catalog.View(ctx, func(tx catalog.Tx) error {
		w, err = s.get(ctx, tx, id)
		return err
	})
	return w, err
}

// ListOptions choose workspaces.
type ListOptions struct {
	After string // the name of the last one that was seen: a cursor
	Limit int    // default 100, at most 1,000
	State State  // default all
	// Only are the ids that may be seen; nil: all. At most 10,000.
	Only []string
}

// List returns workspaces in order of their names. There may be more when there
// are as many as Limit.
func (s *Store) List(ctx context.Context, o ListOptions) (list []Workspace, err error) {
	if o.Limit <= 0 {
		o.Limit = 100
	}
	if o.Limit = min(o.Limit, 1000); len(o.Only) > 10_000 {
		return nil, millrace.Errorf(millrace.TooLarge, "at most 10,000 workspaces can be asked for by their ids")
	}
	if o.Only != nil && len(o.Only) == 0 {
		return nil, nil
	}
	condition, args := "WHERE name > $1", []any{o.After}
	add := func(text string, v any) {
		args = append(args, v)
		condition += text + place(len(args))
	}
	if o.State != "" {
		add(" AND state = ", o.State)
	}
	for i, id := range o.Only {
		if i == 0 {
			add(" AND id IN (", id)
			continue
		}
		add(", ", id)
	}
	if len(o.Only) > 0 {
		condition += ")"
	}
	add(" ORDER BY name LIMIT ", o.Limit)
	err = s.catalog.View(ctx, func(tx catalog.Tx) error {
		list, err = s.read(ctx, tx, condition, args...)
		return err
	})
	return list, err
}
