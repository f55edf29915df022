package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU time in /proc on Linux.
const tick = 10 * time.Millisecond

// selfCPU is the CPU time, user and system, of this process.
func selfCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// stat returns the fields of /proc/pid/stat from the state on.
func stat(pid int) ([][]byte, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]), nil
}

// processCPU is the CPU time, user and system, of a process; 0 when it is gone.
func processCPU(pid int) time.Duration {
	f, err := stat(pid)
	if err != nil || len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(string(f[11])) // the kernel writes numbers
	system, _ := strconv.Atoi(string(f[12]))
	return time.Duration(user+system) * tick
}

// childOf returns the process that pid has started, or 0.
func childOf(pid int) int {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	for _, dir := range dirs {
		child, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if f, err := stat(child); err == nil && len(f) > 1 && string(f[1]) == strconv.Itoa(pid) {
			return child
		}
	}
	return 0
}

// A memory is what a process holds, in bytes.
type memory struct {
	resident  int64
	anonymous int64 // without mapped files, which the kernel can drop
}

func (m memory) String() string {
	return fmt.Sprintf("%d MB (%d MB without mapped files)", m.resident/1e6, m.anonymous/1e6)
}

func processMemory(pid int) (m memory) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			m.resident = kib << 10
		case "RssAnon:":
			m.anonymous = kib << 10
		}
	}
	return m
}

// folderSize is what the files below a folder take up on disk, in bytes.
func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // files come and go while this looks
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			size += s.Blocks * 512
		}
		return nil
	})
	return size
}
