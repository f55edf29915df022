package eventlog

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
)

// testKeys has a key of each workspace but those whose name begins with "plain".
type testKeys struct {
	mu    sync.Mutex
	id    uint32
	err   map[string]error // by workspace
	asked int
	hold  chan struct{} // unless nil, answers wait for it
}

func (k *testKeys) Seal(space string) (uint32, Key, error) {
	k.mu.Lock()
	id, hold := max(k.id, 1), k.hold
	k.mu.Unlock()
	if strings.HasPrefix(space, "plain") {
		return 0, Key{}, nil
	}
	key, err := k.Open(space, id)
	if hold != nil {
		<-hold
	}
	return id, key, err
}

func (k *testKeys) Open(space string, id uint32) (key Key, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	copy(key[:], fmt.Sprintf("%d %s", id, space))
	return key, k.err[space]
}

func (k *testKeys) fail(space string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = map[string]error{}
	}
	k.err[space] = err
}

func ringOf(t testing.TB, keys Keys) *Keyring {
	t.Helper()
	ring, err := NewKeyring(KeyringOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func sealed(t testing.TB, ring *Keyring, rs []millrace.Record, stamp int64) []byte {
	t.Helper()
	seals, err := ring.Seals(rs)
	if err != nil {
		t.Fatal(err)
	}
	var b FrameBuilder
	b.AddSealed(rs, seals)
	return b.Encode(nil, time.UnixMilli(stamp))
}

// TestSealVectors are those of C2SP's XAES-256-GCM.
func TestSealVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key             byte
		associated, out string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		s := newSealer(1, (*Key)(bytes.Repeat([]byte{c.key}, KeySizeBytes)))
		nonce := "ABCDEFGHIJKLMNOPQRSTUVWX"
		got := s.aead([]byte(nonce)).Seal(nil, []byte(nonce[12:]), []byte("XAES-256-GCM"), []byte(c.associated))
		if hex.EncodeToString(got) != c.out {
			t.Errorf("key %d: %x, want %s", c.key, got, c.out)
		}
		plain, err := s.open(append([]byte(nonce), got...), []byte(c.associated))
		if err != nil || string(plain) != "XAES-256-GCM" {
			t.Errorf("%q, %v", plain, err)
		}
	}
}

func TestSealedRoundTrip(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, &testKeys{})
	var b FrameBuilder // reused, so that nothing may leak from frame to frame
	for _, n := range []int{1, 2, 3, 10, 100, 1000} {
		for _, workspaces := range []int{1, 2, 7} {
			rs := testRecords(uint64(n), n, workspaces)
			for i := range rs {
				if rs[i].Workspace == "w1" {
					rs[i].Workspace = "plain"
				}
			}
			b.Reset()
			for _, part := range [][]millrace.Record{rs[:n/2], rs[n/2:]} {
				seals, err := ring.Seals(part)
				if err != nil {
					t.Fatal(err)
				}
				b.AddSealed(part, seals)
			}
			data := b.Encode([]byte("before"), time.UnixMilli(1234))[len("before"):]
			if over := len(data) - b.Size(); over > 200*workspaces {
				t.Errorf("%d records: Size %d, encoded %d", n, b.Size(), len(data))
			}
			f, err := OpenFrame(data)
			if err != nil {
				t.Fatal(err)
			}
			for _, filter := range []Filter{{}, {Workspace: "w0"}, {Workspace: "plain"}, {Sources: []string{"source_1"}}} {
				got, err := f.With(ring).Decode(nil, millrace.Position{Epoch: 7, Seq: 3}, -1, filter)
				if err != nil {
					t.Fatal(err)
				}
				checkEntries(t, got, rs, filter, -1)
			}
			if v, err := f.With(ring).Verify(); err != nil || v != (FrameVerification{}) {
				t.Error(v, err)
			}
			if bytes.Contains(data, []byte("user-")) && workspaces == 1 {
				t.Error("a key is in the frame as it was given")
			}
		}
	}
}

func TestPlainFramesKeepTheirVersion(t *testing.T) {
	t.Parallel()
	rs := testRecords(1, 3, 1)
	if data := encode(rs, 1); data[4] != framePlain {
		t.Errorf("version %d", data[4])
	}
	if data := sealed(t, ringOf(t, &testKeys{}), rs, 1); data[4] != frameSealed {
		t.Errorf("version %d", data[4])
	}
	data := sealed(t, ringOf(t, &testKeys{}), rs, 1)
	resealAs(data, framePlain)
	if _, err := OpenFrame(data); err == nil || !strings.Contains(err.Error(), "version 1 does not know") {
		t.Errorf("a frame of version 1 with a key: %v", err)
	}
}

// TestSealedEveryByte flips every byte, with the checksums made right again:
// what was encrypted cannot be changed by who has no key.
func TestSealedEveryByte(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, &testKeys{})
	rs := testRecords(3, 6, 3)
	data := sealed(t, ring, rs, 1)
	size := int(data[20])
	for i := range data {
		for _, again := range []bool{false, true} {
			broken := bytes.Clone(data)
			broken[i] ^= 0x40
			if again {
				reseal(broken)
			}
			f, err := OpenFrame(broken)
			var v FrameVerification
			if err == nil {
				v, err = f.With(ring).Verify()
			}
			if i >= 8 && i < 16 && again || bytes.Equal(broken, data) { // log time is not of a section
				continue
			}
			if err == nil && v.Locked+v.Destroyed == 0 {
				t.Fatalf("byte %d of %d (header %d) changed, resealed %v: nothing noticed", i, len(data), size, again)
			}
		}
	}
}

func TestSealedNeverAlike(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, &testKeys{})
	rs := testRecords(3, 1, 1)
	seen := map[string]bool{}
	for range 10_000 {
		f, err := OpenFrame(sealed(t, ring, rs, 1))
		if err != nil {
			t.Fatal(err)
		}
		seen[string(f.sections[0].data[:sealNonceSize])] = true
	}
	if len(seen) != 10_000 {
		t.Errorf("%d nonces of 10,000 sections", len(seen))
	}
}

// TestSealedErrors: only a key that is known to be destroyed makes readers pass over.
func TestSealedErrors(t *testing.T) {
	t.Parallel()
	rs := testRecords(8, 40, 3)
	for name, c := range map[string]struct {
		err  error
		want millrace.Kind
	}{
		"destroyed":   {millrace.Errorf(millrace.Gone, "shredded"), 0},
		"unavailable": {millrace.Errorf(millrace.Unavailable, "not now"), millrace.Unavailable},
		"broken":      {fmt.Errorf("disk"), millrace.Unavailable},
		"forbidden":   {millrace.Errorf(millrace.Forbidden, "no"), millrace.Unavailable},
		"unknown":     {millrace.Errorf(millrace.NotFound, "which"), millrace.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := &testKeys{}
			data := sealed(t, ringOf(t, keys), rs, 1)
			keys.fail("w1", c.err)
			ring := ringOf(t, keys)
			f, err := OpenFrame(data)
			if err != nil {
				t.Fatal(err)
			}
			f = f.With(ring)
			got, err := f.Decode(nil, millrace.Position{Epoch: 7, Seq: 3}, -1, Filter{})
			v, verr := f.Verify()
			n := 0
			for i := range rs {
				if rs[i].Workspace == "w1" {
					n++
				}
			}
			if name == "destroyed" {
				if err != nil || verr != nil || v.Destroyed != n || v.Locked != 0 || len(got) != len(rs)-n {
					t.Fatal(len(got), err, v, verr)
				}
				for i := range got {
					if got[i].ID != rs[got[i].Position.Index].ID || got[i].Workspace == "w1" {
						t.Fatalf("%v has %q", got[i].Position, got[i].ID)
					}
				}
			} else if err == nil || millrace.KindOf(err) != c.want || verr != nil || v.Locked != n || v.Destroyed != 0 {
				t.Fatal(err, v, verr)
			}
			if got, err := f.Decode(nil, millrace.Position{Epoch: 7, Seq: 3}, -1, Filter{Workspace: "w0"}); err != nil {
				t.Error(err)
			} else {
				checkEntries(t, got, rs, Filter{Workspace: "w0"}, -1)
			}
			if _, err := ring.Seals(rs); (millrace.KindOf(err) == millrace.Gone) != (name == "destroyed") {
				t.Error(err)
			}
		})
	}
	t.Run("no keys", func(t *testing.T) {
		t.Parallel()
		f, err := OpenFrame(sealed(t, ringOf(t, &testKeys{}), rs, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Decode(nil, millrace.Position{Seq: 1}, -1, Filter{}); millrace.KindOf(err) != millrace.Invalid {
			t.Error(err)
		}
		if v, err := f.Verify(); err != nil || v.Locked != len(rs) {
			t.Error(v, err)
		}
	})
	t.Run("another key", func(t *testing.T) {
		t.Parallel()
		f, err := OpenFrame(sealed(t, ringOf(t, &testKeys{}), rs, 1))
		if err != nil {
			t.Fatal(err)
		}
		f.sections[0].workspace, f.sections[1].workspace = f.sections[1].workspace, f.sections[0].workspace
		if _, err := f.With(ringOf(t, &testKeys{})).Decode(nil, millrace.Position{Seq: 1}, -1, Filter{}); err == nil || millrace.KindOf(err) != millrace.Internal {
			t.Error(err)
		}
	})
}

// TestKeyringAsksOnce, says once what is passed over, and counts it.
func TestKeyringAsksOnce(t *testing.T) {
	t.Parallel()
	keys, said, metrics := &testKeys{}, &bytes.Buffer{}, prometheus.NewRegistry()
	ring, err := NewKeyring(KeyringOptions{Keys: keys, Logger: slog.New(slog.NewTextHandler(said, nil)), Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	rs := testRecords(8, 40, 1)
	f, err := OpenFrame(sealed(t, ring, rs, 1))
	if err != nil {
		t.Fatal(err)
	}
	f = f.With(ring)
	for range 3 {
		sealed(t, ring, rs, 1)
		if got, err := f.Decode(nil, millrace.Position{Seq: 1}, -1, Filter{}); err != nil || len(got) != len(rs) {
			t.Fatal(err)
		}
	}
	if keys.asked != 2 {
		t.Errorf("asked %d times, want once for each direction", keys.asked)
	}
	keys.fail("w0", millrace.Errorf(millrace.Gone, "shredded"))
	ring.Forget("other")
	if got, err := f.Decode(nil, millrace.Position{Seq: 1}, -1, Filter{}); err != nil || len(got) != len(rs) {
		t.Fatal(len(got), err)
	}
	ring.Forget("w0")
	for range 3 {
		if got, err := f.Decode(nil, millrace.Position{Seq: 1}, -1, Filter{}); err != nil || len(got) != 0 {
			t.Fatal(len(got), err)
		}
	}
	if n := strings.Count(said.String(), "destroyed"); n != 1 {
		t.Errorf("said %d times: %s", n, said)
	}
	counted, err := metrics.Gather()
	if err != nil || len(counted) != 1 || len(counted[0].GetMetric()) != 2 {
		t.Fatal(counted, err)
	}
	if got := counted[0].GetMetric()[0].GetCounter().GetValue(); got != 3*40 {
		t.Errorf("%v records counted", got)
	}
	ring.Close(metrics)
	if all, err := metrics.Gather(); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}

// TestKeyringForgetsWhatIsOnItsWay: a key that was asked for before it was
// destroyed is not remembered behind that.
func TestKeyringForgetsWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	keys := &testKeys{hold: make(chan struct{})}
	ring := ringOf(t, keys)
	rs := testRecords(8, 1, 1)
	late := make(chan error)
	go func() {
		_, err := ring.Seals(rs)
		late <- err
	}()
	for asked := 0; asked == 0; time.Sleep(time.Millisecond) {
		keys.mu.Lock()
		asked = keys.asked
		keys.mu.Unlock()
	}
	keys.fail("w0", millrace.Errorf(millrace.Gone, "shredded"))
	ring.Forget("w0")
	close(keys.hold)
	if err := <-late; err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Seals(rs); millrace.KindOf(err) != millrace.Gone {
		t.Error(err)
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	key := Key{}
	copy(key[:], "0123456789")
	text, err := json.Marshal(struct{ K Key }{key})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("key", "key", key, "in", struct{ K Key }{key})
	for _, got := range []string{fmt.Sprint(key), fmt.Sprintf("%x %d %s %q %+v %#v", key, key, key, key, key, key), fmt.Sprintf("%v", struct{ K Key }{key}), string(text), logged.String()} {
		if strings.Contains(got, "0123") || strings.Contains(got, "303132") || strings.Contains(got, "48 49") || !strings.Contains(got, hiddenKey) {
			t.Error(got)
		}
	}
}
