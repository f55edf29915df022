package collect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace"
)

// A Source is one source of a workspace: HTTP or Webhook is set.
type Source struct {
	Workspace string // default millrace.DefaultWorkspace
	Name      string
	HTTP      *HTTPSource
	Webhook   *WebhookSource
}

// A table is the sources at one moment; it does not change.
type table struct {
	keys     map[string]keyed     // of sources of kind http
	webhooks map[string][]*source // by name
	sources  map[sourceName]*source
}

type sourceName struct{ workspace, name string }

// keyed is a write key: its source, its own rate, and when it was last used.
type keyed struct {
	src    *source
	bucket *bucket       // nil: no limit
	used   *atomic.Int64 // ms since 1970; 0: not since the start
}

// A source is a Source made ready.
type source struct {
	sourceName
	limits    Limits
	scan      scanLimits
	addresses bool
	browser   bool
	origins   []string
	keys      map[string]keyed // its own
	webhook   *hook            // nil: kind http
	*activity
}

// activity is what is known of a source across reloads.
type activity struct {
	counters sourceCounters
	last     atomic.Int64 // last receipt, ms since 1970
	rejected *bucket      // of rejected records that are kept
	dropped  atomic.Int64 // rejected records that were not kept and not yet told of
	warned   atomic.Int64 // when that was last logged, ns since 1970

	refusals      [refusedCount]refusedTimes
	refusalLogged atomic.Int64 // when one was last logged, ns since 1970

	streams atomic.Pointer[map[string]string] // event name to stream
	adding  sync.Mutex
}

func newTable() *table {
	return &table{keys: map[string]keyed{}, webhooks: map[string][]*source{}, sources: map[sourceName]*source{}}
}

// SetSources replaces all sources at once: requests under way keep the ones
// that they began with. When anything is wrong it changes nothing and returns
// all problems. Counts and rates of sources that stay are kept. Keys that
// begin with dev_ are left out without AllowDevKeys.
func (h *Handler) SetSources(list []Source) error {
	h.setting.Lock()
	defer h.setting.Unlock()
	old, next := h.table.Load(), newTable()
	var errs []error
	for _, s := range list {
		if s.Workspace == "" {
			s.Workspace = millrace.DefaultWorkspace
		}
		src, err := h.prepare(s, old)
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", s.Name, err))
			continue
		}
		if next.sources[src.sourceName] != nil {
			errs = append(errs, millrace.Errorf(millrace.Invalid, "source %s is there twice", s.Name))
			continue
		}
		next.sources[src.sourceName] = src
		if src.webhook != nil {
			next.webhooks[src.name] = append(next.webhooks[src.name], src)
			continue
		}
		for key, k := range src.keys {
			if other, ok := next.keys[key]; ok {
				errs = append(errs, millrace.Errorf(millrace.Invalid, "source %s: write_keys: one of its keys is also a key of source %s: a key belongs to one source", src.name, other.src.name))
			}
			next.keys[key] = k
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	h.table.Store(next)
	for name, src := range next.sources {
		if before := old.sources[name]; before != nil && !src.admitsAs(before) {
			src.forgive()
		}
	}
	return nil
}

// prepare makes a source ready; what old knows of it goes on.
func (h *Handler) prepare(s Source, old *table) (*source, error) {
	src := &source{sourceName: sourceName{s.Workspace, s.Name}, addresses: true, keys: map[string]keyed{}}
	var writeKeys []string
	switch {
	case s.HTTP != nil && s.Webhook == nil:
		if err := s.HTTP.Validate(); err != nil {
			return nil, err
		}
		writeKeys, src.limits = s.HTTP.WriteKeys, s.HTTP.Limits.or(h.limits)
		src.browser, src.origins = s.HTTP.Browser, s.HTTP.CORSOrigins
		src.addresses = s.HTTP.Addresses == nil || *s.HTTP.Addresses
	case s.Webhook != nil && s.HTTP == nil:
		var errs fieldErrors
		if err := s.Webhook.Validate(); err != nil {
			return nil, err
		}
		writeKeys, src.limits = s.Webhook.WriteKeys, s.Webhook.Limits.or(h.limits)
		src.limits.EventSize = max(src.limits.EventSize, src.limits.BatchSize)
		src.webhook = compileExpressions(s.Webhook, &errs)
	default:
		return nil, millrace.Errorf(millrace.Invalid, "it has to be of kind http or webhook")
	}
	src.scan = scanLimits{depth: src.limits.Depth, keyLength: src.limits.KeyLength, members: src.limits.Properties}
	before := old.sources[src.sourceName]
	if before != nil {
		src.activity = before.activity
	} else {
		src.activity = h.newActivity(s)
	}
	src.rejected.set(src.limits.RejectedRate, 10*src.limits.RejectedRate)
	for _, key := range writeKeys {
		if strings.HasPrefix(key, devPrefix) && !h.devKeys {
			continue
		}
		k := keyed{src: src, used: new(atomic.Int64)}
		if before != nil && before.keys[key].used != nil {
			k.used = before.keys[key].used
		}
		if src.limits.Rate > 0 {
			if before != nil {
				k.bucket = before.keys[key].bucket
			}
			if k.bucket == nil {
				k.bucket = newBucket(src.limits.Rate, float64(src.limits.Burst))
			}
			k.bucket.set(src.limits.Rate, float64(src.limits.Burst))
		}
		src.keys[key] = k
	}
	return src, nil
}

const devPrefix = "dev_"

func (h *Handler) newActivity(s Source) *activity {
	a := &activity{counters: h.metrics.source(s.Workspace, s.Name), rejected: newBucket(1, 1)}
	a.streams.Store(&map[string]string{})
	return a
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

// use remembers when a request last came with a key.
func (q *request) use(k keyed) {
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

// Activity returns what was received from each source, in no order.
func (h *Handler) Activity() []Activity {
	var list []Activity
	for name, src := range h.table.Load().sources {
		a := Activity{Workspace: name.workspace, Source: name.name, Keys: make(map[string]time.Time, len(src.keys))}
		for key, k := range src.keys {
			a.Keys[key] = time.Time{}
			if ms := k.used.Load(); ms != 0 {
				a.Keys[key] = time.UnixMilli(ms).UTC()
			}
		}
		a.Accepted, a.Rejected, a.Dropped = src.counters.read()
		if ms := src.last.Load(); ms != 0 {
			a.LastReceived = time.UnixMilli(ms).UTC()
		}
		list = append(list, a)
	}
	return list
}
