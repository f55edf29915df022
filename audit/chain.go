package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/millrace/millrace"
)

// A Hash is SHA-256. Its text is hexadecimal.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText makes a Hash hexadecimal in JSON.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return millrace.Errorf(millrace.Invalid, "%.80q is not a hash: it has %d hexadecimal digits", text, hex.EncodedLen(len(h)))
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return millrace.Errorf(millrace.Invalid, "%.80q is not a hash: it has %d hexadecimal digits", text, hex.EncodedLen(len(h)))
	}
	return nil
}

// A Link is the place of an entry in a chain. The zero Link lies before the
// first entry.
type Link struct {
	Number   int64 // from 1, without gaps
	Previous Hash  // the Hash of the number before; zero for the first
	Hash     Hash
}

// digest is what a chain knows of an entry.
func digest(raw []byte) Hash { return sha256.Sum256(raw) }

// link returns the hash of an entry at a number of a chain. The chain is the id
// of a workspace, or empty for the installation.
func link(chain string, number int64, previous, digest Hash) Hash {
	b := make([]byte, 0, 256)
	b = append(b, "millrace audit 1\n"...)
	b = append(b, chain...)
	b = append(b, '\n')
	b = strconv.AppendInt(b, number, 10)
	b = append(b, '\n')
	b = hex.AppendEncode(b, previous[:])
	b = append(b, '\n')
	b = hex.AppendEncode(b, digest[:])
	b = append(b, '\n')
	return sha256.Sum256(b)
}

// A Head is the end of a chain at some time. Written down elsewhere it proves
// that nothing up to it was changed since, even by someone who can write to the
// store and makes all hashes anew. Its text is "chain:number:hash".
type Head struct {
	Workspace string // empty for the installation
	Number    int64  // 0 when there is no entry yet
	Hash      Hash
}

func (h Head) String() string { return fmt.Sprintf("%s:%d:%s", h.Workspace, h.Number, h.Hash) }

// MarshalText writes the Head as String does.
func (h Head) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String writes. The error is Invalid.
func (h *Head) UnmarshalText(text []byte) error {
	wrong := millrace.Errorf(millrace.Invalid, "%.120q is not the head of an audit chain: write it as it was shown, workspace:number:hash", text)
	parts := splitLast2(string(text))
	if parts == nil {
		return wrong
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	var hash Hash
	if err != nil || n < 0 || hash.UnmarshalText([]byte(parts[2])) != nil {
		return wrong
	}
	*h = Head{parts[0], n, hash}
	return nil
}

// splitLast2 cuts a text at its last two colons; nil when there are fewer.
func splitLast2(s string) []string {
	out, end := make([]string, 3), len(s)
	for part, i := 2, len(s)-1; i >= 0; i-- {
		if s[i] != ':' {
			continue
		}
		out[part], end = s[i+1:end], i
		if part--; part == 0 {
			out[0] = s[:end]
			return out
		}
	}
	return nil
}

// parse reads the JSON of an entry as it was written.
func parse(raw []byte) (*body, error) {
	var b body
	if err := json.Unmarshal(raw, &b); err != nil {
		return nil, millrace.Errorf(millrace.Internal, "an audit entry is not what was written: %w", err)
	}
	return &b, nil
}
