package backup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// Where things are in the bucket.
const (
	identityKey    = "millrace-backup.json"
	manifestPrefix = "backup/"
	packPrefix     = "pack/"
	lockPrefix     = "lock/"
	formatName     = "millrace-backup"
)

// Bounds of what is read into memory.
const (
	maxManifestBytes = 256 << 20
	maxListBytes     = 1 << 30
)

// identity is what the store says of itself, readable without the key.
type identity struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Store   string `json:"store,omitempty"`
	Check   string `json:"check,omitempty"` // of the key
}

func (k *keys) check() string {
	h := hmac.New(sha256.New, k.seal[:])
	h.Write([]byte("millrace backup check 1\n"))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// identify finds out which store this is, or makes it.
func (s *Store) identify(ctx context.Context) error {
	id, err := s.readIdentity(ctx)
	if err == nil && id == nil && s.o.Create {
		id, err = s.create(ctx)
	}
	if err != nil {
		return err
	}
	if id == nil {
		for _, err := range s.o.Bucket.List(ctx, identityKey) { // to some, a bucket that is not there is one without this object
			if err != nil {
				return err
			}
		}
		return millrace.Errorf(millrace.NotFound, "there are no backups there: check the address, or make the first with millrace backup")
	}
	s.id, s.keys = id.Store, deriveKeys(s.o.Key, id.Store)
	if !hmac.Equal([]byte(s.keys.check()), []byte(id.Check)) {
		return millrace.Errorf(millrace.Forbidden, "the backups there were made with another key: name the file that has it with --key-file")
	}
	return nil
}

// readIdentity returns nil when there is none.
func (s *Store) readIdentity(ctx context.Context) (*identity, error) {
	data, err := s.read(ctx, identityKey, 1<<20)
	if millrace.KindOf(err) == millrace.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeIdentity(identityKey, data)
}

func decodeIdentity(key string, data []byte) (*identity, error) {
	var id identity
	if err := json.Unmarshal(data, &id); err != nil || id.Format != formatName {
		return nil, millrace.Errorf(millrace.Invalid, "%s there is not of a store of backups, or damaged", key)
	}
	if id.Version > Version {
		return nil, millrace.Errorf(millrace.Conflict, "%s has version %d of the format, and this program knows %d: run a newer version of Millrace", key, id.Version, Version)
	}
	return &id, nil
}

func (s *Store) create(ctx context.Context) (*identity, error) {
	for info, err := range s.o.Bucket.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(info.Key, lockPrefix) {
			return nil, millrace.Errorf(millrace.Conflict, "there is something else there already (%s): name an empty folder or prefix for the backups", info.Key)
		}
	}
	held, err := s.hold(ctx, "the making of the store")
	if err != nil {
		return nil, err
	}
	defer held.release()
	if id, err := s.readIdentity(ctx); id != nil || err != nil {
		return id, err
	}
	id := &identity{Format: formatName, Version: Version, Store: randomName(26)}
	k := deriveKeys(s.o.Key, id.Store)
	id.Check = k.check()
	text, err := json.MarshalIndent(id, "", " ")
	if err != nil {
		return nil, err
	}
	return id, s.o.Bucket.Put(ctx, identityKey, bytes.NewReader(append(text, '\n')))
}

// randomName is that many letters and digits.
func randomName(n int) string { return strings.ToLower(rand.Text())[:n] }

// read returns a whole object.
func (s *Store) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	o, err := s.o.Bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.Size() > limit {
		return nil, millrace.Errorf(millrace.Invalid, "%s has %d bytes, more than it can have: it is damaged", key, o.Size())
	}
	data := make([]byte, o.Size())
	n, err := o.ReadAt(data, 0)
	if n == len(data) {
		return data, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, fmt.Errorf("reading %s: %w", key, err)
}

// stored is what an object of a manifest says.
type stored struct {
	Manifest
	List  []chunkRef `json:"list"`
	Packs []string   `json:"packs"` // all that it needs
}

func besideManifest(id string) string { return "manifest\n" + id + "\n" }

func (s *Store) putManifest(ctx context.Context, m *stored) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	head, err := json.Marshal(identity{Format: formatName, Version: Version})
	if err != nil {
		return err
	}
	size := make([]byte, 0, 20)
	size = fmt.Appendf(size, "%d\n", len(text))
	data := s.keys.encrypt(append(head, '\n'), append(size, compress(text)...), besideManifest(m.ID))
	return s.o.Bucket.Put(ctx, manifestPrefix+m.ID, bytes.NewReader(data))
}

// readManifest returns a manifest without its list of files.
func (s *Store) readManifest(ctx context.Context, id string) (*stored, error) {
	key := manifestPrefix + id
	data, err := s.read(ctx, key, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	head, body, _ := bytes.Cut(data, []byte{'\n'})
	if _, err := decodeIdentity(key, head); err != nil {
		return nil, err
	}
	m := &stored{}
	text, err := s.keys.decrypt(body, besideManifest(id))
	if err == nil {
		var size int64
		number, packed, _ := bytes.Cut(text, []byte{'\n'})
		if _, err = fmt.Sscanf(string(number), "%d", &size); err == nil {
			if text, err = decompress(packed, size); err == nil {
				err = json.Unmarshal(text, m)
			}
		}
	}
	if err == nil && m.ID != id {
		err = errDamaged
	}
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "the manifest of backup %s cannot be read: %w", id, err)
	}
	m.list = m.List
	return m, nil
}

// A Listed is a backup of the store.
type Listed struct {
	Manifest
	Problem string // why its manifest cannot be read; the rest is empty then, but for ID

	newer bool // than this program
}

// ids returns the names of all manifests, oldest first.
func (s *Store) ids(ctx context.Context) ([]string, error) {
	var all []string
	for info, err := range s.o.Bucket.List(ctx, manifestPrefix) {
		if err != nil {
			return nil, err
		}
		if id := strings.TrimPrefix(info.Key, manifestPrefix); validID(id) {
			all = append(all, id)
		}
	}
	return all, nil
}

// idTime is how the id of a backup begins, in UTC.
const idTime = "20060102T150405Z"

// idTaken is when a backup was taken as its id says; zero when it does not.
func idTaken(id string) time.Time {
	when, _, _ := strings.Cut(id, "-")
	at, _ := time.Parse(idTime, when) // zero when it is none
	return at
}

func validID(id string) bool {
	_, name, ok := strings.Cut(id, "-")
	return ok && !idTaken(id).IsZero() && name != "" && !strings.ContainsAny(name, "/.")
}

// List returns the backups, the newest first.
func (s *Store) List(ctx context.Context) ([]Listed, error) {
	ids, err := s.ids(ctx)
	if err != nil {
		return nil, err
	}
	slices.Reverse(ids)
	all := make([]Listed, 0, len(ids))
	for _, id := range ids {
		m, err := s.readManifest(ctx, id)
		switch {
		case err == nil:
			all = append(all, Listed{Manifest: m.Manifest})
		case millrace.KindOf(err) == millrace.NotFound: // deleted meanwhile
		case millrace.KindOf(err) == millrace.Invalid, millrace.KindOf(err) == millrace.Conflict: // damaged, or newer
			all = append(all, Listed{Manifest: Manifest{ID: id}, Problem: err.Error(), newer: millrace.KindOf(err) == millrace.Conflict})
		default:
			return nil, err
		}
	}
	return all, nil
}

// Find returns a backup by its id, or the newest that was taken until then;
// with neither the newest of all.
func (s *Store) Find(ctx context.Context, id string, until time.Time) (*Manifest, error) {
	if id != "" {
		if !validID(id) {
			return nil, millrace.Errorf(millrace.Invalid, "%.60q is no backup's id: millrace backup list names them", id)
		}
		m, err := s.readManifest(ctx, id)
		if millrace.KindOf(err) == millrace.NotFound {
			return nil, millrace.Errorf(millrace.NotFound, "there is no backup %s: millrace backup list names those that there are", id)
		}
		if err != nil {
			return nil, err
		}
		return &m.Manifest, nil
	}
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	oldest := time.Time{}
	for i := range all {
		if all[i].newer && (until.IsZero() || !idTaken(all[i].ID).After(until)) {
			return nil, millrace.Errorf(millrace.Conflict, "%s, or name an older backup: millrace backup list says which there are", all[i].Problem)
		}
		if all[i].Problem != "" {
			s.o.Logger.Warn("a backup cannot be read: one before it is looked for", "backup", all[i].ID, "problem", all[i].Problem)
			continue
		}
		if until.IsZero() || !all[i].Taken.After(until) {
			return &all[i].Manifest, nil
		}
		oldest = all[i].Taken
	}
	if oldest.IsZero() {
		return nil, millrace.Errorf(millrace.NotFound, "there is no backup there")
	}
	return nil, millrace.Errorf(millrace.NotFound, "there is no backup from %s or before: the oldest was taken %s", until.UTC().Format(time.RFC3339), oldest.UTC().Format(time.RFC3339))
}
