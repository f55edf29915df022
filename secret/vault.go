package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

// Options say how a Vault works.
type Options struct {
	Catalog  catalog.Catalog // required
	Keys     *KeyRing        // required
	Redactor *Redactors      // learns every value that is decrypted; default none
	// Record writes to the audit log in the transaction of a change; default audit.Append.
	Record   func(ctx context.Context, tx catalog.Tx, e audit.Entry) error
	CacheFor time.Duration    // how long a decrypted value stays in memory; default 1 min
	KeepFor  time.Duration    // how long a deleted secret can be restored; default 30 days
	CountFor time.Duration    // how often uses are written to the audit log; default 1 h
	Now      func() time.Time // default time.Now
	Logger   *slog.Logger     // default discard
}

// A Vault keeps the secrets of all workspaces in the catalog. It is safe for
// concurrent use. One process at a time may change secrets: others see it after
// CacheFor.
type Vault struct {
	o Options

	mu      sync.Mutex
	cache   map[Ref]cached
	changes int // grows with each change, so that what was read before it is not cached
	uses    map[useKey]*useCount
}

// New returns a Vault.
func New(o Options) (*Vault, error) {
	if o.Catalog == nil || o.Keys == nil {
		return nil, millrace.Errorf(millrace.Invalid, "a vault needs a catalog and keys")
	}
	if o.Record == nil {
		o.Record = audit.Append
	}
	if o.CacheFor <= 0 {
		o.CacheFor = time.Minute
	}
	if o.KeepFor <= 0 {
		o.KeepFor = 30 * 24 * time.Hour
	}
	if o.CountFor <= 0 {
		o.CountFor = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Vault{o: o, cache: map[Ref]cached{}, uses: map[useKey]*useCount{}}, nil
}

// A name is where a secret is kept.
type name struct {
	Workspace   string
	Environment string // empty: all of the workspace
	Path        string
}

// where names it for people.
func (n name) where() string {
	if n.Environment == "" {
		return n.Path
	}
	return n.Path + " of the environment " + n.Environment
}

// about is what a version is sealed beside: a row that was copied to another
// workspace, environment, path or version does not open.
func (n name) about(version int64) []byte {
	return fmt.Appendf(nil, "millrace secret 1\n%s\n%s\n%s\n%d\n", n.Workspace, n.Environment, n.Path, version)
}

func (n name) check() error {
	if n.Workspace == "" {
		return millrace.Errorf(millrace.Invalid, "a secret belongs to a workspace: name it")
	}
	if strings.ContainsAny(n.Workspace+n.Environment, "\n\x00") {
		return millrace.Errorf(millrace.Invalid, "a workspace or environment has no line ends in its name")
	}
	return CheckPath(n.Path)
}

// A Put is a new version of a secret, and the secret when there is none.
type Put struct {
	Workspace   string
	Environment string // empty: for all environments that have none of their own
	Path        string
	Value       Value
	Uses        *Uses     // who may use it from now on; nil leaves it as it is
	Resources   *[]string // of Uses alone, in place of Uses
	Hosts       *[]string // of Uses alone, in place of Uses
	Note        *string   // for people; nil leaves it as it is
	Existing    bool      // NotFound when there is no such secret yet
}

// Put stores a new version of a secret, which becomes the current one, and
// returns its number. A secret that was deleted is there again.
func (v *Vault) Put(ctx context.Context, p Put, who Who) (version int64, err error) {
	n := name{p.Workspace, p.Environment, p.Path}
	text := p.Value.Reveal()
	switch {
	case n.check() != nil:
		return 0, n.check()
	case text == "":
		return 0, millrace.Errorf(millrace.Invalid, "the value of the secret %s is empty: delete the secret if it is not needed any more", n.Path)
	case len(text) > MaxValueBytes:
		return 0, millrace.Errorf(millrace.TooLarge, "the value of the secret %s has %d bytes, more than %d", n.Path, len(text), MaxValueBytes)
	case p.Note != nil && (len(*p.Note) > 1000 || !utf8.ValidString(*p.Note) || strings.Contains(*p.Note, "\x00")):
		return 0, millrace.Errorf(millrace.Invalid, "the note of the secret %s has to be text of at most 1000 bytes", n.Path)
	}
	if err := who.may(PermissionSet, n); err != nil {
		return 0, err
	}
	defer v.forget(n)
	v.o.Keys.making.RLock()
	defer v.o.Keys.making.RUnlock()
	err = v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		version, err = v.put(ctx, tx, n, p, who)
		return err
	})
	if err == nil { // what is not stored hides nothing
		v.learn(n.Workspace, p.Value)
	}
	return version, err
}

// uses are who may use the secret from now on.
func (p Put) uses(s record) (u Uses, changed bool, err error) {
	if p.Uses != nil {
		return *p.Uses, true, nil
	}
	if u, err = s.uses(); err != nil {
		return u, false, err
	}
	if p.Resources != nil {
		u.Resources = *p.Resources
	}
	if p.Hosts != nil {
		u.Hosts = *p.Hosts
	}
	return u, p.Resources != nil || p.Hosts != nil, nil
}

func (v *Vault) put(ctx context.Context, tx catalog.Tx, n name, p Put, who Who) (int64, error) {
	old, found, err := find(ctx, tx, n)
	if err != nil {
		return 0, err
	}
	if p.Existing && (!found || old.Deleted != nil) {
		return 0, millrace.Errorf(millrace.NotFound, "there is no secret %s: millrace secret set makes it", n.where())
	}
	now, s := v.o.Now(), old
	if !found {
		s = record{Made: now, Resources: "[]", Hosts: "[]"}
	}
	s.Changed, s.Deleted = now, nil
	s.Versions++
	s.Version = s.Versions
	if p.Note != nil {
		s.Note = *p.Note
	}
	if text := p.Value.Reveal(); len(text) >= MinRedacted && strings.Contains(s.Note, text) {
		return 0, millrace.Errorf(millrace.Invalid, "the note of the secret %s has its value in it: notes are shown to all who may list secrets", n.where())
	}
	if uses, changed, err := p.uses(s); err != nil {
		return 0, err
	} else if changed {
		if err := s.allow(n, uses, who); err != nil {
			return 0, err
		}
	}
	k, err := v.o.Keys.currentOrNew(ctx, tx, forSecrets, n.Workspace)
	if err != nil {
		return 0, err
	}
	if err := s.store(ctx, tx, n); err != nil {
		return 0, err
	}
	actor, err := json.Marshal(who.Actor)
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO secret_version (workspace, environment, path, version, data_key, sealed, made, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		n.Workspace, n.Environment, n.Path, s.Version, k.ID(), k.Seal(nil, []byte(p.Value.Reveal()), n.about(s.Version)), now, string(actor)); err != nil {
		return 0, err
	}
	return s.Version, v.o.Record(ctx, tx, who.of("secret.set", n, old.told(found), s.told(true)))
}

// SetUses says who may use a secret. What it allows that was not allowed before
// needs the permission secret:use, all else secret:set.
func (v *Vault) SetUses(ctx context.Context, workspace, environment, path string, u Uses, who Who) error {
	return v.change(ctx, name{workspace, environment, path}, "secret.set_uses", who, func(s *record, n name) error {
		if s.Deleted != nil {
			return notThere(n)
		}
		return s.allow(n, u, who)
	})
}

// AddUses lets others use a secret besides those that may already.
func (v *Vault) AddUses(ctx context.Context, workspace, environment, path string, u Uses, who Who) error {
	return v.change(ctx, name{workspace, environment, path}, "secret.set_uses", who, func(s *record, n name) error {
		if s.Deleted != nil {
			return notThere(n)
		}
		may, err := s.uses()
		if err != nil {
			return err
		}
		may.Resources, may.Hosts = append(may.Resources, u.Resources...), append(may.Hosts, u.Hosts...)
		return s.allow(n, may, who)
	})
}

// Rollback makes an older version, or any other, the current one.
func (v *Vault) Rollback(ctx context.Context, workspace, environment, path string, version int64, who Who) error {
	n := name{workspace, environment, path}
	if err := who.may(PermissionSet, n); err != nil {
		return err
	}
	defer v.forget(n)
	return v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		s, found, err := find(ctx, tx, n)
		switch {
		case err != nil:
			return err
		case !found || s.Deleted != nil:
			return notThere(n)
		}
		if _, found, err = catalog.Find[int64](ctx, tx, `SELECT version FROM secret_version WHERE workspace = $1 AND environment = $2 AND path = $3 AND version = $4 AND sealed IS NOT NULL`,
			n.Workspace, n.Environment, n.Path, version); err != nil {
			return err
		} else if !found {
			return millrace.Errorf(millrace.NotFound, "secret %s has no version %d", n.where(), version)
		}
		before := s.told(true)
		s.Version, s.Changed = version, v.o.Now()
		if err := s.store(ctx, tx, n); err != nil {
			return err
		}
		return v.o.Record(ctx, tx, who.of("secret.rollback", n, before, s.told(true)))
	})
}

// Delete takes a secret away. It can be restored for KeepFor, by Restore or a Put.
func (v *Vault) Delete(ctx context.Context, workspace, environment, path string, who Who) error {
	return v.change(ctx, name{workspace, environment, path}, "secret.delete", who, func(s *record, n name) error {
		if s.Deleted != nil {
			return notThere(n)
		}
		now := v.o.Now()
		s.Deleted = &now
		return nil
	})
}

// Restore takes back a Delete.
func (v *Vault) Restore(ctx context.Context, workspace, environment, path string, who Who) error {
	return v.change(ctx, name{workspace, environment, path}, "secret.restore", who, func(s *record, n name) error {
		if s.Deleted == nil {
			return millrace.Errorf(millrace.Conflict, "secret %s is not deleted", n.where())
		}
		s.Deleted = nil
		return nil
	})
}

// change runs do on a secret and stores what it made of it.
func (v *Vault) change(ctx context.Context, n name, action string, who Who, do func(*record, name) error) error {
	if err := who.may(PermissionSet, n); err != nil {
		return err
	}
	defer v.forget(n)
	return v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		s, found, err := find(ctx, tx, n)
		if err != nil {
			return err
		}
		if !found {
			return notThere(n)
		}
		before := s.told(true)
		if err := do(&s, n); err != nil {
			return err
		}
		s.Changed = v.o.Now()
		if err := s.store(ctx, tx, n); err != nil {
			return err
		}
		return v.o.Record(ctx, tx, who.of(action, n, before, s.told(true)))
	})
}

// DestroyVersion destroys the value of a version that is not the current one:
// one that leaked and was replaced. Its line in the history stays.
func (v *Vault) DestroyVersion(ctx context.Context, workspace, environment, path string, version int64, who Who) error {
	n := name{workspace, environment, path}
	if err := who.may(PermissionSet, n); err != nil {
		return err
	}
	defer v.forget(n)
	return v.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		s, found, err := find(ctx, tx, n)
		switch {
		case err != nil:
			return err
		case !found:
			return notThere(n)
		case s.Version == version:
			return millrace.Errorf(millrace.Conflict, "version %d of the secret %s is the current one: set a new value or roll back first", version, n.where())
		}
		done, err := tx.Exec(ctx, `UPDATE secret_version SET sealed = NULL WHERE workspace = $1 AND environment = $2 AND path = $3 AND version = $4 AND sealed IS NOT NULL`,
			n.Workspace, n.Environment, n.Path, version)
		if err != nil {
			return err
		}
		if done == 0 {
			return millrace.Errorf(millrace.NotFound, "secret %s has no version %d", n.where(), version)
		}
		return v.o.Record(ctx, tx, who.of("secret.destroy_version", n, nil, map[string]any{"version": version}))
	})
}

func notThere(n name) error {
	return millrace.Errorf(millrace.NotFound, "there is no secret %s", n.where())
}

// forget drops what is cached of a secret: of all environments, since one may
// have shown another's.
func (v *Vault) forget(n name) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changes++
	for ref := range v.cache {
		if ref.Workspace == n.Workspace && ref.Path == n.Path {
			delete(v.cache, ref)
		}
	}
}

func (v *Vault) learn(workspace string, value Value) {
	if v.o.Redactor != nil {
		v.o.Redactor.Add(workspace, value)
	}
}
