package secret

import (
	"context"

	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

// reencryptAtOnce is how many values one transaction encrypts anew.
const reencryptAtOnce = 100

// RotateKey makes a new key for the secrets of a workspace, encrypts all values
// with it, and destroys the ones before. It may be ended at any moment: every
// value can be read all the time, and the next call goes on where it was.
func (v *Vault) RotateKey(ctx context.Context, workspace string, who Who) (values int, err error) {
	keys := v.o.Keys
	begun := false
	keys.making.RLock()
	err = v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		// One that is not done yet is finished first; no further key is made.
		old, err := catalog.One[int64](ctx, tx, "SELECT count(*) FROM secret_key WHERE purpose = $1 AND owner = $2 AND state = $3", forSecrets, workspace, keyRetired)
		if begun = old > 0; err != nil || begun {
			return err
		}
		if _, found, err := catalog.Find[int64](ctx, tx, "SELECT number FROM secret_key WHERE purpose = $1 AND owner = $2 AND state = $3", forSecrets, workspace, keyCurrent); err != nil || !found {
			return err
		}
		if _, err := keys.make(ctx, tx, forSecrets, workspace); err != nil {
			return err
		}
		begun = true
		return v.o.Record(ctx, tx, who.entry("secret_key.rotate", audit.Object{Kind: "workspace", ID: workspace}, workspace, "", nil, nil))
	})
	keys.making.RUnlock()
	if err != nil || !begun {
		return 0, err
	}
	for {
		n := 0
		err := v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
			n, err = v.reencrypt(ctx, tx, workspace)
			return err
		})
		if err != nil {
			return values, err
		}
		if values += n; n == 0 {
			break
		}
	}
	return values, v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE secret_key SET wrapped = $4, state = $5 WHERE purpose = $1 AND owner = $2 AND state = $3
			AND NOT EXISTS (SELECT 1 FROM secret_version WHERE workspace = $2 AND data_key = secret_key.number AND sealed IS NOT NULL)`,
			forSecrets, workspace, keyRetired, []byte{}, keyDestroyed)
		if err != nil || n == 0 {
			return err
		}
		keys.Forget(workspace)
		return v.o.Record(ctx, tx, who.entry("secret_key.destroy", audit.Object{Kind: "workspace", ID: workspace}, workspace, "", nil, map[string]any{"keys": n}))
	})
}

// reencrypt encrypts some values with the current key of their workspace.
func (v *Vault) reencrypt(ctx context.Context, tx catalog.Tx, workspace string) (int, error) {
	k, err := v.o.Keys.current(ctx, tx, forSecrets, workspace)
	if err != nil {
		return 0, err
	}
	type row struct {
		Environment, Path string
		Version           int64
		Key               uint32
		Sealed            []byte
	}
	all, err := catalog.All[row](ctx, tx, `SELECT environment, path, version, data_key, sealed FROM secret_version
		WHERE workspace = $1 AND data_key <> $2 AND sealed IS NOT NULL ORDER BY path, environment, version LIMIT $3`, workspace, k.ID(), reencryptAtOnce)
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		n := name{workspace, r.Environment, r.Path}
		old, err := v.o.Keys.find(ctx, tx, keyName{forSecrets, workspace, r.Key})
		if err != nil {
			return 0, err
		}
		text, err := old.Open(nil, r.Sealed, n.about(r.Version))
		if err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `UPDATE secret_version SET data_key = $5, sealed = $6 WHERE workspace = $1 AND environment = $2 AND path = $3 AND version = $4`,
			workspace, r.Environment, r.Path, r.Version, k.ID(), k.Seal(nil, text, n.about(r.Version))); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}
