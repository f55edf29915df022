package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/serve"
)

// standbyRetry is when those who ask a standby are to come back, in seconds:
// it takes over sooner than others notice.
const standbyRetry = "5"

// answer begins to answer what is asked at the address, if that has not begun.
func (a *App) answer(ctx context.Context) {
	if a.server != nil {
		return
	}
	server := serve.NewHTTPServer(http.HandlerFunc(a.dispatch), a.o.Logger)
	collect.ConfigureServer(server)
	server.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	a.server, a.failed = server, make(chan error, 1)
	go func() {
		if a.certificate != nil {
			server.TLSConfig = a.certificate.config()
			a.failed <- server.ServeTLS(a.listener, "", "")
			return
		}
		a.failed <- server.Serve(a.listener)
	}()
}

// dispatch answers a request: as a standby as long as the server does not serve.
func (a *App) dispatch(w http.ResponseWriter, r *http.Request) {
	if h := a.front.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	reason, _ := a.waiting.Load().(string)
	standby(w, r, reason)
}

// standby is what a server answers that does not have the log.
func standby(w http.ResponseWriter, r *http.Request, reason string) {
	status, kind := http.StatusServiceUnavailable, "application/json"
	var answer any
	switch r.URL.Path {
	case "/healthz":
		status, answer = http.StatusOK, map[string]string{"status": "ok"}
	case "/readyz":
		answer = serve.Health{Parts: []serve.Part{{Name: "lease", Required: true, Reason: reason}}}
	default:
		kind = "application/problem+json"
		answer = serve.Problem{Status: status, Title: http.StatusText(status), Kind: millrace.Unavailable.String(), Detail: reason + ": ask again in a few seconds, or ask the server that has the log"}
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status != http.StatusOK {
		h.Set("Retry-After", standbyRetry)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client is gone
}

// stand makes this server a standby, for the reason that who tells. What it
// answers says it without the name of the other, since anyone may ask.
func (a *App) stand(who string) {
	if a.waiting.Load() != nil {
		return
	}
	a.waiting.Store("this server is a standby: another one has the log, and this one takes over when that ends")
	a.o.Logger.Info("waiting as standby", "because", who, "address", a.listener.Addr().String())
	fmt.Fprintf(a.o.Stdout, "standby at %s: %s; this server takes over when that ends\n", a.URL(), who)
	a.answer(context.Background())
}

// serve answers requests until ctx ends and those under way are done, or have
// had their time. It returns until when the drain lasts.
func (a *App) serve(ctx context.Context) (until time.Time, err error) {
	a.o.Logger.Info("serving", "address", a.o.Listen, "version", a.o.Version)
	a.front.Store(&a.handler)
	a.answer(ctx)
	select {
	case err := <-a.failed:
		return time.Now().Add(a.o.Drain), fmt.Errorf("the server on %s stopped: %w", a.o.Listen, err)
	case <-ctx.Done():
	}
	close(a.stopping)
	a.o.Logger.Info("stopping", "drain", a.o.Drain)
	until = time.Now().Add(a.o.Drain)
	drain, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	if err := a.server.Shutdown(drain); err != nil {
		a.o.Logger.Warn("some requests did not end in time and were cut", "drain", a.o.Drain)
		_ = a.server.Close()
	}
	return until, nil
}

// errStopped is that a standby was stopped before it took over.
var errStopped = errors.New("stopped while it waited")

// Stopped says whether Open failed because its context ended while this server
// waited as standby.
func Stopped(err error) bool { return errors.Is(err, errStopped) }
