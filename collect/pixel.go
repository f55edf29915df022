package collect

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// gif is one transparent dot.
var gif = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")

var headerGIF = []string{"image/gif"}

// pixel takes the event in ?data= and answers with a dot, whatever becomes of
// it: there is nobody who would read anything else.
func (h *Handler) pixel(a *answer, r *http.Request, tail string) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		h.pixelEvent(a, r, strings.TrimSuffix(tail, ".gif"))
	}
	a.header["Content-Type"] = headerGIF
	a.header["Cache-Control"] = headerNoStore
	_, _ = a.w.Write(gif) // the client left: there is nobody to tell
	h.metrics.request(routePixel, http.StatusOK)
}

func (h *Handler) pixelEvent(a *answer, r *http.Request, name string) {
	to := routePixel
	if name != "" {
		if to, _ = find("/v1/" + name); eventTypes[to] == "" {
			h.metrics.refuse("pixel_type")
			return
		}
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		h.metrics.refuse("pixel_data")
		return
	}
	q := h.requests.Get().(*request)
	q.begin(h, to, "")
	defer q.end()
	q.http, q.ctx = r, r.Context()
	q.body = pixelData(q.body[:0], values.Get("data"))
	key := values.Get("writeKey")
	if key == "" {
		key = string(text(nil, q.body, findKey(q.body)))
	}
	k, ok := h.keys.find(key)
	if !ok {
		h.metrics.refuse("unknown_key")
		return
	}
	q.use(k)
	q.takePixel(a)
}

// takePixel is take without an answer.
func (q *request) takePixel(a *answer) {
	if q.bucket != nil {
		if ok, _ := q.bucket.take(q.now, 1); !ok {
			q.seen.counters.refuse("rate")
			return
		}
	}
	if whole := q.parse(); whole.is() {
		q.env.items = q.env.items[:0]
		q.rejectWhole(whole)
	}
	if ok, _, _ := q.admitted(); !ok {
		return
	}
	q.build()
	if err := q.append(); err != nil {
		q.h.logFailure(err)
		q.seen.counters.refuse("log")
		return
	}
	if len(q.records) > 0 {
		a.position(q.last)
	}
}

// pixelData decodes base64 of either alphabet, with or without padding; a text
// that begins like JSON is taken as it is.
func pixelData(dst []byte, data string) []byte {
	if strings.HasPrefix(strings.TrimSpace(data), "{") {
		return append(dst, data...)
	}
	encoding := base64.RawStdEncoding
	data = strings.TrimRight(strings.ReplaceAll(data, " ", "+"), "=")
	if strings.ContainsAny(data, "-_") {
		encoding = base64.RawURLEncoding
	}
	out, err := encoding.AppendDecode(dst, []byte(data))
	if err != nil {
		return append(dst, data...)
	}
	return out
}
