package eventlog

import (
	"sync"

	"github.com/millrace/millrace"
)

var errReaderClosed = millrace.Errorf(millrace.Unavailable, "the reader is closed")

// A closingReader is a Reader that is exchanged for another now and then while
// someone else may close it: whichever is current is closed exactly once.
type closingReader struct {
	mu     sync.Mutex
	reader Reader
	closed bool
}

func (c *closingReader) get() Reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reader
}

// set makes r current. Unavailable, with r closed, when close came first.
func (c *closingReader) set(r Reader) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = r.Close()
		return errReaderClosed
	}
	c.reader = r
	return nil
}

// drop closes the current reader, so that another can be set.
func (c *closingReader) drop() {
	c.mu.Lock()
	r := c.reader
	c.reader = nil
	c.mu.Unlock()
	if r != nil {
		_ = r.Close() // it was only read from
	}
}

// close closes the current reader and whatever would be set later.
func (c *closingReader) close() error {
	c.mu.Lock()
	r := c.reader
	c.reader, c.closed = nil, true
	c.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.Close()
}
