package eventlog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

var update = flag.Bool("update", false, "write the golden files of a new format version")

// testRecords returns n records of several workspaces, sources and streams.
func testRecords(seed uint64, n, workspaces int) []millrace.Record {
	rnd := rand.New(rand.NewPCG(seed, 1))
	rs := make([]millrace.Record, n)
	base := time.UnixMilli(1_760_000_000_000).UTC()
	for i := range rs {
		r := millrace.Record{
			ID:        fmt.Sprintf("id-%d-%08x", i, rnd.Uint32()),
			Workspace: fmt.Sprintf("w%d", rnd.IntN(workspaces)),
			Source:    fmt.Sprintf("source_%d", rnd.IntN(3)),
			Stream:    fmt.Sprintf("track:Event %d", rnd.IntN(30)),
			Op:        millrace.Op(rnd.IntN(4)),
			Key:       fmt.Sprintf("user-%d", rnd.IntN(1000)),
			Received:  base.Add(time.Duration(rnd.IntN(5000)) * time.Millisecond),
			Occurred:  base.Add(-time.Duration(rnd.IntN(1e9)) * time.Millisecond),
			Body:      []byte(fmt.Sprintf(`{"type":"track","event":"Event %d","properties":{"n":%d,"text":"%s"}}`, i, rnd.IntN(1e6), strings.Repeat("x", rnd.IntN(300)))),
		}
		if rnd.IntN(2) == 0 {
			r.Meta = []byte(`{"receivedAt":"2025-10-09T08:53:20.000Z"}`)
		}
		rs[i] = r
	}
	return rs
}

func encode(rs []millrace.Record, stamp int64) []byte {
	var b FrameBuilder
	b.Add(rs)
	return b.Encode(nil, time.UnixMilli(stamp))
}

func decodeAll(t *testing.T, data []byte, filter Filter) []Entry {
	t.Helper()
	f, err := OpenFrame(data)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := f.Decode(nil, millrace.Position{Epoch: 7, Seq: 3}, -1, filter)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestFrameRoundTrip(t *testing.T) {
	t.Parallel()
	var b FrameBuilder // reused, so that nothing may leak from frame to frame
	for _, n := range []int{1, 2, 3, 10, 100, 1000} {
		for _, workspaces := range []int{1, 2, 7} {
			rs := testRecords(uint64(n), n, workspaces)
			b.Reset()
			if last := b.Add(rs[:n/2]); last != n/2-1 {
				t.Fatalf("Add returned %d", last)
			}
			if last := b.Add(rs[n/2:]); last != n-1 {
				t.Fatalf("Add returned %d, want %d", last, n-1)
			}
			data := b.Encode(nil, time.UnixMilli(1234))
			if over := len(data) - b.Size(); over > 200*workspaces {
				t.Errorf("%d records: Size %d, encoded %d", n, b.Size(), len(data))
			}
			got := decodeAll(t, data, Filter{})
			checkEntries(t, got, rs, Filter{}, -1)
			f, _ := OpenFrame(data)
			if _, err := f.Verify(); err != nil {
				t.Error(err)
			}
			if f.Len() != n || f.Time().UnixMilli() != 1234 || f.Size() != len(data) {
				t.Errorf("frame says %d records, stamp %v, %d bytes", f.Len(), f.Time(), f.Size())
			}
		}
	}
}

// checkEntries checks that got is what the filter chooses of rs behind index after.
func checkEntries(t *testing.T, got []Entry, rs []millrace.Record, filter Filter, after int) {
	t.Helper()
	i := 0
	for k := range rs {
		if k <= after || !filter.Match(&rs[k]) {
			continue
		}
		if i >= len(got) {
			t.Fatalf("%d entries, record %d is missing", len(got), k)
		}
		if got[i].Position != (millrace.Position{Epoch: 7, Seq: 3, Index: uint32(k)}) {
			t.Fatalf("entry %d has position %v, want index %d", i, got[i].Position, k)
		}
		if !reflect.DeepEqual(got[i].Record, rs[k]) {
			t.Fatalf("entry %d:\n got %+v\nwant %+v", i, got[i].Record, rs[k])
		}
		i++
	}
	if i != len(got) {
		t.Fatalf("%d entries, want %d", len(got), i)
	}
}

func TestFrameFilter(t *testing.T) {
	t.Parallel()
	rs := testRecords(5, 500, 4)
	data := encode(rs, 99)
	for name, filter := range map[string]Filter{
		"workspace":       {Workspace: "w2"},
		"no workspace":    {Workspace: "other"},
		"source":          {Sources: []string{"source_1"}},
		"two sources":     {Sources: []string{"source_1", "source_2", "none"}},
		"stream":          {Streams: []string{"track:Event 7"}},
		"prefix":          {Streams: []string{"track:"}},
		"not a prefix":    {Streams: []string{"track"}},
		"all three":       {Workspace: "w1", Sources: []string{"source_0"}, Streams: []string{"track:Event 1", "track:Event 2"}},
		"nothing matches": {Workspace: "w1", Sources: []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := OpenFrame(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, after := range []int{-1, 0, 250, 499, millrace.EndOfFrame} {
				got, err := f.Decode(nil, millrace.Position{Epoch: 7, Seq: 3}, after, filter)
				if err != nil {
					t.Fatal(err)
				}
				checkEntries(t, got, rs, filter, after)
			}
		})
	}
}

func TestFrameKeepsNoReference(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 50} {
		rs := testRecords(9, n, 2)
		want := testRecords(9, n, 2)
		var b FrameBuilder
		b.Add(rs)
		for i := range rs {
			clear(rs[i].Body)
		}
		data := b.Encode(nil, time.UnixMilli(5))
		got := decodeAll(t, data, Filter{})
		clear(data)
		checkEntries(t, got, want, Filter{}, -1)
		// What a caller appends to a body does not run into the next one.
		_ = append(got[0].Body, "overwritten"...)
		checkEntries(t, got, want, Filter{}, -1)
	}
}

func TestFrameOddRecords(t *testing.T) {
	t.Parallel()
	rs := []millrace.Record{
		{ID: "a", Workspace: "w"},
		{ID: "b", Workspace: "w", Received: time.Time{}, Occurred: time.UnixMilli(1 << 52).UTC()},
		{ID: strings.Repeat("i", 70_000), Workspace: strings.Repeat("w", MaxWorkspaceLength), Body: bytes.Repeat([]byte{0}, 100_000)},
		{ID: "\xff\x00", Workspace: "\xfe", Source: "\x00", Stream: "\xff", Key: "\n", Body: []byte("not JSON")},
	}
	for i := range rs {
		if !rs[i].Occurred.IsZero() {
			continue
		}
		rs[i].Occurred = time.UnixMilli(-5).UTC()
	}
	checkEntries(t, decodeAll(t, encode(rs, -1), Filter{}), rs, Filter{}, -1)
	for i := range rs {
		checkEntries(t, decodeAll(t, encode(rs[i:i+1], -1), Filter{}), rs[i:i+1], Filter{}, -1)
	}
}

func TestCheckAppendFitsIntoFrame(t *testing.T) {
	t.Parallel()
	// The largest overhead that CheckAppend lets through.
	rs := make([]millrace.Record, MaxAppendRecords)
	each := MaxAppendSizeBytes/MaxAppendRecords - 30
	for i := range rs {
		rs[i] = millrace.Record{
			ID: fmt.Sprint(i), Workspace: fmt.Sprintf("workspace-%d", i), Source: fmt.Sprintf("%x", i*31), Stream: fmt.Sprint(i),
			Received: time.UnixMilli(int64(i%2) << 60).UTC(), Occurred: time.UnixMilli(-int64(i%2) << 60).UTC(), Body: bytes.Repeat([]byte{byte(i * 7)}, each),
		}
	}
	if err := CheckAppend(rs); err != nil {
		t.Fatal(err)
	}
	data := encode(rs, 1)
	f, err := OpenFrame(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(); err != nil {
		t.Fatal(err)
	}
}

// TestFrameEveryByte flips every byte of a frame: each is found, and named.
func TestFrameEveryByte(t *testing.T) {
	t.Parallel()
	data := encode(testRecords(3, 6, 3), 1)
	for i := range data {
		broken := bytes.Clone(data)
		broken[i] ^= 0x40
		f, err := OpenFrame(broken)
		if err == nil {
			_, err = f.Verify()
		}
		if err == nil {
			t.Fatalf("byte %d of %d changed, nothing noticed", i, len(data))
		}
	}
	for n := range data {
		if _, err := OpenFrame(data[:n]); err == nil {
			t.Fatalf("a frame cut to %d bytes opens", n)
		}
	}
}

func TestFrameNewerVersion(t *testing.T) {
	t.Parallel()
	data := encode(testRecords(3, 1, 1), 1)
	binary.LittleEndian.PutUint16(data[4:], FrameVersion+1)
	_, err := OpenFrame(data)
	if millrace.KindOf(err) != millrace.Invalid || !strings.Contains(fmt.Sprint(err), "newer version") {
		t.Errorf("got %v", err)
	}
}

// reseal makes the checksums of a changed frame right again, as far as it still
// has sections, so that the checks behind them are reached.
func reseal(data []byte) { resealAs(data, FrameVersion) }

func resealAs(data []byte, version uint16) {
	le := binary.LittleEndian
	if len(data) < frameHeaderSize+frameCRCSize {
		return
	}
	copy(data, frameMagic)
	le.PutUint16(data[4:], version)
	le.PutUint32(data[24:], uint32(len(data)))
	size := int(le.Uint32(data[20:]))
	if size < frameHeaderSize+frameCRCSize || size > len(data) {
		return
	}
	dir := data[frameHeaderSize : size-frameCRCSize]
	for len(dir) >= frameSectionSize {
		at, n := int(le.Uint32(dir)), int(le.Uint32(dir[4:]))
		if at+n <= len(data) {
			le.PutUint32(dir[16:], crc32.Checksum(data[at:at+n], castagnoli))
		}
		dir = dir[min(len(dir), frameSectionSize+int(dir[25])):]
	}
	le.PutUint32(data[size-frameCRCSize:], crc32.Checksum(data[:size-frameCRCSize], castagnoli))
}

func FuzzFrame(f *testing.F) {
	f.Add(encode(testRecords(1, 1, 1), 1), true)
	f.Add(encode(testRecords(2, 5, 2), 1), true)
	f.Add(encode(testRecords(3, 30, 3), 1), false)
	ring := ringOf(f, &testKeys{err: map[string]error{"w2": millrace.Errorf(millrace.Gone, "shredded")}})
	whole := ringOf(f, &testKeys{})
	f.Add(sealed(f, whole, testRecords(1, 1, 1), 1), true)
	f.Add(sealed(f, whole, testRecords(2, 5, 2), 1), true)
	f.Add(sealed(f, whole, testRecords(3, 30, 3), 1), false)
	f.Fuzz(func(t *testing.T, data []byte, sealed bool) {
		data = bytes.Clone(data)
		if sealed {
			reseal(data)
		}
		frame, err := OpenFrame(data)
		if err != nil {
			return
		}
		frame = frame.With(ring)
		for _, filter := range []Filter{{}, {Workspace: "w1"}, {Sources: []string{"source_1"}}} {
			entries, err := frame.Decode(nil, millrace.Position{Epoch: 1, Seq: 1}, 0, filter)
			if err != nil {
				continue
			}
			if len(entries) > frame.Len() {
				t.Fatalf("%d entries of %d records", len(entries), frame.Len())
			}
			for i := range entries {
				if !filter.Match(&entries[i].Record) {
					t.Fatalf("%+v does not match %+v", entries[i], filter)
				}
				if i > 0 && !entries[i-1].Position.Before(entries[i].Position) {
					t.Fatalf("%v before %v", entries[i-1].Position, entries[i].Position)
				}
			}
		}
		_, _ = frame.Verify()
	})
}

// TestFrameResealed drives random damage past the checksums.
func TestFrameResealed(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 4_000 {
		rs := testRecords(uint64(i%7), 1+i%7, 1+i%3)
		data := encode(rs, 1)
		for range 1 + rnd.IntN(3) {
			data[rnd.IntN(len(data))] = byte(rnd.Uint32())
		}
		reseal(data)
		if f, err := OpenFrame(data); err == nil {
			_, _ = f.Verify()
		}
	}
}

// goldenRecords are what -update writes as golden frames, once per format version.
func goldenRecords() map[string][]millrace.Record {
	one := millrace.Record{
		ID: "one", Workspace: "default", Source: "web", Stream: millrace.StreamIdentify, Key: "u1",
		Received: time.UnixMilli(1_760_000_000_123).UTC(), Occurred: time.UnixMilli(1_760_000_000_001).UTC(),
		Body: []byte(`{"traits":{"plan":"free"}}`), Meta: []byte(`{"type":"identify"}`),
	}
	change := millrace.Record{ID: "db-1", Workspace: "default", Source: "db", Stream: "orders", Op: millrace.OpDelete, Key: "7", Received: one.Received, Occurred: one.Occurred}
	plain := one
	plain.Workspace, plain.ID = "plain", "beside"
	return map[string][]millrace.Record{"one": {one}, "two": {one, change}, "many": testRecords(40, 40, 3), "mixed": {one, plain, change}}
}

func writeGolden(t *testing.T) {
	dir := filepath.Join("testdata", fmt.Sprintf("frame_v%d", FrameVersion))
	if _, err := os.Stat(dir); err == nil {
		t.Fatalf("%s exists: golden frames are never written again", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, rs := range goldenRecords() {
		text, err := json.MarshalIndent(rs, "", " ")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".json"), text, 0o644)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".frame"), sealed(t, ringOf(t, &testKeys{}), rs, 1_760_000_001_000), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFrameGolden reads frames as every version of the format wrote them.
func TestFrameGolden(t *testing.T) {
	t.Parallel()
	if *update {
		writeGolden(t)
	}
	paths, err := filepath.Glob("testdata/frame_v*/*.frame")
	if err != nil || len(paths) < 3*FrameVersion {
		t.Fatalf("%d golden frames, %v", len(paths), err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(strings.TrimSuffix(path, ".frame") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var want []millrace.Record
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFrame(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.With(ringOf(t, &testKeys{})).Decode(nil, millrace.Position{Epoch: 7, Seq: 3}, -1, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		checkEntries(t, got, want, Filter{}, -1)
		if f.Time().UnixMilli() != 1_760_000_001_000 {
			t.Errorf("%s: stamp %v", path, f.Time())
		}
	}
}
