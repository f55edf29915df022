package release

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/release/tree"
)

// putBytes is about how much is stored in one transaction, so that others have
// their turn.
const putBytes = 8 << 20

// Put stores the files of a tree, those that the workspace has not yet, and
// nothing else: it is for deployments, which do it themselves. What no version
// takes up is pruned after an hour.
func (s *Store) Put(ctx context.Context, workspace string, t *tree.Tree) error {
	files, seen := t.Files(), map[tree.Hash]bool{}
	for begin := 0; begin < len(files); {
		end, size := begin, int64(0)
		for end < len(files) && (end == begin || size+files[end].SizeBytes <= putBytes) && end-begin < 500 {
			size += files[end].SizeBytes
			end++
		}
		err := s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
			for _, f := range files[begin:end] {
				if seen[f.Hash] {
					continue
				}
				if err := s.putBlob(ctx, tx, workspace, t, f); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, f := range files[begin:end] {
			seen[f.Hash] = true
		}
		begin = end
	}
	return s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE release_tree SET used = $3 WHERE workspace = $1 AND hash = $2`, workspace, t.Hash(), s.o.Now())
		if err != nil || n > 0 {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO release_tree (workspace, hash, files, size, used, manifest) VALUES ($1, $2, $3, $4, $5, $6)`,
			workspace, t.Hash(), len(files), t.SizeBytes(), s.o.Now(), t.Manifest())
		return err
	})
}

func (s *Store) putBlob(ctx context.Context, tx catalog.Tx, workspace string, t *tree.Tree, f tree.File) error {
	n, err := tx.Exec(ctx, `UPDATE release_blob SET used = $3 WHERE workspace = $1 AND hash = $2`, workspace, f.Hash, s.o.Now())
	if err != nil || n > 0 {
		return err
	}
	data, ok := t.Blob(f.Hash)
	if !ok {
		return millrace.Errorf(millrace.Internal, "%s has no bytes", f.Path)
	}
	if data == nil {
		data = []byte{}
	}
	_, err = tx.Exec(ctx, `INSERT INTO release_blob (workspace, hash, size, used, data) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace, hash) DO NOTHING`,
		workspace, f.Hash, f.SizeBytes, s.o.Now(), data)
	return err
}

type blobRow struct {
	Hash tree.Hash
	Data []byte
}

// readTree returns a tree with its bytes, NotFound when it was pruned.
func readTree(ctx context.Context, tx catalog.Tx, workspace string, hash tree.Hash) (*tree.Tree, error) {
	manifest, err := catalog.One[[]byte](ctx, tx, `SELECT manifest FROM release_tree WHERE workspace = $1 AND hash = $2`, workspace, hash)
	if err != nil {
		return nil, err
	}
	if tree.HashOf(manifest) != hash {
		return nil, millrace.Errorf(millrace.Internal, "the list of a version's files is damaged: restore the catalog from a backup")
	}
	files, err := tree.ReadManifest(manifest)
	if err != nil {
		return nil, err
	}
	blobs := make(map[tree.Hash][]byte, len(files))
	for begin := 0; begin < len(files); begin += 200 {
		var wanted []tree.Hash
		for _, f := range files[begin:min(begin+200, len(files))] {
			if _, have := blobs[f.Hash]; !have {
				blobs[f.Hash] = nil
				wanted = append(wanted, f.Hash)
			}
		}
		if err := readBlobs(ctx, tx, workspace, wanted, blobs); err != nil {
			return nil, err
		}
	}
	return tree.Join(manifest, func(h tree.Hash) ([]byte, error) {
		if data := blobs[h]; data != nil {
			return data, nil
		}
		return nil, millrace.Errorf(millrace.Internal, "its bytes are not in the catalog: restore it from a backup")
	})
}

func readBlobs(ctx context.Context, tx catalog.Tx, workspace string, wanted []tree.Hash, into map[tree.Hash][]byte) error {
	if len(wanted) == 0 {
		return nil
	}
	values, places := []any{workspace}, make([]string, len(wanted))
	for i, h := range wanted {
		values, places[i] = append(values, h), fmt.Sprintf("$%d", i+2)
	}
	for row, err := range catalog.Each[blobRow](ctx, tx, `SELECT hash, data FROM release_blob WHERE workspace = $1 AND hash IN (`+strings.Join(places, ", ")+`)`, values...) {
		if err != nil {
			return err
		}
		if row.Data == nil {
			row.Data = []byte{}
		}
		into[row.Hash] = row.Data
	}
	return nil
}

// PruneOptions say what is kept. What runs, ran last or is being deployed always is.
type PruneOptions struct {
	Versions int           // the newest of a workspace; default 100, at least 10
	For      time.Duration // and those that are younger; default 90 days
}

// putGrace is how long what was put is left for the deployment that it is for.
const putGrace = time.Hour

// Prune removes the files of versions that nobody needs. The versions stay in
// the list; Tree of them is Gone. It returns how many trees and files went.
func (s *Store) Prune(ctx context.Context, workspace string, o PruneOptions) (trees, files int64, err error) {
	if o.Versions == 0 {
		o.Versions = 100
	}
	if o.For == 0 {
		o.For = 90 * 24 * time.Hour
	}
	o.Versions = max(o.Versions, 10)
	now := s.o.Now()
	err = s.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		trees, err = tx.Exec(ctx, `DELETE FROM release_tree WHERE workspace = $1 AND used < $2 AND hash NOT IN (
			SELECT tree FROM release_version WHERE workspace = $1 AND (created >= $3
				OR number > (SELECT coalesce(max(number), 0) FROM release_version WHERE workspace = $1) - $4
				OR number IN (SELECT version FROM release_running WHERE workspace = $1)
				OR number IN (SELECT previous FROM release_running WHERE workspace = $1)
				OR number IN (SELECT version FROM release_folder WHERE workspace = $1))
			UNION SELECT tree FROM release_deploy WHERE workspace = $1 AND ended = 0)`,
			workspace, now.Add(-putGrace), now.Add(-o.For), o.Versions)
		if err != nil {
			return err
		}
		files, err = pruneBlobs(ctx, tx, workspace, now.Add(-putGrace))
		return err
	})
	return trees, files, err
}

// pruneBlobs removes the bytes that no tree has, of those that were put before then.
func pruneBlobs(ctx context.Context, tx catalog.Tx, workspace string, before time.Time) (gone int64, err error) {
	used := map[tree.Hash]bool{}
	for manifest, err := range catalog.Each[[]byte](ctx, tx, `SELECT manifest FROM release_tree WHERE workspace = $1`, workspace) {
		if err != nil {
			return 0, err
		}
		files, err := tree.ReadManifest(manifest)
		if err != nil {
			return 0, err
		}
		for _, f := range files {
			used[f.Hash] = true
		}
	}
	all, err := catalog.All[tree.Hash](ctx, tx, `SELECT hash FROM release_blob WHERE workspace = $1 AND used < $2`, workspace, before)
	if err != nil {
		return 0, err
	}
	for _, h := range all {
		if used[h] {
			continue
		}
		n, err := tx.Exec(ctx, `DELETE FROM release_blob WHERE workspace = $1 AND hash = $2`, workspace, h)
		if err != nil {
			return gone, err
		}
		gone += n
	}
	return gone, nil
}

// PurgeEnvironment removes what is kept of an environment, in the transaction that
// deletes it: what ran, its deployments, and the files that it alone had, but for
// those that were put after it was deleted. Versions are the workspace's: those
// that ran nowhere else stay in its list, and Tree of them is Gone.
func PurgeEnvironment(ctx context.Context, tx catalog.Tx, t Target, deleted time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM release_tree WHERE workspace = $1 AND used < $3
		AND hash IN (SELECT tree FROM release_deploy WHERE workspace = $1 AND environment = $2)
		AND hash NOT IN (SELECT tree FROM release_deploy WHERE workspace = $1 AND environment <> $2)
		AND hash NOT IN (SELECT tree FROM release_version WHERE workspace = $1 AND number IN (
			SELECT version FROM release_run WHERE workspace = $1 AND environment <> $2
			UNION SELECT version FROM release_running WHERE workspace = $1 AND environment <> $2
			UNION SELECT previous FROM release_running WHERE workspace = $1 AND environment <> $2
			UNION SELECT version FROM release_folder WHERE workspace = $1 AND environment <> $2))`,
		t.Workspace, t.Environment, deleted); err != nil {
		return err
	}
	if _, err := pruneBlobs(ctx, tx, t.Workspace, deleted); err != nil {
		return err
	}
	for _, table := range []string{"release_folder", "release_run", "release_running", "release_deploy"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE workspace = $1 AND environment = $2`, t.Workspace, t.Environment); err != nil {
			return err
		}
	}
	return nil
}

// Purge removes everything of a workspace, in the transaction that deletes it.
func Purge(ctx context.Context, tx catalog.Tx, workspace string) error {
	for _, table := range []string{"release_folder", "release_run", "release_running", "release_deploy", "release_version", "release_tree", "release_blob"} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE workspace = $1`, workspace); err != nil {
			return err
		}
	}
	return nil
}
