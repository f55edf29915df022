package backup

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace"
)

// keys are what the key of a store is for, each derived from it and the id of
// the store, so that one key for two stores gives nothing away.
type keys struct {
	seal  [32]byte // encrypts
	name  [32]byte // names chunks by their content
	split [32]byte // decides where files are cut
}

func deriveKeys(k Key, store string) keys {
	derive := func(what string) [32]byte {
		h := hmac.New(sha256.New, k.bytes[:])
		h.Write([]byte("millrace backup 1\n" + store + "\n" + what + "\n"))
		return [32]byte(h.Sum(nil))
	}
	return keys{seal: derive("seal"), name: derive("name"), split: derive("split")}
}

// A chunkID names a chunk by its content, to who has the key.
type chunkID [32]byte

// String is hexadecimal.
func (id chunkID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id chunkID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *chunkID) UnmarshalText(text []byte) error {
	if len(text) != 64 {
		return millrace.Errorf(millrace.Invalid, "%.80q is no name of a chunk", text)
	}
	_, err := hex.Decode(id[:], text)
	return err
}

func (k *keys) id(content []byte) chunkID {
	h := hmac.New(sha256.New, k.name[:])
	h.Write(content)
	return chunkID(h.Sum(nil))
}

const (
	nonceBytes   = 24
	sealOverhead = nonceBytes + 16
)

// gcm is of one message: its key is derived from the first half of the nonce,
// so that random nonces do not meet, however much is encrypted.
func (k *keys) gcm(nonce []byte) cipher.AEAD {
	h := hmac.New(sha256.New, k.seal[:])
	h.Write([]byte("millrace backup message 1\n"))
	h.Write(nonce[:12])
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // of AES
	}
	return aead
}

// encrypt appends what is sealed to out: nonce, ciphertext, tag.
func (k *keys) encrypt(out, content []byte, beside string) []byte {
	var nonce [nonceBytes]byte
	rand.Read(nonce[:]) // never fails
	out = append(out, nonce[:]...)
	return k.gcm(nonce[:]).Seal(out, nonce[12:], content, []byte(beside)) // #nosec G407 -- it is random
}

func (k *keys) decrypt(sealed []byte, beside string) ([]byte, error) {
	if len(sealed) < sealOverhead {
		return nil, errDamaged
	}
	content, err := k.gcm(sealed[:nonceBytes]).Open(nil, sealed[12:nonceBytes], sealed[nonceBytes:], []byte(beside))
	if err != nil {
		return nil, errDamaged
	}
	return content, nil
}

var errDamaged = millrace.Errorf(millrace.Invalid, "it is damaged, or of another store")

// How the content of a chunk is written before it is encrypted.
const (
	plain      = 0
	compressed = 1 // one zstd frame
)

var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithEncoderCRC(false))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(256<<20))
)

// sampleBytes of a large chunk say whether compressing it is worth it.
const sampleBytes = 64 << 10

func compress(content []byte) []byte {
	worth := len(content) > 64
	if len(content) > 4*sampleBytes {
		worth = len(encoder.EncodeAll(content[:sampleBytes], nil)) < sampleBytes*15/16
	}
	if worth {
		out := encoder.EncodeAll(content, append(make([]byte, 0, len(content)/2), compressed))
		if len(out) < len(content) {
			return out
		}
	}
	return append(append(make([]byte, 0, len(content)+1), plain), content...)
}

func decompress(data []byte, size int64) ([]byte, error) {
	if len(data) == 0 || data[0] > compressed || size > maxListBytes {
		return nil, errDamaged
	}
	out := data[1:]
	if data[0] == compressed {
		var err error
		if out, err = decoder.DecodeAll(out, make([]byte, 0, size)); err != nil {
			return nil, errDamaged
		}
	}
	if int64(len(out)) != size {
		return nil, errDamaged
	}
	return out, nil
}

func (k *keys) sealChunk(out []byte, id chunkID, content []byte) []byte {
	return k.encrypt(out, compress(content), "chunk\n"+id.String()+"\n")
}

func (k *keys) openChunk(id chunkID, sealed []byte, size int64) ([]byte, error) {
	data, err := k.decrypt(sealed, "chunk\n"+id.String()+"\n")
	if err != nil {
		return nil, err
	}
	content, err := decompress(data, size)
	if err == nil && k.id(content) != id {
		err = errDamaged
	}
	return content, err
}
