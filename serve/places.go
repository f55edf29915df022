package serve

import "sync"

// places are how many of something may go on at once. Nobody takes them all from
// the others: a workspace gets another as long as more are free than it has, which
// is half of them when it is alone. It is safe for concurrent use.
type places struct {
	most int

	mu   sync.Mutex
	used int
	of   map[string]int // by workspace
}

func newPlaces(most int) *places { return &places{most: most, of: map[string]int{}} }

// take takes a place for a workspace until free is called; ok is false when there
// is none for it.
func (p *places) take(workspace string) (free func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	has, left := p.of[workspace], p.most-p.used
	if left == 0 || has > 0 && has >= left {
		return nil, false
	}
	p.used++
	p.of[workspace]++
	return sync.OnceFunc(func() { p.give(workspace) }), true
}

func (p *places) give(workspace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	if p.of[workspace]--; p.of[workspace] == 0 {
		delete(p.of, workspace)
	}
}
