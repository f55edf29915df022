package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// deltasPerBase is how many deltas follow a base until the next.
const deltasPerBase = 64

// sessionGap is how many generations a new session leaves free, so that a
// write of the session before it that arrives late is never taken for newer.
const sessionGap = 1000

// A store keeps the state in the bucket as a chain of objects: a base, and
// deltas that follow it. One goroutine writes, any number read.
type store struct {
	bucket blob.Bucket
	now    func() time.Time

	mu      sync.Mutex
	current *state        // nil until loaded
	changed chan struct{} // closed when current is replaced

	// Of the writer.
	sinceBase int
	old       []garbage // objects of the chain before the last base
	since     []string  // objects of the chain from the last base on
}

func newStore(bucket blob.Bucket, now func() time.Time) *store {
	return &store{bucket: bucket, now: now, changed: make(chan struct{})}
}

// snapshot returns the current state, nil when there is none.
func (s *store) snapshot() *state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// watch returns the current state and a channel that is closed when it is replaced.
func (s *store) watch() (*state, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.changed
}

func (s *store) replace(old, n *state) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != old {
		return
	}
	s.current = n
	close(s.changed)
	s.changed = make(chan struct{})
}

// set replaces the state; only the writer does.
func (s *store) set(n *state) { s.replace(s.snapshot(), n) }

// A link is an object of the chain.
type link struct {
	key        string
	generation uint64
	session    string
	base       bool
}

func (l link) String() string {
	kind := "delta"
	if l.base {
		kind = "base"
	}
	return fmt.Sprintf("%s%016d-%s-%s.json", logPrefix, l.generation, l.session, kind)
}

func parseLink(key string) (link, bool) {
	name, ok := strings.CutSuffix(strings.TrimPrefix(key, logPrefix), ".json")
	parts := strings.Split(name, "-")
	if !ok || len(parts) != 3 || parts[2] != "base" && parts[2] != "delta" {
		return link{}, false
	}
	generation, err := strconv.ParseUint(parts[0], 10, 63)
	if err != nil {
		return link{}, false
	}
	return link{key: key, generation: generation, session: parts[1], base: parts[2] == "base"}, true
}

// list returns the objects of the chain, oldest first, and the newest base.
func (s *store) list(ctx context.Context) (links []link, base int, err error) {
	base = -1
	for info, err := range s.bucket.List(ctx, logPrefix) {
		if err != nil {
			return nil, 0, err
		}
		if l, ok := parseLink(info.Key); ok {
			if l.base {
				base = len(links)
			}
			links = append(links, l)
		}
	}
	return links, base, nil
}

// load replaces the current state, if it is still old, with what the bucket
// holds: nobody takes the writer's state back.
func (s *store) load(ctx context.Context, old *state) error {
	for attempt := 0; ; attempt++ {
		n, err := s.read(ctx)
		if err == nil {
			s.replace(old, n)
			return nil
		}
		// A running archive may have dropped an object between list and read.
		if millrace.KindOf(err) != millrace.NotFound {
			return err
		}
		if attempt == 3 {
			return millrace.Errorf(millrace.Invalid, "the manifest of the archive is not complete: restore this object from a backup of the bucket: %w", err)
		}
	}
}

func (s *store) read(ctx context.Context) (*state, error) {
	links, base, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	if base < 0 {
		return s.begin(ctx, len(links))
	}
	chain := []link{links[base]}
	for _, l := range links[base+1:] {
		if l.session == links[base].session && !l.base {
			chain = append(chain, l)
		}
	}
	objects := make([][]byte, len(chain))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range chain {
		g.Go(func() (err error) {
			objects[i], err = readObject(gctx, s.bucket, chain[i].key)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	n := &state{}
	if _, err := decodeManifest(chain[0].key, objects[0], n); err != nil {
		return nil, err
	}
	for i := 1; i < len(chain); i++ {
		var d delta
		if _, err := decodeManifest(chain[i].key, objects[i], &d); err != nil {
			return nil, err
		}
		if n, err = n.apply(&d); err != nil {
			return nil, millrace.Errorf(millrace.Invalid, "the manifest of the archive is damaged at %s: restore the objects of %s from a backup of the bucket: %w", chain[i].key, logPrefix, err)
		}
	}
	return n, nil
}

// begin is the state of a bucket without a base: empty, if the bucket is.
func (s *store) begin(ctx context.Context, links int) (*state, error) {
	found := ""
	for _, prefix := range []string{freshPrefix, manifestPrefix} {
		for info, err := range s.bucket.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			found = info.Key
			break
		}
	}
	if found != "" || links > 0 {
		return nil, millrace.Errorf(millrace.Invalid, "the archive holds files (%s) but no base in %s: restore that folder from a backup of the bucket, or choose an empty folder or bucket for a new archive", found, logPrefix)
	}
	return &state{}, nil
}

// take makes the caller the writer: it loads the state and stores it as the
// base of a new session, which whoever wrote before will find.
func (s *store) take(ctx context.Context) error {
	links, _, err := s.list(ctx)
	if err != nil {
		return err
	}
	loaded, err := s.read(ctx)
	if err != nil {
		return err
	}
	n := *loaded
	for _, l := range links {
		n.Generation = max(n.Generation, l.generation)
	}
	n.Generation += sessionGap
	var id [6]byte
	rand.Read(id[:])
	n.Session = hex.EncodeToString(id[:])
	if err := s.putBase(ctx, &n); err != nil {
		return err
	}
	s.old = nil
	for _, l := range links {
		s.old = append(s.old, garbage{Key: l.key, At: s.now().UnixMilli()})
	}
	return nil
}

// putBase stores n whole.
func (s *store) putBase(ctx context.Context, n *state) error {
	data, _, err := encodeManifest(n)
	if err != nil {
		return err
	}
	key := link{generation: n.Generation, session: n.Session, base: true}.String()
	if err := s.bucket.Put(ctx, key, bytes.NewReader(data)); err != nil {
		return err
	}
	for _, k := range s.since {
		s.old = append(s.old, garbage{Key: k, At: s.now().UnixMilli()})
	}
	s.since = []string{key}
	s.sinceBase = 0
	s.set(n)
	return nil
}

// alone fails with Conflict when another process has become the writer.
func (s *store) alone(ctx context.Context) error {
	links, _, err := s.list(ctx)
	if err != nil {
		return err
	}
	n := s.snapshot()
	if last := len(links) - 1; last >= 0 && links[last].generation > n.Generation && links[last].session != n.Session {
		return millrace.Errorf(millrace.Conflict, "another process writes to this archive (%s): this one stops; give each server a folder or bucket prefix of its own", links[last].key)
	}
	return nil
}

// rebase stores the state as a base of the next generation.
func (s *store) rebase(ctx context.Context) error {
	if err := s.alone(ctx); err != nil {
		return err
	}
	n := *s.snapshot()
	n.Generation++
	return s.putBase(ctx, &n)
}

// put stores d, which prepare made ready, and makes it part of the state.
func (s *store) put(ctx context.Context, p prepared) error {
	if err := s.bucket.Put(ctx, p.key, bytes.NewReader(p.data)); err != nil {
		return err
	}
	s.since = append(s.since, p.key)
	s.sinceBase++
	s.set(p.next)
	return nil
}

// prepared is a delta ready to be stored, again and again until it is.
type prepared struct {
	key  string
	data []byte
	next *state
}

func (s *store) prepare(d delta) (prepared, error) {
	n := s.snapshot()
	d.Generation, d.Session = n.Generation+1, n.Session
	next, err := n.apply(&d)
	if err != nil {
		return prepared{}, millrace.Errorf(millrace.Internal, "the archive's own step does not fit: %w", err)
	}
	data, _, err := encodeManifest(&d)
	if err != nil {
		return prepared{}, err
	}
	return prepared{key: link{generation: d.Generation, session: d.Session}.String(), data: data, next: next}, nil
}

// dropOld deletes objects of the chain that a base replaced before the time.
func (s *store) dropOld(ctx context.Context, before time.Time) error {
	for len(s.old) > 0 && s.old[0].At <= before.UnixMilli() {
		if err := s.bucket.Delete(ctx, s.old[0].Key); err != nil {
			return err
		}
		s.old = s.old[1:]
	}
	return nil
}

// readObject returns the whole content of an object.
func readObject(ctx context.Context, bucket blob.Bucket, key string) ([]byte, error) {
	o, err := bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	data := make([]byte, o.Size())
	n, err := o.ReadAt(data, 0)
	if n == len(data) {
		return data, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if millrace.KindOf(err) != millrace.Internal {
		return nil, err
	}
	return nil, millrace.Errorf(millrace.Unavailable, "reading %s of the archive: %w", key, err)
}
