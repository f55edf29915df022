package secret

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

// What keys are for. A key of one purpose never opens what is of another.
const (
	forSecrets = "secret" // of a workspace: the values of its secrets
	forData    = "data"   // of a space: its records at rest
)

// States of keys.
const (
	keyCurrent   = "current"   // encrypts and decrypts
	keyRetired   = "retired"   // decrypts
	keyDestroyed = "destroyed" // nobody can decrypt any more
)

// keyPatience is how long a key that was unwrapped stays in memory.
const keyPatience = 5 * time.Minute

// KeyRingOptions say where keys are.
type KeyRingOptions struct {
	Catalog catalog.Catalog // required
	// Folder is the data folder, where the master key is made at the first start
	// unless one is named. Empty: one has to be named.
	Folder string
	Getenv func(name string) (string, bool) // default os.LookupEnv
	Now    func() time.Time                 // default time.Now
	// Record writes to the audit log in the transaction of a change; default audit.Append.
	Record func(ctx context.Context, tx catalog.Tx, e audit.Entry) error
}

// A KeyRing makes, wraps, finds and destroys data keys: one or more for the
// secrets of each workspace and for the data of each space, in the catalog,
// wrapped by a master key that is not in it. It is safe for concurrent use.
type KeyRing struct {
	o       KeyRingOptions
	masters atomic.Pointer[masters]
	// making is held for reading while a key may be made: another master key
	// waits until it is there.
	making   sync.RWMutex
	rekeying sync.Mutex

	mu    sync.Mutex
	known map[keyName]knownKey
}

type keyName struct {
	purpose, owner string
	number         uint32
}

type knownKey struct {
	key   *Key
	until time.Time
}

// OpenKeyRing finds the master keys and checks that they are the right ones. At
// the very first start, and only then, it makes one. It fails with Invalid when
// there are keys in the catalog that none of the master keys opens.
func OpenKeyRing(ctx context.Context, o KeyRingOptions) (*KeyRing, error) {
	if o.Catalog == nil {
		return nil, millrace.Errorf(millrace.Invalid, "keys need a catalog")
	}
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Record == nil {
		o.Record = audit.Append
	}
	var wrapped []string
	err := o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		wrapped, err = catalog.All[string](ctx, tx, "SELECT DISTINCT master FROM secret_key WHERE state <> $1 ORDER BY master", keyDestroyed)
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := loadMasters(o.Getenv, o.Folder, len(wrapped) == 0)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, id := range wrapped {
		if _, found := m.find(id); !found {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return nil, millrace.Errorf(millrace.Invalid, "the master key is another one: keys in the catalog are wrapped by %s, and %s holds %s. Put the right one back, or both when keys are being changed, the new one first",
			strings.Join(missing, ", "), m.where, m.ids())
	}
	r := &KeyRing{o: o, known: map[keyName]knownKey{}}
	r.masters.Store(m)
	return r, nil
}

// MasterID is the id of the master key that wraps.
func (r *KeyRing) MasterID() string { return r.masters.Load().current().id }

// MasterFile is the file of the master keys; empty when they come from the
// environment.
func (r *KeyRing) MasterFile() string { return r.masters.Load().file }

// Made says whether the master key was made when the KeyRing was opened.
func (r *KeyRing) Made() bool { return r.masters.Load().made }

// Data returns the key that encrypts the data of a space, and makes the first
// one when there is none. Gone: the keys of the space were destroyed.
func (r *KeyRing) Data(ctx context.Context, space string) (k *Key, err error) {
	newest := keyName{purpose: forData, owner: space} // remembered without a number
	if k := r.remembered(newest); k != nil {
		return k, nil
	}
	err = r.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		k, err = r.current(ctx, tx, forData, space)
		return err
	})
	if millrace.KindOf(err) == millrace.NotFound {
		r.making.RLock()
		defer r.making.RUnlock()
		err = r.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
			gone, err := catalog.One[int64](ctx, tx, "SELECT count(*) FROM secret_key WHERE purpose = $1 AND owner = $2 AND state = $3", forData, space, keyDestroyed)
			if err == nil && gone > 0 {
				err = millrace.Errorf(millrace.Gone, "the keys of %s were destroyed: nothing is stored for it any more", space)
			}
			if err == nil {
				k, err = r.currentOrNew(ctx, tx, forData, space)
			}
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	r.remember(newest, k)
	return k, nil
}

// Key returns a key of a space by its number. Gone: it was destroyed.
func (r *KeyRing) Key(ctx context.Context, space string, id uint32) (k *Key, err error) {
	if k := r.remembered(keyName{forData, space, id}); k != nil {
		return k, nil
	}
	err = r.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		k, err = r.find(ctx, tx, keyName{forData, space, id})
		return err
	})
	return k, err
}

// RotateData makes a new key that encrypts the data of a space from now on. What
// the ones before encrypted they still decrypt.
func (r *KeyRing) RotateData(ctx context.Context, space string, who Who) (id uint32, err error) {
	defer r.Forget(space)
	r.making.RLock()
	defer r.making.RUnlock()
	err = r.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		if id, err = r.make(ctx, tx, forData, space); err != nil {
			return err
		}
		return r.o.Record(ctx, tx, who.entry("data_key.rotate", audit.Object{Kind: "data_key", ID: space}, "", "", nil, map[string]any{"number": id}))
	})
	return id, err
}

// DestroyData destroys the keys of a space, in the transaction in which it is
// deleted: what they encrypted is gone for good, wherever it lies. Call Forget
// when the transaction is done.
func (r *KeyRing) DestroyData(ctx context.Context, tx catalog.Tx, space string, who Who) error {
	return r.destroy(ctx, tx, forData, space, "data_key.destroy", audit.Object{Kind: "data_key", ID: space}, who)
}

// Forget drops the unwrapped keys of a workspace or space from memory.
func (r *KeyRing) Forget(owner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.known {
		if name.owner == owner {
			delete(r.known, name)
		}
	}
}

func (r *KeyRing) destroy(ctx context.Context, tx catalog.Tx, purpose, owner, action string, object audit.Object, who Who) error {
	none := make([]byte, 0)
	n, err := tx.Exec(ctx, "UPDATE secret_key SET wrapped = $3, state = $4 WHERE purpose = $1 AND owner = $2 AND state <> $4", purpose, owner, none, keyDestroyed)
	r.Forget(owner)
	if err != nil || n == 0 {
		return err
	}
	return r.o.Record(ctx, tx, who.entry(action, object, "", "", nil, map[string]any{"keys": n}))
}

// about is what a wrapped key is sealed beside: a row that was copied elsewhere
// does not open.
func (n keyName) about(master string) []byte {
	return fmt.Appendf(nil, "millrace data key 1\n%s\n%s\n%d\n%s\n", n.purpose, n.owner, n.number, master)
}

type keyRow struct {
	Number  uint32
	Master  string
	Wrapped []byte
	State   string
}

func (r *KeyRing) remembered(name keyName) *Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[name]
	if !ok || r.o.Now().After(k.until) {
		return nil
	}
	return k.key
}

func (r *KeyRing) remember(name keyName, k *Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	for other, k := range r.known {
		if now.After(k.until) {
			delete(r.known, other)
		}
	}
	r.known[name] = knownKey{k, now.Add(keyPatience)}
}

// find returns a key by its number.
func (r *KeyRing) find(ctx context.Context, tx catalog.Tx, name keyName) (*Key, error) {
	if k := r.remembered(name); k != nil {
		return k, nil
	}
	row, found, err := catalog.Find[keyRow](ctx, tx, "SELECT number, master, wrapped, state FROM secret_key WHERE purpose = $1 AND owner = $2 AND number = $3", name.purpose, name.owner, name.number)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, millrace.Errorf(millrace.NotFound, "there is no key %d of %s", name.number, name.owner)
	case row.State == keyDestroyed:
		return nil, millrace.Errorf(millrace.Gone, "key %d of %s was destroyed: what it encrypted cannot be read any more", name.number, name.owner)
	}
	k, err := r.unwrap(name, row)
	if err == nil {
		r.remember(name, k)
	}
	return k, err
}

func (r *KeyRing) unwrap(name keyName, row keyRow) (*Key, error) {
	m, found := r.masters.Load().find(row.Master)
	if !found {
		return nil, millrace.Errorf(millrace.Unavailable, "key %d of %s is wrapped by master key %s, which this server does not have: give it both keys, the new one first, and start it again", name.number, name.owner, row.Master)
	}
	secret, err := m.key.Open(nil, row.Wrapped, name.about(m.id))
	if err != nil || len(secret) != keyBytes {
		return nil, millrace.Errorf(millrace.Internal, "key %d of %s in the catalog was changed, or copied from elsewhere: restore the catalog from a backup", name.number, name.owner)
	}
	return newKey(name.number, secret), nil
}

// current returns the key that encrypts; NotFound when there is none.
func (r *KeyRing) current(ctx context.Context, tx catalog.Tx, purpose, owner string) (*Key, error) {
	number, found, err := catalog.Find[uint32](ctx, tx, "SELECT number FROM secret_key WHERE purpose = $1 AND owner = $2 AND state = $3 ORDER BY number DESC LIMIT 1", purpose, owner, keyCurrent)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, millrace.Errorf(millrace.NotFound, "%s has no key yet", owner)
	}
	return r.find(ctx, tx, keyName{purpose, owner, number})
}

func (r *KeyRing) currentOrNew(ctx context.Context, tx catalog.Tx, purpose, owner string) (*Key, error) {
	k, err := r.current(ctx, tx, purpose, owner)
	if err == nil || millrace.KindOf(err) != millrace.NotFound {
		return k, err
	}
	number, err := r.make(ctx, tx, purpose, owner)
	if err != nil {
		return nil, err
	}
	// It is not remembered: the transaction may fail.
	name := keyName{purpose, owner, number}
	row, err := catalog.One[keyRow](ctx, tx, "SELECT number, master, wrapped, state FROM secret_key WHERE purpose = $1 AND owner = $2 AND number = $3", purpose, owner, number)
	if err != nil {
		return nil, err
	}
	return r.unwrap(name, row)
}

// make makes the next key of an owner and retires the one before.
func (r *KeyRing) make(ctx context.Context, tx catalog.Tx, purpose, owner string) (number uint32, err error) {
	last, _, err := catalog.Find[uint32](ctx, tx, "SELECT number FROM secret_key WHERE purpose = $1 AND owner = $2 ORDER BY number DESC LIMIT 1", purpose, owner)
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, "UPDATE secret_key SET state = $3 WHERE purpose = $1 AND owner = $2 AND state = $4", purpose, owner, keyRetired, keyCurrent); err != nil {
		return 0, err
	}
	name, m := keyName{purpose, owner, last + 1}, r.masters.Load().current()
	_, err = tx.Exec(ctx, "INSERT INTO secret_key (purpose, owner, number, master, wrapped, state, made) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		purpose, owner, name.number, m.id, m.key.Seal(nil, newSecret(), name.about(m.id)), keyCurrent, r.o.Now())
	return name.number, err
}

// rewrapAtOnce is how many keys one transaction wraps anew.
const rewrapAtOnce = 200

// Rewrap wraps every data key by the current master key: the second step of a
// change of the master key, after a start with both. When it returns nil the
// others are not needed any more. It may be ended at any moment and called again.
func (r *KeyRing) Rewrap(ctx context.Context, who Who) (keys int64, err error) {
	m := r.masters.Load().current()
	for {
		n := 0
		err := r.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
			all, err := catalog.All[struct {
				Purpose, Owner string
				Number         uint32
				Master         string
				Wrapped        []byte
				State          string
			}](ctx, tx, "SELECT purpose, owner, number, master, wrapped, state FROM secret_key WHERE master <> $1 AND state <> $2 ORDER BY purpose, owner, number LIMIT $3", m.id, keyDestroyed, rewrapAtOnce)
			if err != nil {
				return err
			}
			n = len(all)
			for _, k := range all {
				name := keyName{k.Purpose, k.Owner, k.Number}
				plain, err := r.unwrap(name, keyRow{k.Number, k.Master, k.Wrapped, k.State})
				if err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, "UPDATE secret_key SET master = $4, wrapped = $5 WHERE purpose = $1 AND owner = $2 AND number = $3",
					name.purpose, name.owner, name.number, m.id, m.key.Seal(nil, plain.secret(), name.about(m.id))); err != nil {
					return err
				}
			}
			if n == 0 {
				return nil
			}
			return r.o.Record(ctx, tx, who.entry("master_key.rewrap", audit.Object{Kind: "master_key", ID: m.id}, "", "", nil, map[string]any{"keys": n}))
		})
		if err != nil {
			return keys, err
		}
		if keys += int64(n); n < rewrapAtOnce {
			return keys, nil
		}
	}
}

// Masters returns how many data keys each master key wraps, by its id.
func (r *KeyRing) Masters(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := r.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		clear(out)
		type row struct {
			Master string
			Keys   int64
		}
		all, err := catalog.All[row](ctx, tx, "SELECT master, count(*) FROM secret_key WHERE state <> $1 GROUP BY master", keyDestroyed)
		for _, row := range all {
			out[row.Master] = row.Keys
		}
		return err
	})
	return out, err
}
