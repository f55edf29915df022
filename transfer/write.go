package transfer

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/eventlog"
)

// How much is in memory before it is written, plain.
const (
	partBytes  = 32 << 20  // one file
	totalBytes = 128 << 20 // all together
)

// A Writer writes records into files. It is not safe for concurrent use.
type Writer struct {
	bucket blob.Bucket
	open   map[string]*part // by folder and day
	parts  map[string]int   // how many there are
	size   int
	about  About
}

type part struct {
	name string
	text []byte
}

// NewWriter writes into a bucket, which has to be empty.
func NewWriter(ctx context.Context, bucket blob.Bucket) (*Writer, error) {
	for info, err := range bucket.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		return nil, millrace.Errorf(millrace.Conflict, "there is something there already (%s): name an empty folder or prefix", info.Key)
	}
	return &Writer{bucket: bucket, open: map[string]*part{}, parts: map[string]int{}, about: About{Format: FormatName, Version: Version}}, nil
}

// Records is how many were written.
func (w *Writer) Records() int64 { return w.about.Records }

// Add writes a record.
func (w *Writer) Add(ctx context.Context, e *eventlog.Entry) error {
	p := w.part(Head{Workspace: e.Workspace, Source: e.Source, LogTime: e.Time})
	before := len(p.text)
	p.text = AppendLine(p.text, e)
	return w.added(ctx, p, before)
}

// AddLine writes a record that is a line already, with its end.
func (w *Writer) AddLine(ctx context.Context, h Head, line []byte) error {
	p := w.part(h)
	before := len(p.text)
	p.text = append(p.text, line...)
	return w.added(ctx, p, before)
}

func (w *Writer) part(h Head) *part {
	name := recordsPrefix + namePart(h.Workspace) + "/" + namePart(h.Source) + "/" + h.LogTime.UTC().Format(time.DateOnly)
	p := w.open[name]
	if p == nil {
		p = &part{name: name}
		w.open[name] = p
	}
	return p
}

// added counts a record, and writes files when much is in memory.
func (w *Writer) added(ctx context.Context, p *part, before int) error {
	w.size += len(p.text) - before
	w.about.Records++
	if len(p.text) >= partBytes {
		return w.flush(ctx, p)
	}
	if w.size < totalBytes {
		return nil
	}
	for _, p := range w.open { // the largest go
		if len(p.text) >= totalBytes/2/len(w.open) {
			if err := w.flush(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Writer) flush(ctx context.Context, p *part) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := z.Write(p.text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	w.parts[p.name]++
	if err := w.bucket.Put(ctx, fmt.Sprintf("%s-%05d%s", p.name, w.parts[p.name], recordsSuffix), &packed); err != nil {
		return err
	}
	w.about.Files++
	w.size -= len(p.text)
	delete(w.open, p.name)
	return nil
}

// Put writes another file beside the records.
func (w *Writer) Put(ctx context.Context, key string, r io.Reader) error {
	return w.bucket.Put(ctx, key, r)
}

// Finish writes what is in memory, and last what the export is.
func (w *Writer) Finish(ctx context.Context, taken time.Time, through millrace.Position) (About, error) {
	left := make([]*part, 0, len(w.open))
	for _, p := range w.open {
		left = append(left, p)
	}
	slices.SortFunc(left, func(a, b *part) int { return cmp.Compare(a.name, b.name) })
	for _, p := range left {
		if err := w.flush(ctx, p); err != nil {
			return w.about, err
		}
	}
	w.about.Taken, w.about.Through = taken.UTC(), through
	text, err := json.MarshalIndent(w.about, "", " ")
	if err != nil {
		return w.about, err
	}
	return w.about, w.bucket.Put(ctx, AboutKey, strings.NewReader(string(text)+"\n"))
}
