package collect

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// A refused is why a request to a known source was refused whole, so that
// nothing of it is kept.
type refused uint8

const (
	refusedOrigin refused = iota
	refusedNoKey
	refusedUnknownKey
	refusedNoSignature
	refusedSignature
	refusedTime
	refusedCount
)

// refusals are the reasons: in the metric, and behind a number in status.
var refusals = [refusedCount]struct{ reason, one, many string }{
	{"origin", "request from an origin that is not in cors_origins", "requests from an origin that is not in cors_origins"},
	{"no_key", "delivery without a write key", "deliveries without a write key"},
	{"unknown_key", "delivery with a write key that is not the source's", "deliveries with a write key that is not the source's"},
	{"no_signature", "delivery without a signature", "deliveries without a signature"},
	{"signature", "delivery with a signature that does not match", "deliveries with a signature that does not match"},
	{"signature_time", "delivery whose signature is too old, or without its time", "deliveries whose signature is too old, or without its time"},
}

// refusedTimes count one reason of one source.
type refusedTimes struct {
	count, since, last atomic.Int64 // times in ms since 1970
}

// refuse counts a request that was refused, and logs that once a minute.
func (s *source) refuse(h *Handler, why refused, now time.Time) {
	seen := s.active(h)
	r := &seen.refusals[why]
	ms := now.UnixMilli()
	seen.counters.refuse(refusals[why].reason)
	r.since.CompareAndSwap(0, ms)
	r.last.Store(ms)
	n := r.count.Add(1)
	last := seen.refusalLogged.Load()
	if d := now.UnixNano() - last; (d > int64(time.Minute) || d < 0) && seen.refusalLogged.CompareAndSwap(last, now.UnixNano()) {
		h.logger.Warn("a source refuses what is sent to it: nothing of it is kept", "workspace", s.workspace, "source", s.name,
			"reason", refusals[why].reason, "what", phrase(why, n), "file", s.file())
	}
}

// admitsAs says whether the same requests are let in as before.
func (s *source) admitsAs(before *source) bool {
	known := func(k *keyed) bool { return before.key(k.key) != nil }
	same := len(s.keys) == len(before.keys)
	for i := range s.keys {
		same = same && known(&s.keys[i])
	}
	if !same || !slices.Equal(s.origins, before.origins) || (s.webhook == nil) != (before.webhook == nil) {
		return false
	}
	if s.webhook == nil || s.webhook.signature == nil || before.webhook.signature == nil {
		return s.webhook == nil || s.webhook.signature == before.webhook.signature
	}
	return *s.webhook.signature == *before.webhook.signature
}

// forgive forgets what was refused: what decided it has changed.
func (s *source) forgive() {
	a := s.seen.Load()
	if a == nil {
		return
	}
	for i := range a.refusals {
		r := &a.refusals[i]
		r.count.Store(0)
		r.since.Store(0)
		r.last.Store(0)
	}
	a.refusalLogged.Store(0)
}

func phrase(why refused, n int64) string {
	if n == 1 {
		return "1 " + refusals[why].one
	}
	return strconv.FormatInt(n, 10) + " " + refusals[why].many
}

// A Refusal is how often a source refused requests whole for one reason, since
// the Handler started or the source's keys or signature changed. Requests that
// name no source are not among them, and of what was refused nothing is kept.
type Refusal struct {
	Workspace, Source string
	// Reason is origin, no_key, unknown_key, no_signature, signature (it does
	// not match) or signature_time.
	Reason      string
	Count       int64     // at least 1
	Since, Last time.Time // of the first and of the newest of them
	text        string
}

// String says it for people: "12 deliveries with a signature that does not match".
func (r Refusal) String() string { return r.text }

// Refusals returns what the sources of all spaces refused whole, in no order:
// at most six of a source.
func (h *Handler) Refusals() []Refusal {
	var list []Refusal
	h.spaces.all(func(_ string, sp *space) bool {
		list = append(list, sp.refused()...)
		return true
	})
	return list
}

// RefusalsOf is Refusals of one space. An unknown one has none.
func (h *Handler) RefusalsOf(space string) []Refusal {
	if sp, ok := h.spaces.find(space); ok {
		return sp.refused()
	}
	return nil
}

func (sp *space) refused() []Refusal {
	var list []Refusal
	for _, src := range *sp.sources.Load() {
		seen := src.seen.Load()
		if seen == nil {
			continue
		}
		for why := range seen.refusals {
			r := &seen.refusals[why]
			n, since, last := r.count.Load(), r.since.Load(), r.last.Load()
			if n == 0 || since == 0 || last == 0 { // or it is being counted just now
				continue
			}
			list = append(list, Refusal{
				Workspace: src.workspace, Source: src.name, Reason: refusals[why].reason, Count: n,
				Since: time.UnixMilli(since).UTC(), Last: time.UnixMilli(last).UTC(), text: phrase(refused(why), n),
			})
		}
	}
	return list
}
