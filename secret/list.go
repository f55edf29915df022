package secret

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

// An Info is what may be shown of a secret: nothing of its value.
type Info struct {
	Path        string     `json:"path"`
	Environment string     `json:"environment"` // empty: for all that have none of their own
	Version     int64      `json:"version"`     // the current one
	Versions    int64      `json:"versions"`    // the last that was made
	Uses        Uses       `json:"uses"`
	Note        string     `json:"note"`
	Made        time.Time  `json:"made"`
	Changed     time.Time  `json:"changed"`
	Deleted     *time.Time `json:"deleted,omitempty"` // it can be restored until then plus KeepFor
}

// A Version is a line of a secret's history.
type Version struct {
	Number    int64       `json:"number"`
	Made      time.Time   `json:"made"`
	Actor     audit.Actor `json:"actor"`
	Current   bool        `json:"current"`
	Destroyed bool        `json:"destroyed"` // its value is gone
}

// A Used is one way in which a secret was used.
type Used struct {
	Environment string    `json:"environment"`
	Resource    string    `json:"resource"`
	Host        string    `json:"host"`
	Uses        int64     `json:"uses"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"` // up to CountFor ago
}

// MaxList is how many secrets are listed at once.
const MaxList = 500

// List returns up to limit secrets of a workspace in order of path and
// environment, after the cursor, which is empty or the next of the call before.
// An empty next is the end. Deleted ones are in it.
func (v *Vault) List(ctx context.Context, workspace, cursor string, limit int) (all []Info, next string, err error) {
	if limit < 1 || limit > MaxList {
		return nil, "", millrace.Errorf(millrace.Invalid, "%d secrets cannot be listed at once: ask for 1 to %d", limit, MaxList)
	}
	path, environment, _ := strings.Cut(cursor, "@")
	err = v.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		all, next = nil, ""
		type row struct {
			Path, Environment string
			Version, Versions int64
			Resources, Hosts  string
			Note              string
			Made, Changed     time.Time
			Deleted           *time.Time
		}
		for r, err := range catalog.Each[row](ctx, tx, `SELECT path, environment, version, versions, resources, hosts, note, made, changed, deleted FROM secret
			WHERE workspace = $1 AND (path > $2 OR path = $2 AND environment > $3) ORDER BY path, environment LIMIT $4`, workspace, path, cursorEnvironment(cursor, environment), limit+1) {
			if err != nil {
				return err
			}
			if len(all) == limit {
				next = all[limit-1].Path + "@" + all[limit-1].Environment
				break
			}
			s := record{Resources: r.Resources, Hosts: r.Hosts}
			uses, err := s.uses()
			if err != nil {
				return err
			}
			all = append(all, Info{r.Path, r.Environment, r.Version, r.Versions, uses, r.Note, r.Made, r.Changed, r.Deleted})
		}
		return nil
	})
	return all, next, err
}

// cursorEnvironment makes an empty cursor lie before everything.
func cursorEnvironment(cursor, environment string) string {
	if cursor == "" {
		return ""
	}
	return environment
}

// History returns the versions of a secret, newest first.
func (v *Vault) History(ctx context.Context, workspace, environment, path string) (all []Version, err error) {
	n := name{workspace, environment, path}
	if err := n.check(); err != nil {
		return nil, err
	}
	err = v.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		all = nil
		s, found, err := find(ctx, tx, n)
		if err != nil {
			return err
		}
		if !found {
			return notThere(n)
		}
		type row struct {
			Version   int64
			Made      time.Time
			Actor     string
			Destroyed bool
		}
		for r, err := range catalog.Each[row](ctx, tx, `SELECT version, made, actor, CASE WHEN sealed IS NULL THEN 1 ELSE 0 END FROM secret_version
			WHERE workspace = $1 AND environment = $2 AND path = $3 ORDER BY version DESC`, n.Workspace, n.Environment, n.Path) {
			if err != nil {
				return err
			}
			line := Version{Number: r.Version, Made: r.Made, Current: r.Version == s.Version, Destroyed: r.Destroyed}
			if err := json.Unmarshal([]byte(r.Actor), &line.Actor); err != nil {
				return err
			}
			all = append(all, line)
		}
		return nil
	})
	return all, err
}

// UsedBy returns who has used a secret, in all environments.
func (v *Vault) UsedBy(ctx context.Context, workspace, path string) (all []Used, err error) {
	err = v.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		all, err = catalog.All[Used](ctx, tx, `SELECT environment, resource, host, uses, began, latest FROM secret_use WHERE workspace = $1 AND path = $2 ORDER BY environment, resource, host`, workspace, path)
		return err
	})
	return all, err
}

// Purge deletes for good the secrets that were deleted KeepFor ago.
func (v *Vault) Purge(ctx context.Context) (secrets int, err error) {
	err = v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		all, err := catalog.All[name](ctx, tx, "SELECT workspace, environment, path FROM secret WHERE deleted IS NOT NULL AND deleted < $1", v.o.Now().Add(-v.o.KeepFor))
		if err != nil {
			return err
		}
		secrets = len(all)
		for _, n := range all {
			for _, table := range []string{"secret_version", "secret"} {
				if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE workspace = $1 AND environment = $2 AND path = $3", n.Workspace, n.Environment, n.Path); err != nil {
					return err
				}
			}
			if err := v.o.Record(ctx, tx, System().of("secret.purge", n, nil, nil)); err != nil {
				return err
			}
		}
		return nil
	})
	return secrets, err
}

// Shred destroys the keys of a workspace and deletes its secrets, in the
// transaction in which it is deleted: copies of them that lie elsewhere, as in a
// backup, cannot be read any more. Call Forget when the transaction is done.
func (v *Vault) Shred(ctx context.Context, tx catalog.Tx, workspace string, who Who) error {
	for _, table := range []string{"secret_use", "secret_version", "secret"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE workspace = $1", workspace); err != nil {
			return err
		}
	}
	return v.o.Keys.destroy(ctx, tx, forSecrets, workspace, "secret_key.destroy", audit.Object{Kind: "workspace", ID: workspace}, who)
}

// ShredEnvironment deletes the secrets of one environment, in the transaction in
// which it is deleted. The workspace goes on, and so does the key of its secrets:
// RotateKey makes copies of them that lie elsewhere unreadable too.
func (v *Vault) ShredEnvironment(ctx context.Context, tx catalog.Tx, workspace, environment string, who Who) error {
	if environment == "" {
		return millrace.Errorf(millrace.Invalid, "name the environment whose secrets are deleted")
	}
	deleted := int64(0)
	for _, table := range []string{"secret_use", "secret_version", "secret"} {
		n, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE workspace = $1 AND environment = $2", workspace, environment)
		if err != nil {
			return err
		}
		deleted += n
	}
	if deleted == 0 {
		return nil
	}
	return v.o.Record(ctx, tx, who.entry("secret.purge", audit.Object{Kind: "environment", ID: environment}, workspace, environment, nil, nil))
}

// Forget drops what is in memory of a workspace.
func (v *Vault) Forget(workspace string) {
	v.o.Keys.Forget(workspace)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changes++
	for ref := range v.cache {
		if ref.Workspace == workspace {
			delete(v.cache, ref)
		}
	}
	for k := range v.uses {
		if k.Workspace == workspace {
			delete(v.uses, k)
		}
	}
}
