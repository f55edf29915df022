package duckdb

import (
	"fmt"
	"time"

	"github.com/millrace/millrace"
)

// pulseEvery is how often a child is asked whether it is still there.
const pulseEvery = 5 * time.Second

// pulse asks the child for a sign of life, again and again until it has ended,
// and kills it when none comes: one that stands still would hold up the loader
// for ever. It answers while it works, however long that takes. The second
// question is for a machine that stood still, not the child.
func (s *supervisor) pulse(p *process) {
	for {
		select {
		case <-p.done:
			return
		case <-time.After(min(pulseEvery, s.o.silence)):
		}
		if p.answers(s.o.silence) || p.answers(s.o.silence/4) {
			continue
		}
		p.kill(verdict{kind: millrace.Unavailable, message: fmt.Sprintf("it gave no sign of life for %s", s.o.silence+s.o.silence/4)})
		return
	}
}

// answers says whether the child gives a sign of life within that time.
func (p *process) answers(within time.Duration) bool {
	conn, err := p.dial()
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return false
	}
	w := newWire(conn)
	if err := w.sendJSON(messageRequest, request{Op: opPulse}); err != nil {
		return false
	}
	t, _, err := w.receive()
	return err == nil && t == messageResult
}
