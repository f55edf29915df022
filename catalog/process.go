package catalog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Process names this process as the holder of a lease, so that others on this
// machine see when it has ended.
func Process() string {
	return fmt.Sprintf("process %d on %s [%s]", os.Getpid(), hostname(), fingerprint(os.Getpid()))
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "this machine"
	}
	return strings.Join(strings.Fields(name), "-")
}

// ProcessEnded says whether a holder that Process named surely has ended: it was
// on this machine, since its last start, and is not there. Of other machines and
// containers nothing is known. Linux only; elsewhere nothing is known at all.
func ProcessEnded(holder string) bool {
	rest, is := strings.CutPrefix(holder, "process ")
	number, rest, more := strings.Cut(rest, " on ")
	pid, err := strconv.Atoi(number)
	host, mark, whole := strings.Cut(strings.TrimSuffix(rest, "]"), " [")
	if !is || !more || !whole || err != nil || pid <= 0 || host != hostname() {
		return false
	}
	own := place()
	if own == "" || !strings.HasPrefix(mark, own+" ") { // another boot, or processes that are not seen here
		return false
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return false
	}
	now := fingerprint(pid)
	return now != mark && (now != "" || gone(pid))
}

// gone says that a process without a fingerprint has ended, and is not only hidden.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	_, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	threads, err2 := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	return err == nil && err2 == nil && len(threads) <= 1 // only its parent has not noticed yet
}

// place is the boot of the machine and the namespace of process numbers, empty
// where that is not known.
func place() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	if err != nil || err2 != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + strings.NewReplacer("[", "", "]", "").Replace(space)
}

// fingerprint tells a process from others that had its number: when it began.
// It is empty for one that has ended.
func fingerprint(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	text := string(stat) // 1234 (any name) S …, with the start as field 22
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return place() + " " + fields[19]
}
