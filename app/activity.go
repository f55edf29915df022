package app

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// silentAfter is how long a source says nothing before it may be called
// silent, and silentGaps how many of its longest pauses.
const (
	silentAfter    = time.Hour
	silentGaps     = 3
	activitySample = 10 * time.Second
	activitySave   = time.Minute
	// settled is how many receipts at different samples make a habit.
	settled = 10
)

// activity remembers across restarts when each source last received, and how
// long it usually pauses, so that one that fell silent is noticed. What is
// lost of it in a crash is a minute of habit, no record.
type activity struct {
	file   string
	sample func() map[string]receipt
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	sources map[string]habit
}

// A receipt is when a source last received, and each of its keys was last used.
type receipt struct {
	at   time.Time
	keys map[string]time.Time
}

// A habit is how a source usually receives.
type habit struct {
	Last time.Time     `json:"last"`
	Gap  time.Duration `json:"gap_ns"` // between receipts, a moving average that follows long pauses
	Seen int           `json:"seen"`   // samples in which something had come
	// Keys are when the keys that the source has were last used.
	Keys map[string]time.Time `json:"keys,omitempty"`
}

func openActivity(file string, sample func() map[string]receipt, now func() time.Time, logger *slog.Logger) *activity {
	a := &activity{file: file, sample: sample, now: now, logger: logger, sources: map[string]habit{}}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &a.sources)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		logger.Warn("what is known of the sources' habits is begun anew", "file", file, "error", err)
		a.sources = map[string]habit{}
	}
	return a
}

// Run samples until ctx ends.
func (a *activity) Run(ctx context.Context) error {
	tick := time.NewTicker(activitySample)
	defer tick.Stop()
	saved := a.now()
	for {
		a.look()
		if a.now().Sub(saved) >= activitySave || ctx.Err() != nil {
			saved = a.now()
			if err := a.save(); err != nil {
				a.logger.Warn("cannot remember the sources' habits", "error", err)
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (a *activity) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for source, now := range a.sample() {
		h, last := a.sources[source], now.at
		if h.use(now.keys) {
			a.sources[source] = h
		}
		if !last.After(h.Last) {
			continue
		}
		if gap := last.Sub(h.Last); h.Seen > 0 {
			if gap > h.Gap {
				h.Gap = gap // a night or a weekend is a habit at once
			} else {
				h.Gap += (gap - h.Gap) / 1000
			}
		}
		h.Last, h.Seen = last, h.Seen+1
		a.sources[source] = h
	}
}

// use remembers when keys were last used, and forgets those that are gone. It
// says whether something is other than before.
func (h *habit) use(keys map[string]time.Time) (changed bool) {
	for key := range h.Keys {
		if _, has := keys[key]; !has {
			changed = true
		}
	}
	for key, at := range keys {
		changed = changed || at.After(h.Keys[key])
	}
	if !changed {
		return false
	}
	all := make(map[string]time.Time, len(keys)) // those who have asked keep the map that they have
	for key, at := range keys {
		if before := h.Keys[key]; before.After(at) {
			at = before
		}
		if !at.IsZero() {
			all[key] = at
		}
	}
	h.Keys = all
	return true
}

func (a *activity) save() error {
	a.mu.Lock()
	text, err := json.Marshal(a.sources)
	a.mu.Unlock()
	if err != nil {
		return err
	}
	return writeFile(a.file, text)
}

// last returns when a source last received and its keys were last used, and
// whether it has fallen silent.
func (a *activity) last(source string) (seen receipt, silent bool) {
	a.look()
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.sources[source]
	quiet := a.now().Sub(h.Last)
	return receipt{h.Last, h.Keys}, h.Seen >= settled && quiet > silentAfter && quiet > silentGaps*h.Gap
}
