package archive

import (
	"context"
	"fmt"
	"slices"

	"github.com/millrace/millrace"
)

// A Copy is the archive at one moment: all that has to be copied so that the
// copy is an archive too.
type Copy struct {
	Through millrace.Position // everything up to here is in it
	Rows    int64
	Bytes   int64 // of the files with records
	// Objects are the files with records and the manifests of days. They never
	// change; one that has gone since (the archive publishes, and drops what it
	// then no longer needs) means that another Copy has to be taken.
	Objects []Object
	// Base is the manifest, and BaseKey where it has to be.
	BaseKey string
	Base    []byte
	// Purged are the workspaces that were destroyed, or are being: nothing of them
	// is in it.
	Purged []string
}

// An Object is one that a Copy names.
type Object struct {
	Key       string
	SizeBytes int64  // -1: not known
	Stamp     string // its checksum
	Lasting   bool   // it stays; others are soon replaced by such
}

// Copy says what has to be copied at this moment. What is copied is an archive
// that ended between two of its steps.
func (a *Archive) Copy(ctx context.Context) (Copy, error) {
	if a.opts.Log == nil {
		if err := a.store.load(ctx, a.store.snapshot()); err != nil {
			return Copy{}, err
		}
	}
	s, err := a.snapshot(ctx)
	if err != nil {
		return Copy{}, err
	}
	n := *s
	n.Garbage, n.Intent, n.Publication = nil, nil, nil // nothing of these is copied
	c := Copy{Through: n.Through, Purged: slices.Concat(n.Purging, n.Purged)}
	if n.Session == "" {
		return c, nil // there is nothing yet
	}
	for i := range n.Fresh {
		c.files(&n.Fresh[i])
	}
	for i := range n.Days {
		d := &n.Days[i]
		spans, err := a.readDay(ctx, d)
		if err != nil {
			return Copy{}, err
		}
		for j := range spans {
			c.files(&spans[j])
		}
		c.Objects = append(c.Objects, Object{Key: d.Key, SizeBytes: -1})
	}
	c.BaseKey = link{generation: n.Generation, session: n.Session, base: true}.String()
	c.Base, _, err = encodeManifest(&n)
	return c, err
}

func (c *Copy) files(s *span) {
	for i := range s.Files {
		f := &s.Files[i]
		c.Objects = append(c.Objects, Object{Key: s.key(f), SizeBytes: f.Bytes, Stamp: fmt.Sprintf("crc32c %08x", f.CRC32C), Lasting: !s.Fresh})
		c.Rows += f.Rows
		c.Bytes += f.Bytes
	}
}
