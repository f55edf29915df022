package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// By how many percent the heap may grow between two collections. Most of it is
// frames and blocks of the log, which hold no pointers: collecting often costs
// little as long as little is made, and what may grow is memory held for
// nothing. At full speed it would cost a tenth of the time.
const (
	leastGrowth = 20
	mostGrowth  = 60
)

// nextGrowth is how much the heap may grow when collecting took that share of
// all processors' time.
func nextGrowth(now int, share float64) int {
	switch {
	case share > 0.02:
		return min(now*3/2, mostGrowth)
	case share < 0.01:
		return max(now*9/10, leastGrowth)
	}
	return now
}

// keepHeapSmall lets the heap grow as little as costs little, until ctx ends.
func keepHeapSmall(ctx context.Context) {
	used := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	read := func() (collecting, all float64) {
		metrics.Read(used)
		for i, v := range []*float64{&collecting, &all} {
			if used[i].Value.Kind() == metrics.KindFloat64 {
				*v = used[i].Value.Float64()
			}
		}
		return collecting, all
	}
	growth := leastGrowth
	debug.SetGCPercent(growth)
	collecting, all := read()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c, a := read() // they move when a collection ends
		if a <= all {
			continue
		}
		if next := nextGrowth(growth, (c-collecting)/(a-all)); next != growth {
			growth = next
			debug.SetGCPercent(growth)
		}
		collecting, all = c, a
	}
}
