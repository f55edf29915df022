package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/serve"
)

var _ serve.Transfer = (*transfers)(nil)

// transfers exports from a server that runs, and imports into it.
type transfers struct{ app *App }

// OpenPlace opens a folder, or s3://bucket/prefix, where exports are. A folder that
// is not there is made when create says so. Close it.
func OpenPlace(ctx context.Context, at string, create bool) (blob.Bucket, error) {
	bucket, _, err := openPlace(ctx, at, create)
	return bucket, err
}

// Records reads a space from archive and log.
func (t *transfers) Records(ctx context.Context, space string, after millrace.Position) (eventlog.Reader, error) {
	return eventlog.History(t.app.log, t.app.archive, t.app.follower).Open(ctx, after, eventlog.Filter{Workspace: space})
}

// Import appends records through intake.
func (t *transfers) Import(ctx context.Context, space string, records []millrace.Record) (millrace.Position, error) {
	return t.app.collect.Import(ctx, space, records)
}

// Project are the files that a space runs: of its version, or of the folder.
func (t *transfers) Project(ctx context.Context, space string) (*tree.Tree, error) {
	a := t.app
	if space == a.home.id && !a.home.versioned() {
		return a.folderTree()
	}
	ws, ok := a.workspaces.store.Spaces().Space(space)
	if !ok {
		return nil, serve.NoSpace(space)
	}
	now, runs, err := a.versions.Running(ctx, release.Target{Workspace: ws.Workspace, Environment: space})
	if err != nil || !runs {
		return tree.NewBuilder(tree.Limits{}).Tree(), err
	}
	return a.versions.Tree(ctx, ws.Workspace, now.Version)
}

// metadataWhere says which rows of a table of exportedMetadata are of a workspace.
var metadataWhere = map[string]string{
	"workspace":     "id = $1",
	"access_person": "id IN (SELECT person FROM access_member WHERE workspace = $1)",
	"usage_day":     "space IN (SELECT space FROM environment WHERE workspace = $1)",
}

// Metadata reads the rows of a workspace.
func (t *transfers) Metadata(ctx context.Context, workspace string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := t.app.catalog.View(ctx, func(tx catalog.Tx) error {
		clear(out) // it may run again
		for table, columns := range exportedMetadata {
			where := metadataWhere[table]
			if where == "" {
				where = "workspace = $1"
			}
			text, err := rowsOf(ctx, tx, table, columns, where, workspace)
			if err != nil {
				return fmt.Errorf("table %s: %w", table, err)
			}
			if len(text) > 0 {
				out[table] = text
			}
		}
		return nil
	})
	return out, err
}

// rowsOf writes rows as lines of JSON.
func rowsOf(ctx context.Context, tx catalog.Tx, table string, columns []string, where, workspace string) (text []byte, err error) {
	names := slices.Sorted(slices.Values(columns))
	rows, err := tx.Query(ctx, "SELECT "+strings.Join(names, ", ")+" FROM "+table+" WHERE "+where+" ORDER BY "+strings.Join(names, ", "), workspace) // #nosec G202 -- all of it is written in this file
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values, targets := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		row := make(map[string]any, len(names))
		for i, name := range names {
			row[name] = values[i]
			if text, ok := values[i].([]byte); ok { // some engines give text so
				row[name] = string(text)
			}
		}
		line, err := json.Marshal(row)
		if err != nil {
			return nil, err
		}
		text = append(append(text, line...), '\n')
	}
	return text, rows.Err()
}
