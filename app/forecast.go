package app

import (
	"context"
	"sync"
	"time"
)

// A forecast says when a disk will be full, from how it filled up lately.
type forecast struct {
	sample func(ctx context.Context) (free int64, err error) // bytes
	now    func() time.Time

	mu      sync.Mutex
	samples []diskSample // oldest first
}

type diskSample struct {
	at   time.Time
	free int64
}

const (
	forecastEvery = time.Minute
	forecastSpan  = 6 * time.Hour
	// forecastLeast is how long a disk has to be watched before anything is said.
	forecastLeast = 10 * time.Minute
	// forecastMost is how far ahead a forecast is worth telling.
	forecastMost = 90 * 24 * time.Hour
)

// Run samples until ctx ends.
func (f *forecast) Run(ctx context.Context) error {
	tick := time.NewTicker(forecastEvery)
	defer tick.Stop()
	for {
		if free, err := f.sample(ctx); err == nil {
			f.add(f.now(), free)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (f *forecast) add(at time.Time, free int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.samples); n > 0 && !at.After(f.samples[n-1].at) {
		f.samples = nil // the clock was set back
	}
	f.samples = append(f.samples, diskSample{at, free})
	for len(f.samples) > 1 && at.Sub(f.samples[0].at) > forecastSpan {
		f.samples = f.samples[1:]
	}
}

// fullIn is how long it takes until no more than reserve bytes are free; 0 when
// the disk does not fill up, or that is not known.
func (f *forecast) fullIn(free, reserve int64) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.samples)
	if n < 3 || f.samples[n-1].at.Sub(f.samples[0].at) < forecastLeast || free <= reserve {
		return 0
	}
	// The line with the least squares through the samples.
	var meanT, meanF, over, under float64
	first := f.samples[0].at
	for _, s := range f.samples {
		meanT += s.at.Sub(first).Seconds() / float64(n)
		meanF += float64(s.free) / float64(n)
	}
	for _, s := range f.samples {
		t := s.at.Sub(first).Seconds() - meanT
		over += t * (float64(s.free) - meanF)
		under += t * t
	}
	if under == 0 || over >= 0 {
		return 0
	}
	seconds := float64(free-reserve) / -(over / under)
	if seconds > forecastMost.Seconds() {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
