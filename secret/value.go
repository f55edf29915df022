// Package secret keeps what nobody may see: values encrypted in the catalog under
// a key of their workspace, which a master key wraps; versions of them; who may
// use them and for which hosts; references to them in text, ${secret:path}; and
// what hides them in everything that leaves the process. The formats are in
// docs/format/secrets.md.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what is shown instead of a secret.
const Redacted = "[secret]"

// A Value is a secret in memory. Printing, formatting, logging and encoding it
// shows Redacted, also within other values; Reveal is the only way to the text.
// Values are not comparable: use Equal. The zero Value is empty.
type Value struct {
	// A function, since what prints by reflection follows all else.
	reveal func() string
}

// NewValue returns the Value of a text.
func NewValue(text string) Value { return Value{func() string { return text }} }

// Reveal returns the text. It is for handing it to whom it was meant for.
func (v Value) Reveal() string {
	if v.reveal == nil {
		return ""
	}
	return v.reveal()
}

// IsEmpty says whether there is no text.
func (v Value) IsEmpty() bool { return v.Reveal() == "" }

// Equal compares two values in a time that does not tell where they differ.
func (v Value) Equal(w Value) bool {
	a, b := sha256.Sum256([]byte(v.Reveal())), sha256.Sum256([]byte(w.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (v Value) String() string { return Redacted }

// GoString is what %#v shows.
func (v Value) GoString() string { return Redacted }

// Format is what every verb shows.
func (v Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, Redacted) }

// MarshalText is what JSON and YAML show.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalJSON is what JSON shows.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// LogValue is what logs show.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }
