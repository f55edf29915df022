package send

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxRowBytes bounds one row. A quote that opens and does not close within it
// is taken for a stray one.
const maxRowBytes = 1 << 20

// A csvReader reads RFC 4180 and what is near it: any line ends, blank lines
// between rows, quotes inside an unquoted value. A row that is broken is
// returned with an error, and reading goes on with the next line of the file.
type csvReader struct {
	src        io.Reader
	delimiter  byte
	buf        []byte
	start, end int // buf[start:end] is not read yet
	eof        bool
	line       int64 // of buf[start], from 1
	fields     [][]byte
	scratch    []byte
}

func newCSVReader(src io.Reader, delimiter byte) *csvReader {
	return &csvReader{src: src, delimiter: delimiter, buf: make([]byte, 256<<10), line: 1}
}

// A csvRow is one row. Its memory is valid until the next call.
type csvRow struct {
	line   int64    // where it begins
	raw    []byte   // without the line end
	fields [][]byte // unquoted
	broken error    // why it is no row
}

// fill reads more; false at the end of the source.
func (c *csvReader) fill() (bool, error) {
	if c.eof {
		return false, nil
	}
	if c.start > 0 {
		copy(c.buf, c.buf[c.start:c.end])
		c.end -= c.start
		c.start = 0
	}
	if c.end == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	for range 100 {
		n, err := c.src.Read(c.buf[c.end:])
		c.end += n
		if errors.Is(err, io.EOF) {
			c.eof = true
			return n > 0, nil
		}
		if err != nil {
			return false, err
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, io.ErrNoProgress
}

// next returns the next row, or io.EOF. Any other error is one of the source.
func (c *csvReader) next() (csvRow, error) {
	for {
		length, more, err := c.lineLength(0)
		if err != nil {
			return csvRow{}, err
		}
		if length < 0 {
			return csvRow{}, io.EOF
		}
		text := trimCR(c.buf[c.start : c.start+length])
		if len(text) == 0 { // a blank line
			c.advance(length, more)
			continue
		}
		row := csvRow{line: c.line}
		switch {
		case length > maxRowBytes:
			row.broken = fmt.Errorf("the row is longer than %d bytes", maxRowBytes)
			row.raw = text[:64]
			c.advance(length, more)
		case bytes.IndexByte(text, '"') < 0:
			row.raw, row.fields = text, c.split(text)
			c.advance(length, more)
		default:
			return c.quoted(row, length, more)
		}
		return row, nil
	}
}

// lineLength returns how long the line is that begins at start+from, counted
// from start and without its newline; more says whether there is a newline.
// It is -1 at the end of the source.
func (c *csvReader) lineLength(from int) (length int, newline bool, err error) {
	at := from
	for {
		if i := bytes.IndexByte(c.buf[c.start+at:c.end], '\n'); i >= 0 {
			return at + i, true, nil
		}
		at = c.end - c.start
		more, err := c.fill()
		if err != nil {
			return 0, false, err
		}
		if !more {
			if c.end-c.start == from {
				return -1, false, nil
			}
			return c.end - c.start, false, nil
		}
	}
}

func (c *csvReader) advance(length int, newline bool) {
	c.line += int64(bytes.Count(c.buf[c.start:c.start+length], []byte{'\n'}))
	c.start += length
	if newline {
		c.start++
		c.line++
	}
}

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

func (c *csvReader) split(text []byte) [][]byte {
	c.fields = c.fields[:0]
	for {
		i := bytes.IndexByte(text, c.delimiter)
		if i < 0 {
			c.fields = append(c.fields, text)
			return c.fields
		}
		c.fields = append(c.fields, text[:i])
		text = text[i+1:]
	}
}

// quoted reads a row with a quote in its first line, which is length long.
func (c *csvReader) quoted(row csvRow, length int, newline bool) (csvRow, error) {
	first, firstNewline := length, newline
	for {
		fields, state := c.parse(trimCR(c.buf[c.start : c.start+length]))
		switch {
		case state == parsed:
			row.raw, row.fields = trimCR(c.buf[c.start:c.start+length]), fields
			c.advance(length, newline)
			return row, nil
		case state == open && newline && length < maxRowBytes:
			n, more, err := c.lineLength(length + 1)
			if err != nil {
				return csvRow{}, err
			}
			if n >= 0 {
				// the newline between is part of the value, a \r before it too
				length, newline = n, more
				continue
			}
			fallthrough
		case state == open:
			row.broken = fmt.Errorf("a quote opens here that does not close")
		default:
			row.broken = fmt.Errorf(`there is text after a closing quote: a quote inside a quoted value is written twice ("")`)
		}
		row.raw = trimCR(c.buf[c.start : c.start+first])
		c.advance(first, firstNewline)
		return row, nil
	}
}

type parseState int

const (
	parsed parseState = iota
	open              // within quotes at the end
	malformed
)

// parse splits a row with quotes. Quoted values without "" in them are not copied.
func (c *csvReader) parse(text []byte) ([][]byte, parseState) {
	c.fields, c.scratch = c.fields[:0], c.scratch[:0]
	if cap(c.scratch) < len(text) {
		c.scratch = make([]byte, 0, 2*len(text))
	}
	for {
		if len(text) == 0 || text[0] != '"' {
			i := bytes.IndexByte(text, c.delimiter)
			if i < 0 {
				c.fields = append(c.fields, text)
				return c.fields, parsed
			}
			c.fields = append(c.fields, text[:i])
			text = text[i+1:]
			continue
		}
		value, rest, state := c.unquote(text[1:])
		if state != parsed {
			return nil, state
		}
		c.fields = append(c.fields, value)
		if len(rest) == 0 {
			return c.fields, parsed
		}
		if rest[0] != c.delimiter {
			return nil, malformed
		}
		text = rest[1:]
	}
}

func (c *csvReader) unquote(text []byte) (value, rest []byte, state parseState) {
	i := bytes.IndexByte(text, '"')
	if i < 0 {
		return nil, nil, open
	}
	if i+1 == len(text) || text[i+1] != '"' {
		return text[:i], text[i+1:], parsed
	}
	begin := len(c.scratch)
	for {
		i := bytes.IndexByte(text, '"')
		if i < 0 {
			return nil, nil, open
		}
		c.scratch = append(c.scratch, text[:i]...)
		if i+1 == len(text) || text[i+1] != '"' {
			return c.scratch[begin:len(c.scratch):len(c.scratch)], text[i+1:], parsed
		}
		c.scratch = append(c.scratch, '"')
		text = text[i+2:]
	}
}
