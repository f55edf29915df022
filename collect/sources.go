package collect

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
)

// A Source is one source of a space: HTTP or Webhook is set.
type Source struct {
	Workspace string // the space; default millrace.DefaultWorkspace
	Name      string
	HTTP      *HTTPSource
	Webhook   *WebhookSource
}

type sourceName struct{ workspace, name string }

// A source is a Source made ready.
type source struct {
	sourceName
	limits    *Limits
	addresses bool
	browser   bool
	origins   []string
	keys      []keyed // its own
	webhook   *hook   // nil: kind http
	space     *space
	// seen is what is known of the source across changes, made when it is first used.
	seen *atomic.Pointer[activity]
}

// keyed is a write key: its source, its own rate, and when it was last used.
type keyed struct {
	key    string
	src    *source
	bucket atomic.Pointer[bucket] // made on first use
	used   atomic.Int64           // ms since 1970; 0: not since the start
}

// rate returns the bucket of the key; nil: no limit.
func (k *keyed) rate() *bucket {
	if k.src.limits.Rate <= 0 {
		return nil
	}
	if b := k.bucket.Load(); b != nil {
		return b
	}
	k.bucket.CompareAndSwap(nil, newBucket(k.src.limits.Rate, float64(k.src.limits.Burst)))
	return k.bucket.Load()
}

// key returns the source's key of that text, or nil.
func (s *source) key(text string) *keyed {
	for i := range s.keys {
		if s.keys[i].key == text {
			return &s.keys[i]
		}
	}
	return nil
}

func (s *source) scan() scanLimits {
	return scanLimits{depth: s.limits.Depth, keyLength: s.limits.KeyLength, members: s.limits.Properties}
}

// activity is what is known of a source that was used.
type activity struct {
	counters *sourceCounters
	last     atomic.Int64 // last receipt, ms since 1970
	rejected *bucket      // of rejected records that are kept
	dropped  atomic.Int64 // rejected records that were not kept and not yet told of
	warned   atomic.Int64 // when that was last logged, ns since 1970

	refusals      [refusedCount]refusedTimes
	refusalLogged atomic.Int64 // when one was last logged, ns since 1970

	streams atomic.Pointer[map[string]string] // event name to stream
	adding  sync.Mutex
}

// active returns the source's activity, made when there is none.
func (s *source) active(h *Handler) *activity {
	if a := s.seen.Load(); a != nil {
		return a
	}
	s.space.making.Lock()
	defer s.space.making.Unlock()
	if a := s.seen.Load(); a != nil {
		return a
	}
	a := &activity{counters: h.metrics.source(s.space, s.name), rejected: newBucket(s.limits.RejectedRate, 10*s.limits.RejectedRate)}
	a.streams.Store(&map[string]string{})
	s.seen.Store(a)
	return a
}

// prepare makes a source ready; what before knows of it goes on.
func (h *Handler) prepare(s Source, before *source) (*source, error) {
	src := &source{sourceName: sourceName{s.Workspace, s.Name}, limits: &h.limits, addresses: true}
	var writeKeys []string
	var own Limits
	switch {
	case s.HTTP != nil && s.Webhook == nil:
		if err := s.HTTP.Validate(); err != nil {
			return nil, err
		}
		writeKeys, own = s.HTTP.WriteKeys, s.HTTP.Limits
		src.browser, src.origins = s.HTTP.Browser, s.HTTP.CORSOrigins
		src.addresses = s.HTTP.Addresses == nil || *s.HTTP.Addresses
	case s.Webhook != nil && s.HTTP == nil:
		if err := s.Webhook.Validate(); err != nil {
			return nil, err
		}
		writeKeys, own = s.Webhook.WriteKeys, s.Webhook.Limits
		src.webhook = &hook{config: s.Webhook, signature: s.Webhook.Signature}
	default:
		return nil, millrace.Errorf(millrace.Invalid, "it has to be of kind http or webhook")
	}
	if own != (Limits{}) || src.webhook != nil {
		own = own.or(h.limits)
		if src.webhook != nil {
			own.EventSize = max(own.EventSize, own.BatchSize)
		}
		src.limits = &own
	}
	if before != nil {
		src.seen = before.seen
	} else {
		src.seen = new(atomic.Pointer[activity])
	}
	src.prepareKeys(writeKeys, before, h.devKeys)
	return src, nil
}

const devPrefix = "dev_"

func (s *source) prepareKeys(writeKeys []string, before *source, devKeys bool) {
	if !devKeys {
		writeKeys = slices.DeleteFunc(slices.Clone(writeKeys), func(key string) bool { return strings.HasPrefix(key, devPrefix) })
	}
	s.keys = make([]keyed, len(writeKeys))
	for i, key := range writeKeys {
		k := &s.keys[i]
		k.key, k.src = key, s
		if before == nil {
			continue
		}
		if old := before.key(key); old != nil {
			k.used.Store(old.used.Load())
			if b := old.bucket.Load(); b != nil && s.limits.Rate > 0 {
				k.bucket.Store(b)
			}
		}
	}
}

// keep brings what goes on to the limits that hold now.
func (s *source) keep() {
	for i := range s.keys {
		if b := s.keys[i].bucket.Load(); b != nil {
			b.set(s.limits.Rate, float64(s.limits.Burst))
		}
	}
	if a := s.seen.Load(); a != nil {
		a.rejected.set(s.limits.RejectedRate, 10*s.limits.RejectedRate)
	}
}

// maxStreams bounds the names that a source remembers to save allocations.
const maxStreams = 1000

// stream returns "track:" and the name.
func (a *activity) stream(name []byte) string {
	known := *a.streams.Load()
	if s, ok := known[string(name)]; ok {
		return s
	}
	s := millrace.StreamTrack + string(name)
	if len(known) >= maxStreams || len(name) > 200 {
		return s
	}
	a.adding.Lock()
	defer a.adding.Unlock()
	known = *a.streams.Load()
	next := make(map[string]string, len(known)+1)
	for k, v := range known {
		next[k] = v
	}
	next[s[len(millrace.StreamTrack):]] = s
	a.streams.Store(&next)
	return s
}

// probing marks the context of a request that does not say that its key is in use.
type probing struct{}

// Probe returns a context for a test: the key of a request that has it is not
// said to have been used, since no sender has it for that. All else is as with
// any other request.
func Probe(ctx context.Context) context.Context { return context.WithValue(ctx, probing{}, true) }

// from sets the source of the request.
func (q *request) from(src *source) {
	q.src, q.seen = src, src.active(q.h)
}

// use sets source and rate of the request, and remembers when a request last
// came with the key.
func (q *request) use(k *keyed) {
	q.from(k.src)
	q.bucket = k.rate()
	if q.ctx == nil || q.ctx.Value(probing{}) == nil {
		k.used.Store(q.now.UnixMilli())
	}
}

// Activity is what intake saw of a source since it started.
type Activity struct {
	Workspace, Source string
	LastReceived      time.Time // zero: nothing yet
	// Keys are the write keys that work, with when a request last came with
	// each; zero: none yet.
	Keys     map[string]time.Time
	Accepted int64 // events appended, duplicates among them
	Rejected int64 // events refused and kept
	Dropped  int64 // events refused and not kept, because there were too many
}

// Activity returns what was received from each source of all spaces, in no order.
func (h *Handler) Activity() []Activity {
	var list []Activity
	h.spaces.all(func(_ string, sp *space) bool {
		list = append(list, sp.activity()...)
		return true
	})
	return list
}

// ActivityOf is Activity of one space. An unknown one has none.
func (h *Handler) ActivityOf(space string) []Activity {
	if sp, ok := h.spaces.find(space); ok {
		return sp.activity()
	}
	return nil
}

func (sp *space) activity() []Activity {
	sources := *sp.sources.Load()
	list := make([]Activity, 0, len(sources))
	for _, src := range sources {
		a := Activity{Workspace: src.workspace, Source: src.name, Keys: make(map[string]time.Time, len(src.keys))}
		for i := range src.keys {
			k := &src.keys[i]
			a.Keys[k.key] = time.Time{}
			if ms := k.used.Load(); ms != 0 {
				a.Keys[k.key] = time.UnixMilli(ms).UTC()
			}
		}
		if seen := src.seen.Load(); seen != nil {
			a.Accepted, a.Rejected, a.Dropped = seen.counters.read()
			if ms := seen.last.Load(); ms != 0 {
				a.LastReceived = time.UnixMilli(ms).UTC()
			}
		}
		list = append(list, a)
	}
	return list
}

// byName orders the sources of a space.
func byName(a, b *source) int { return cmp.Compare(a.name, b.name) }
