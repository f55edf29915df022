package access

import (
	"context"

	"github.com/millrace/millrace/catalog"
)

// Key returns a key of a workspace or of the Installation.
func (a *Access) Key(ctx context.Context, by Caller, workspace, id string) (k Key, err error) {
	read, _ := manageKeys(workspace)
	now := a.now().UnixMicro()
	err = a.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		r, missing := a.findKey(ctx, tx, workspace, id)
		if err := first(by.Allow(read, workspace, r.Environment), missing); err != nil {
			return err
		}
		secrets, err := catalog.All[secretRow](ctx, tx, `SELECT id, created_at, until_at FROM access_secret
			WHERE key_id = $1 AND (until_at = 0 OR until_at > $2) ORDER BY created_at DESC, id`, id, now)
		k = r.key(secrets)
		m := a.seen.of(a.seen.keys, r.ID, k.Seen, origin{address: k.Address})
		k.Seen, k.Address = timeOf(m.at.Load()), m.from.Load().address
		return err
	})
	return k, err
}
