// Package token makes and reads the secrets that Millrace hands out: API keys,
// sessions, and the tokens of links.
//
// A token is
//
//	mr_KIND_ID SECRET CHECKSUM        (written without the spaces)
//	mr_KIND_HINT_ID SECRET CHECKSUM
//
// KIND is three letters, HINT 1 to 16 of a-z and 0-9 (for an API key its
// environment, so that people see which one they hold), ID 12, SECRET 32 and
// CHECKSUM 6 of 0-9, A-Z, a-z. The ID is public: stores and lists know a token by it.
// The secret has 190 bits; only a SHA-256 of the whole token is kept. The checksum is the
// CRC-32 (IEEE) of all before it, so that a mistyped token is told apart
// from an unknown one without a look-up, and secret scanners find few false ones.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"

	"github.com/millrace/millrace"
)

// A Kind is what a token is for. One of another kind is never taken.
type Kind string

// The kinds of tokens.
const (
	Key        Kind = "key" // an API key
	Session    Kind = "ses" // the cookie of someone signed in
	Setup      Kind = "own" // the link that makes the first owner
	Invitation Kind = "inv" // the link that lets someone into a workspace
	Reset      Kind = "pwd" // the link that sets a new password
	Email      Kind = "eml" // the link that proves an e-mail address
)

var names = map[Kind]string{
	Key: "an API key", Session: "a session", Setup: "an owner's set-up link",
	Invitation: "an invitation", Reset: "a password reset link", Email: "an e-mail change link",
}

// Pattern is the regular expression that finds tokens of any kind, for secret scanners.
const Pattern = `mr_[a-z]{3}_(?:[a-z0-9]{1,16}_)?[0-9A-Za-z]{50}`

const (
	prefix       = "mr_"
	kindLength   = 3
	hintMax      = 16
	idLength     = 12
	secretLength = 32
	sumLength    = 6
	bodyLength   = idLength + secretLength + sumLength
	maxLength    = len(prefix) + kindLength + 1 + hintMax + 1 + bodyLength
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// A Token is a secret in memory. Printing it in any way, and encoding it as JSON
// or text, shows [secret]: only Reveal tells.
type Token struct {
	kind Kind
	hint string
	id   string
	text string
	sum  Sum
}

// A Sum is what is kept of a token.
type Sum [sha256.Size]byte

// New makes a random token. Of the hint only what a token may hold is used.
func New(kind Kind, hint string) Token { return assemble(kind, Hint(hint), random(idLength)) }

// Again makes a token with the ID of one before, and another secret.
func Again(kind Kind, id string) Token { return assemble(kind, "", id) }

func assemble(kind Kind, hint, id string) Token {
	text := prefix + string(kind) + "_"
	if hint != "" {
		text += hint + "_"
	}
	text += id + random(secretLength)
	end := checksum([]byte(text))
	text += string(end[:])
	return Token{kind: kind, hint: hint, id: id, text: text, sum: sha256.Sum256([]byte(text))}
}

// Hint returns what a token shows of a name: its first letters and digits, in lower case.
func Hint(name string) string {
	out := make([]byte, 0, hintMax)
	for _, c := range []byte(strings.ToLower(name)) {
		if ('a' <= c && c <= 'z' || '0' <= c && c <= '9') && len(out) < hintMax {
			out = append(out, c)
		}
	}
	return string(out)
}

// Looks says whether text begins as every token does.
func Looks(text string) bool { return strings.HasPrefix(text, prefix) }

// Parse reads a token of that kind. It fails with Unauthorized, and says in what
// way the text is not whole, without a look-up and without repeating it.
func Parse(kind Kind, text string) (Token, error) {
	want := names[kind]
	if !Looks(text) {
		return Token{}, millrace.Errorf(millrace.Unauthorized, "this is not %s of Millrace: those begin with %s%s_", want, prefix, kind)
	}
	rest := text[len(prefix):]
	if len(text) > maxLength || len(rest) < kindLength+1+bodyLength || rest[kindLength] != '_' {
		return Token{}, broken(want)
	}
	is := Kind(rest[:kindLength])
	hint, body, hinted := strings.Cut(rest[kindLength+1:], "_")
	if !hinted {
		hint, body = "", hint
	}
	if len(body) != bodyLength || hinted && (hint == "" || Hint(hint) != hint) || !inAlphabet(body) {
		return Token{}, broken(want)
	}
	whole := []byte(text)
	begin := len(whole) - sumLength
	if end := checksum(whole[:begin]); string(end[:]) != text[begin:] {
		return Token{}, broken(want)
	}
	if is != kind {
		other, known := names[is]
		if !known {
			other = "something else"
		}
		return Token{}, millrace.Errorf(millrace.Unauthorized, "this is %s, and %s is needed here", other, want)
	}
	return Token{kind: kind, hint: hint, id: body[:idLength], text: text, sum: sha256.Sum256(whole)}, nil
}

func broken(want string) error {
	return millrace.Errorf(millrace.Unauthorized, "%s is mistyped or cut short (its checksum is wrong): copy it again, whole", capital(want))
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// ID returns the public part.
func (t Token) ID() string { return t.id }

// Kind returns what the token is for.
func (t Token) Kind() Kind { return t.kind }

// Reveal returns the token as it is given to whom it belongs.
func (t Token) Reveal() string { return t.text }

// Sum returns what is kept of the token. A fast hash is enough: what it hides is random.
func (t Token) Sum() Sum { return t.sum }

// Equal compares in a time that does not depend on what the sums are.
func (s Sum) Equal(other Sum) bool { return subtle.ConstantTimeCompare(s[:], other[:]) == 1 }

// SumOf reads a sum as the store keeps it. One of another length is of no token.
func SumOf(stored []byte) (Sum, bool) {
	var s Sum
	return s, copy(s[:], stored) == len(s) && len(stored) == len(s)
}

const hidden = "[secret]"

// Format prints [secret], whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String returns [secret].
func (t Token) String() string { return hidden }

// MarshalText returns [secret].
func (t Token) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns [secret].
func (t Token) LogValue() slog.Value { return slog.StringValue(hidden) }

// checksum returns the CRC-32 of text in base 62.
func checksum(text []byte) (out [sumLength]byte) {
	sum := crc32.ChecksumIEEE(text)
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = alphabet[sum%uint32(len(alphabet))]
		sum /= uint32(len(alphabet))
	}
	return out
}

func inAlphabet(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return false
		}
	}
	return true
}

// random returns n characters of the alphabet, all equally likely.
func random(n int) string {
	const most = 256 - 256%len(alphabet)
	out := make([]byte, 0, n)
	var some [64]byte
	for {
		_, _ = rand.Read(some[:]) // it never fails
		for _, b := range some {
			if int(b) < most {
				if out = append(out, alphabet[int(b)%len(alphabet)]); len(out) == n {
					return string(out)
				}
			}
		}
	}
}

// Begins returns how the tokens with an ID begin, without their secret.
func Begins(kind Kind, hint, id string) string {
	text := prefix + string(kind) + "_"
	if hint != "" {
		text += hint + "_"
	}
	return text + id
}
