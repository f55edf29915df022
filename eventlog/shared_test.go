package eventlog

import (
	"errors"
	"sync"
	"testing"
	"unsafe"

	"github.com/millrace/millrace"
)

// readAll opens a reader at the beginning and reads to the end.
func readAll(t *testing.T, tail *Tail, f Filter) (all []Entry) {
	t.Helper()
	r, err := tail.Open(millrace.Position{}, f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, b.Records...); b.AtEnd {
			return all
		}
	}
}

func memoryOf(e Entry) *byte { return unsafe.SliceData(e.Body) }

// TestSharing reads the newest frames with several readers at once: what they get
// is unpacked once, also for those that read one workspace only.
func TestSharing(t *testing.T) {
	ring := ringOf(t, &testKeys{})
	tail := NewTail(TailOptions{Epoch: 1, First: 1, Keys: ring})
	rs := testRecords(1, 500, 3)
	for i := 0; i < len(rs); i += 50 {
		f, err := OpenFrame(sealed(t, ring, rs[i:i+50], int64(i)))
		if err != nil {
			t.Fatal(err)
		}
		tail.Push(f)
	}
	var got [4][]Entry
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i] = readAll(t, tail, Filter{}) })
	}
	all.Wait()
	of := map[millrace.Position]*byte{}
	for _, e := range got[0] {
		of[e.Position] = memoryOf(e)
	}
	for _, e := range append(append(got[1], got[2]...), append(got[3], readAll(t, tail, Filter{Workspace: rs[0].Workspace})...)...) {
		if len(e.Body) > 0 && memoryOf(e) != of[e.Position] {
			t.Fatalf("record %v was unpacked twice", e.Position)
		}
	}
	if len(got[0]) != len(rs) || got[0][499].ID != rs[499].ID || string(got[0][499].Body) != string(rs[499].Body) {
		t.Errorf("%d records are read", len(got[0]))
	}
}

// TestSharingEnds: what is unpacked is bounded, and ends with the key.
func TestSharingEnds(t *testing.T) {
	keys := &testKeys{}
	ring := ringOf(t, keys)
	tail := NewTail(TailOptions{Epoch: 1, First: 1, Keys: ring})
	body := make([]byte, 1<<20)
	for i := range body {
		body[i] = "0123456789abcdef"[i*i>>3&15]
	}
	for range 2 * sharedBytes / len(body) {
		f, err := OpenFrame(sealed(t, ring, []millrace.Record{{ID: "a", Workspace: "acme", Source: "web", Stream: "track/x", Body: body}}, 1))
		if err != nil {
			t.Fatal(err)
		}
		tail.Push(f)
	}
	once, again := readAll(t, tail, Filter{}), readAll(t, tail, Filter{})
	shared := 0
	for i := range once {
		if memoryOf(once[i]) == memoryOf(again[i]) {
			shared += len(body)
		}
	}
	if shared == 0 || shared > sharedBytes {
		t.Errorf("%d bytes stay unpacked, the limit is %d", shared, sharedBytes)
	}
	if memoryOf(once[0]) == memoryOf(again[0]) || memoryOf(once[len(once)-1]) != memoryOf(again[len(again)-1]) {
		t.Error("it is not the newest that stay unpacked")
	}
	keys.fail("acme", &millrace.Error{Kind: millrace.Gone, Message: "destroyed"})
	ring.Forget("acme")
	if left := readAll(t, tail, Filter{}); len(left) != 0 {
		t.Errorf("%d records are read without their key", len(left))
	}
	tail.Close()
	if tail.shared.size != 0 {
		t.Errorf("a closed tail keeps %d bytes", tail.shared.size)
	}
}

// TestSharingOfWhatCannotBeUnpacked: the error is everybody's, until it is over.
func TestSharingOfWhatCannotBeUnpacked(t *testing.T) {
	u := &unpacked{}
	broken := errors.New("broken")
	for range 2 {
		if _, err := u.get(func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
	if raw, err := u.get(func() ([]byte, error) { return []byte("x"), nil }); err != nil || string(raw) != "x" {
		t.Errorf("got %q, %v", raw, err)
	}
}
