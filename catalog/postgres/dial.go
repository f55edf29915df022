package postgres

import (
	"net"
	"time"
)

// dialer makes connections that notice that the server's machine is gone.
func dialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         5 * time.Second,
		Control:         giveUp,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4},
	}
}

// giveUpAfter is how long what was sent may stay without an answer of the
// other machine's kernel.
const giveUpAfter = 30 * time.Second
