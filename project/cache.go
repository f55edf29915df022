package project

import (
	"crypto/sha256"
	"sync"
)

// cachedBytes is how much text a Cache knows at most.
const cachedBytes = 64 << 20

// A Cache remembers what YAML files say by their text, over many runs of Load,
// so that files that did not change are not read again. The zero Cache is empty.
// It is safe for concurrent use, and holds no secrets: references stay references.
type Cache struct {
	mu        sync.Mutex
	files     map[[sha256.Size]byte]*value
	sizeBytes int
}

// parse is parse of a file, or what it was the last time. A nil Cache remembers
// nothing. Files with problems are not remembered.
func (c *Cache) parse(data []byte, r *report) (root *value, ok bool) {
	if c == nil {
		return parse(data, r)
	}
	sum := sha256.Sum256(data)
	c.mu.Lock()
	root, ok = c.files[sum]
	c.mu.Unlock()
	if ok {
		return root, true
	}
	before := len(r.problems) + r.more
	root, ok = parse(data, r)
	if ok && len(r.problems)+r.more == before {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sizeBytes += len(data); c.files == nil || c.sizeBytes > cachedBytes {
			c.files, c.sizeBytes = map[[sha256.Size]byte]*value{}, len(data)
		}
		c.files[sum] = root
	}
	return root, ok
}

// Values is Values of a text.
func (c *Cache) Values(text []byte) (Fields, error) {
	r := &report{}
	root, ok := c.parse(text, r)
	return valuesOf(root, ok, r)
}
