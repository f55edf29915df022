package dedup

import (
	"cmp"
	"math/bits"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A slot is an ID and the log time, in milliseconds since 1970, of the last
// record that had it.
type slot struct {
	hash
	at int64
}

func (s slot) less(o slot) bool {
	return s.hi < o.hi || s.hi == o.hi && s.lo < o.lo
}

// compare returns -1, 0 or 1 as h comes before o, is o, or comes after it.
func (h hash) compare(o hash) int {
	if c := cmp.Compare(h.hi, o.hi); c != 0 {
		return c
	}
	return cmp.Compare(h.lo, o.lo)
}

// A memory is the part of the index that is not yet in a run: an open-addressed
// table whose slots lie in the order of their hashes, nearly, so that sorting
// them for a run is a walk.
type memory struct {
	slots  []slot
	mapped []byte // what slots lies in when it is outside Go's heap
	shift  int    // hi >> shift is a hash's own slot
	n      int
	min    int64 // log time of the earliest put
}

const minMemorySlots = 1 << 10

func newMemory() *memory {
	m := &memory{}
	m.resize(minMemorySlots)
	return m
}

// mappedSlots is the size from which a table lies outside Go's heap, where the
// garbage collector would keep room for a second one.
const mappedSlots = 1 << 14

func (m *memory) resize(slots int) {
	old, oldMapped := m.slots, m.mapped
	defer unmap(oldMapped)
	m.slots, m.mapped, m.shift = nil, nil, 64-bits.TrailingZeros(uint(slots))
	if slots >= mappedSlots {
		b, err := unix.Mmap(-1, 0, slots*slotSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil {
			m.mapped, m.slots = b, unsafe.Slice((*slot)(unsafe.Pointer(&b[0])), slots)
		}
	}
	if m.slots == nil {
		m.slots = make([]slot, slots)
	}
	for _, s := range old {
		if s.hash != (hash{}) {
			m.slots[m.seek(s.hash)] = s
		}
	}
}

func unmap(b []byte) {
	if b != nil {
		_ = unix.Munmap(b) // it was mapped just so
	}
}

// close gives the memory back; it must not be used again.
func (m *memory) close() {
	unmap(m.mapped)
	m.slots, m.mapped = nil, nil
}

// seek returns where h is, or where it would go.
func (m *memory) seek(h hash) int {
	mask := len(m.slots) - 1
	for i := int(h.hi >> m.shift); ; i = (i + 1) & mask {
		if s := &m.slots[i]; s.hash == h || s.hash == (hash{}) {
			return i
		}
	}
}

// put notes that a record with that hash was seen at that time, and returns
// when it was last seen before, if it is still in memory.
func (m *memory) put(h hash, at int64) (last int64, found bool) {
	if m.n == 0 {
		m.min = at
	}
	m.min = min(m.min, at)
	s := &m.slots[m.seek(h)]
	if s.hash == h {
		last = s.at
		s.at = max(last, at)
		return last, true
	}
	*s = slot{h, at}
	if m.n++; m.n > len(m.slots)/4*3 {
		m.resize(len(m.slots) * 2)
	}
	return 0, false
}

func (m *memory) get(h hash) (last int64, found bool) {
	s := &m.slots[m.seek(h)]
	return s.at, s.hash == h
}

// sorted moves the slots together in the order of their hashes and returns
// them. The memory must be reset before it is used again.
func (m *memory) sorted() []slot {
	// What wrapped around at the end of the table lies at its beginning.
	wrapped := 0
	for wrapped < len(m.slots) && m.slots[wrapped].hash != (hash{}) && int(m.slots[wrapped].hi>>m.shift) > len(m.slots)/2 {
		wrapped++
	}
	tail := append([]slot(nil), m.slots[:wrapped]...)
	out := m.slots[:0]
	insert := func(s slot) {
		out = append(out, s)
		for i := len(out) - 1; i > 0 && out[i].less(out[i-1]); i-- {
			out[i], out[i-1] = out[i-1], out[i]
		}
	}
	for _, s := range m.slots[wrapped:] {
		if s.hash != (hash{}) {
			insert(s)
		}
	}
	for _, s := range tail {
		insert(s)
	}
	return out
}

// reset forgets everything. A table that was much larger than needed shrinks.
func (m *memory) reset() {
	if m.n*8 < len(m.slots) && len(m.slots) > minMemorySlots {
		m.slots = m.slots[:0]
		m.resize(max(minMemorySlots, 1<<bits.Len(uint(m.n*4/3))))
	} else {
		clear(m.slots)
	}
	m.n, m.min = 0, 0
}
