package secret

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace/millrace/catalog"
)

// A record is the row of a secret.
type record struct {
	Version, Versions int64
	Resources, Hosts  string // JSON
	Note              string
	Made, Changed     time.Time
	Deleted           *time.Time
}

const recordColumns = "version, versions, resources, hosts, note, made, changed, deleted"

func find(ctx context.Context, tx catalog.Tx, n name) (record, bool, error) {
	return catalog.Find[record](ctx, tx, "SELECT "+recordColumns+" FROM secret WHERE workspace = $1 AND environment = $2 AND path = $3", n.Workspace, n.Environment, n.Path)
}

func (s *record) store(ctx context.Context, tx catalog.Tx, n name) error {
	_, err := tx.Exec(ctx, `INSERT INTO secret (workspace, environment, path, version, versions, resources, hosts, note, made, changed, deleted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (workspace, environment, path) DO UPDATE SET
		version = excluded.version, versions = excluded.versions, resources = excluded.resources, hosts = excluded.hosts, note = excluded.note,
		changed = excluded.changed, deleted = excluded.deleted`,
		n.Workspace, n.Environment, n.Path, s.Version, s.Versions, s.Resources, s.Hosts, s.Note, s.Made, s.Changed, s.Deleted)
	return err
}

func (s *record) uses() (u Uses, err error) {
	if err = json.Unmarshal([]byte(s.Resources), &u.Resources); err == nil {
		err = json.Unmarshal([]byte(s.Hosts), &u.Hosts)
	}
	return u, err
}

// allow changes who may use the secret.
func (s *record) allow(n name, u Uses, who Who) error {
	before, err := s.uses()
	if err != nil {
		return err
	}
	if u, err = u.normal(); err != nil {
		return err
	}
	if len(u.added(before)) > 0 {
		if err := who.may(PermissionUse, n); err != nil {
			return err
		}
	}
	resources, err := json.Marshal(u.Resources)
	if err != nil {
		return err
	}
	hosts, err := json.Marshal(u.Hosts)
	s.Resources, s.Hosts = string(resources), string(hosts)
	return err
}

// told is what the audit log says of a secret: nothing of its value.
func (s *record) told(is bool) any {
	if !is {
		return nil
	}
	out := map[string]any{"version": s.Version, "resources": json.RawMessage(s.Resources), "hosts": json.RawMessage(s.Hosts)}
	if s.Note != "" {
		out["note"] = s.Note
	}
	if s.Deleted != nil {
		out["deleted"] = s.Deleted.UTC()
	}
	return out
}
