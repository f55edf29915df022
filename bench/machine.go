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
	busy     float64 // load average when the run began: others on the machine
}

func (m machine) String() string {
	text := fmt.Sprintf("%d cores (%s), %.0f GB, Linux %s, fsync of 4 KiB %s (p99 %s), %s, %s",
		m.cores, m.model, m.memoryGB, m.kernel, ms(m.sync), ms(m.sync99), runtime.Version(), m.version)
	if m.busy > 0.5 {
		text += fmt.Sprintf("; the machine was not quiet, its load average was %.1f before the run", m.busy)
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
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.busy, _ = strconv.ParseFloat(strings.Fields(string(text))[0], 64) // the kernel writes a number
	}
	out, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return m, fmt.Errorf("%s version: %w: build it with make build", binary, err)
	}
	m.version, _, _ = strings.Cut(string(out), "\n")
	m.sync, m.sync99, err = syncTime(dir)
	return m, err
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
