package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// ProgressOptions describe work that takes a while.
type ProgressOptions struct {
	Label string // "orders.csv"
	Unit  string // "rows"; default none
	Total int64  // of Unit; 0 when it is not known
}

// How often progress is shown. Work shorter than the first delay shows nothing.
const (
	progressFirst = 400 * time.Millisecond
	progressDraw  = 120 * time.Millisecond
	plainFirst    = time.Second
	plainEach     = 5 * time.Second
	rateWindow    = 5 * time.Second
)

// A Progress is a bar on the last line of a terminal, or a plain line every
// few seconds elsewhere, or nothing when the screen is quiet. It is safe for
// concurrent use. Only one of a Screen is drawn at a time.
type Progress struct {
	screen  *Screen
	options ProgressOptions
	begin   time.Time
	stop    chan struct{}
	stopped chan struct{}

	// guarded by screen.mu
	done, bytes int64
	from        int64 // where this run began, for the rate
	message     string
	drawn       bool
	samples     []sample
}

type sample struct {
	at   time.Time
	done int64
}

// Progress begins to show progress. The caller ends it with Finish.
func (s *Screen) Progress(o ProgressOptions) *Progress {
	p := &Progress{screen: s, options: o, begin: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	p.options.Label = Sanitize(o.Label)
	p.samples = []sample{{p.begin, 0}}
	if s.quiet {
		close(p.stopped)
		return p
	}
	s.mu.Lock()
	s.progress = p
	s.mu.Unlock()
	go p.run()
	return p
}

// Start says that an earlier run had got to done, so that it is not taken for speed.
func (p *Progress) Start(done int64) {
	p.screen.mu.Lock()
	defer p.screen.mu.Unlock()
	p.done, p.from = done, done
	p.samples = []sample{{time.Now(), done}}
}

// Set says how far the work is: units, and bytes read so far (0 if unknown).
func (p *Progress) Set(done, bytes int64) {
	p.screen.mu.Lock()
	defer p.screen.mu.Unlock()
	p.done, p.bytes = done, bytes
}

// SetTotal says how much work there is and in which unit, once that is known;
// "" leaves the unit as it is.
func (p *Progress) SetTotal(total int64, unit string) {
	p.screen.mu.Lock()
	defer p.screen.mu.Unlock()
	p.options.Total = total
	if unit != "" {
		p.options.Unit = unit
	}
}

// Message shows a text in place of the rate, until it is set to "".
func (p *Progress) Message(text string) {
	p.screen.mu.Lock()
	defer p.screen.mu.Unlock()
	p.message = Sanitize(text)
}

// Finish removes the bar.
func (p *Progress) Finish() {
	select {
	case <-p.stop:
		return
	default:
	}
	close(p.stop)
	<-p.stopped
	p.screen.mu.Lock()
	defer p.screen.mu.Unlock()
	p.erase()
	if p.screen.progress == p {
		p.screen.progress = nil
	}
}

func (p *Progress) run() {
	defer close(p.stopped)
	first, each := plainFirst, plainEach
	if p.screen.errTTY {
		first, each = progressFirst, progressDraw
	}
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-timer.C:
		}
		timer.Reset(each)
		p.screen.mu.Lock()
		if p.screen.errTTY {
			p.drawn = true
			p.draw()
		} else {
			_, _ = io.WriteString(p.screen.err, p.text(0)+"\n")
		}
		p.screen.mu.Unlock()
	}
}

// erase and draw are called with the screen locked.
func (p *Progress) erase() {
	if p.drawn && p.screen.errTTY {
		_, _ = io.WriteString(p.screen.err, "\r\x1b[K")
	}
}

func (p *Progress) draw() {
	if !p.drawn || !p.screen.errTTY {
		return
	}
	width := widthOf(p.screen.errFd)
	text, _ := Cut(p.text(width), width-1)
	_, _ = io.WriteString(p.screen.err, "\r"+text+"\x1b[K")
}

// rate returns units a second over the last few seconds.
func (p *Progress) rate(now time.Time) float64 {
	p.samples = append(p.samples, sample{now, p.done})
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > rateWindow {
		p.samples = p.samples[1:]
	}
	oldest := p.samples[0]
	seconds := now.Sub(oldest.at).Seconds()
	if seconds < 0.05 {
		return 0
	}
	return float64(p.done-oldest.done) / seconds
}

// text is the line; a bar is in it when width is above 0.
func (p *Progress) text(width int) string {
	now := time.Now()
	rate := p.rate(now)
	o := p.options
	parts := []string{}
	counted := strings.TrimSpace(Count(p.done) + " " + o.Unit)
	if o.Total > 0 {
		share := min(float64(p.done)/float64(o.Total), 1)
		if width >= 60 {
			const cells = 20
			full := int(share * cells)
			parts = append(parts, strings.Repeat("█", full)+strings.Repeat("░", cells-full))
		}
		parts = append(parts, fmt.Sprintf("%.0f %%", share*100))
		counted = strings.TrimSpace(Count(p.done) + " of " + Count(o.Total) + " " + o.Unit)
	}
	if o.Unit != "" || p.done > 0 || o.Total > 0 { // 0 of what is not known yet says nothing
		parts = append(parts, counted)
	}
	if p.bytes > 0 {
		parts = append(parts, Size(p.bytes))
	}
	switch {
	case p.message != "":
		parts = append(parts, p.message)
	case rate >= 1:
		parts = append(parts, Count(int64(rate))+"/s")
		if left := time.Duration(float64(o.Total-p.done) / rate * float64(time.Second)); left > 0 {
			parts = append(parts, Duration(max(left, time.Second).Round(time.Second))+" left")
		}
	default:
		parts = append(parts, Duration(now.Sub(p.begin).Round(time.Second)))
	}
	return strings.TrimSpace(o.Label + "  " + strings.Join(parts, "  "))
}
