package access

import (
	"context"

	"github.com/millrace/millrace/catalog"
)

// Names returns what people and keys are called, by their ids: those that there are,
// with the name that they have now. It asks for no permission: who may see that
// something was made may see by whom.
func (a *Access) Names(ctx context.Context, ids ...string) (map[string]string, error) {
	names := map[string]string{}
	if len(ids) == 0 {
		return names, nil
	}
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		clear(names)
		seen := map[string]bool{"": true}
		for _, id := range ids {
			if seen[id] {
				continue
			}
			seen[id] = true
			name, found, err := catalog.Find[string](ctx, tx, `SELECT name FROM access_person WHERE id = $1 UNION ALL SELECT name FROM access_key WHERE id = $1`, id)
			if err != nil {
				return err
			}
			if found {
				names[id] = name
			}
		}
		return nil
	})
	return names, err
}
