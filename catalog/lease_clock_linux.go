package catalog

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime is a clock that nobody sets, and that goes on while the machine sleeps.
func uptime() time.Time {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return time.Now()
	}
	return time.Unix(t.Unix())
}
