package collect

import (
	"hash/maphash"
	"sync/atomic"
)

// An index finds values by name, without locks, while one other goroutine at a
// time changes it. What a change costs does not depend on how many there are.
type index[V any] struct {
	seed    maphash.Seed
	buckets atomic.Pointer[[]bucketOf[V]]
	size    int
}

type bucketOf[V any] = atomic.Pointer[link[V]]

// A link does not change once it can be found.
type link[V any] struct {
	name  string
	value V
	next  *link[V]
}

const leastBuckets = 16

func newIndex[V any]() *index[V] {
	x := &index[V]{seed: maphash.MakeSeed()}
	buckets := make([]bucketOf[V], leastBuckets)
	x.buckets.Store(&buckets)
	return x
}

func (x *index[V]) at(hash uint64) *bucketOf[V] {
	buckets := *x.buckets.Load()
	return &buckets[hash&uint64(len(buckets)-1)]
}

// find returns the value of that name.
func (x *index[V]) find(name string) (v V, ok bool) {
	for l := x.at(maphash.String(x.seed, name)).Load(); l != nil; l = l.next {
		if l.name == name {
			return l.value, true
		}
	}
	return v, false
}

// findBytes is find, and keeps no memory of name.
func (x *index[V]) findBytes(name []byte) (v V, ok bool) {
	for l := x.at(maphash.Bytes(x.seed, name)).Load(); l != nil; l = l.next {
		if l.name == string(name) {
			return l.value, true
		}
	}
	return v, false
}

// set adds or replaces a value. Whoever looks meanwhile finds the old or the
// new one.
func (x *index[V]) set(name string, v V) {
	b := x.at(maphash.String(x.seed, name))
	chain, found := without(b.Load(), name)
	b.Store(&link[V]{name, v, chain})
	if found {
		return
	}
	if x.size++; x.size > len(*x.buckets.Load()) {
		x.grow()
	}
}

func (x *index[V]) drop(name string) {
	b := x.at(maphash.String(x.seed, name))
	if chain, found := without(b.Load(), name); found {
		b.Store(chain)
		x.size--
	}
}

// without returns a chain that lacks name, and whether it was there.
func without[V any](chain *link[V], name string) (*link[V], bool) {
	for l := chain; l != nil; l = l.next {
		if l.name != name {
			continue
		}
		out := l.next
		for before := chain; before != l; before = before.next {
			out = &link[V]{before.name, before.value, out}
		}
		return out, true
	}
	return chain, false
}

func (x *index[V]) grow() {
	old := *x.buckets.Load()
	next := make([]bucketOf[V], 2*len(old))
	for i := range old {
		for l := old[i].Load(); l != nil; l = l.next {
			b := &next[maphash.String(x.seed, l.name)&uint64(len(next)-1)]
			b.Store(&link[V]{l.name, l.value, b.Load()})
		}
	}
	x.buckets.Store(&next)
}

// all goes through the values, in no order.
func (x *index[V]) all(yield func(name string, v V) bool) {
	buckets := *x.buckets.Load()
	for i := range buckets {
		for l := buckets[i].Load(); l != nil; l = l.next {
			if !yield(l.name, l.value) {
				return
			}
		}
	}
}
