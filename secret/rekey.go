package secret

import (
	"context"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

// A Rekeyed says what Rekey did.
type Rekeyed struct {
	Master string // id of the master key that wraps all now
	Before string // id of the one that did; empty: none was made, an earlier change was finished
	File   string // of the master keys; empty: they come from the environment
	Keys   int64  // that were wrapped anew
	// Unneeded are ids of master keys that wrap nothing any more and are still
	// given, in the environment: they can be taken out there.
	Unneeded []string
}

// Rekey changes the master key while the server runs: a new one is written to the
// file before the old one, wraps every data key, and the old one is taken out of
// the file. Ended at any moment, also by a crash, everything can be read, and the
// next call finishes. Keys from the environment it cannot make: with two of them
// there it wraps by the first, with one it fails with Conflict and says how.
func (r *KeyRing) Rekey(ctx context.Context, who Who) (out Rekeyed, err error) {
	if !r.rekeying.TryLock() {
		return out, millrace.Errorf(millrace.Conflict, "the master key is being changed already: wait until that is done")
	}
	defer r.rekeying.Unlock()
	m := r.masters.Load()
	switch {
	case len(m.keys) > 1: // an earlier one was not finished, or the keys were given so
	case m.file == "":
		return out, millrace.Errorf(millrace.Conflict, "the master key comes from the environment variable %s, where this server cannot write: set it to a new key, a comma and the old one, start the server again, and call this again", MasterVariable)
	default:
		out.Before = m.current().id
		if _, err := AddMasterKey(m.file); err != nil {
			return out, err
		}
		if m, err = r.reload(m.file); err != nil {
			return out, err
		}
	}
	out.Master, out.File = m.current().id, m.file
	if out.Keys, err = r.Rewrap(ctx, who); err != nil {
		return out, err
	}
	wraps, err := r.Masters(ctx)
	if err != nil {
		return out, err
	}
	for _, k := range m.keys[1:] {
		if wraps[k.id] > 0 {
			return out, millrace.Errorf(millrace.Conflict, "master key %s wraps %d keys again: another server has made them; call this again", k.id, wraps[k.id])
		}
		out.Unneeded = append(out.Unneeded, k.id)
	}
	if m.file != "" {
		out.Unneeded = nil
		if err := DropMasterKeys(m.file); err != nil {
			return out, err
		}
		if _, err := r.reload(m.file); err != nil {
			return out, err
		}
	}
	err = r.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		return r.o.Record(ctx, tx, who.entry("master_key.rekey", audit.Object{Kind: "master_key", ID: out.Master}, "", "", map[string]any{"master": out.Before}, map[string]any{"master": out.Master}))
	})
	return out, err
}

// reload reads the file of master keys again, when no key is being made.
func (r *KeyRing) reload(file string) (*masters, error) {
	m, err := readMasters(file)
	if err != nil {
		return nil, err
	}
	r.making.Lock()
	defer r.making.Unlock()
	r.masters.Store(m)
	return m, nil
}
