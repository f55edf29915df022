package secret

import (
	"context"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

// A Ref is a reference as it is meant in an environment of a workspace.
type Ref struct {
	Workspace   string
	Environment string // where it is used
	Reference
}

// cached is a value in memory, with who may use it.
type cached struct {
	value Value
	uses  Uses
	until time.Time
}

// Use returns the value of a secret to a resource that may use it, for a host
// that it may be sent to, and has it written to the audit log. The environment's
// own secret comes before the one of all environments. NotFound: there is none.
// Forbidden says what has to be allowed, and with which permission.
func (v *Vault) Use(ctx context.Context, ref Ref, by By) (Value, error) {
	c, err := v.get(ctx, ref)
	if err != nil {
		return Value{}, err
	}
	allowed, refused := c.uses.check(ref.Path, by)
	if err := v.count(ctx, ref, by, allowed, refused != nil); err != nil {
		return Value{}, err
	}
	if refused != nil {
		return Value{}, refused
	}
	return c.value, nil
}

// Peek returns a value so that it can be told where it would be sent: an address
// has its host within it. It is for who asks Use before the value goes anywhere.
func (v *Vault) Peek(ctx context.Context, ref Ref) (Value, error) {
	c, err := v.get(ctx, ref)
	return c.value, err
}

// Check says whether Use would be refused, without using it: for plans and for
// the check of a project.
func (v *Vault) Check(ctx context.Context, ref Ref, by By) error {
	c, err := v.get(ctx, ref)
	if err != nil {
		return err
	}
	_, err = c.uses.check(ref.Path, by)
	return err
}

// Reveal returns the value of a secret to who may see it: one of all environments
// only to who may in all of them, wherever they ask. The audit log tells.
func (v *Vault) Reveal(ctx context.Context, ref Ref, who Who) (value Value, err error) {
	if err := who.may(PermissionReveal, name{ref.Workspace, ref.Environment, ref.Path}); err != nil {
		return Value{}, err
	}
	err = v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		n, s, err := v.choose(ctx, tx, ref)
		if err != nil {
			return err
		}
		if n.Environment != ref.Environment {
			if err := who.may(PermissionReveal, n); err != nil {
				return millrace.Errorf(millrace.KindOf(err), "the secret %s is one of all environments, and this environment has none of its own: %w", n.Path, err)
			}
		}
		version, got, err := v.unseal(ctx, tx, n, s, ref.Version)
		if err != nil {
			return err
		}
		value = got
		return v.o.Record(ctx, tx, who.of("secret.reveal", n, nil, map[string]any{"version": version}))
	})
	if err != nil {
		return Value{}, err
	}
	v.learn(ref.Workspace, value)
	return value, nil
}

// get returns a value and who may use it, from memory for a while.
func (v *Vault) get(ctx context.Context, ref Ref) (cached, error) {
	if err := (name{ref.Workspace, ref.Environment, ref.Path}).check(); err != nil {
		return cached{}, err
	}
	v.mu.Lock()
	c, ok := v.cache[ref]
	changes := v.changes
	v.mu.Unlock()
	now := v.o.Now()
	if ok && now.Before(c.until) {
		return c, nil
	}
	err := v.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		c.uses, c.value, err = v.load(ctx, tx, ref)
		return err
	})
	if err != nil {
		return cached{}, err
	}
	v.learn(ref.Workspace, c.value)
	c.until = now.Add(v.o.CacheFor)
	v.mu.Lock()
	defer v.mu.Unlock()
	if changes == v.changes {
		v.cache[ref] = c
	}
	return c, nil
}

// load reads and decrypts a version of a secret.
func (v *Vault) load(ctx context.Context, tx catalog.Tx, ref Ref) (uses Uses, value Value, err error) {
	n, s, err := v.choose(ctx, tx, ref)
	if err != nil {
		return Uses{}, Value{}, err
	}
	if _, value, err = v.unseal(ctx, tx, n, s, ref.Version); err != nil {
		return Uses{}, Value{}, err
	}
	if uses, err = s.uses(); err != nil {
		return Uses{}, Value{}, err
	}
	return uses, value, nil
}

// choose finds the secret that a reference means: the environment's own, or else
// the one of all environments, which its name then says.
func (v *Vault) choose(ctx context.Context, tx catalog.Tx, ref Ref) (n name, s record, err error) {
	n = name{ref.Workspace, ref.Environment, ref.Path}
	s, found, err := find(ctx, tx, n)
	if own := n; err == nil && (!found || s.Deleted != nil) && n.Environment != "" {
		n.Environment = ""
		var all record
		var inAll bool
		if all, inAll, err = find(ctx, tx, n); inAll || !found {
			s, found = all, inAll
		} else {
			n = own // what is told is that it was deleted
		}
	}
	switch {
	case err != nil:
		return name{}, record{}, err
	case !found:
		return name{}, record{}, millrace.Errorf(millrace.NotFound, "secret %s is not set in the vault", ref.Path)
	case s.Deleted != nil:
		return name{}, record{}, millrace.Errorf(millrace.NotFound, "secret %s was deleted on %s: restore it or set it anew", n.where(), s.Deleted.UTC().Format(time.DateOnly))
	}
	return n, s, nil
}

// unseal decrypts a version of a secret; 0 is the current one.
func (v *Vault) unseal(ctx context.Context, tx catalog.Tx, n name, s record, version int64) (int64, Value, error) {
	if version == 0 {
		version = s.Version
	}
	type row struct {
		Key    uint32
		Sealed []byte
	}
	r, found, err := catalog.Find[row](ctx, tx, `SELECT data_key, sealed FROM secret_version WHERE workspace = $1 AND environment = $2 AND path = $3 AND version = $4`,
		n.Workspace, n.Environment, n.Path, version)
	switch {
	case err != nil:
		return 0, Value{}, err
	case !found || r.Sealed == nil:
		return 0, Value{}, millrace.Errorf(millrace.NotFound, "secret %s has no version %d", n.where(), version)
	}
	k, err := v.o.Keys.find(ctx, tx, keyName{forSecrets, n.Workspace, r.Key})
	if err != nil {
		return 0, Value{}, err
	}
	text, err := k.Open(nil, r.Sealed, n.about(version))
	if err != nil {
		return 0, Value{}, millrace.Errorf(millrace.Internal, "version %d of the secret %s in the catalog was changed, or copied from elsewhere: set the secret anew, or restore the catalog from a backup", version, n.where())
	}
	return version, NewValue(string(text)), nil
}

// sweep drops what was in memory long enough.
func (v *Vault) sweep() {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.o.Now()
	for ref, c := range v.cache {
		if !now.Before(c.until) {
			delete(v.cache, ref)
		}
	}
}

// A useKey is one way in which a secret is used.
type useKey struct {
	Workspace, Environment, Path, Resource, Host string
	Refused                                      bool
}

type useCount struct {
	since time.Time
	uses  int64 // since then, those that were told at once not counted
}

// maxUses bounds the ways of using that are remembered between two countings.
const maxUses = 10_000

// count counts a use. The first one that there ever was is written at once, as is
// the first refusal in each counting. Hosts are counted by the pattern that
// allows them, and refusals by the resource alone: an address may be made of data.
func (v *Vault) count(ctx context.Context, ref Ref, by By, allowed string, refused bool) error {
	k := useKey{ref.Workspace, ref.Environment, ref.Path, clipTo(by.Resource, 200), allowed, refused}
	v.mu.Lock()
	c, known := v.uses[k]
	many := len(v.uses) >= maxUses
	if known {
		c.uses++
	}
	v.mu.Unlock()
	if known {
		return nil
	}
	if many {
		if err := v.Flush(ctx); err != nil {
			return err
		}
	}
	now, told := v.o.Now(), false
	err := v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		n, action := int64(1), "secret.refuse"
		if !refused {
			var err error
			if n, err = tx.Exec(ctx, `INSERT INTO secret_use (workspace, environment, path, resource, host, uses, began, latest) VALUES ($1, $2, $3, $4, $5, 1, $6, $6)
				ON CONFLICT (workspace, environment, path, resource, host) DO NOTHING`, k.Workspace, k.Environment, k.Path, k.Resource, k.Host, now); err != nil {
				return err
			}
			action = "secret.use"
		}
		if told = n == 1; !told {
			return nil
		}
		return v.o.Record(ctx, tx, System().of(action, name{k.Workspace, k.Environment, k.Path}, nil,
			map[string]any{"resource": k.Resource, "host": by.told(), "version": ref.Version}))
	})
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if c = v.uses[k]; c == nil { // others may have used it meanwhile
		c = &useCount{since: now}
		v.uses[k] = c
	}
	if !told {
		c.uses++
	}
	return nil
}

// told is the host, for the audit log.
func (b By) told() string {
	if b.Hidden {
		return secretHost
	}
	return clipTo(b.Host, 300)
}

func clipTo(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// redactFor is how long a value that is not used any more is still hidden.
const redactFor = 24 * time.Hour

// A usesNote is what the audit log says of the uses of an hour.
type usesNote struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Refused bool      `json:"refused,omitempty"`
	Uses    []usedBy  `json:"uses"`
}

type usedBy struct {
	Path     string `json:"path"`
	Resource string `json:"resource"`
	Host     string `json:"host,omitempty"`
	Uses     int64  `json:"uses"`
}

// usesPerEntry is how many ways of using one entry of the audit log tells of.
const usesPerEntry = 300

// Flush writes the uses that were counted to the audit log: an entry for each
// environment in which secrets were used. Call it when the server stops.
func (v *Vault) Flush(ctx context.Context) error {
	v.mu.Lock()
	counted := v.uses
	v.uses = map[useKey]*useCount{}
	v.mu.Unlock()
	type place struct {
		workspace, environment string
		refused                bool
	}
	now, places := v.o.Now(), map[place]*usesNote{}
	var keys []useKey
	for k, c := range counted {
		if c.uses == 0 {
			continue
		}
		keys = append(keys, k)
		at := place{k.Workspace, k.Environment, k.Refused}
		if places[at] == nil {
			places[at] = &usesNote{From: c.since.UTC(), To: now.UTC(), Refused: k.Refused}
		}
		note := places[at]
		if c.since.Before(note.From) {
			note.From = c.since.UTC()
		}
		note.Uses = append(note.Uses, usedBy{k.Path, k.Resource, k.Host, c.uses})
	}
	err := v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		for _, k := range keys {
			if k.Refused {
				continue
			}
			if _, err := tx.Exec(ctx, `UPDATE secret_use SET uses = uses + $6, latest = $7 WHERE workspace = $1 AND environment = $2 AND path = $3 AND resource = $4 AND host = $5`,
				k.Workspace, k.Environment, k.Path, k.Resource, k.Host, counted[k].uses, now); err != nil {
				return err
			}
		}
		for at, note := range places {
			for rest := note.Uses; len(rest) > 0; {
				n := min(len(rest), usesPerEntry)
				part := *note
				part.Uses, rest = rest[:n], rest[n:]
				if err := v.o.Record(ctx, tx, System().entry("secret.count", audit.Object{Kind: "secret"}, at.workspace, at.environment, nil, part)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil { // counted again next time
		v.mu.Lock()
		defer v.mu.Unlock()
		for k, c := range counted {
			if now := v.uses[k]; now != nil {
				now.uses += c.uses
				now.since = c.since
			} else {
				v.uses[k] = c
			}
		}
	}
	return err
}

// Run writes counted uses each CountFor, drops what was long enough in memory,
// and deletes for good what was deleted KeepFor ago, until ctx ends.
func (v *Vault) Run(ctx context.Context) error {
	count, sweep := time.NewTicker(v.o.CountFor), time.NewTicker(v.o.CacheFor)
	defer count.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return v.Flush(last)
		case <-sweep.C:
			v.sweep()
		case <-count.C:
			if err := v.Flush(ctx); err != nil && ctx.Err() == nil {
				v.o.Logger.Error("uses of secrets are not in the audit log yet", "error", err)
			}
			if v.o.Redactor != nil {
				v.o.Redactor.Expire(time.Now().Add(-redactFor))
			}
			if _, err := v.Purge(ctx); err != nil && ctx.Err() == nil {
				v.o.Logger.Error("deleted secrets are not purged yet", "error", err)
			}
		}
	}
}
