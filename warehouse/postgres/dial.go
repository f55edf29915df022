package postgres

import (
	"net"
	"time"
)

// dialer makes connections that notice within a minute and a half that the
// server's machine is gone, also while a long statement runs.
func dialer() *net.Dialer {
	return &net.Dialer{
		Control:         giveUp,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6},
	}
}

// giveUpAfter is how long what was sent may stay without an answer of the
// other machine's kernel.
const giveUpAfter = 90 * time.Second
