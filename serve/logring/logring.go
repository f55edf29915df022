// Package logring keeps the newest lines of the server's own log in memory, so
// that who runs it can read and follow them without a shell.
package logring

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of what is kept.
const (
	DefaultLines = 5000
	maxTextBytes = 2000 // of a message, and of each value
	maxAttrs     = 32
	maxWaiting   = 256 // lines that wait for a follower that is slow
)

// A Line is one line of the log.
type Line struct {
	Seq     uint64    `json:"seq" doc:"Number of the line since the start."`
	Time    time.Time `json:"time" doc:"When it was written."`
	Level   string    `json:"level" enum:"debug,info,warn,error" doc:"How grave it is."`
	Part    string    `json:"part" example:"warehouse" doc:"Who says it; empty: the server itself."`
	Message string    `json:"message" doc:"What happened."`
	Attrs   []Attr    `json:"attrs" doc:"What goes with it."`
}

// An Attr is a named value of a line.
type Attr struct {
	Name  string `json:"name" doc:"Name of the value."`
	Value string `json:"value" doc:"The value as text."`
}

// A Ring keeps the newest lines. It is safe for concurrent use.
type Ring struct {
	mu        sync.Mutex
	lines     []Line // a ring once it is full
	next      int    // where the next one goes
	seq       uint64
	followers map[*Follower]bool
}

// New returns a Ring of that many lines; 0 is DefaultLines.
func New(lines int) *Ring {
	if lines <= 0 {
		lines = DefaultLines
	}
	return &Ring{lines: make([]Line, 0, lines), followers: map[*Follower]bool{}}
}

func (r *Ring) add(l Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	l.Seq = r.seq
	if len(r.lines) < cap(r.lines) {
		r.lines = append(r.lines, l)
	} else {
		r.lines[r.next] = l
	}
	r.next = (r.next + 1) % cap(r.lines)
	for f := range r.followers {
		select {
		case f.lines <- l:
		default:
			f.missed++
		}
	}
}

// Lines returns the lines behind the one of that number, oldest first.
func (r *Ring) Lines(after uint64) []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind(after)
}

func (r *Ring) behind(after uint64) []Line {
	first := r.seq - uint64(len(r.lines)) // number of the line before the oldest
	skip := 0
	if after > first {
		skip = int(min(after-first, uint64(len(r.lines))))
	}
	start := 0
	if len(r.lines) == cap(r.lines) {
		start = r.next
	}
	out := make([]Line, 0, len(r.lines)-skip)
	for i := skip; i < len(r.lines); i++ {
		out = append(out, r.lines[(start+i)%len(r.lines)])
	}
	return out
}

// A Follower is told of lines as they are written.
type Follower struct {
	ring   *Ring
	lines  chan Line
	missed int64 // guarded by ring.mu
}

// Follow returns the lines behind the one of that number, and a Follower of all
// that come after them. Close it.
func (r *Ring) Follow(after uint64) ([]Line, *Follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &Follower{ring: r, lines: make(chan Line, maxWaiting)}
	r.followers[f] = true
	return r.behind(after), f
}

// Lines gives the lines; one that finds no place is missed.
func (f *Follower) Lines() <-chan Line { return f.lines }

// Missed returns how many lines were missed since it was asked last.
func (f *Follower) Missed() int64 {
	f.ring.mu.Lock()
	defer f.ring.mu.Unlock()
	n := f.missed
	f.missed = 0
	return n
}

// Close ends it.
func (f *Follower) Close() {
	f.ring.mu.Lock()
	defer f.ring.mu.Unlock()
	delete(f.ring.followers, f)
}

// Handler returns a slog.Handler that keeps lines of level info and above in
// the ring, and passes everything on to next.
func (r *Ring) Handler(next slog.Handler) slog.Handler { return &handler{ring: r, next: next} }

type handler struct {
	ring  *Ring
	next  slog.Handler
	group string // with a point at its end
	part  string
	attrs []Attr
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelInfo {
		l := Line{Time: record.Time.UTC(), Level: levelName(record.Level), Part: h.part, Message: short(record.Message), Attrs: slices.Clone(h.attrs)}
		record.Attrs(func(a slog.Attr) bool {
			l.Attrs = appendAttr(l.Attrs, h.group, a)
			return len(l.Attrs) < maxAttrs
		})
		if l.Attrs == nil {
			l.Attrs = []Attr{}
		}
		h.ring.add(l)
	}
	if !h.next.Enabled(ctx, record.Level) {
		return nil
	}
	return h.next.Handle(ctx, record)
}

// WithAttrs implements slog.Handler. The attribute part says who speaks.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	n := *h
	n.next = h.next.WithAttrs(attrs)
	n.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		if a.Key == "part" && h.group == "" {
			n.part = a.Value.Resolve().String()
			continue
		}
		n.attrs = appendAttr(n.attrs, h.group, a)
	}
	return &n
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	n := *h
	n.next, n.group = h.next.WithGroup(name), h.group+name+"."
	return &n
}

func appendAttr(attrs []Attr, group string, a slog.Attr) []Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, member := range v.Group() {
			attrs = appendAttr(attrs, group, member)
		}
		return attrs
	}
	if a.Key == "" || len(attrs) >= maxAttrs {
		return attrs
	}
	return append(attrs, Attr{Name: group + a.Key, Value: short(v.String())})
}

func levelName(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "error"
	case level >= slog.LevelWarn:
		return "warn"
	case level >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

// short keeps a text from filling the memory.
func short(s string) string {
	if len(s) > maxTextBytes {
		s = fmt.Sprintf("%s … (%d bytes)", s[:maxTextBytes], len(s))
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
