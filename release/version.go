package release

import (
	"context"
	"strconv"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/release/tree"
)

// MaxPage is how much is listed at once.
const MaxPage = 500

// A row of release_version.
type versionRow struct {
	Number         int64
	Tree           tree.Hash
	Files, Size    int64
	Parent, Source int64
	Origin         Origin
	Kind, ID, Name string
	Message        string
	Created        time.Time
}

const versionColumns = `number, tree, files, size, parent, source, origin, author_kind, author_id, author_name, message, created`

func (r versionRow) version() Version {
	return Version{Number: r.Number, Tree: r.Tree, Files: r.Files, SizeBytes: r.Size, Parent: r.Parent, Source: r.Source, Origin: r.Origin,
		Author: audit.Actor{Kind: r.Kind, ID: r.ID, Name: r.Name}, Message: r.Message, Created: r.Created}
}

// Version returns a version of a workspace, NotFound when there is none.
func (s *Store) Version(ctx context.Context, workspace string, number int64) (v Version, err error) {
	err = s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		v, err = version(ctx, tx, workspace, number)
		return err
	})
	return v, err
}

func version(ctx context.Context, tx catalog.Tx, workspace string, number int64) (Version, error) {
	r, found, err := catalog.Find[versionRow](ctx, tx, `SELECT `+versionColumns+` FROM release_version WHERE workspace = $1 AND number = $2`, workspace, number)
	if err == nil && !found {
		err = millrace.Errorf(millrace.NotFound, "there is no version %d: millrace release list shows those that there are", number)
	}
	return r.version(), err
}

// page reads a cursor and a limit: what is listed has smaller numbers.
func page(cursor string, limit int) (before int64, _ error) {
	if limit < 1 || limit > MaxPage {
		return 0, millrace.Errorf(millrace.Invalid, "%d cannot be listed at once: ask for 1 to %d", limit, MaxPage)
	}
	if cursor == "" {
		return 1 << 62, nil
	}
	before, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil || before < 1 {
		return 0, millrace.Errorf(millrace.Invalid, "%.40q is no cursor: give the one of the page before, or none", cursor)
	}
	return before, nil
}

// more returns the cursor behind a page that was asked with one more.
func more[T any](list []T, limit int, number func(T) int64) ([]T, string) {
	if len(list) <= limit {
		return list, ""
	}
	list = list[:limit]
	return list, strconv.FormatInt(number(list[limit-1]), 10)
}

// Versions lists the versions of a workspace, the newest first. cursor is "" or
// the next of the page before; next is "" after the last.
func (s *Store) Versions(ctx context.Context, workspace, cursor string, limit int) (list []Version, next string, err error) {
	before, err := page(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	err = s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		list = list[:0]
		rows, err := catalog.All[versionRow](ctx, tx, `SELECT `+versionColumns+` FROM release_version WHERE workspace = $1 AND number < $2 ORDER BY number DESC LIMIT $3`, workspace, before, limit+1)
		for _, r := range rows {
			list = append(list, r.version())
		}
		return err
	})
	list, next = more(list, limit, func(v Version) int64 { return v.Number })
	return list, next, err
}

// Environments returns what runs in each environment of a workspace.
func (s *Store) Environments(ctx context.Context, workspace string) (map[string]Running, error) {
	type row struct {
		Environment string
		Version     int64
		Previous    int64
		Deploy      string
		Since       time.Time
	}
	all := map[string]Running{}
	err := s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		clear(all)
		rows, err := catalog.All[row](ctx, tx, `SELECT environment, version, previous, deploy, since FROM release_running WHERE workspace = $1`, workspace)
		for _, r := range rows {
			all[r.Environment] = Running{r.Version, r.Previous, r.Deploy, r.Since}
		}
		return err
	})
	return all, err
}

// History lists what ran in an environment, the newest first. See Versions.
func (s *Store) History(ctx context.Context, t Target, cursor string, limit int) (list []Run, next string, err error) {
	before, err := page(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	err = s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		list, err = catalog.All[Run](ctx, tx, `SELECT number, version, deploy, began, ended FROM release_run WHERE workspace = $1 AND environment = $2 AND number < $3 ORDER BY number DESC LIMIT $4`,
			t.Workspace, t.Environment, before, limit+1)
		return err
	})
	for i := range list {
		list[i].Ended = orZero(list[i].Ended)
	}
	list, next = more(list, limit, func(r Run) int64 { return r.Number })
	return list, next, err
}

// orZero is the zero time where the catalog has 0.
func orZero(t time.Time) time.Time {
	if t.UnixMicro() == 0 {
		return time.Time{}
	}
	return t
}

// Tree returns the files of a version. Gone says that they were pruned.
func (s *Store) Tree(ctx context.Context, workspace string, number int64) (t *tree.Tree, err error) {
	err = s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		t, err = treeOf(ctx, tx, workspace, number)
		return err
	})
	return t, err
}

// treeOf is nil for number 0.
func treeOf(ctx context.Context, tx catalog.Tx, workspace string, number int64) (*tree.Tree, error) {
	if number == 0 {
		return nil, nil
	}
	v, err := version(ctx, tx, workspace, number)
	if err != nil {
		return nil, err
	}
	t, err := readTree(ctx, tx, workspace, v.Tree)
	if millrace.KindOf(err) == millrace.NotFound {
		return nil, millrace.Errorf(millrace.Gone, "the files of version %d were pruned, since it ran nowhere for long: take another version, or your repository's history", number)
	}
	return t, err
}

// Diff compares the files of two versions; 0 is none.
func (s *Store) Diff(ctx context.Context, workspace string, from, to int64) ([]diff.File, error) {
	var a, b *tree.Tree
	err := s.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		if a, err = treeOf(ctx, tx, workspace, from); err != nil {
			return err
		}
		b, err = treeOf(ctx, tx, workspace, to)
		return err
	})
	if err != nil {
		return nil, err
	}
	return diff.Trees(a, b), nil
}

// Plan plans a candidate for an environment against what runs there: o.New, or
// the version o.To when that is nil. Old and From are set.
func (s *Store) Plan(ctx context.Context, t Target, o plan.Options) (*plan.Plan, error) {
	err := s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		r, _, err := running(ctx, tx, t)
		if err != nil {
			return err
		}
		o.From = r.Version
		if o.Old, err = treeOf(ctx, tx, t.Workspace, r.Version); err != nil {
			return err
		}
		if o.New == nil {
			o.New, err = treeOf(ctx, tx, t.Workspace, o.To)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return plan.Make(ctx, o)
}
