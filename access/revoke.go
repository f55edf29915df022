package access

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// knownTo is the id of the key with which a rotated key's tokens were got: whoever
// has that one may know them. One that rotates itself stays what its maker got; a
// person who lets no token from before go on takes it over.
func knownTo(by Caller, r keyRow, overlap time.Duration) string {
	switch {
	case by.Key != "" && r.MakerKey == "" && by.Key != r.ID:
		return by.Key
	case by.Key == "" && overlap == 0:
		return ""
	}
	return r.MakerKey
}

// mayRotate refuses a key that would take another over from the key that it was got
// with: it is known of one only who may have a key's tokens.
func mayRotate(by Caller, r keyRow) error {
	if by.Key == "" || r.MakerKey == "" || by.Key == r.ID || by.Key == r.MakerKey {
		return nil
	}
	return millrace.Errorf(millrace.Conflict, "the key %q was made or rotated with another key: rotate it with that one, with itself or as a person, or make a new key", r.Name)
}

// RevokeKey ends a key at once, and with itsKeys too those that were made or rotated
// with it, and with those. A key may revoke itself. It returns the names of the
// others: those that it ended too, or else those that go on. That a key is revoked
// already is no error, so that who is told of others can end them then.
func (a *Access) RevokeKey(ctx context.Context, by Caller, workspace, id string, itsKeys bool) (others []string, err error) {
	_, write := manageKeys(workspace)
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		others = nil
		by, err := a.current(ctx, tx, by)
		if err != nil {
			return err
		}
		r, missing := a.findKey(ctx, tx, workspace, id)
		if by.Kind != KeyKind || by.Key != id {
			if err := by.Allow(write, workspace, r.Environment); err != nil {
				return err
			}
		}
		if missing != nil {
			return missing
		}
		got, err := a.gotWith(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, k := range got {
			others = append(others, k.Name)
		}
		if r.Revoked == 0 {
			var after map[string]any
			if len(got) > 0 && !itsKeys {
				after = map[string]any{"keys_that_go_on": others}
			}
			if err := a.revoke(ctx, tx, t, by, r, after); err != nil {
				return err
			}
		}
		if !itsKeys {
			return nil
		}
		for _, k := range got {
			if err := by.Allow(write, k.Workspace, k.Environment); err != nil {
				return err
			}
			if err := a.revoke(ctx, tx, t, by, k, map[string]any{"with": id}); err != nil {
				return err
			}
		}
		return nil
	})
	return others, err
}

// gotWith are the keys that work and were made or rotated with a key, or with one
// that was, also when that one works no longer.
func (a *Access) gotWith(ctx context.Context, tx catalog.Tx, id string) (got []keyRow, err error) {
	now := a.now()
	for todo, seen := []string{id}, map[string]bool{id: true}; len(todo) > 0; todo = todo[1:] {
		made, err := catalog.All[keyRow](ctx, tx, `SELECT `+keyColumns+` FROM access_key WHERE maker_key = $1 ORDER BY name, id`, todo[0])
		if err != nil {
			return nil, err
		}
		for _, k := range made {
			if seen[k.ID] {
				continue
			}
			seen[k.ID] = true
			todo = append(todo, k.ID)
			if k.Revoked == 0 && (k.Expires == 0 || now.Before(timeOf(k.Expires))) {
				got = append(got, k)
			}
		}
	}
	slices.SortFunc(got, func(a, b keyRow) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return got, nil
}

func (a *Access) revoke(ctx context.Context, tx catalog.Tx, t *touched, by Caller, r keyRow, after map[string]any) error {
	now := a.now()
	if _, err := tx.Exec(ctx, `UPDATE access_key SET revoked_at = $2 WHERE id = $1`, r.ID, now); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE access_link SET revoked_at = $2 WHERE maker_key = $1 AND used_at = 0 AND revoked_at = 0`, r.ID, now); err != nil {
		return err
	}
	t.keys = append(t.keys, r.ID)
	return a.record(ctx, tx, by, Change{Action: "key.revoke", Object: r.ID, Name: r.Name, Workspace: r.Workspace, Environment: r.Environment, Before: r.describe(), After: after})
}
