// Package blob stores objects: whole files with a key, written once and read
// in ranges. Backends are packages below it.
package blob

import (
	"context"
	"io"
	"iter"
	"time"
)

// A Bucket is a flat space of objects. Keys are slash-separated, relative,
// clean, and may hold any character but NUL; a backend escapes what its
// medium cannot hold. It is safe for concurrent use.
type Bucket interface {
	// Put stores an object, replacing one with the same key. When it returns
	// nil the object survives a crash of the machine; readers see the old
	// object or the new one, never a part. On error the old one is still there.
	Put(ctx context.Context, key string, r io.Reader) error
	// Open opens an object for reading, as it is at this moment. NotFound when
	// there is none.
	Open(ctx context.Context, key string) (Object, error)
	// List yields the objects whose key begins with prefix, in byte order of
	// their keys. It sees what was stored before it began.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object; no error when there is none.
	Delete(ctx context.Context, key string) error
	// Close releases the bucket.
	Close() error
}

// An Object is open for reading. ReadAt may be called concurrently.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64 // bytes
}

// Info describes an object.
type Info struct {
	Key       string
	SizeBytes int64
	Modified  time.Time
}
