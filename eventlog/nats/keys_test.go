package nats_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/nats"
)

func TestConformanceKeys(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]nats.Options{
		"memory": {Metrics: prometheus.NewRegistry()},
		"disk":   {CacheBytes: 1},
		"rolled": {CacheBytes: 1, RollBytes: 4 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := func(t *testing.T, keys eventlog.Keys) eventlog.Log {
				o := o
				if o.Keys = keys; o.Metrics != nil {
					o.Metrics = prometheus.NewRegistry()
				}
				return open(t, o)
			}
			eventlogtest.RunKeys(t, with)
			if name == "disk" {
				eventlogtest.Run(t, func(t *testing.T) eventlog.Log { return with(t, eventlogtest.NewKeys()) })
			}
		})
	}
}

// find returns the files below dir that hold a canary as it is.
func find(t *testing.T, dir, canary string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(canary)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// canaries returns n records of a workspace, each field of which says canary.
func canaries(workspace string, n int) []millrace.Record {
	rs := eventlogtest.Records("canary-id", n)
	for i := range rs {
		r := &rs[i]
		r.Workspace, r.Source, r.Stream, r.Key = workspace, "canary_source", "track:Canary Event", "canary-user"
		r.Body = fmt.Appendf(nil, `{"canary":"property %d"}`, i)
	}
	return rs
}

// TestDestroyed destroys a workspace's key and looks at what is left: nothing of
// it was ever readable on disk, all of its neighbour is, the numbers add up,
// and a restart does not bring it back.
func TestDestroyed(t *testing.T) {
	t.Parallel()
	dir, keys := t.TempDir(), eventlogtest.NewKeys()
	log := open(t, nats.Options{Dir: dir, Keys: keys, CacheBytes: 1})
	for range 20 {
		mixed := append(canaries("gone", 3), eventlogtest.Records("kept", 2)...)
		eventlogtest.Append(t, log, mixed...)
	}
	last := eventlogtest.Append(t, log, canaries("gone", 1)...)
	if found := find(t, dir, "anary"); found != nil {
		t.Errorf("canaries in %v", found)
	}
	if found := find(t, dir, "kept"); found != nil {
		t.Errorf("the neighbour is readable on disk in %v", found)
	}
	check := func(destroyed, locked uint64) {
		t.Helper()
		v, err := log.Verify(eventlogtest.Context(t), nil)
		if err != nil || v.Broken != 0 || v.Records != 101 || v.Destroyed != destroyed || v.Locked != locked {
			t.Fatalf("Verify: %+v, %v", v, err)
		}
	}
	check(0, 0)
	keys.Destroy("gone")
	log.Forget("gone")
	check(61, 0)
	for round := range 2 {
		got, through := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
		if len(got) != 40 || through.Seq != last.Seq || got[39].Position.Index != 4 {
			t.Fatalf("round %d: %d records through %v", round, len(got), through)
		}
		// Nothing is damaged: nothing is given up.
		n, err := log.Skip(eventlogtest.Context(t), millrace.Position{}, through)
		if n != 0 || err != nil {
			t.Fatalf("Skip: %d, %v", n, err)
		}
		log.Close()
		log = open(t, nats.Options{Dir: dir, Keys: keys, CacheBytes: 1})
	}
	log.Close()
	log = open(t, nats.Options{Dir: dir}) // as `log verify` of a server without its keys
	check(0, 101)
	keys.Down(true)
	log.Close()
	log = open(t, nats.Options{Dir: dir, Keys: keys})
	check(0, 101)
	_, err := eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}).Next(eventlogtest.Context(t))
	if millrace.KindOf(err) != millrace.Unavailable {
		t.Fatal(err)
	}
}

// TestEncryptionBegins: what was stored before there were keys stays readable.
func TestEncryptionBegins(t *testing.T) {
	t.Parallel()
	dir, keys := t.TempDir(), eventlogtest.NewKeys()
	log := open(t, nats.Options{Dir: dir})
	eventlogtest.Append(t, log, eventlogtest.Records("plain", 3)...)
	log.Close()
	log = open(t, nats.Options{Dir: dir, Keys: keys})
	eventlogtest.Append(t, log, eventlogtest.Records("sealed", 3)...)
	got, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
	if len(got) != 6 || got[0].ID != "plain-0" || got[5].ID != "sealed-2" {
		t.Error(eventlogtest.IDs(got))
	}
	if find(t, dir, "plain-0") == nil || find(t, dir, "sealed-0") != nil {
		t.Error("what was stored before is plain, and only that")
	}
}

// TestSealedDamage: damage of an encrypted section is found without its key.
func TestSealedDamage(t *testing.T) {
	t.Parallel()
	dir, keys := t.TempDir(), eventlogtest.NewKeys()
	log := open(t, nats.Options{Dir: dir, Keys: keys, CacheBytes: 1})
	for range 10 {
		eventlogtest.Append(t, log, canaries("gone", 3)...)
	}
	log.Close()
	path := filepath.Join(dir, "jetstream", "$G", "streams", "log", "msgs", "1.blk")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	frame := bytes.LastIndex(data[:len(data)/2], []byte("MRFR"))
	data[frame+120] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	keys.Destroy("gone")
	log = open(t, nats.Options{Dir: dir, Keys: keys, CacheBytes: 1, CheckBytes: -1})
	v, err := log.Verify(context.Background(), nil)
	if err != nil || v.Broken != 1 || v.Destroyed != 27 {
		t.Fatalf("Verify: %+v, %v", v, err)
	}
}
