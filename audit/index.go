package audit

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math/bits"
	"strings"
	"time"
	"unicode"

	"github.com/millrace/millrace/catalog"
)

// The index of Search is made of blocks of 4096 entries each. A block has, in
// columns, the time and short hashes of what is searched for exactly, and for
// each 64 of its entries a Bloom filter of the beginnings of their words. It is
// small enough to be read as a whole (some 70 bytes an entry), so any
// combination costs about the same, on any engine. What it finds is looked at in
// the entries themselves. It holds no text, and it can be made anew at any time.
const (
	blockEntries = 4096
	partEntries  = 64
	blockParts   = blockEntries / partEntries
	// indexFormat is the first byte of both halves of a block.
	indexFormat = 1
)

// The columns of 16-bit hashes.
const (
	byActor = iota
	byNoun
	byAction
	byKind
	byObject
	byWorkspace
	byEnvironment
	hashColumns
)

// keysOf returns what an entry is found by exactly.
func keysOf(e *Entry) [hashColumns]uint16 {
	noun, _, _ := strings.Cut(e.Action, ".")
	return [hashColumns]uint16{
		byActor: short(e.Actor.ID), byNoun: short(noun), byAction: short(e.Action), byKind: short(e.Object.Kind),
		byObject: short(e.Object.ID), byWorkspace: short(e.Workspace), byEnvironment: short(e.Environment),
	}
}

func hash64(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // cannot fail
	return bits.RotateLeft64(h.Sum64()*0x9e3779b97f4a7c15, 29)
}

func short(s string) uint16 { return uint16(hash64(s)) }

// prefixes are how many letters of a word are in the index: a search for the
// beginning of a word uses all that are not longer than it.
var prefixes = []int{3, 5, 7, 9, 12}

// words calls do with the words of a text in small letters: letters and digits
// that follow each other, and dots between digits, as in addresses.
func words(text string, do func(word string)) {
	text = strings.ToLower(text)
	begin, digit := -1, false
	for i, r := range text {
		isDigit := r >= '0' && r <= '9' || r > unicode.MaxASCII && unicode.IsDigit(r)
		switch {
		case isDigit || r >= 'a' && r <= 'z' || r > unicode.MaxASCII && unicode.IsLetter(r):
			if begin < 0 {
				begin = i
			}
		case r == '.' && digit && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
		case begin >= 0:
			do(text[begin:i])
			begin = -1
		}
		digit = isDigit
	}
	if begin >= 0 {
		do(text[begin:])
	}
}

// wordsOf calls do with the words of an entry: of all that it says, but for its
// times and numbers of its own.
func wordsOf(e *Entry, do func(word string)) {
	for _, s := range []string{e.Actor.Kind, e.Actor.ID, e.Actor.Name, e.Action, e.Object.Kind, e.Object.ID, e.Object.Name,
		e.Workspace, e.Environment, e.From.Address, e.From.Agent, e.From.Request, e.Note} {
		words(s, do)
	}
	for _, j := range []any{e.Before, e.After} {
		if raw, ok := j.(json.RawMessage); ok {
			jsonWords(raw, do)
		}
	}
}

// jsonWords calls do with the words of names and values.
func jsonWords(raw json.RawMessage, do func(word string)) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			words(v, do)
		case float64:
			if text, err := json.Marshal(v); err == nil {
				words(string(text), do)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for name, x := range v {
				words(name, do)
				walk(x)
			}
		}
	}
	walk(v)
}

// eachPrefix calls do with the hashes under which a word is found.
func eachPrefix(word string, do func(uint64)) {
	letters := 0
	for i := range word {
		for _, n := range prefixes {
			if letters == n {
				do(hash64(word[:i]))
			}
		}
		letters++
	}
	for _, n := range prefixes {
		if letters == n {
			do(hash64(word))
		}
	}
}

// A bloom says which hashes are certainly not in it.
type bloom []byte

// newBloom has room for n hashes with about 3 false answers in a hundred.
func newBloom(n int) bloom { return make(bloom, 1<<max(3, bits.Len(uint(max(n, 1)-1)))) }

func (b bloom) places(h uint64) [3]uint64 {
	mask := uint64(len(b)*8 - 1)
	return [3]uint64{h & mask, (h >> 21) & mask, (h >> 42) & mask}
}

func (b bloom) add(h uint64) {
	for _, p := range b.places(h) {
		b[p/8] |= 1 << (p % 8)
	}
}

func (b bloom) has(h uint64) bool {
	for _, p := range b.places(h) {
		if b[p/8]&(1<<(p%8)) == 0 {
			return false
		}
	}
	return true
}

// seal makes the next block of the index that is due: one whose entries are all there.
func seal(ctx context.Context, tx catalog.Tx, _ int64) (next int64, more bool, err error) {
	block, err := nextBlock(ctx, tx)
	if err != nil {
		return 0, false, err
	}
	head, _, err := headOf(ctx, tx, "")
	if err != nil || head.Number < (block+1)*blockEntries-1 {
		return 0, false, err
	}
	all, err := collect(ctx, tx, rows+" WHERE c.seq >= $1 AND c.seq < $2 ORDER BY c.seq", block*blockEntries, (block+1)*blockEntries)
	if err != nil {
		return 0, false, err
	}
	columns, filters := buildBlock(block, all)
	_, err = tx.Exec(ctx, "INSERT INTO audit_index (block, entries, words) VALUES ($1, $2, $3)", block, columns, filters)
	return 0, head.Number >= (block+2)*blockEntries-1, err
}

// nextBlock is the first that is not in the index: after the newest that is, or
// the one in which the chain begins.
func nextBlock(ctx context.Context, tx catalog.Tx) (int64, error) {
	newest, found, err := catalog.Find[int64](ctx, tx, "SELECT block FROM audit_index ORDER BY block DESC LIMIT 1")
	if err != nil || found {
		return newest + 1, err
	}
	cut, err := anchorOf(ctx, tx, "")
	return (cut.Number + 1) / blockEntries, err
}

// buildBlock returns the two halves of a block. Both begin with the format.
//
// Columns: the least time in microseconds (8 bytes), then of all entries of the
// block the seconds since then (4 bytes each), then each column of hashes (2
// bytes each). An entry that is not there has the seconds ^0.
//
// Words: for each part its length (4 bytes) and its Bloom filter.
func buildBlock(block int64, all []Kept) (columns, filters []byte) {
	le := binary.LittleEndian
	least := int64(1<<63 - 1)
	for _, k := range all {
		if !k.Erased() {
			least = min(least, k.Time.UnixMicro())
		}
	}
	columns = make([]byte, 9+blockEntries*(4+2*hashColumns))
	columns[0] = indexFormat
	le.PutUint64(columns[1:], uint64(least))
	for i := range blockEntries {
		le.PutUint32(columns[9+4*i:], gone)
	}
	var found [blockParts]map[uint64]struct{}
	for _, k := range all {
		if k.Erased() {
			continue
		}
		i := int(k.Seq - block*blockEntries)
		le.PutUint32(columns[9+4*i:], seconds(k.Time.UnixMicro()-least))
		for c, h := range keysOf(&k.Entry) {
			le.PutUint16(columns[9+blockEntries*(4+2*c)+2*i:], h)
		}
		part := i / partEntries
		if found[part] == nil {
			found[part] = map[uint64]struct{}{}
		}
		wordsOf(&k.Entry, func(w string) { eachPrefix(w, func(h uint64) { found[part][h] = struct{}{} }) })
	}
	filters = append(filters, indexFormat)
	for _, hashes := range found {
		b := newBloom(len(hashes))
		for h := range hashes {
			b.add(h)
		}
		filters = append(le.AppendUint32(filters, uint32(len(b))), b...)
	}
	return columns, filters
}

// gone are the seconds of an entry that is not there.
const gone = 1<<32 - 1

func seconds(micros int64) uint32 {
	return uint32(min(micros/int64(time.Second/time.Microsecond), gone-1))
}
