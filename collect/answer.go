package collect

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/unit"
)

// Header values that are the same for all answers. net/http does not change them.
var (
	headerTrue      = []string{"true"}
	headerExpose    = []string{"Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Millrace-Position"}
	headerVary      = []string{"Origin"}
	headerAllow     = []string{"POST, OPTIONS"}
	headerMethods   = []string{"GET, POST, OPTIONS"}
	headerMaxAge    = []string{"7200"}
	headerJSON      = []string{"application/json"}
	headerNoStore   = []string{"no-store"}
	headerClose     = []string{"close"}
	headerChallenge = []string{`Basic realm="Millrace write key"`}
	headerLength16  = []string{strconv.Itoa(len(successBody))}
)

var successBody = []byte(`{"success":true}`)

// An answer is the answer to one request.
type answer struct {
	h      *Handler
	w      http.ResponseWriter
	header http.Header
	route  route
}

// preflight answers what a browser asks before it sends: any headers, from any
// origin. A fixed list would lose the retries of SDKs that add a header then.
func (a *answer) preflight(r *http.Request) {
	a.header["Access-Control-Allow-Methods"] = headerMethods
	if asked, ok := r.Header["Access-Control-Request-Headers"]; ok {
		a.header["Access-Control-Allow-Headers"] = asked
	}
	a.header["Access-Control-Max-Age"] = headerMaxAge
	a.header["Vary"] = []string{"Origin, Access-Control-Request-Headers"}
	a.w.WriteHeader(http.StatusNoContent)
	a.h.metrics.request(a.route, http.StatusNoContent)
}

func (a *answer) write(status int, body []byte) {
	a.header["Content-Type"] = headerJSON
	if len(body) == len(successBody) {
		a.header["Content-Length"] = headerLength16
	}
	if status != http.StatusOK {
		a.w.WriteHeader(status)
	}
	_, _ = a.w.Write(body) // the client left: there is nobody to tell
	a.h.metrics.request(a.route, status)
}

var statusKinds = map[int]millrace.Kind{
	400: millrace.Invalid, 401: millrace.Unauthorized, 403: millrace.Forbidden, 404: millrace.NotFound,
	405: millrace.Invalid, 408: millrace.Invalid, 413: millrace.TooLarge, 429: millrace.Limited,
	503: millrace.Unavailable,
}

// refusal is the start of a refusal's body, without the closing brace.
func refusal(dst []byte, status int, message string) []byte {
	dst = append(dst, `{"success":false,"kind":"`...)
	dst = append(dst, statusKinds[status].String()...)
	dst = append(dst, `","message":`...)
	return appendQuoted(dst, message)
}

// refuse answers that nothing was taken, and why.
func (a *answer) refuse(status int, message string) {
	a.write(status, append(refusal(nil, status, message), '}'))
}

// later answers that the sender should come back after wait.
func (a *answer) later(status int, message string, wait time.Duration) {
	seconds := max(1, int64((wait+time.Second-1)/time.Second))
	a.header["Retry-After"] = []string{strconv.FormatInt(seconds, 10)}
	if status == http.StatusTooManyRequests {
		reset := a.h.now().Add(time.Duration(seconds) * time.Second).Unix()
		a.header["X-Ratelimit-Reset"] = []string{strconv.FormatInt(reset, 10)}
	}
	a.refuse(status, message)
}

// outageWait spreads the return of senders over the last minute of what SDKs
// honour: they cut a longer Retry-After down to 300 s and would then all come
// at the same moment.
func outageWait() time.Duration { return 240*time.Second + rand.N(61*time.Second) }

// failed answers that the log did not take the records. SDKs throw events away
// on other 4xx, give up on 503 within minutes, and last longest on 429: so a
// brief overload is 503, an outage 429.
func (a *answer) failed(err error) {
	var e *millrace.Error
	if !errors.As(err, &e) {
		e = &millrace.Error{Kind: millrace.KindOf(err)}
	}
	now := a.h.now()
	switch e.Kind {
	case millrace.Canceled:
		a.later(http.StatusServiceUnavailable, "the request was given up before the log had it: send it again", time.Second)
	case millrace.TooLarge:
		a.refuse(http.StatusRequestEntityTooLarge, "together with what applies to all of them, these events are larger than one append to the log may be, which is "+unit.Bytes(eventlog.MaxAppendSizeBytes).String()+": send smaller batches")
	case millrace.Limited:
		wait := e.RetryAfter
		if wait <= 0 || wait > 300*time.Second {
			wait = outageWait()
		}
		a.h.logFailure(err)
		a.later(http.StatusTooManyRequests, "the log takes no records at present: keep these and send them again", wait)
	case millrace.Invalid:
		a.h.logFailure(err)
		a.refuse(http.StatusInternalServerError, "the log refused these records: see the server's log")
	default:
		a.h.logFailure(err)
		if a.h.failingFor(now) > a.h.outage {
			a.later(http.StatusTooManyRequests, "the log has been away for some time: keep these and send them again", outageWait())
			return
		}
		wait := e.RetryAfter
		if wait <= 0 || wait > 10*time.Second {
			wait = time.Second + rand.N(2*time.Second)
		}
		a.later(http.StatusServiceUnavailable, "the log is busy or away for a moment: send these again", wait)
	}
}

// failingFor notes a failure and returns for how long there have been some
// without a success, and without a gap as long as an outage, between them.
func (h *Handler) failingFor(now time.Time) time.Duration {
	ns := now.UnixNano()
	last := h.lastFailure.Swap(ns)
	since := h.failing.Load()
	if since == 0 || ns < since || ns-last > int64(h.outage) {
		h.failing.Store(ns)
		return 0
	}
	return time.Duration(ns - since)
}

func (h *Handler) logFailure(err error) {
	h.logger.Warn("the log did not take records", "error", err)
}

// position says where the records are.
func (a *answer) position(p millrace.Position) {
	var b [48]byte
	s := strconv.AppendUint(b[:0], p.Epoch, 10)
	s = append(s, '-')
	s = strconv.AppendUint(s, p.Seq, 10)
	s = append(s, '-')
	s = strconv.AppendUint(s, uint64(p.Index), 10)
	a.header["Millrace-Position"] = []string{string(s)}
}

// rate says how the write key stands.
func (a *answer) rate(b *bucket, now time.Time) {
	limit, left, full := b.state(now)
	a.header["X-Ratelimit-Limit"] = []string{strconv.Itoa(limit)}
	a.header["X-Ratelimit-Remaining"] = []string{strconv.Itoa(left)}
	a.header["X-Ratelimit-Reset"] = []string{strconv.FormatInt(full.Unix()+1, 10)}
}

// secretPrefix begins what is no write key but a secret of this server: API keys.
const secretPrefix = "mr_key_"

// unauthorized answers a request without a valid key. It never repeats the key.
func (a *answer) unauthorized(key []byte, devKeys bool) {
	a.header["Www-Authenticate"] = headerChallenge
	switch {
	case len(key) == 0:
		a.h.metrics.refuse("no_key")
		a.refuse(http.StatusUnauthorized, "a write key is missing: send it as the user name of Basic authentication, as a Bearer token, or as writeKey in the body")
	case len(key) >= len(devPrefix) && string(key[:len(devPrefix)]) == devPrefix && !devKeys:
		a.h.metrics.refuse("dev_key")
		a.refuse(http.StatusUnauthorized, "write keys that begin with dev_ work in millrace dev only: use a production key of the source")
	case bytes.HasPrefix(key, []byte(secretPrefix)):
		a.h.metrics.refuse("unknown_key")
		a.refuse(http.StatusUnauthorized, "this is an API key, a secret that sends no events: use one of the write_keys of a source; if the API key was in a page or an app, rotate it, since others may have seen it")
	case a.h.unread(""):
		a.unknowable()
	default:
		a.h.metrics.refuse("unknown_key")
		a.refuse(http.StatusUnauthorized, "this write key is not known here: it has to be in write_keys of a file in sources/, see GET /api/v1/sources")
	}
}

// unknowable answers a request with a key, or to a webhook, that may be of a
// space whose sources are not known at this moment.
func (a *answer) unknowable() {
	a.h.metrics.refuse("unread")
	a.later(http.StatusServiceUnavailable, "it cannot be told at this moment whether this write key is valid, since the project of an environment of this server cannot be read: keep these and send them again; the server's log says which project, and why", unreadWait)
}

// unreadWait is when senders come back whose key may be of a space that cannot
// be read.
const unreadWait = 30 * time.Second
