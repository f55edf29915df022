package dedup

import (
	"encoding/binary"
	"math/bits"
)

// A hash is what the index knows of an ID: 128 bits of SipHash-2-4 under the
// installation's own key, so that nobody outside can make two IDs meet. It is
// never zero: a zero slot is an empty one.
type hash struct{ hi, lo uint64 }

// A hasher is a SipHash-2-4-128 that has swallowed a prefix: what comes before
// the ID is the same for all records of a source, so it is hashed once.
type hasher struct {
	v0, v1, v2, v3 uint64
	length         int // bytes swallowed, a multiple of 8
}

// newHasher returns the hasher of the IDs of one space. Each part is preceded by
// its length and the whole padded to 8 bytes, so no two prefixes run together.
func newHasher(key [16]byte, parts ...string) hasher {
	k0, k1 := binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	h := hasher{
		v0: k0 ^ 0x736f6d6570736575,
		v1: k1 ^ 0x646f72616e646f6d ^ 0xee,
		v2: k0 ^ 0x6c7967656e657261,
		v3: k1 ^ 0x7465646279746573,
	}
	var prefix []byte
	for _, p := range parts {
		prefix = binary.LittleEndian.AppendUint32(prefix, uint32(len(p)))
		prefix = append(prefix, p...)
	}
	for len(prefix)%8 != 0 {
		prefix = append(prefix, 0)
	}
	for i := 0; i < len(prefix); i += 8 {
		h.block(binary.LittleEndian.Uint64(prefix[i:]))
	}
	h.length = len(prefix)
	return h
}

func (h *hasher) round() {
	h.v0 += h.v1
	h.v1 = bits.RotateLeft64(h.v1, 13) ^ h.v0
	h.v0 = bits.RotateLeft64(h.v0, 32)
	h.v2 += h.v3
	h.v3 = bits.RotateLeft64(h.v3, 16) ^ h.v2
	h.v0 += h.v3
	h.v3 = bits.RotateLeft64(h.v3, 21) ^ h.v0
	h.v2 += h.v1
	h.v1 = bits.RotateLeft64(h.v1, 17) ^ h.v2
	h.v2 = bits.RotateLeft64(h.v2, 32)
}

func (h *hasher) block(m uint64) {
	h.v3 ^= m
	h.round()
	h.round()
	h.v0 ^= m
}

// sum returns the hash of the prefix followed by id.
func (h hasher) sum(id string) hash {
	length := h.length + len(id)
	for len(id) >= 8 {
		h.block(uint64(id[0]) | uint64(id[1])<<8 | uint64(id[2])<<16 | uint64(id[3])<<24 |
			uint64(id[4])<<32 | uint64(id[5])<<40 | uint64(id[6])<<48 | uint64(id[7])<<56)
		id = id[8:]
	}
	last := uint64(length) << 56
	for i := range len(id) {
		last |= uint64(id[i]) << (8 * i)
	}
	h.block(last)
	h.v2 ^= 0xee
	for range 4 {
		h.round()
	}
	out := hash{hi: h.v0 ^ h.v1 ^ h.v2 ^ h.v3}
	h.v1 ^= 0xdd
	for range 4 {
		h.round()
	}
	out.lo = h.v0 ^ h.v1 ^ h.v2 ^ h.v3
	if out == (hash{}) {
		out.lo = 1
	}
	return out
}
