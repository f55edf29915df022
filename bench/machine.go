package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A machine is what the figures were measured on.
type machine struct {
	cores    int
	model    string
	memoryGB float64
	kernel   string
	version  string // of Millrace
	sync     time.Duration
	sync99   time.Duration
	busy     float64 // share of the processors that others used before the run
}

func (m machine) String() string {
	text := fmt.Sprintf("%d cores (%s), %.0f GB, Linux %s, fsync of 4 KiB %s (p99 %s), %s, %s",
		m.cores, m.model, m.memoryGB, m.kernel, ms(m.sync), ms(m.sync99), runtime.Version(), m.version)
	if m.busy > 0.03 {
		text += fmt.Sprintf("; the machine was not quiet, others used %.0f %% of its processors before the run", 100*m.busy)
	}
	return text
}

func describe(ctx context.Context, binary, dir string) (m machine, err error) {
	m.cores, m.model = runtime.NumCPU(), "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				m.model = strings.TrimSpace(value)
			}
		}
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, err
	}
	m.memoryGB = float64(info.Totalram) * float64(info.Unit) / (1 << 30)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, err
	}
	m.kernel = unix.ByteSliceToString(name.Release[:])
	if m.busy, err = busy(ctx); err != nil {
		return m, err
	}
	out, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return m, fmt.Errorf("%s version: %w: build it with make build", binary, err)
	}
	m.version, _, _ = strings.Cut(string(out), "\n")
	m.sync, m.sync99, err = syncTime(dir)
	return m, err
}

// busy is the share of all processors that is used while nothing is measured.
func busy(ctx context.Context) (float64, error) {
	idle, all, err := processorTime()
	if err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(3 * time.Second):
	}
	idle2, all2, err := processorTime()
	if err != nil || all2 == all {
		return 0, err
	}
	return 1 - (idle2-idle)/(all2-all), nil
}

// processorTime is the time that all processors have been idle, and in all,
// since the machine started, in ticks. See proc_stat(5).
func processorTime() (idle, all float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		if i == 0 || i > 8 { // the name; guests, which are in user and nice
			continue
		}
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if all += n; i == 4 || i == 5 { // idle, waiting for a disk
			idle += n
		}
	}
	return idle, all, nil
}

// syncTime is how long an fsync of 4 KiB more takes.
func syncTime(dir string) (p50, p99 time.Duration, err error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	took := make([]time.Duration, 200)
	for i := range took {
		begin := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		took[i] = time.Since(begin)
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], nil
}
