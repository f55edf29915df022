package eventlog

import (
	"fmt"
	"io"
	"log/slog"
)

// KeySizeBytes is how long a Key is.
const KeySizeBytes = 32

// A Key encrypts the sections of one workspace. It is never printed.
type Key [KeySizeBytes]byte

// Format prints no key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenKey) }

// MarshalText writes no key.
func (Key) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

// LogValue logs no key.
func (Key) LogValue() slog.Value { return slog.StringValue(hiddenKey) }

const hiddenKey = "[secret]"

// Keys has the keys of workspaces. Both methods are safe for concurrent use; a
// Keyring asks once and remembers, so they may be slow.
type Keys interface {
	// Seal returns the key that new sections of a workspace are encrypted with,
	// making one when there is none, and its id, which is never given to another
	// key of that workspace. Id 0 means that they are not encrypted. Gone means
	// that the workspace's keys were destroyed for ever: nothing is stored for
	// it any more. Unavailable means that the key cannot be had for a moment.
	Seal(space string) (id uint32, key Key, err error)
	// Open returns the key with that id. Gone means that it was destroyed, for
	// ever: readers pass over what it encrypted. Every other error means that
	// they wait, or stop: Unavailable that it cannot be had for a moment,
	// NotFound that there never was such a key, as far as anybody knows.
	Open(space string, id uint32) (key Key, err error)
}

// A Forgetter is a Log that remembers keys.
type Forgetter interface {
	// Forget drops what is remembered of a workspace's keys, so that Keys is
	// asked again. Call it when they have been destroyed.
	Forget(space string)
}
