package backup

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace"
)

// A Key is what a store is encrypted with: 32 random bytes. Whoever has it reads
// all backups of the store, and without it nobody does. It is never printed but
// by Reveal.
type Key struct{ bytes [32]byte }

const keyPrefix = "mrb_"

var keyText = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewKey makes a key.
func NewKey() Key {
	var k Key
	rand.Read(k.bytes[:]) // never fails
	return k
}

// ParseKey reads what Reveal wrote. Case, space and hyphens do not count, so
// that it can be typed in from paper; a checksum tells mistakes.
func ParseKey(text string) (Key, error) {
	clean := strings.NewReplacer(" ", "", "\n", "", "\r", "", "\t", "", "-", "").Replace(text)
	body, ok := strings.CutPrefix(strings.ToLower(clean), keyPrefix)
	data, err := keyText.DecodeString(strings.ToUpper(body))
	if !ok || err != nil || len(data) != 36 {
		return Key{}, millrace.Errorf(millrace.Invalid, "this is no key of backups: one begins with %s and has 58 letters and digits behind it", keyPrefix)
	}
	k := Key{[32]byte(data[:32])}
	if sum := k.sum(); !hmac.Equal(sum[:], data[32:]) {
		return Key{}, millrace.Errorf(millrace.Invalid, "the key of backups has a mistake in it: its checksum differs; compare it with where it was written down")
	}
	return k, nil
}

// Reveal writes the key as text, with a checksum.
func (k Key) Reveal() string {
	sum := k.sum()
	return keyPrefix + strings.ToLower(keyText.EncodeToString(append(k.bytes[:], sum[:]...)))
}

func (k Key) sum() [4]byte {
	sum := sha256.Sum256(append([]byte("millrace backup key checksum 1\n"), k.bytes[:]...))
	return [4]byte(sum[:4])
}

func (k Key) isZero() bool { return k == Key{} }

// Format prints no key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText writes no key.
func (Key) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue logs no key.
func (Key) LogValue() slog.Value { return slog.StringValue(hidden) }

const hidden = "[secret]"

// ReadKeyFile reads a key from a file that only its owner may read.
func ReadKeyFile(path string) (Key, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, millrace.Errorf(millrace.NotFound, "there is no key of backups in %s: make one with millrace backup key %s, or put the one there that the backups were made with", path, path)
	}
	if err != nil {
		return Key{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, millrace.Errorf(millrace.Forbidden, "others than its owner may read %s: chmod 600 it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return Key{}, err
	}
	k, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// WriteKeyFile makes a new key in a file that is not there yet.
func WriteKeyFile(path string) (Key, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return Key{}, millrace.Errorf(millrace.Conflict, "%s is there already, and is left as it is: backups may need it", path)
	}
	if err != nil {
		return Key{}, err
	}
	k := NewKey()
	_, err = io.WriteString(f, k.Reveal()+"\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return Key{}, errors.Join(err, os.Remove(path))
	}
	return k, nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
