package eventlog

import "sync"

// sharedBytes is how much of the newest sections a Tail keeps unpacked.
const sharedBytes = 8 << 20

// An unpacked is one section for all the readers at the end of a log: the first
// that comes decrypts and decompresses it, the others get the same bytes. It is
// safe for concurrent use.
type unpacked struct {
	size int // of the bytes

	mu   sync.Mutex
	raw  []byte // nil until somebody has asked
	gone bool   // it is not among the newest any more
}

// get returns the bytes, which nobody changes. unpack makes them.
func (u *unpacked) get(unpack func() ([]byte, error)) ([]byte, error) {
	u.mu.Lock()
	if u.gone {
		u.mu.Unlock()
		return unpack()
	}
	defer u.mu.Unlock()
	if u.raw != nil {
		return u.raw, nil
	}
	raw, err := unpack()
	if err == nil {
		u.raw = raw
	}
	return raw, err
}

// drop gives the bytes back; who has them keeps them.
func (u *unpacked) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.raw, u.gone = nil, true
}

// A sharing is what a Tail keeps unpacked.
type sharing struct {
	newest []*unpacked
	size   int // bytes of newest, also of those that nobody has asked for
}

// add returns the sections of the newest frame so that readers share them.
func (s *sharing) add(sections []section) []section {
	out := make([]section, len(sections))
	copy(out, sections)
	for i := range out {
		if out[i].rawSize > sharedBytes {
			continue
		}
		out[i].shared = &unpacked{size: out[i].rawSize}
		s.newest, s.size = append(s.newest, out[i].shared), s.size+out[i].rawSize
	}
	for s.size > sharedBytes {
		s.drop()
	}
	return out
}

// drop drops the oldest.
func (s *sharing) drop() {
	s.newest[0].drop()
	s.size -= s.newest[0].size
	s.newest[0] = nil
	s.newest = s.newest[1:]
}

// clear drops all.
func (s *sharing) clear() {
	for len(s.newest) > 0 {
		s.drop()
	}
}
