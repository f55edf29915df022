package eventlog

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"github.com/millrace/millrace"
)

// What encrypting adds to a section: the nonce before it, the tag behind it.
const (
	sealNonceSize = 24
	sealTagSize   = 16
	sealSize      = sealNonceSize + sealTagSize
)

// A sealer encrypts with one key, as XAES-256-GCM does (C2SP): the first half of
// a random nonce of 192 bits makes a key of its own for each section, the second
// is the nonce of AES-256-GCM under that. It is safe for concurrent use.
type sealer struct {
	id    uint32
	block cipher.Block // of the key
	half  [aes.BlockSize]byte
}

func newSealer(id uint32, key *Key) *sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // of a key that is not of its size
	}
	s := &sealer{id: id, block: block}
	block.Encrypt(s.half[:], s.half[:])
	carry := byte(0)
	for i := len(s.half) - 1; i >= 0; i-- {
		s.half[i], carry = s.half[i]<<1|carry, s.half[i]>>7
	}
	s.half[len(s.half)-1] ^= carry * 0x87
	return s
}

// aead returns the cipher of one section.
func (s *sealer) aead(nonce []byte) cipher.AEAD {
	var key [2 * aes.BlockSize]byte
	for i := range 2 {
		half := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		half[1], half[2] = byte(i+1), 'X'
		copy(half[4:], nonce[:12])
		for j := range half {
			half[j] ^= s.half[j]
		}
		s.block.Encrypt(half, half)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // of a key that is not of its size
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // of a cipher whose blocks are not of its size
	}
	return gcm
}

// seal encrypts the section that lies behind the room for its nonce at the end
// of dst, from start on.
func (s *sealer) seal(dst []byte, start int, associated []byte) []byte {
	nonce := dst[start : start+sealNonceSize]
	rand.Read(nonce)
	return s.aead(nonce).Seal(dst[:start+sealNonceSize], nonce[12:], dst[start+sealNonceSize:], associated) // #nosec G407 -- it is random
}

// open decrypts a section into memory of its own.
func (s *sealer) open(stored, associated []byte) ([]byte, error) {
	nonce := stored[:sealNonceSize]
	return s.aead(nonce).Open(nil, nonce[12:], stored[sealNonceSize:], associated)
}

// associated returns what is authenticated with a section: what its directory
// entry says, but where it lies in the frame, and its checksum, which is taken
// over what is stored.
func (s *section) associated() []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, 64+len(s.workspace))
	b = append(b, "millrace frame 2 section"...)
	b = le.AppendUint32(b, uint32(s.storedSize))
	b = le.AppendUint32(b, uint32(s.rawSize))
	b = le.AppendUint32(b, uint32(s.records))
	b = le.AppendUint32(b, s.key)
	b = append(b, s.compression, byte(len(s.workspace)))
	return append(b, s.workspace...)
}

// decrypt returns the section as it was before it was encrypted. Gone means
// that its key was destroyed.
func (s *section) decrypt(keys *Keyring) ([]byte, error) {
	sealer, err := keys.open(s.workspace, s.key)
	if err != nil {
		return nil, err
	}
	plain, err := sealer.open(s.data, s.associated())
	if err != nil {
		return nil, millrace.Errorf(millrace.Internal, "log frame is broken: the section of workspace %q does not open with key %d: it was changed, or the key is another one", s.workspace, s.key)
	}
	return plain, nil
}
