package eventlogtest

import (
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Keys are eventlog.Keys in memory, for tests: each workspace gets a key when
// it is first asked for. They are safe for concurrent use.
type Keys struct {
	mu        sync.Mutex
	keys      map[string][]eventlog.Key // by workspace; the last is for new sections
	destroyed map[string]bool
	down      bool
	asked     int
}

// NewKeys returns keys of no workspace yet.
func NewKeys() *Keys {
	return &Keys{keys: map[string][]eventlog.Key{}, destroyed: map[string]bool{}}
}

// Seal is eventlog.Keys.Seal.
func (k *Keys) Seal(space string) (id uint32, key eventlog.Key, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ask(space); err != nil {
		return 0, key, err
	}
	if len(k.keys[space]) == 0 {
		k.add(space)
	}
	all := k.keys[space]
	return uint32(len(all)), all[len(all)-1], nil
}

// Open is eventlog.Keys.Open.
func (k *Keys) Open(space string, id uint32) (key eventlog.Key, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ask(space); err != nil {
		return key, err
	}
	all := k.keys[space]
	if id == 0 || int(id) > len(all) {
		return key, millrace.Errorf(millrace.NotFound, "there is no key %d of %q", id, space)
	}
	return all[id-1], nil
}

func (k *Keys) ask(space string) error {
	k.asked++
	switch {
	case k.down:
		return millrace.Errorf(millrace.Unavailable, "the keys are away")
	case k.destroyed[space]:
		return millrace.Errorf(millrace.Gone, "the keys of %q were destroyed", space)
	}
	return nil
}

func (k *Keys) add(space string) {
	var key eventlog.Key
	rand.Read(key[:])
	k.keys[space] = append(k.keys[space], key)
}

// Rotate makes a new key for new sections of a workspace.
func (k *Keys) Rotate(space string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.add(space)
}

// Lose forgets the keys of a workspace as if they had never been.
func (k *Keys) Lose(space string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, space)
}

// Destroy destroys the keys of a workspace. Tell the log with Forget.
func (k *Keys) Destroy(space string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, space)
	k.destroyed[space] = true
}

// Down makes all keys unavailable, or available again.
func (k *Keys) Down(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
}

// Asked returns how often a key was asked for.
func (k *Keys) Asked() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked
}

// RunKeys runs the part of the suite that is about keys. open returns a new,
// empty log with those keys, which the suite closes.
func RunKeys(t *testing.T, open func(t *testing.T, keys eventlog.Keys) eventlog.Log) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *Keys, eventlog.Log){
		"Destroyed":            testDestroyed,
		"DestroyedUnderReader": testDestroyedUnderReader,
		"DestroyedBetween":     testDestroyedBetween,
		"Unavailable":          testKeysUnavailable,
		"Unknown":              testKeyUnknown,
		"Rotated":              testKeysRotated,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := NewKeys()
			log := open(t, keys)
			t.Cleanup(func() {
				if err := log.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test(t, keys, log)
		})
	}
}

// forget tells the log that keys have changed.
func forget(t *testing.T, log eventlog.Log, space string) {
	t.Helper()
	f, ok := log.(eventlog.Forgetter)
	if !ok {
		t.Fatal("a log with keys is an eventlog.Forgetter")
	}
	f.Forget(space)
}

// of returns records of several workspaces, one after the other.
func of(prefix string, n int, workspaces ...string) []millrace.Record {
	rs := Records(prefix, n)
	for i := range rs {
		rs[i].Workspace = workspaces[i%len(workspaces)]
	}
	return rs
}

func testDestroyed(t *testing.T, keys *Keys, log eventlog.Log) {
	var want []eventlog.Entry
	var last millrace.Position
	for frame := range 12 {
		spaces := []string{"gone", "kept", "other"}
		if frame%4 == 0 {
			spaces = []string{"gone"}
		}
		rs := of(fmt.Sprint(frame), 9, spaces...)
		last = Append(t, log, rs...)
		for i := range rs {
			if rs[i].Workspace != "gone" {
				at := last
				at.Index -= uint32(len(rs) - 1 - i)
				want = append(want, eventlog.Entry{Position: at, Record: rs[i]})
			}
		}
	}
	keys.Destroy("gone")
	forget(t, log, "gone")
	for _, after := range []int{-1, 0, len(want) / 2} {
		from, rest := millrace.Position{}, want
		if after >= 0 {
			from, rest = want[after].Position, want[after+1:]
		}
		got, through := ReadToEnd(t, Open(t, log, from, eventlog.Filter{}))
		if through.Seq != last.Seq || len(got) != len(rest) {
			t.Fatalf("%d records through %v, want %d", len(got), through, len(rest))
		}
		for i := range got {
			if got[i].Position != rest[i].Position || got[i].ID != rest[i].ID || got[i].Workspace != rest[i].Workspace {
				t.Fatalf("%v has %s of %s, want %v with %s", got[i].Position, got[i].ID, got[i].Workspace, rest[i].Position, rest[i].ID)
			}
		}
	}
	if got, through := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{Workspace: "gone"})); len(got) != 0 || through.Seq != last.Seq {
		t.Fatalf("%d records of the destroyed workspace, through %v", len(got), through)
	}
	_, err := log.Append(Context(t), of("late", 1, "gone"))
	wantKind(t, "append to a destroyed workspace", err, millrace.Gone)
	_, err = log.Append(Context(t), of("late", 2, "kept", "gone"))
	wantKind(t, "append to a destroyed workspace among others", err, millrace.Gone)
	if p := Append(t, log, of("late", 1, "kept")...); !last.Before(p) {
		t.Fatalf("%v behind %v", p, last)
	}
}

func testDestroyedUnderReader(t *testing.T, keys *Keys, log eventlog.Log) {
	Append(t, log, of("before", 4, "gone", "kept")...)
	all := Open(t, log, millrace.Position{}, eventlog.Filter{})
	own := Open(t, log, millrace.Position{}, eventlog.Filter{Workspace: "gone"})
	if got := ReadN(t, all, 4); len(got) != 4 {
		t.Fatal(IDs(got))
	}
	ReadN(t, own, 2)
	Append(t, log, of("unread", 4, "gone", "kept")...)
	keys.Destroy("gone")
	forget(t, log, "gone")
	Append(t, log, of("after", 1, "kept")...)
	if got := ReadN(t, all, 3); got[0].ID != "unread-1" || got[1].ID != "unread-3" || got[2].ID != "after-0" {
		t.Fatal(IDs(got))
	}
	if got, _ := ReadToEnd(t, own); len(got) != 0 {
		t.Fatal(IDs(got))
	}
}

// testDestroyedBetween destroys a key while others append and read.
func testDestroyedBetween(t *testing.T, keys *Keys, log eventlog.Log) {
	const n = 60
	var wg sync.WaitGroup
	for _, space := range []string{"kept", "gone"} {
		wg.Go(func() {
			for i := range n {
				_, err := log.Append(Context(t), of(fmt.Sprint(space, i), 1, space))
				if err != nil && (space == "kept" || millrace.KindOf(err) != millrace.Gone) {
					t.Errorf("append to %s: %v", space, err)
					return
				}
				if i == n/2 && space == "gone" {
					keys.Destroy("gone")
					forget(t, log, "gone")
				}
			}
		})
	}
	r := Open(t, log, millrace.Position{}, eventlog.Filter{Workspace: "kept"})
	got := ReadN(t, r, n)
	wg.Wait()
	for i := range got {
		if got[i].ID != fmt.Sprintf("kept%d-0", i) {
			t.Fatal(IDs(got))
		}
	}
	if got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{})); len(got) != n {
		t.Fatalf("%d records, want those that are kept: %d", len(got), n)
	}
}

// testKeysUnavailable: nothing is passed over because a key is away.
func testKeysUnavailable(t *testing.T, keys *Keys, log eventlog.Log) {
	Append(t, log, of("a", 4, "one", "two")...)
	last := Append(t, log, of("b", 4, "one", "two")...)
	asked := keys.Asked()
	for i := range 10 {
		Append(t, log, of(fmt.Sprint("c", i), 2, "one", "two")...)
	}
	if now := keys.Asked(); now != asked {
		t.Fatalf("ten appends asked %d times for keys that were known", now-asked)
	}
	keys.Down(true)
	forget(t, log, "one")
	_, err := Open(t, log, millrace.Position{}, eventlog.Filter{}).Next(Context(t))
	wantKind(t, "reading without the key", err, millrace.Unavailable)
	_, err = Open(t, log, millrace.Position{}, eventlog.Filter{Workspace: "one"}).Next(Context(t))
	wantKind(t, "reading without the key", err, millrace.Unavailable)
	_, err = log.Append(Context(t), of("d", 1, "one"))
	wantKind(t, "append without the key", err, millrace.Unavailable)
	_, err = log.Append(Context(t), of("d", 1, "new"))
	wantKind(t, "append of a new workspace without the key", err, millrace.Unavailable)
	Append(t, log, of("d", 1, "two")...) // whose key is known
	keys.Down(false)
	got, through := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{}))
	if len(got) != 29 || !through.After(last) {
		t.Fatalf("%d records through %v when the keys are back", len(got), through)
	}
}

func testKeyUnknown(t *testing.T, keys *Keys, log eventlog.Log) {
	Append(t, log, of("a", 4, "one", "two")...)
	keys.Lose("one")
	forget(t, log, "one")
	_, err := Open(t, log, millrace.Position{}, eventlog.Filter{}).Next(Context(t))
	wantKind(t, "reading what a key encrypted that nobody knows", err, millrace.Invalid)
}

func testKeysRotated(t *testing.T, keys *Keys, log eventlog.Log) {
	for i := range 5 {
		Append(t, log, of(fmt.Sprint(i), 3, "one")...)
		keys.Rotate("one")
		forget(t, log, "one")
	}
	got, _ := ReadToEnd(t, Open(t, log, millrace.Position{}, eventlog.Filter{Workspace: "one"}))
	if len(got) != 15 || got[14].ID != "4-2" {
		t.Fatal(IDs(got))
	}
}
