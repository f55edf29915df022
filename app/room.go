package app

import (
	"cmp"
	"context"
	"slices"
	"time"
)

const (
	// memoryOfSpace is what an open space is counted as in the memory of the warehouse
	// engine: four MB when it has no rows, and more with each table.
	memoryOfSpace = 16 << 20
	// leastOpen is how many spaces may be open however little memory there is.
	leastOpen = 16
	// crowdedIdle is for how long a space was not used that is closed while more are
	// open than there should be.
	crowdedIdle = 2 * time.Second
	// roomEvery is how often spaces are closed then, and looked for room.
	roomEvery = 200 * time.Millisecond
	// roomPatience is how long a space with new records waits for room; then it is
	// opened all the same.
	roomPatience = 2 * time.Second
)

// mostOpen is how many spaces should be open at once, the folder's included. The
// engine would run out of memory with the tables of thousands.
func (a *App) mostOpen() int {
	if a.o.mostOpen > 0 {
		return a.o.mostOpen
	}
	return max(leastOpen, int(a.engineMemory()/memoryOfSpace))
}

// crowded says that another space was opened, when there are too many.
func (a *App) crowded() {
	if a.spaces.lenOpen() <= a.mostOpen() {
		return
	}
	select {
	case a.spaces.crowd <- struct{}{}:
	default: // it is known
	}
}

// room waits until a space that is not open can be opened without there being too
// many, or has waited long enough.
func (a *App) room(ctx context.Context, id string) {
	for until := time.Now().Add(roomPatience); a.spaces.opened(id) == nil && a.spaces.lenOpen() >= a.mostOpen() && time.Now().Before(until); {
		select {
		case a.spaces.crowd <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(roomEvery):
		}
	}
}

// restAll closes the spaces that were idle for a while; those that were used least
// lately sooner, as long as there are too many.
func (a *App) restAll() {
	open := a.spaces.all()
	slices.SortStableFunc(open, func(x, y *space) int { return cmp.Compare(x.lastUsed().UnixNano(), y.lastUsed().UnixNano()) })
	over := len(open) - a.mostOpen() + 1 // one more can be opened then
	for _, sp := range open {
		patience := a.o.idle
		if over > 0 {
			patience = min(patience, crowdedIdle)
		}
		closed, err := a.rest(sp, patience)
		if closed {
			over--
		}
		if err != nil {
			a.logger("spaces").Warn("closing an idle space", "space", sp.id, "error", err)
		}
	}
}

func (sp *space) lastUsed() time.Time {
	sp.using.Lock()
	defer sp.using.Unlock()
	return sp.used
}
