package history

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// An entry is one series in a round.
type entry struct {
	id       int64
	total    bool
	value    float64 // of a counter the increase
	absolute float64 // of a total
}

// appendRound appends the entries of a round: for each the difference to the
// ID before with the total bit below, the value, and of a total the absolute one.
func appendRound(out []byte, entries []entry) []byte {
	var before int64
	for _, e := range entries {
		d := e.id - before
		before = e.id
		word := uint64(d<<1^d>>63) << 1
		if e.total {
			word |= 1
		}
		out = binary.AppendUvarint(out, word)
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(e.value))
		if e.total {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(e.absolute))
		}
	}
	return out
}

// decodeRound calls do with every entry.
func decodeRound(data []byte, do func(entry)) error {
	var e entry
	for len(data) > 0 {
		word, n := binary.Uvarint(data)
		e.total = word&1 == 1
		size := n + 8
		if e.total {
			size += 8
		}
		if n <= 0 || len(data) < size {
			return fmt.Errorf("%w: a round ends in the middle", errDamaged)
		}
		word >>= 1
		e.id += int64(word>>1) ^ -int64(word&1)
		e.value = math.Float64frombits(binary.LittleEndian.Uint64(data[n:]))
		if e.total {
			e.absolute = math.Float64frombits(binary.LittleEndian.Uint64(data[n+8:]))
		}
		data = data[size:]
		do(e)
	}
	return nil
}

// appendKey appends what tells a series from others.
func appendKey(out []byte, kind Kind, name string, labels map[string]string) []byte {
	text := func(s string) {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	out = append(out, byte(kind))
	text(name)
	if len(labels) == 1 {
		for k, v := range labels {
			text(k)
			text(v)
		}
		return out
	}
	var few [8]string
	keys := slices.AppendSeq(few[:0], maps.Keys(labels))
	slices.Sort(keys)
	for _, k := range keys {
		text(k)
		text(labels[k])
	}
	return out
}
