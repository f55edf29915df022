// Package terminal is what people see of the commands: progress bars, tables,
// bar charts and colours. It keeps control characters of data away from the
// terminal, and writes plain lines where there is no terminal.
package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Options describe where a Screen writes.
type Options struct {
	Out    io.Writer               // data; default os.Stdout
	Err    io.Writer               // messages and progress; default os.Stderr
	Quiet  bool                    // no progress and no notes
	Getenv func(key string) string // default os.Getenv; NO_COLOR and TERM are read
}

// A Screen is the pair of data and messages that a command writes to. It is
// safe for concurrent use, but for writes to Out.
type Screen struct {
	out, err       io.Writer
	outFd, errFd   int
	outTTY, errTTY bool
	color, quiet   bool
	mu             sync.Mutex
	progress       *Progress // the one that is drawn on the last line of err
}

// New returns a Screen.
func New(o Options) *Screen {
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Err == nil {
		o.Err = os.Stderr
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	s := &Screen{out: o.Out, err: o.Err, quiet: o.Quiet}
	s.outFd, s.outTTY = terminalOf(o.Out)
	s.errFd, s.errTTY = terminalOf(o.Err)
	dumb := o.Getenv("TERM") == "dumb"
	s.color = o.Getenv("NO_COLOR") == "" && !dumb
	if dumb {
		s.errTTY = false
	}
	return s
}

func terminalOf(w io.Writer) (fd int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile {
		return -1, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

// Out is where data goes, as it is.
func (s *Screen) Out() io.Writer { return s.out }

// SafeOut is where text that holds data goes: sanitised when it is a terminal.
func (s *Screen) SafeOut() io.Writer {
	if s.outTTY {
		return NewSafeWriter(s.out)
	}
	return s.out
}

// OutIsTerminal says whether a person reads the data.
func (s *Screen) OutIsTerminal() bool { return s.outTTY }

// Width returns the columns of the terminal that data goes to, or 0 when it
// goes elsewhere.
func (s *Screen) Width() int {
	if !s.outTTY {
		return 0
	}
	return widthOf(s.outFd)
}

func widthOf(fd int) int {
	if w, _, err := term.GetSize(fd); err == nil && w > 0 {
		return w
	}
	return 80
}

// Note writes one line for the person, unless quiet. What it is given is
// sanitised.
func (s *Screen) Note(format string, args ...any) {
	if s.quiet {
		return
	}
	s.line(SanitizeLines(fmt.Sprintf(format, args...)))
}

// Warn is Note that is written even when quiet.
func (s *Screen) Warn(format string, args ...any) {
	s.line(SanitizeLines(fmt.Sprintf(format, args...)))
}

func (s *Screen) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.progress != nil {
		s.progress.erase()
	}
	_, _ = io.WriteString(s.err, text+"\n")
	if s.progress != nil {
		s.progress.draw()
	}
}

// Colors returns the palette for data.
func (s *Screen) Colors() Palette { return Palette{on: s.color && s.outTTY} }

// NoteColors returns the palette for messages.
func (s *Screen) NoteColors() Palette { return Palette{on: s.color && s.errTTY} }

// A Palette colours text, or leaves it as it is. The zero Palette leaves it.
type Palette struct{ on bool }

func (p Palette) paint(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Bold is for headings.
func (p Palette) Bold(text string) string { return p.paint("1", text) }

// Dim is for what matters less.
func (p Palette) Dim(text string) string { return p.paint("2", text) }

// Good is for what is as it should be.
func (p Palette) Good(text string) string { return p.paint("32", text) }

// Warning is for what wants attention.
func (p Palette) Warning(text string) string { return p.paint("33", text) }

// Bad is for what failed.
func (p Palette) Bad(text string) string { return p.paint("31", text) }

// Accent is for what to look at first.
func (p Palette) Accent(text string) string { return p.paint("36", text) }
