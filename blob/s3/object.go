package s3

import (
	"context"
	"errors"
	"io"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	gcblob "gocloud.dev/blob"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// Open looks an object up. What ReadAt returns is of the object as it was
// then: when it has been replaced since, ReadAt fails with Conflict.
func (b *Bucket) Open(ctx context.Context, key string) (blob.Object, error) {
	full, err := b.key(key)
	if err != nil {
		return nil, err
	}
	bounded, cancel := b.bounded(ctx, 0)
	defer cancel()
	attrs, err := b.bucket.Attributes(bounded, full)
	if err != nil {
		return nil, b.explain(ctx, "open", key, err)
	}
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	return &object{bucket: b, key: key, full: full, size: attrs.Size, etag: attrs.ETag, ctx: own, stop: stop}, nil
}

// An object lives on after the context of its Open, until Close.
type object struct {
	bucket    *Bucket
	key, full string
	size      int64
	etag      string
	ctx       context.Context
	stop      context.CancelFunc
}

func (o *object) Size() int64 { return o.size }

// Close ends reads that are under way.
func (o *object) Close() error {
	o.stop()
	return nil
}

// ReadAt reads in one request, and goes on where a connection was cut.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, millrace.Errorf(millrace.Invalid, "reading object %.200q at a negative offset", o.key)
	}
	want := p
	if rest := o.size - off; rest < int64(len(want)) {
		want = want[:max(rest, 0)]
	}
	read := 0
	var err error
	for attempt := 0; read < len(want) && attempt < o.bucket.timeouts.attempts; attempt++ {
		if attempt > 0 && !sleep(o.ctx, min(o.bucket.timeouts.backoff, time.Duration(attempt)*200*time.Millisecond)) {
			break
		}
		var n int
		n, err = o.readOnce(want[read:], off+int64(read))
		read += n
		if err == nil {
			continue
		}
		if kind := millrace.KindOf(err); kind != millrace.Unavailable {
			break
		}
	}
	switch {
	case read < len(want):
		return read, err
	case len(want) < len(p):
		return read, io.EOF
	}
	return read, nil
}

func (o *object) readOnce(p []byte, off int64) (int, error) {
	ctx, cancel := o.bucket.bounded(o.ctx, len(p))
	defer cancel()
	r, err := o.bucket.bucket.NewRangeReader(ctx, o.full, off, int64(len(p)), &gcblob.ReaderOptions{
		BeforeRead: func(as func(any) bool) error {
			var in *awss3.GetObjectInput
			if o.etag != "" && as(&in) {
				in.IfMatch = &o.etag
			}
			return nil
		},
	})
	if err != nil {
		return 0, o.bucket.explain(o.ctx, "read", o.key, err)
	}
	defer r.Close()
	// Not every service heeds If-Match.
	var answer awss3.GetObjectOutput
	if r.As(&answer) && answer.ETag != nil && o.etag != "" && *answer.ETag != o.etag {
		return 0, millrace.Errorf(millrace.Conflict, "object %.200q in %s was replaced while it was being read: open it again", o.key, o.bucket.name)
	}
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the connection was cut")
	}
	return n, o.bucket.explain(o.ctx, "read", o.key, err)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
