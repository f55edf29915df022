package serve

import "testing"

// TestPlaces: one workspace takes half at most, and the others get what they need.
func TestPlaces(t *testing.T) {
	p := newPlaces(8)
	take := func(workspace string) (free []func()) {
		for range 20 {
			f, ok := p.take(workspace)
			if !ok {
				break
			}
			free = append(free, f)
		}
		return free
	}
	greedy := take("greedy")
	others := append(take("b"), take("c")...)
	last, ok := p.take("d")
	if len(greedy) != 4 || len(others) != 3 || !ok {
		t.Fatalf("one got %d of 8, others %d, the last %v", len(greedy), len(others), ok)
	}
	if _, ok := p.take("e"); ok {
		t.Error("there are more than 8")
	}
	for _, free := range append(append(greedy, others...), last) {
		free()
		free() // once is enough
	}
	if got := len(take("greedy")); got != 4 || len(p.of) != 1 {
		t.Errorf("afterwards one got %d, %d are known", got, len(p.of))
	}
	one := newPlaces(1)
	if _, ok := one.take("a"); !ok {
		t.Error("a single place is nobody's")
	}
}
