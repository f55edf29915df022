package main

import "testing"

func TestNextGrowth(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		share float64
		want  int // where it ends
	}{
		"little is made": {0.004, leastGrowth},
		"full speed":     {0.1, mostGrowth},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, growth := range []int{leastGrowth, 37, mostGrowth} {
				for range 20 {
					growth = nextGrowth(growth, test.share)
				}
				if growth != test.want {
					t.Errorf("the heap may grow by %d %%, want %d", growth, test.want)
				}
			}
		})
	}
	if got := nextGrowth(50, 0.015); got != 50 {
		t.Errorf("in between it is %d, want no change", got)
	}
}
