package access

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/millrace/millrace/catalog"
)

// seen remembers when and from where sessions and keys were used, until it is
// written: so a request costs no fsync. What is lost in a crash is the newest
// Options.FlushInterval of it.
type seen struct {
	mu       sync.RWMutex
	sessions map[string]*mark
	keys     map[string]*mark
}

// A mark is when and from where a session or key was last used.
type mark struct {
	at      atomic.Int64 // microseconds since 1970
	from    atomic.Pointer[origin]
	written int64 // at, as it is in the catalog; for who flushes
}

type origin struct{ address, agent string }

func newSeen() *seen { return &seen{sessions: map[string]*mark{}, keys: map[string]*mark{}} }

// of returns the mark of a session or key; when there is none yet, one that says
// what the catalog does.
func (s *seen) of(marks map[string]*mark, id string, at time.Time, from origin) *mark {
	s.mu.RLock()
	m := marks[id]
	s.mu.RUnlock()
	if m != nil {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m = marks[id]; m == nil {
		m = &mark{written: micro(at)}
		m.at.Store(m.written)
		stored := from // else each call would allocate
		m.from.Store(&stored)
		marks[id] = m
	}
	return m
}

// use notes that it was used.
func (m *mark) use(now time.Time, address netip.Addr, agent string) {
	if at := now.UnixMicro(); at > m.at.Load() {
		m.at.Store(at)
	}
	last := m.from.Load()
	if len(agent) > maxAgent {
		agent = clip(agent)
	}
	if last.agent == agent && sameAddress(last.address, address) {
		return
	}
	m.from.Store(&origin{showAddress(address), clip(agent)})
}

const maxAgent = 200

// clip makes of what a client calls itself what can be kept.
func clip(agent string) string {
	agent = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(agent, "?"))
	for len(agent) > maxAgent {
		_, n := utf8.DecodeLastRuneInString(agent)
		agent = agent[:len(agent)-n]
	}
	return agent
}

func showAddress(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

func sameAddress(shown string, a netip.Addr) bool {
	if !a.IsValid() {
		return shown == ""
	}
	var buf [64]byte
	return string(a.Unmap().AppendTo(buf[:0])) == shown
}

type markRow struct {
	id string
	m  *mark
	at int64
}

// dirty returns the marks that are not written yet, and lets go of those that
// were not used since old.
func (s *seen) dirty(marks map[string]*mark, old time.Time) (rows []markRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, m := range marks {
		at := m.at.Load()
		switch {
		case at != m.written:
			rows = append(rows, markRow{id, m, at})
		case at < old.UnixMicro():
			delete(marks, id)
		}
	}
	return rows
}

// Flush writes when and from where sessions and keys were last used.
func (a *Access) Flush(ctx context.Context) error {
	old := a.now().Add(-max(a.o.SessionIdle, time.Hour))
	err := a.flush(ctx, a.seen.dirty(a.seen.sessions, old), `UPDATE access_session SET seen_at = $2, address = $3, agent = $4 WHERE id = $1 AND seen_at < $2`, true)
	if err != nil {
		return err
	}
	return a.flush(ctx, a.seen.dirty(a.seen.keys, old), `UPDATE access_key SET seen_at = $2, address = $3 WHERE id = $1 AND seen_at < $2`, false)
}

// flushed is how many marks are written in a transaction, so that others wait for a moment only.
const flushed = 500

func (a *Access) flush(ctx context.Context, rows []markRow, sql string, agent bool) error {
	for len(rows) > 0 {
		some := rows[:min(len(rows), flushed)]
		rows = rows[len(some):]
		err := a.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
			for _, r := range some {
				from := r.m.from.Load()
				args := []any{r.id, r.at, from.address}
				if agent {
					args = append(args, from.agent)
				}
				if _, err := tx.Exec(ctx, sql, args...); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		a.seen.mu.Lock()
		for _, r := range some {
			r.m.written = r.at
		}
		a.seen.mu.Unlock()
	}
	return nil
}

// metrics are what is counted.
type metrics struct {
	misses  prometheus.Counter
	signIns *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, c *cache) (*metrics, error) {
	m := &metrics{
		misses:  prometheus.NewCounter(prometheus.CounterOpts{Name: "millrace_access_reads_total", Help: "Sessions, keys and people that were read from the catalog."}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "millrace_access_sign_ins_total", Help: "Sign-ins with a password, by how they went."}, []string{"result"}),
	}
	if r == nil {
		return m, nil
	}
	remembered := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "millrace_access_remembered", Help: "Sessions, keys and people in memory."}, func() float64 {
		c.mu.RLock()
		defer c.mu.RUnlock()
		return float64(len(c.sessions) + len(c.secrets) + len(c.people))
	})
	for _, collector := range []prometheus.Collector{m.misses, m.signIns, remembered} {
		if err := r.Register(collector); err != nil {
			return nil, err
		}
	}
	return m, nil
}
