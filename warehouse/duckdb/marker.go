package duckdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A checkpoint begins with a marker in the write-ahead file. When the process
// is killed before it is over, the engine reads the file again and goes on
// writing behind the marker; the next checkpoint then puts a second one there,
// and after another kill the file is refused: "checkpoint WAL cannot contain a
// checkpoint marker" (https://github.com/duckdb/duckdb/pull/24260, which
// version 1.5.5 lacks). All markers but the last are of checkpoints that
// failed, for one that succeeds empties the file. So those are taken out
// before the engine sees the file.

// walHeader begins a write-ahead file of the version that is known here: a
// record of type 98 (version) with the version 2.
var walHeader = []byte{0x64, 0, 98, 0x65, 0, 2, 0xff, 0xff}

// walMarker begins the marker: a record of type 99 (checkpoint). In front of a
// record are its size and its checksum, 8 bytes each, the lowest first.
var walMarker = []byte{0x64, 0, 99}

const walPrefixBytes = 16

// A span is a part of a file.
type span struct{ from, to int64 }

// dropFailedMarkers takes all markers but the last out of a write-ahead file
// that no process has open. What it does not know it leaves alone.
func dropFailedMarkers(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	markers, err := walMarkers(f)
	if err != nil || len(markers) < 2 {
		return err
	}
	// Under a name that the engine does not use.
	without, err := os.OpenFile(path+".without-markers", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = copyWithout(without, f, markers[:len(markers)-1])
	if err = errors.Join(err, without.Sync(), without.Close()); err == nil {
		err = os.Rename(without.Name(), path)
	}
	if err != nil {
		_ = os.Remove(without.Name()) // it may be what fills the disk
		return fmt.Errorf("take failed checkpoints out of %s: %w", path, err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// walMarkers finds the markers, up to where the file is torn or ends.
func walMarkers(f *os.File) ([]span, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, walPrefixBytes+len(walMarker))
	if _, err := f.ReadAt(head[:len(walHeader)], 0); err != nil || !bytes.Equal(head[:len(walHeader)], walHeader) {
		return nil, ignoreEnd(err)
	}
	var markers []span
	for at := int64(len(walHeader)); ; {
		if _, err := f.ReadAt(head, at); err != nil {
			return markers, ignoreEnd(err)
		}
		size := binary.LittleEndian.Uint64(head)
		if size > uint64(info.Size()-at-walPrefixBytes) {
			return markers, nil
		}
		end := at + walPrefixBytes + int64(size)
		if bytes.Equal(head[walPrefixBytes:], walMarker) {
			markers = append(markers, span{at, end})
		}
		at = end
	}
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// copyWithout copies a file but for parts of it, which are in order.
func copyWithout(to io.Writer, from *os.File, parts []span) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	at := int64(0)
	for _, part := range parts {
		if _, err := io.CopyN(to, from, part.from-at); err != nil {
			return err
		}
		if _, err := from.Seek(part.to, io.SeekStart); err != nil {
			return err
		}
		at = part.to
	}
	_, err := io.Copy(to, from)
	return err
}
