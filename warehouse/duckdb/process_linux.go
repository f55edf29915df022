package duckdb

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// prepareCommand makes the child end with the parent, and keeps the terminal's
// Ctrl-C from it: the parent drains first.
func prepareCommand(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true
}

// prepareSelf is the child's part: it makes sure that the parent that asked is
// still there, and offers itself first when the machine runs out of memory.
func prepareSelf(parent int) bool {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return false
	}
	// What cannot be set (no permission) changes only whom the kernel picks.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("900"), 0)
	return os.Getppid() == parent
}

// yieldPriority makes the calling goroutine's thread run behind all others, and
// the thread end with the goroutine: so queries take what loading leaves.
func yieldPriority() {
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 3) // it is a courtesy
}

// residentBytes returns the memory that a process holds, or 0 if it is gone.
func residentBytes(pid int) int64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
