package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A share is how much of the CPU a part takes.
type share struct {
	what    string
	percent float64
}

// profiled are the parts that a profile is told in, by a function that all of
// their work is below.
var profiled = []struct {
	what     string
	function *regexp.Regexp
}{
	{"HTTP connections, with the intake handler", regexp.MustCompile(`^net/http\.\(\*conn\)\.serve$`)},
	{"the intake handler, with waiting for the log", regexp.MustCompile(`/collect\.\(\*Handler\)\.ServeHTTP$`)},
	{"the log: building frames", regexp.MustCompile(`/eventlog\.\(\*FrameBuilder\)\.Encode$`)},
	{"the log: JetStream", regexp.MustCompile(`nats-server/v2/server\.\(\*stream\)\.internalLoop$`)},
	{"fsync", regexp.MustCompile(`^(internal/poll\.\(\*FD\)\.Fsync|syscall\.[Ff]sync)$`)},
	{"dedup", regexp.MustCompile(`/dedup\.\(\*Follower\)\.Run$`)},
	{"archive", regexp.MustCompile(`/archive\.\(\*Archive\)\.Run$`)},
	{"warehouse: the loader", regexp.MustCompile(`/warehouse\.\(\*Loader\)\.Run$`)},
	{"garbage collection", regexp.MustCompile(`^runtime\.gcBgMarkWorker$`)},
	{"scheduling goroutines", regexp.MustCompile(`^runtime\.(schedule|mcall|park_m)$`)},
	{"system calls", regexp.MustCompile(`^(internal/runtime/syscall(/linux)?|runtime/internal/syscall)\.Syscall6$`)},
}

// shares takes a profile of the server for a time, during which something else
// has to keep it busy.
func (b *bench) shares(ctx context.Context, s *server, d time.Duration) ([]share, error) {
	file := s.dir + "/cpu.pprof"
	if err := s.takeProfile(ctx, file, d); err != nil {
		return nil, err
	}
	if b.keep != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(b.keep, text, 0o600); err != nil {
			return nil, err
		}
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=100000", "-nodefraction=0", "-edgefraction=0", s.binary, file).Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w", err)
	}
	return readShares(string(out)), nil
}

func (s *server) takeProfile(ctx context.Context, file string, d time.Duration) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.profile, max(1, int(d.Seconds()))), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the profile answers %d: %s", resp.StatusCode, text)
	}
	return os.WriteFile(file, text, 0o600)
}

// readShares picks the parts from what go tool pprof -top prints.
func readShares(text string) (shares []share) {
	for _, p := range profiled {
		most := 0.0
		for line := range strings.Lines(text) {
			f := strings.Fields(line) // flat flat% sum% cum cum% function
			if len(f) < 6 || !p.function.MatchString(f[5]) {
				continue
			}
			if percent, err := strconv.ParseFloat(strings.TrimSuffix(f[4], "%"), 64); err == nil {
				most = max(most, percent)
			}
		}
		if most >= 0.5 {
			shares = append(shares, share{p.what, most})
		}
	}
	return shares
}

// profile keeps the server busy with a load and says where its CPU goes.
func (b *bench) profile(ctx context.Context, s *server, l load) ([]share, error) {
	d := pick(b, 10*time.Second, time.Second)
	if b.keep != "" {
		d = 20 * time.Second
	}
	l.duration, l.events = d+time.Second, 0
	failed := make(chan error, 1)
	go func() {
		_, _, err := s.measure(ctx, l)
		failed <- err
	}()
	shares, err := b.shares(ctx, s, d)
	if sendErr := <-failed; err == nil {
		err = sendErr
	}
	return shares, err
}
