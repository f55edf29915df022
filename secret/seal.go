package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"

	"github.com/millrace/millrace"
)

const (
	keyBytes   = 32
	nonceBytes = 24 // 12 choose a key for the message, 12 are AES-GCM's own
	// Overhead is how many bytes longer a sealed text is.
	Overhead = nonceBytes + 16
)

// A Key encrypts with AES-256-GCM. Each message has a key of its own, derived
// from 12 random bytes, so that one Key is enough for any number of messages.
// It is safe for concurrent use, and shows Redacted when it is printed.
type Key struct {
	id     uint32
	secret func() []byte
}

func newKey(id uint32, secret []byte) *Key { return &Key{id, func() []byte { return secret }} }

// ID is the number of the key among those of its owner, from 1.
func (k *Key) ID() uint32 { return k.id }

// Derive returns 32 bytes that only who has the key can tell, others for each
// purpose: a key for what is not encrypted by Seal.
func (k *Key) Derive(purpose string) (out [32]byte) {
	mac := hmac.New(sha256.New, k.secret())
	_, _ = mac.Write([]byte("millrace derive 1\n" + purpose))
	mac.Sum(out[:0])
	return out
}

// Format shows none of it.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, Redacted) }

// MarshalText shows none of it.
func (k *Key) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// LogValue shows none of it.
func (k *Key) LogValue() slog.Value { return slog.StringValue(Redacted) }

// Seal appends the encrypted text to dst. The data is not in it, but the text
// opens only beside the same data: it says what and where the text is.
func (k *Key) Seal(dst, text, data []byte) []byte {
	var nonce [nonceBytes]byte
	_, _ = rand.Read(nonce[:])                                                          // never fails
	return k.message(nonce[:12]).Seal(append(dst, nonce[:]...), nonce[12:], text, data) // #nosec G407 -- it is random
}

// Open appends the decrypted text to dst. It fails with Invalid when the text
// was sealed with another key or beside other data, or has changed since.
func (k *Key) Open(dst, sealed, data []byte) ([]byte, error) {
	if len(sealed) >= Overhead {
		if out, err := k.message(sealed[:12]).Open(dst, sealed[12:nonceBytes], sealed[nonceBytes:], data); err == nil {
			return out, nil
		}
	}
	return nil, millrace.Errorf(millrace.Invalid, "it does not open with key %d: it was changed, or belongs elsewhere", k.id)
}

// message returns the cipher of one message.
func (k *Key) message(choice []byte) cipher.AEAD {
	mac := hmac.New(sha256.New, k.secret())
	_, _ = mac.Write([]byte("millrace seal 1\n"))
	_, _ = mac.Write(choice)
	return gcm(mac.Sum(nil))
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("secret: " + err.Error()) // keys have 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("secret: " + err.Error())
	}
	return aead
}

func newSecret() []byte {
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret) // never fails
	return secret
}
