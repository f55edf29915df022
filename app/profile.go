package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/millrace/millrace"
)

// openProfile listens where profiles are given, if anywhere: on an address of
// its own that only this machine reaches, because profiles tell of what the
// process holds and cost time while they are taken.
func (a *App) openProfile(context.Context) error {
	if a.o.Profile == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(a.o.Profile)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return millrace.Errorf(millrace.Invalid, "MILLRACE_PPROF is %.100q: set an address of this machine only, such as 127.0.0.1:6060", a.o.Profile)
	}
	if a.profile, err = net.Listen("tcp", a.o.Profile); err != nil {
		return fmt.Errorf("cannot listen on MILLRACE_PPROF %s: %w", a.o.Profile, err)
	}
	a.closers = append(a.closers, closer(func() error {
		_ = a.profile.Close() // closed already after Run
		return nil
	}))
	return nil
}

// giveProfiles serves /debug/pprof until ctx ends.
func (a *App) giveProfiles(ctx context.Context) error {
	if a.profile == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(a.profile); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		a.logger("profile").Error("profiles are no longer given", "error", err)
	}
	return nil
}
