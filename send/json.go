package send

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A jsonRow is one object. Its memory is valid until the next call.
type jsonRow struct {
	line   int64 // of NDJSON; the number of the value in JSON
	raw    []byte
	broken error
}

// A lineReader reads NDJSON: a value a line, blank lines between.
type lineReader struct {
	src  *bufio.Reader
	line int64
	buf  []byte
}

func (l *lineReader) next() (jsonRow, error) {
	for {
		l.buf = l.buf[:0]
		long := false
		for {
			part, err := l.src.ReadSlice('\n')
			if len(l.buf)+len(part) > maxRowBytes {
				long = true
			} else {
				l.buf = append(l.buf, part...)
			}
			if err == nil {
				break
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err != io.EOF {
				return jsonRow{}, err
			}
			if len(l.buf) == 0 && !long {
				return jsonRow{}, io.EOF
			}
			break
		}
		l.line++
		raw := bytes.TrimSpace(l.buf)
		row := jsonRow{line: l.line, raw: raw}
		switch {
		case long:
			row.broken = fmt.Errorf("the line is longer than %d bytes", maxRowBytes)
		case len(raw) == 0:
			continue
		default:
			row.broken = checkObject(raw)
		}
		return row, nil
	}
}

func checkObject(raw []byte) error {
	if !json.Valid(raw) {
		var v any
		err := json.Unmarshal(raw, &v)
		return fmt.Errorf("not JSON: %w", err)
	}
	if raw[0] != '{' {
		return errors.New("not a JSON object: write each row as {\"column\": value, …}")
	}
	return nil
}

// A valueReader reads the elements of a JSON array, or values one after another.
type valueReader struct {
	d     *json.Decoder
	array bool
	begun bool
	item  int64
	buf   bytes.Buffer
}

func (v *valueReader) next() (jsonRow, error) {
	if v.array && !v.begun {
		v.begun = true
		if _, err := v.d.Token(); err != nil {
			return jsonRow{}, v.broken(err)
		}
	}
	if v.array && !v.d.More() {
		if _, err := v.d.Token(); err != nil {
			return jsonRow{}, v.broken(err)
		}
		if _, err := v.d.Token(); err != io.EOF {
			return jsonRow{}, fmt.Errorf("there is more after the end of the array (at byte %d)", v.d.InputOffset())
		}
		return jsonRow{}, io.EOF
	}
	var raw json.RawMessage
	if err := v.d.Decode(&raw); err != nil {
		if err == io.EOF && !v.array {
			return jsonRow{}, io.EOF
		}
		return jsonRow{}, v.broken(err)
	}
	v.item++
	v.buf.Reset()
	if err := json.Compact(&v.buf, raw); err != nil {
		return jsonRow{}, v.broken(err)
	}
	row := jsonRow{line: v.item, raw: v.buf.Bytes()}
	row.broken = checkObject(row.raw)
	return row, nil
}

func (v *valueReader) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the JSON ends in the middle, after item %d", v.item)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("the JSON is broken after item %d (at byte %d): %w", v.item, syntax.Offset, err)
	}
	return err
}
