package collect

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// Why a body could not be had. They are answers to the client.
type bodyError struct {
	status int
	reason string
	keep   bool // what came of it is kept as a rejected record
}

var (
	errTooLarge = &bodyError{http.StatusRequestEntityTooLarge, "the body is larger than batch_size allows", true} // see request.tooLargeBody
	errSlow     = &bodyError{http.StatusRequestTimeout, "the body did not arrive in time", false}
	errCut      = &bodyError{http.StatusBadRequest, "the body ended before it was complete", false}
	errGzip     = &bodyError{http.StatusBadRequest, "the body begins like gzip and cannot be unpacked", true}
	errMemory   = &bodyError{http.StatusServiceUnavailable, "too many large bodies at once: send this again", false}
)

const firstBufferBytes = 16 << 10

// read reads the body into q.body, at most limit bytes of it, unpacked when it
// is gzip by its first bytes, whatever the headers say.
func (q *request) read(a *answer, r *http.Request, limit int) *bodyError {
	if r.Body == nil || r.Body == http.NoBody {
		q.body = q.body[:0]
		return nil
	}
	// The time is Handler's, not Server's, so that other handlers can take longer.
	_ = http.NewResponseController(a.w).SetReadDeadline(time.Now().Add(q.h.bodyTimeout))
	var e *bodyError
	if q.body, e = q.fill(q.body[:0], r.Body, int(r.ContentLength), limit); e != nil {
		return e
	}
	if len(q.body) >= 2 && q.body[0] == 0x1f && q.body[1] == 0x8b {
		return q.unpack(limit)
	}
	return nil
}

// fill reads src to its end into buf, which grows with what has arrived.
func (q *request) fill(buf []byte, src io.Reader, expected, limit int) ([]byte, *bodyError) {
	if want := min(max(expected+1, 512), firstBufferBytes); cap(buf) < want {
		if buf = q.grow(buf, want); buf == nil {
			return nil, errMemory
		}
	}
	for {
		if len(buf) == cap(buf) {
			larger := q.grow(buf, min(2*cap(buf), max(limit+1, cap(buf)+1)))
			if larger == nil {
				return buf, errMemory
			}
			buf = larger
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return buf, errTooLarge
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, readError(err)
		}
	}
}

func readError(err error) *bodyError {
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errSlow
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return errGzip
	}
	return errCut
}

// grow returns a copy of buf with room for size bytes, or nil when the bodies
// in memory would be too many.
func (q *request) grow(buf []byte, size int) []byte {
	if !q.hold(size - cap(buf)) {
		return nil
	}
	larger := make([]byte, len(buf), size)
	copy(larger, buf)
	return larger
}

// hold counts n more bytes in memory.
func (q *request) hold(n int) bool {
	if q.h.inFlight.Add(int64(n)) > q.h.maxInFlight {
		q.h.inFlight.Add(int64(-n))
		return false
	}
	q.held += int64(n)
	return true
}

// An unpacker is a gzip reader with its input, kept for the next body.
type unpacker struct {
	in bytes.Reader
	gz gzip.Reader
}

var unpackers = sync.Pool{New: func() any { return new(unpacker) }}

// unpack replaces q.body by what it holds, at most limit bytes.
func (q *request) unpack(limit int) *bodyError {
	u := unpackers.Get().(*unpacker)
	defer unpackers.Put(u)
	q.body, q.packed = q.packed[:0], q.body
	u.in.Reset(q.packed)
	if err := u.gz.Reset(&u.in); err != nil {
		q.body, q.packed = q.packed, q.body[:0]
		return errGzip
	}
	var e *bodyError
	q.body, e = q.fill(q.body, &u.gz, 4*len(q.packed), limit)
	u.in.Reset(nil)
	if e == errCut || e == errGzip {
		q.body, q.packed = q.packed, q.body[:0]
		return errGzip
	}
	return e
}
