package dedup

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace"
)

func TestHashIsSipHash128(t *testing.T) {
	t.Parallel()
	var key [16]byte
	for i := range key {
		key[i] = byte(i)
	}
	in := "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
	for n, want := range map[int]string{ // of the reference implementation
		0:  "a3817f04ba25a8e66df67214c7550293",
		1:  "da87c1d86b99af44347659119b22fc45",
		15: "5493e99933b0a8117e08ec0f97cfc3d9",
	} {
		h := newHasher(key).sum(in[:n])
		var b [16]byte
		for i := range 8 {
			b[i], b[8+i] = byte(h.hi>>(8*i)), byte(h.lo>>(8*i))
		}
		if got := hex.EncodeToString(b[:]); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
	if newHasher(key, "ab", "c").sum("x") == newHasher(key, "a", "bc").sum("x") {
		t.Error("parts run together")
	}
	key[3]++
	if newHasher(key).sum("") == newHasher([16]byte{}).sum("") {
		t.Error("the key does not matter")
	}
}

// drawHash returns hashes that crowd: some share their first half, and some lie
// at the ends of the table.
func drawHash(t *rapid.T) hash {
	return hash{
		hi: rapid.SampledFrom([]uint64{0, 1, math.MaxUint64, math.MaxUint64 - 1, 1 << 63, rapid.Uint64().Draw(t, "any")}).Draw(t, "hi"),
		lo: rapid.Uint64Range(1, 6).Draw(t, "lo"),
	}
}

func TestMemoryAndRunsAgreeWithAMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		want := map[hash]int64{}
		m := newMemory()
		var runs []*run
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			part := map[hash]int64{}
			for range rapid.IntRange(1, 200).Draw(t, "puts") {
				h, at := drawHash(t), rapid.Int64Range(0, 1000).Draw(t, "at")
				last, found := m.put(h, at)
				if old, ok := part[h]; ok != found || old != last {
					t.Fatalf("put(%v) = %d, %v, want %d, %v", h, last, found, old, ok)
				}
				part[h], want[h] = max(part[h], at), max(want[h], at)
			}
			number++
			w, err := newRunWriter(filepath.Join(dir, fmt.Sprint(number)), recent, 0, int64(m.n))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range m.sorted() {
				if err := w.add(s); err != nil {
					t.Fatal(err)
				}
			}
			m.reset()
			r, err := w.finish()
			if err != nil {
				t.Fatal(err)
			}
			checkRun(t, r, part)
			runs = append(runs, r)
		}
		horizon := rapid.Int64Range(-1, 1000).Draw(t, "horizon")
		maps.DeleteFunc(want, func(_ hash, at int64) bool { return at <= horizon })
		number++
		r, err := merge(context.Background(), filepath.Join(dir, fmt.Sprint(number)), runs, horizon)
		if err != nil {
			t.Fatal(err)
		}
		if r == nil && len(want) == 0 {
			return
		}
		checkRun(t, r, want)
		if err := removeRuns(append(runs, r)); err != nil {
			t.Fatal(err)
		}
	})
}

func checkRun(t *rapid.T, r *run, want map[hash]int64) {
	if r == nil || r.IDs != int64(len(want)) {
		t.Fatalf("run %+v, want %d IDs", r, len(want))
	}
	for h, at := range want {
		if got, found, err := r.find(h); !found || got != at || err != nil {
			t.Fatalf("find(%v) = %d, %v, %v, want %d", h, got, found, err, at)
		}
	}
	for range 20 {
		h := drawHash(t)
		if _, found, err := r.find(h); err != nil || found != (want[h] != 0) && want[h] != 0 {
			t.Fatalf("find(%v) = %v, %v", h, found, err)
		}
	}
	if err := r.verify(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestBloomFilterLetsFewThrough(t *testing.T) {
	t.Parallel()
	const n = 200_000
	m := newMemory()
	for range n {
		m.put(hash{rand.Uint64(), rand.Uint64()}, 1)
	}
	w, err := newRunWriter(filepath.Join(t.TempDir(), "r"), lasting, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.sorted() {
		if err := w.add(s); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for range n {
		h := hash{rand.Uint64(), rand.Uint64()}
		b := r.blocks[scale(h.hi, r.Blocks)*blockSize:]
		all := true
		for i := range 6 {
			p := bit(h.lo, i)
			all = all && b[p>>3]&(1<<(p&7)) != 0
		}
		if all {
			passed++
		}
	}
	if share := float64(passed) / n; share > 0.015 {
		t.Errorf("%.2f %% of unknown IDs pass the filter", 100*share)
	} else {
		t.Logf("%.2f %% of unknown IDs pass the filter; %.2f bytes an ID", 100*share, float64(r.SizeBytes)/n)
	}
}

func TestDamagedRunIsFound(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "r")
	w, err := newRunWriter(name, recent, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(100) {
		if err := w.add(slot{hash{i << 56, 1}, 5}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	info := r.runInfo
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		b := slices.Clone(sound)
		b[(i*131+runHeaderSize)%len(b)] ^= 1
		if i%3 == 0 {
			b = slices.Clone(sound)[:len(sound)-1-i]
		}
		if i%5 == 0 {
			b = slices.Clone(sound)
			b[i] ^= 0x10
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := openRun(name, info); err == nil && r.verify(t.Context()) == nil {
			t.Errorf("damage %d was not found", i)
		}
	}
}

func TestVerdictBlocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		prev := mark{millrace.Position{Epoch: 9, Seq: rapid.Uint64Range(0, 1<<40).Draw(t, "seq"), Index: millrace.EndOfFrame}, 77}
		next, dups := prev, []millrace.Position(nil)
		for range rapid.IntRange(0, 20).Draw(t, "frames") {
			next.through.Seq += rapid.Uint64Range(1, 300).Draw(t, "delta")
			index := uint32(0)
			for range rapid.IntRange(0, 5).Draw(t, "dups") {
				index += rapid.Uint32Range(1, 400).Draw(t, "index")
				dups = append(dups, millrace.Position{Epoch: 9, Seq: next.through.Seq, Index: index - 1})
			}
		}
		next.time += rapid.Int64Range(-1<<40, 1<<40).Draw(t, "time")
		b := appendBlock(nil, prev, next, dups)
		got, out, n := decodeBlock(append(slices.Clone(b), "more"...), prev, nil)
		if got != next || n != len(b) || !slices.Equal(out, dups) {
			t.Fatalf("got %+v %v (%d bytes), want %+v %v (%d)", got, out, n, next, dups, len(b))
		}
		for cut := range len(b) {
			if _, _, n := decodeBlock(b[:cut], prev, nil); n != 0 {
				t.Fatalf("a block cut to %d of %d bytes was taken", cut, len(b))
			}
		}
	})
}

func FuzzVerdictSegment(f *testing.F) {
	h := segmentHeader{start: millrace.Position{Epoch: 1, Seq: 2, Index: millrace.EndOfFrame}, time: 3, beginning: true, counts: []Count{{Source: "web"}}}
	head, err := h.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	next := mark{millrace.Position{Epoch: 1, Seq: 9, Index: millrace.EndOfFrame}, 10}
	f.Add(appendBlock(head, mark{h.start, h.time}, next, []millrace.Position{{Epoch: 1, Seq: 5, Index: 1}, {Epoch: 1, Seq: 5, Index: 7}}))
	f.Add(append(head, make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, rest, err := decodeHeader(b)
		if err != nil {
			return
		}
		m, dups := mark{h.start, h.time}, []millrace.Position(nil)
		for {
			var n int
			before := m
			if m, dups, n = decodeBlock(rest, m, dups); n == 0 {
				if m != before {
					t.Fatal("a block that is unsound moved the mark")
				}
				break
			}
			rest = rest[n:]
		}
		if !slices.IsSortedFunc(dups, millrace.Position.Compare) {
			t.Fatalf("out of order: %v", dups)
		}
	})
}

func TestTornVerdictsAreCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v, err := openVerdicts(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := func(seq uint64) mark {
		return mark{millrace.Position{Epoch: 1, Seq: seq, Index: millrace.EndOfFrame}, int64(seq)}
	}
	if err := v.begin(segmentHeader{start: at(0).through, beginning: true}); err != nil {
		t.Fatal(err)
	}
	sizes := []int64{v.size}
	for seq := uint64(1); seq <= 3; seq++ {
		if err := v.append(at(seq), []millrace.Position{{Epoch: 1, Seq: seq, Index: 4}}, func() {}); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, v.size)
	}
	name := v.file.Name()
	if err := v.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := sizes[0]; size <= sizes[3]; size++ {
		for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00\x00", "nonsense of some length"} {
			if err := os.WriteFile(name, append(slices.Clone(whole[:size]), tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			v, err := openVerdicts(dir)
			if err != nil {
				t.Fatal(err)
			}
			kept := 0
			for kept < 3 && sizes[kept+1] <= size {
				kept++
			}
			dups, err := v.duplicates(millrace.Position{}, at(uint64(kept)).through)
			if err != nil || v.at().through.Seq != uint64(kept) || len(dups) != kept || fileSize(name) != sizes[kept] {
				t.Fatalf("cut at %d: judged to %s, %d duplicates, %d bytes, %v; want %d blocks", size, v.at().through, len(dups), fileSize(name), err, kept)
			}
			if err := v.close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
