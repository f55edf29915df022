package nats

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace"
)

// An identity is what the log knows of itself beside its frames, in the file
// log.json of its folder. Removing the file begins a new epoch.
type identity struct {
	Format int    `json:"format"` // 1
	Epoch  uint64 `json:"epoch"`
	First  uint64 `json:"first"`    // frames before it have been trimmed
	Last   uint64 `json:"last"`     // the log has held at least this frame
	Stamp  int64  `json:"stamp_ms"` // log time of Last
}

const (
	identityFile   = "log.json"
	identityFormat = 1
)

// readIdentity returns nil when there is none.
func readIdentity(dir string) (*identity, error) {
	path := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "reading the log's identity: %w", err)
	}
	var id identity
	if err := json.Unmarshal(text, &id); err != nil || id.Epoch == 0 || id.First == 0 {
		return nil, millrace.Errorf(millrace.Internal, "%s is broken (%v): restore it, or remove it to begin a new epoch, after which readers are reset", path, err)
	}
	if id.Format > identityFormat {
		return nil, millrace.Errorf(millrace.Invalid, "%s has format %d, this program knows format %d: run a newer version of Millrace", path, id.Format, identityFormat)
	}
	return &id, nil
}

// newIdentity begins an epoch.
func newIdentity(o Options, known uint64) identity {
	epoch := uint64(max(1, o.Now().UnixMilli()))
	return identity{Format: identityFormat, Epoch: max(epoch, known+1, o.AfterEpoch+1), First: 1}
}

// write replaces the file; it survives a crash of the machine.
func (id *identity) write(dir string) error {
	text, err := json.Marshal(id)
	if err == nil {
		err = writeSynced(filepath.Join(dir, identityFile), append(text, '\n'))
	}
	if err != nil {
		return millrace.Errorf(millrace.Internal, "writing the log's identity: %w", err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync())
	err = errors.Join(err, f.Close())
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncPath brings a file or a folder to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// identity returns what is known now.
func (l *Log) identity() identity {
	first, last := l.tail.Bounds()
	return identity{Format: identityFormat, Epoch: l.epoch, First: first.Seq, Last: last.Seq, Stamp: l.tail.Time().UnixMilli()}
}

func (id *identity) time() time.Time { return time.UnixMilli(id.Stamp).UTC() }
