package archive

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/millrace/millrace"
)

// A sizeCache keeps what the published files of whole days are together, by
// workspace. All but the newest day change only when a workspace is purged.
type sizeCache struct {
	mu    sync.Mutex
	days  map[string]bool  // that are counted, by key and checksum
	bytes map[string]int64 // by workspace
}

// Sizes returns how many bytes fresh and published files of each workspace have.
// It reads the manifest of each day once, so the first call takes longer than the
// others. Unavailable: the bucket has not answered since the start.
func (a *Archive) Sizes(ctx context.Context) (map[string]int64, error) {
	s := a.store.snapshot()
	if s == nil {
		return nil, millrace.Errorf(millrace.Unavailable, "the archive has not answered since the start, and does not say what it has of each workspace: try again when it does")
	}
	whole, err := a.wholeDays(ctx, s)
	if err != nil {
		return nil, err
	}
	if n := len(s.Days); n > 0 {
		spans, err := a.readDay(ctx, &s.Days[n-1])
		if err != nil {
			return nil, err
		}
		addSizes(whole, spans)
	}
	addSizes(whole, s.Fresh)
	return whole, nil
}

// wholeDays returns what the files of all days but the newest are together.
func (a *Archive) wholeDays(ctx context.Context, s *state) (map[string]int64, error) {
	c := &a.sizes
	c.mu.Lock()
	defer c.mu.Unlock()
	days := s.Days[:max(0, len(s.Days)-1)]
	there := map[string]bool{}
	for i := range days {
		there[days[i].id()] = true
	}
	for id := range c.days {
		if !there[id] { // it was written anew
			c.days = nil
			break
		}
	}
	if c.days == nil {
		c.days, c.bytes = map[string]bool{}, map[string]int64{}
	}
	for i := range days {
		if c.days[days[i].id()] {
			continue
		}
		spans, err := a.readDay(ctx, &days[i])
		if err != nil {
			return nil, err
		}
		addSizes(c.bytes, spans)
		c.days[days[i].id()] = true
	}
	return maps.Clone(c.bytes), nil
}

// id tells a day's manifest from those that it had before.
func (d *dayRef) id() string { return fmt.Sprint(d.Key, d.CRC32C) }

func addSizes(to map[string]int64, spans []span) {
	for i := range spans {
		for _, f := range spans[i].Files {
			to[f.Workspace] += f.Bytes
		}
	}
}
