package secret

import (
	"encoding/binary"
	"hash/maphash"
	"io"
	"strings"
)

// match returns the length of the longest pattern with which data begins, and
// whether a longer one could if more came.
func (w *window) match(r *Redactor, h uint64, data []byte) (length int, more bool) {
	for _, n := range w.starts[h] { // longest first
		if n > len(data) {
			more = true
			continue
		}
		if _, is := w.sums[pattern{h, n, maphash.Bytes(r.seed, data[:n])}]; is {
			return n, more
		}
	}
	return 0, more
}

func (w *window) may(h uint64) bool {
	f := h >> w.shift
	return w.filter[f/64]&(1<<(f%64)) != 0
}

// matchAt is match at any place of data, for values of any length.
func (r *Redactor) matchAt(data []byte) (length int, more bool) {
	if len(data) >= windowBytes && r.long.filter != nil {
		if h := mixed(binary.LittleEndian.Uint64(data), r.mix); r.long.may(h) {
			length, more = r.long.match(r, h, data)
		}
	}
	if len(data) >= MinRedacted && r.short.filter != nil && length == 0 {
		if h := mixed(uint64(binary.LittleEndian.Uint32(data)), r.mix); r.short.may(h) {
			n, again := r.short.match(r, h, data)
			length, more = n, more || again
		}
	}
	return length, more
}

// A spot is where a value lies in data, or, with a length of 0, up to where there
// is none for certain, whatever follows.
type spot struct {
	at, length int
	more       bool // it could be a longer one if more data came
}

// find returns the first value in data from a place on. Values that overlap are one.
func (r *Redactor) find(data []byte, from int) spot {
	safe := -1
	for i := from; i+MinRedacted <= len(data); i++ {
		if r.short.filter == nil {
			if i = r.skip(data, i); i+windowBytes > len(data) {
				break
			}
		}
		n, more := r.matchAt(data[i:])
		if n > 0 {
			end := i + n
			for j := i + 1; j < end; j++ {
				n, again := r.matchAt(data[j:])
				end, more = max(end, j+n), more || again || len(data)-j < windowBytes
			}
			return spot{i, end - i, more}
		}
		if more && safe < 0 {
			safe = i
		}
	}
	if rest := max(from, len(data)-windowBytes+1); safe < 0 || rest < safe {
		safe = rest
	}
	return spot{at: safe}
}

// skip goes to the next place at which a long value may begin: most of the work.
func (r *Redactor) skip(data []byte, i int) int {
	filter, mix, shift := r.long.filter, r.mix, r.long.shift&63
	if filter == nil {
		return len(data)
	}
	for ; i+windowBytes <= len(data); i++ {
		f := mixed(binary.LittleEndian.Uint64(data[i:]), mix) >> shift
		if filter[f/64]&(1<<(f%64)) != 0 {
			return i
		}
	}
	return i
}

// Bytes returns data with every value hidden. It returns data itself when there
// is none.
func (r *Redactor) Bytes(data []byte) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.seen == nil {
		return data
	}
	found := r.find(data, 0)
	if found.length == 0 {
		return data
	}
	var out []byte
	done := 0
	for ; found.length > 0; found = r.find(data, done) {
		out = append(append(out, data[done:found.at]...), Redacted...)
		done = found.at + found.length
	}
	return append(out, data[done:]...)
}

// String is Bytes for text.
func (r *Redactor) String(s string) string {
	r.mu.RLock()
	none := r.seen == nil
	r.mu.RUnlock()
	if none {
		return s
	}
	if out := r.Bytes([]byte(s)); len(out) != len(s) || string(out) != s {
		return strings.ToValidUTF8(string(out), "")
	}
	return s
}

// A Writer hides values in what goes through it, also those that arrive in
// pieces. It holds back at most what may be the beginning of a value: Flush at
// the end of a message, and Close at the end. It is not safe for concurrent use.
type Writer struct {
	r    *Redactor
	to   io.Writer
	held []byte
}

// Writer returns a Writer in front of another.
func (r *Redactor) Writer(to io.Writer) *Writer { return &Writer{r: r, to: to} }

// Write passes on what certainly holds no value.
func (w *Writer) Write(data []byte) (int, error) {
	w.held = append(w.held, data...)
	if err := w.pass(false); err != nil {
		return 0, err
	}
	return len(data), nil
}

// Flush passes on what was held back.
func (w *Writer) Flush() error { return w.pass(true) }

// Close is Flush. What is behind stays open.
func (w *Writer) Close() error { return w.Flush() }

func (w *Writer) pass(all bool) error {
	w.r.mu.RLock()
	var out []byte
	done := 0
	for w.r.seen != nil {
		found := w.r.find(w.held, done)
		if found.length > 0 && (all || !found.more) {
			out = append(append(out, w.held[done:found.at]...), Redacted...)
			done = found.at + found.length
			continue
		}
		if all {
			found.at = len(w.held)
		}
		out = append(out, w.held[done:found.at]...)
		done = found.at
		break
	}
	if w.r.seen == nil {
		out, done = append(out, w.held...), len(w.held)
	}
	w.r.mu.RUnlock()
	w.held = append(w.held[:0], w.held[done:]...)
	if len(out) == 0 {
		return nil
	}
	_, err := w.to.Write(out)
	return err
}
