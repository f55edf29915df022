package duckdb

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// A query that cannot be stopped costs the child, and with it what was not yet
// committed is loaded again. So that nobody keeps loading from getting on by
// asking such queries over and over, kills are counted.
const (
	textKills    = 2                // of one text within textWindow …
	textWindow   = 10 * time.Minute // … and it is refused until the first is so old
	anyWindow    = time.Minute      // for Options.mostKills of any text
	mostCulprits = 1000             // texts that are remembered
)

// kills remembers which queries cost the child its life.
type kills struct {
	most int // of any text within anyWindow before all queries wait
	now  func() time.Time

	mu       sync.Mutex
	any      []time.Time
	culprits map[[32]byte][]time.Time // by text
}

func newKills(most int, now func() time.Time) *kills {
	return &kills{most: most, now: now, culprits: map[[32]byte][]time.Time{}}
}

// textKey is the same for texts that differ in spaces, letter case or the
// semicolon at the end.
func textKey(sql string) [32]byte {
	return sha256.Sum256([]byte(strings.ToLower(strings.Trim(strings.Join(strings.Fields(sql), " "), "; "))))
}

// note notes that the child was killed because of a query, which is "" when it
// is not known which one it was.
func (k *kills) note(sql string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.any = append(recent(k.any, k.now(), anyWindow), k.now())
	if sql == "" {
		return
	}
	if len(k.culprits) >= mostCulprits {
		clear(k.culprits)
	}
	key := textKey(sql)
	k.culprits[key] = append(recent(k.culprits[key], k.now(), textWindow), k.now())
}

// refuse says why a query may not run at this moment. The error is Limited.
func (k *kills) refuse(sql string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.any = recent(k.any, now, anyWindow); len(k.any) >= k.most {
		wait := k.any[len(k.any)-k.most].Add(anyWindow).Sub(now)
		return limited(wait, "queries have ended the warehouse engine %d times within a minute: none are taken for %s, so that loading gets on", len(k.any), wait.Round(time.Second))
	}
	if len(k.culprits) == 0 {
		return nil
	}
	key := textKey(sql)
	times := recent(k.culprits[key], now, textWindow)
	if len(times) == 0 {
		delete(k.culprits, key)
	}
	if len(times) < textKills {
		return nil
	}
	wait := times[len(times)-textKills].Add(textWindow).Sub(now)
	return limited(wait, "this query has ended the warehouse engine %d times within %s: change it so that it needs less memory and time, or wait for %s", len(times), textWindow, wait.Round(time.Second))
}

func limited(wait time.Duration, format string, args ...any) error {
	return &millrace.Error{Kind: millrace.Limited, RetryAfter: wait, Message: fmt.Sprintf(format, args...)}
}

// recent drops the times that are older than window.
func recent(times []time.Time, now time.Time, window time.Duration) []time.Time {
	for len(times) > 0 && now.Sub(times[0]) >= window {
		times = times[1:]
	}
	return times
}
