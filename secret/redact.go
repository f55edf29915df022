package secret

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash/maphash"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// MinRedacted is how long a value is at least to be found: a shorter one would
	// hide half of every text.
	MinRedacted = 4

	windowBytes  = 8  // of a pattern are looked for first, MinRedacted of shorter ones
	leastFilter  = 10 // bits of a hash that choose a place in the filter before the table
	mostFilter   = 24 // 2 MiB
	minLineBytes = 16 // of a line of a value that is looked for by itself
)

// A Redactor hides values in what leaves the process: as they are, base64 also
// within longer base64, hexadecimal, escaped for addresses and for JSON, and each
// long line of those that have lines. It holds hashes of them, not the values. It
// is safe for concurrent use. The zero Redactor is ready; it finds nothing.
type Redactor struct {
	above *Redactor // learns the values too; nil: none
	mu    sync.RWMutex
	seed  maphash.Seed
	mix   uint64
	long  window
	short window
	seen  map[uint64]*redacted // by the hash of the value
}

// redacted is a value that is looked for.
type redacted struct {
	last  time.Time // when it was added last
	forms []pattern
}

// A window finds patterns by their first bytes.
type window struct {
	filter []uint64         // 1 << (64-shift) bits, about a sixteenth of them set
	shift  int              // of a hash, to get a place in the filter
	starts map[uint64][]int // how long the patterns are that begin so, the longest first
	sums   map[pattern]struct{}
}

// A pattern is a text that is looked for: the hash of its first bytes, its length,
// and the hash of all of it.
type pattern struct {
	first  uint64
	length int
	sum    uint64
}

// Add has a value hidden from now on. Adding it again is cheap.
func (r *Redactor) Add(v Value) {
	text := v.Reveal()
	if len(text) < MinRedacted {
		return
	}
	if r.above != nil {
		r.above.Add(v)
	}
	r.mu.RLock()
	ready := r.seen != nil
	var known *redacted
	var id uint64
	if ready {
		id = maphash.String(r.seed, text)
		known = r.seen[id]
	}
	fresh := known != nil && time.Since(known.last) < time.Hour
	r.mu.RUnlock()
	if fresh {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seed, r.mix, r.seen = maphash.MakeSeed(), rand.Uint64()|1, map[uint64]*redacted{}
		id = maphash.String(r.seed, text)
	}
	if known := r.seen[id]; known != nil {
		known.last = time.Now()
		return
	}
	added := &redacted{last: time.Now()}
	for _, form := range forms(text) {
		p := pattern{r.first([]byte(form)), len(form), maphash.String(r.seed, form)}
		added.forms = append(added.forms, p)
		r.window(p).add(p)
	}
	r.seen[id] = added
}

func (r *Redactor) window(p pattern) *window {
	if p.length < windowBytes {
		return &r.short
	}
	return &r.long
}

// Expire forgets values that were not added again since a time: those of secrets
// that nobody uses any more.
func (r *Redactor) Expire(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, s := range r.seen {
		if s.last.Before(before) {
			delete(r.seen, id)
		}
	}
	r.long, r.short = window{}, window{}
	for _, s := range r.seen {
		for _, p := range s.forms {
			r.window(p).add(p)
		}
	}
}

// Len returns how many values are looked for.
func (r *Redactor) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.seen)
}

func (w *window) add(p pattern) {
	if w.filter == nil {
		w.starts, w.sums = map[uint64][]int{}, map[pattern]struct{}{}
		w.grow(leastFilter)
	}
	if bits := 64 - w.shift; len(w.starts) > 1<<bits/16 && bits < mostFilter {
		w.grow(bits + 2)
	}
	w.mark(p.first)
	w.sums[p] = struct{}{}
	lengths := w.starts[p.first]
	if at, found := slices.BinarySearchFunc(lengths, p.length, func(a, b int) int { return b - a }); !found {
		w.starts[p.first] = slices.Insert(lengths, at, p.length)
	}
}

// grow makes a new filter.
func (w *window) grow(bits int) {
	w.filter, w.shift = make([]uint64, 1<<bits/64), 64-bits
	for h := range w.starts {
		w.mark(h)
	}
}

func (w *window) mark(h uint64) {
	f := h >> w.shift
	w.filter[f/64] |= 1 << (f % 64)
}

// first is the hash of the first bytes of a pattern.
func (r *Redactor) first(p []byte) uint64 {
	if len(p) >= windowBytes {
		return mixed(binary.LittleEndian.Uint64(p), r.mix)
	}
	return mixed(uint64(binary.LittleEndian.Uint32(p)), r.mix)
}

// mixed spreads the bits upwards: the filter takes the highest.
func mixed(x, mix uint64) uint64 {
	x *= mix
	return (x ^ x>>32) * mix
}

// forms returns the texts in which a value may appear.
func forms(text string) []string {
	var all []string
	add := func(s string) {
		if len(s) >= MinRedacted {
			all = append(all, s)
		}
	}
	add(text)
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); len(line) >= minLineBytes && !strings.HasPrefix(line, "-----") {
			add(line)
		}
	}
	for _, s := range slices.Clone(all) {
		add(url.QueryEscape(s))
		add(url.PathEscape(s))
		if quoted, err := json.Marshal(s); err == nil {
			add(string(quoted[1 : len(quoted)-1]))
		}
		var plain strings.Builder
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		if e.Encode(s) == nil {
			add(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(plain.String(), "\n"), `"`), `"`))
		}
	}
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 { // where in a longer text it begins
			// Only the letters that depend on nothing but the value.
			s := e.EncodeToString(append(make([]byte, before), text...))
			skip := (before*8 + 5) / 6
			end := (before + len(text)) * 8 / 6
			if end-skip >= windowBytes {
				add(s[skip:end])
			}
		}
	}
	if len(text) >= windowBytes {
		add(hex.EncodeToString([]byte(text)))
		add(strings.ToUpper(hex.EncodeToString([]byte(text))))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
