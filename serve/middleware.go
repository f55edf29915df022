package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type (
	requestIDKey struct{}
	controlKey   struct{}
	requestKey   struct{}
	principalKey struct{}
	redactKey    struct{}
)

// requestOf returns the request that ctx belongs to: its headers, address and
// connection. Its body and its context are not for use.
func requestOf(ctx context.Context) *http.Request {
	r, ok := ctx.Value(requestKey{}).(*http.Request)
	if !ok {
		r = &http.Request{Method: http.MethodGet, URL: &url.URL{}, Header: http.Header{}}
	}
	return r
}

// controlOf returns what sets the deadlines of the request that ctx belongs to.
func controlOf(ctx context.Context) *http.ResponseController {
	control, ok := ctx.Value(controlKey{}).(*http.ResponseController)
	if !ok {
		control = http.NewResponseController(nil)
	}
	return control
}

// requestID returns the ID of the request that ctx belongs to, or "".
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// givenID returns the ID that a client or proxy gave, if it is harmless.
func givenID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) > 64 {
		return ""
	}
	for _, c := range []byte(id) {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return ""
		}
	}
	return id
}

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "millrace_api_requests_total",
			Help: "Requests to the API by route and status."}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "millrace_api_request_seconds",
			Help: "How long requests to the API took.", Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60}}, []string{"route"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("serve: metrics: %w", err)
		}
	}
	return m, nil
}

// observed gives every request an ID, security headers and a limit to its
// body, counts it, logs it, and turns a panic into a problem.
func (s *server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.o.Now()
		id := givenID(r)
		if id == "" {
			id = rand.Text()[:16]
		}
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(requestTimeout + writeTimeout)) // not every writer has one
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()                // not for the next request
		ctx := context.WithValue(context.WithValue(r.Context(), requestIDKey{}, id), controlKey{}, control)
		ctx = context.WithValue(ctx, redactKey{}, s.o.Redact)
		r = r.WithContext(context.WithValue(ctx, requestKey{}, r))
		r.Body = http.MaxBytesReader(w, r.Body, 16<<20) // operations have smaller limits of their own
		if r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
			r.Header.Set("Content-Type", "application/json") // what curl -d says of JSON
		}
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		rec := &recorder{ResponseWriter: w}
		_, route := s.mux.Handler(r)
		defer func() {
			p := recover()
			cause, _ := p.(error)
			if p != nil && !errors.Is(cause, http.ErrAbortHandler) {
				s.o.Logger.Error("request panicked", "request", id, "route", route, "panic", p, "stack", string(debug.Stack()))
				if rec.status == 0 {
					writeProblem(rec, r, errors.New("panic"))
					p = nil
				} else {
					p = http.ErrAbortHandler
				}
			}
			took := s.o.Now().Sub(start)
			s.metrics.requests.WithLabelValues(route, strconv.Itoa(rec.status)).Inc()
			s.metrics.seconds.WithLabelValues(route).Observe(took.Seconds())
			s.o.Logger.Debug("request", "request", id, "method", r.Method, "path", withoutTokens(r.URL.Path), "status", rec.status,
				"took", took.Round(time.Microsecond), "peer", r.RemoteAddr)
			if p != nil {
				panic(p)
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// A recorder notes the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
