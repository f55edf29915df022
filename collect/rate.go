package collect

import (
	"math"
	"sync"
	"time"
)

// A bucket lets rate tokens a second through, and burst at once. A batch that
// is larger than what is there passes on credit: the bucket is then empty for
// as long as it would have taken. It is safe for concurrent use.
type bucket struct {
	mu          sync.Mutex
	rate, burst float64
	tokens      float64
	last        time.Time
}

func newBucket(rate, burst float64) *bucket {
	if burst <= 0 {
		burst = max(1, 2*rate)
	}
	return &bucket{rate: rate, burst: burst, tokens: burst}
}

func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.last); d > 0 && !b.last.IsZero() {
		b.tokens = min(b.burst, b.tokens+b.rate*d.Seconds())
	}
	if d := now.Sub(b.last); d > 0 || d < -time.Second { // or the clock was set back
		b.last = now
	}
}

// take takes n tokens when there is at least one. Otherwise wait says in how
// long there will be one.
func (b *bucket) take(now time.Time, n int) (ok bool, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	if b.tokens < 1 {
		seconds := (1 - b.tokens) / b.rate
		return false, time.Duration(math.Min(seconds, 3600) * float64(time.Second))
	}
	b.tokens -= float64(n)
	return true, 0
}

// state returns what a client is told: the limit a second, what is left now,
// and when the bucket will be full.
func (b *bucket) state(now time.Time) (limit, left int, full time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	wait := math.Min((b.burst-b.tokens)/b.rate, 86400)
	return int(math.Ceil(b.rate)), int(max(0, b.tokens)), now.Add(time.Duration(wait * float64(time.Second)))
}

// set changes rate and burst; tokens above the new burst are lost.
func (b *bucket) set(rate, burst float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.tokens >= b.burst
	b.rate, b.burst = rate, burst
	if b.burst <= 0 {
		b.burst = max(1, 2*rate)
	}
	if b.tokens = min(b.tokens, b.burst); full {
		b.tokens = b.burst
	}
}
