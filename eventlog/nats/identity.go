package nats

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// An identity is what the log knows of itself beside its frames, in the file
// log.json of its folder.
type identity struct {
	Format int    `json:"format"` // formatOne or formatRow
	Epoch  uint64 `json:"epoch"`
	First  uint64 `json:"first"`    // frames before it have been trimmed
	Last   uint64 `json:"last"`     // the log has held at least this frame
	Stamp  int64  `json:"stamp_ms"` // log time of Last
	// Eras are all epochs since the log was made, when there is more than one;
	// Epoch is the newest.
	Eras []eventlog.Era `json:"eras,omitempty"`
}

const identityFile = "log.json"

// Formats of a log's folder. It has the second before a second stream is
// made, so that a program that knows one stream alone does not open it.
const (
	formatOne = 1 // all frames are in the stream "log"
	formatRow = 2 // further streams follow it
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
		return nil, millrace.Errorf(millrace.Internal, "%s is broken (%v): restore it, or remove it: the log goes on in the epoch that the archive knows, and in a new one when there is no archive", path, err)
	}
	if id.Format > formatRow {
		return nil, millrace.Errorf(millrace.Invalid, "%s has format %d, this program knows format %d: run a newer version of Millrace", path, id.Format, formatRow)
	}
	return &id, nil
}

// newIdentity begins an epoch.
func newIdentity(o Options, known uint64) identity {
	epoch := uint64(max(1, o.Now().UnixMilli()))
	return identity{Format: formatOne, Epoch: max(epoch, known+1, o.AfterEpoch+1), First: 1}
}

// eras returns the epochs of the log, oldest first.
func (id *identity) eras() []eventlog.Era {
	if len(id.Eras) == 0 {
		return []eventlog.Era{{Epoch: id.Epoch, First: 1}}
	}
	return id.Eras
}

// renewed returns the identity of a log that goes on in a new epoch behind
// frame last, because it once held more, or others know of more.
func (id *identity) renewed(o Options, last uint64, known uint64) identity {
	next := newIdentity(o, max(id.Epoch, known))
	next.Format = id.Format
	next.First, next.Last, next.Stamp = min(id.First, last+1), last, id.Stamp
	next.Eras = append(slices.Clone(id.eras()), eventlog.Era{Epoch: next.Epoch, First: last + 1})
	return next
}

// same says whether nothing has changed.
func (id *identity) same(o *identity) bool {
	return id.Format == o.Format && id.Epoch == o.Epoch && id.First == o.First && id.Last == o.Last && id.Stamp == o.Stamp && slices.Equal(id.Eras, o.Eras)
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
	id := identity{Format: int(l.format.Load()), Epoch: last.Epoch, First: first.Seq, Last: last.Seq, Stamp: l.tail.Time().UnixMilli()}
	if eras := l.tail.Eras(); len(eras) > 1 {
		id.Eras = eras
	}
	return id
}

// Renew begins a new epoch when one of the positions, which readers of this
// log have reached, lies beyond its end: the log was put back to an earlier
// state, and what it gives out from now on must not be taken for what was lost.
// Call it before the first Append. Positions of logs that this one does not
// know say nothing about it.
func (l *Log) Renew(reached ...millrace.Position) error {
	l.trimMu.Lock() // the other writer of the identity
	defer l.trimMu.Unlock()
	_, last := l.tail.Bounds()
	for _, p := range reached {
		if p.Epoch != last.Epoch || p.Seq <= last.Seq {
			continue
		}
		id := l.identity()
		next := id.renewed(l.o, last.Seq, 0)
		if err := next.write(l.o.Dir); err != nil {
			return err
		}
		l.tail.Begin(next.Epoch)
		l.logger.Error("the log was put back to an earlier state, or has lost frames: it goes on in a new epoch, and its readers behind what they have seen",
			"ends at", last.String(), "was read to", p.String(), "epoch", next.Epoch)
		return nil
	}
	return nil
}

func (id *identity) time() time.Time { return time.UnixMilli(id.Stamp).UTC() }
