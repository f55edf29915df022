package terminal

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Sanitize makes text from data safe to print on one line of a terminal:
// control characters, escape sequences, bidirectional overrides, invisible
// format characters and broken UTF-8 become visible escapes (\n, \x1b, \u202e).
func Sanitize(s string) string { return sanitize(s, false) }

// SanitizeLines is Sanitize for text of several lines: newlines and tabs stay.
func SanitizeLines(s string) string { return sanitize(s, true) }

func sanitize(s string, lines bool) string {
	i := 0
	for i < len(s) && s[i] >= ' ' && s[i] < 0x7f {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	b.WriteString(s[:i])
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case unsafeRune(r):
			writeEscape(&b, r)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

func writeEscape(b *strings.Builder, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x80:
		fmt.Fprintf(b, `\x%02x`, r)
	case r < 0x10000:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// unsafeRune says whether r moves the cursor, changes how the text around it
// is shown, or cannot be seen.
func unsafeRune(r rune) bool {
	switch {
	case r < ' ' || r == 0x7f:
		return true
	case r < 0x80:
		return false
	case r < 0xa0: // C1: CSI and OSC in one byte
		return true
	case r == 0xad || r == 0x200c || r == 0x200d: // soft hyphen; joiners, which words and emoji need
		return false
	case r >= 0x600 && r <= 0x605 || r == 0x6dd || r == 0x70f: // format characters that are visible
		return false
	case r == 0x2028 || r == 0x2029:
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// A SafeWriter passes text on with SanitizeLines applied. It is not safe for
// concurrent use; Close writes what is left of a rune cut in the middle, and
// does not close the writer below.
type SafeWriter struct {
	w    io.Writer
	rest []byte
}

// NewSafeWriter returns a SafeWriter over w.
func NewSafeWriter(w io.Writer) *SafeWriter { return &SafeWriter{w: w} }

// Write implements io.Writer.
func (s *SafeWriter) Write(p []byte) (int, error) {
	text := append(s.rest, p...)
	keep := 0
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if c := text[len(text)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-n:]) {
				keep = n
			}
			break
		}
	}
	whole := string(text[:len(text)-keep])
	s.rest = append([]byte(nil), text[len(text)-keep:]...)
	if _, err := io.WriteString(s.w, SanitizeLines(whole)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what Write held back.
func (s *SafeWriter) Close() error {
	rest := string(s.rest)
	s.rest = nil
	_, err := io.WriteString(s.w, SanitizeLines(rest))
	return err
}

// A JSONWriter passes JSON on with what Sanitize would make visible written as the
// escapes of JSON (\u009b), so that it says the same and is safe to print. Each Write
// is of whole values. It is as safe for concurrent use as the writer below.
type JSONWriter struct{ w io.Writer }

// NewJSONWriter returns a JSONWriter over w.
func NewJSONWriter(w io.Writer) *JSONWriter { return &JSONWriter{w} }

// Write implements io.Writer.
func (j *JSONWriter) Write(p []byte) (int, error) {
	if !bytes.ContainsFunc(p, jsonUnsafe) {
		return j.w.Write(p)
	}
	out := make([]byte, 0, len(p)+16)
	for rest := p; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case !jsonUnsafe(r):
			out = append(out, rest[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		rest = rest[size:]
	}
	if _, err := j.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// jsonUnsafe says whether r is to be escaped: not what is between values.
func jsonUnsafe(r rune) bool { return r >= 0x7f && unsafeRune(r) }
