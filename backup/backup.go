// Package backup keeps copies of an installation in a bucket: a folder or S3.
//
// A Store is encrypted under one key and holds any number of backups. Their
// content is cut into chunks, each stored once however many backups have it, so
// that a backup stores only what is new. A backup is there when its manifest is:
// whatever ends the process before leaves chunks, which the next one finds and
// uses. docs/format/backup.md specifies what is stored.
//
// The package knows nothing of what is copied: whoever calls it gives files.
package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// Version is the newest version of the format that this package writes. It
// reads this one and all before.
const Version = 1

// Options are the parameters of Open.
type Options struct {
	Bucket blob.Bucket // required: of its own, or a prefix of its own; the caller closes it
	Key    Key         // required: what everything is encrypted with
	// Create makes a store where the bucket is empty; else that is NotFound.
	Create bool
	// Holder names this process to others that use the store, and Ended says
	// that a holder surely has ended, so that what it held is free at once.
	// Default: the host and the process; never.
	Holder string
	Ended  func(holder string) bool
	// PackBytes is about how large the objects are that chunks are stored in;
	// default 16 MiB.
	PackBytes int
	// Pace is called with how long each chunk of a backup took, and may wait, so
	// that others on the machine come first. Default: it does not wait.
	Pace   func(ctx context.Context, took time.Duration)
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: none
}

// A Store is a bucket with backups. It is safe for concurrent use.
type Store struct {
	o    Options
	id   string
	keys keys
}

// Open opens the store in a bucket. It fails with Forbidden when the key is not
// the store's, with NotFound when there is no store, and with Conflict when the
// bucket holds something else.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Bucket == nil || o.Key.isZero() {
		return nil, millrace.Errorf(millrace.Invalid, "backup: Bucket and Key are required")
	}
	if o.Holder == "" {
		host, _ := os.Hostname() // without it, the process says enough
		o.Holder = fmt.Sprintf("%s %d", host, os.Getpid())
	}
	if o.Ended == nil {
		o.Ended = func(string) bool { return false }
	}
	if o.PackBytes <= 0 {
		o.PackBytes = 16 << 20
	}
	if o.Pace == nil {
		o.Pace = func(context.Context, time.Duration) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{o: o}
	return s, s.identify(ctx)
}

// ID is the store's own, made with it.
func (s *Store) ID() string { return s.id }

// A File is one file of a backup: where it lies in the folder that is restored,
// or a part that whoever restores knows what to do with.
type File struct {
	Path string // slash-separated and relative
	Mode uint32 // permissions
	// Stamp says which state of the file this is, such as its checksum. A file
	// that the newest backup has with the same path, size and stamp is not read
	// again. "": it is.
	Stamp     string
	SizeBytes int64 // used with Stamp
	// Lasting says that the file is kept for long, so that its chunks are not
	// stored beside those of files that go soon.
	Lasting bool
}

// A Manifest says what a backup holds.
type Manifest struct {
	ID       string          `json:"id"`
	Began    time.Time       `json:"began"`
	Taken    time.Time       `json:"taken"`
	Millrace string          `json:"millrace"` // the version that took it
	Files    int64           `json:"files"`
	Bytes    int64           `json:"bytes"`  // of all files
	Stored   int64           `json:"stored"` // bytes that were new to the store, compressed and encrypted
	State    json.RawMessage `json:"state"`  // of whoever took it

	list    []chunkRef // of the list of files
	entries []entry    // nil until read
}

// An entry is a file in the list of a manifest.
type entry struct {
	Path    string     `json:"path"`
	Mode    uint32     `json:"mode"`
	Size    int64      `json:"size"`
	SHA256  string     `json:"sha256"`
	Stamp   string     `json:"stamp,omitempty"`
	Lasting bool       `json:"lasting,omitempty"`
	Chunks  []chunkRef `json:"chunks"`
}

// A chunkRef says where a chunk is.
type chunkRef struct {
	Chunk  chunkID `json:"c"`
	Pack   string  `json:"p"`
	Offset int64   `json:"o"`
	Stored int64   `json:"s"` // bytes in the pack
	Size   int64   `json:"n"` // bytes of the content
}
