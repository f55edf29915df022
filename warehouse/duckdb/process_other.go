//go:build !linux

package duckdb

import (
	"os"
	"os/exec"
	"syscall"
)

// prepareCommand keeps the terminal's Ctrl-C from the child: the parent drains
// first. The end of the control socket ends the child with its parent.
func prepareCommand(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}

// prepareSelf makes sure that the parent that asked is still there.
func prepareSelf(parent int) bool { return os.Getppid() == parent }

// yieldPriority is not possible for one thread here.
func yieldPriority() {}

// residentBytes is not known here without another process.
func residentBytes(int) int64 { return 0 }
