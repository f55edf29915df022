package dedup

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace"
)

// A family is a set of runs that live equally long.
type family uint8

const (
	recent   family = iota // IDs of sources with a window, dropped when that is over
	lasting                // IDs of sources with Forever, never dropped
	families = 2
)

// A manifest is the index's checkpoint: what it holds, and up to where.
type manifest struct {
	Version int               `json:"version"`
	Through millrace.Position `json:"through"` // every record up to here is in the runs
	Time    int64             `json:"time_ms"` // log time of Through
	Key     string            `json:"key"`     // hash of nothing under the key
	Next    int64             `json:"next"`    // number of the next run file
	// CountsLost says that Sources were made anew from the archive, which does
	// not know duplicates: verdict segments tell, once the log is read again.
	CountsLost bool         `json:"counts_lost,omitempty"`
	Runs       []runInfo    `json:"runs"`
	Sources    []sourceInfo `json:"sources"`
	// Salts are of the IDs of workspaces, in hexadecimal. Version 2.
	Salts map[string]string `json:"salts,omitempty"`
}

// A sourceInfo is what the manifest keeps of a source's space.
type sourceInfo struct {
	Count
	Recent  bool `json:"recent,omitempty"`  // it has IDs in that family
	Lasting bool `json:"lasting,omitempty"` // and in that
	// Window is the last one that was known; 0 when none ever was.
	Window time.Duration `json:"window_ns,omitempty"`
	Newest int64         `json:"newest_ms,omitempty"` // log time of the newest ID
}

const (
	manifestVersion = 2 // the newest; without salts it is 1
	manifestName    = "manifest"
	manifestMagic   = "millrace dedup index"
	runExtension    = ".run"
)

func (m *manifest) save(dir string) error {
	if m.Version = manifestVersion; len(m.Salts) == 0 {
		m.Version = 1
	}
	body, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	head := fmt.Sprintf("%s %08x\n", manifestMagic, crc32.Checksum(body, castagnoli))
	return writeFile(filepath.Join(dir, manifestName), append([]byte(head), body...))
}

// loadManifest returns nil when there is none.
func loadManifest(dir string) (*manifest, error) {
	name := filepath.Join(dir, manifestName)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head, body, _ := bytes.Cut(b, []byte("\n"))
	if string(head) != fmt.Sprintf("%s %08x", manifestMagic, crc32.Checksum(body, castagnoli)) {
		return nil, millrace.Errorf(millrace.Internal, "%s is damaged: its checksum differs", name)
	}
	m := &manifest{}
	if err := json.Unmarshal(body, m); err != nil {
		return nil, millrace.Errorf(millrace.Internal, "%s is damaged: %w", name, err)
	}
	if m.Version > manifestVersion {
		return nil, millrace.Errorf(millrace.Conflict, "%s has format version %d, and this program knows %d: run a newer version", name, m.Version, manifestVersion)
	}
	return m, nil
}

// loadKey returns the installation's hash key; made is true when there was none
// and a new one was stored.
func loadKey(dir string) (key [16]byte, made bool, err error) {
	name := filepath.Join(dir, "key")
	b, err := os.ReadFile(name)
	if err == nil && len(b) == 20 && crc32.Checksum(b[:16], castagnoli) == uint32(b[16])|uint32(b[17])<<8|uint32(b[18])<<16|uint32(b[19])<<24 {
		return [16]byte(b), false, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return key, false, err
	}
	if _, err := rand.Read(key[:]); err != nil {
		return key, false, err
	}
	sum := crc32.Checksum(key[:], castagnoli)
	return key, true, writeFile(name, append(key[:], byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)))
}

// fingerprint tells two keys apart without giving them away.
func fingerprint(key [16]byte) string {
	h := newHasher(key, manifestMagic).sum("")
	return fmt.Sprintf("%016x%016x", h.hi, h.lo)
}
