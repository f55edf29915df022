package access

import (
	"context"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// OwnerNeeded says whether the installation has no owner yet. Once it has one it
// is not asked again.
func (a *Access) OwnerNeeded(ctx context.Context) (bool, error) {
	if a.owned.Load() {
		return false, nil
	}
	var owned bool
	err := a.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		owned, err = hasOwner(ctx, tx)
		return err
	})
	if owned {
		a.owned.Store(true)
	}
	return err == nil && !owned, err
}

// CreateOwner makes an account that is an owner of the installation and, unless that
// is empty, of a workspace: for a command on the server's own machine, which needs
// no browser. There may be owners already.
func (a *Access) CreateOwner(ctx context.Context, by Caller, n NewPerson, workspace string) (Person, error) {
	if !by.Everything() {
		return Person{}, millrace.Errorf(millrace.Forbidden, "only a command on the server's own machine makes an owner")
	}
	h, err := a.prepare(ctx, n)
	if err != nil {
		return Person{}, err
	}
	var out Person
	err = a.change(ctx, func(tx catalog.Tx, t *touched) error {
		id, err := a.insertPerson(ctx, tx, h)
		if err != nil {
			return err
		}
		for _, w := range []string{Installation, workspace} {
			if w == "" {
				continue
			}
			if err := a.setRole(ctx, tx, t, by, id, w, "", Owner); err != nil {
				return err
			}
		}
		r, err := findPerson(ctx, tx, id)
		if err != nil {
			return err
		}
		out = r.person()
		return a.record(ctx, tx, by, Change{Action: "owner.create", Object: id, Name: h.name, Workspace: Installation,
			After: map[string]any{"name": h.name, "email": h.email, "workspace": workspace}})
	})
	return out, err
}
