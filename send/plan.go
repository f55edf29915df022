package send

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/terminal"
)

// A plan is what is known of an input before its first row is sent.
type plan struct {
	options Options
	event   string
	zone    *time.Location
	input   *input

	format  string
	header  []string
	columns []column
	members []string // of the first objects of JSON
	times   *timeFormat
	rows    int64  // of a file; of a stream those that were looked at
	hash    []byte // of a file's bytes
	// ahead is what was read of a stream to decide types; rest follows it.
	ahead *bytes.Buffer
	rest  *bufio.Reader
}

// Of a stream, types are decided on so much.
const (
	streamRows  = 10_000
	streamBytes = 64 << 20
)

// survey reads a file to its end, or the beginning of a stream, and decides
// the types of its columns and the format of its times.
func (p *plan) survey(ctx context.Context) error {
	var sum hash.Hash
	if !p.input.stream {
		sum = sha256.New()
	}
	text, err := p.text(sum)
	if err != nil {
		return err
	}
	if p.format = p.options.Format; p.format == "" {
		if p.format, err = formatOf(p.input.name, text); err != nil {
			return err
		}
	}
	src := io.Reader(text)
	if p.input.stream {
		p.ahead, p.rest = &bytes.Buffer{}, text
		src = io.TeeReader(text, p.ahead)
	}
	rows, err := p.open(bufio.NewReaderSize(src, 64<<10))
	if err != nil {
		return err
	}
	guess, err := p.timeReader()
	if err != nil {
		return err
	}
	bar := p.options.Screen.Progress(terminal.ProgressOptions{Label: p.input.name + ": looking at the columns", Unit: "rows"})
	defer bar.Finish()
	for {
		if p.rows%1024 == 0 {
			if ctx.Err() != nil {
				return errStopped
			}
			bar.Set(p.rows, p.input.read.Load())
		}
		if p.input.stream && (p.rows >= streamRows || p.ahead.Len() > streamBytes) {
			break
		}
		err := rows.look(guess)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return readError(err)
		}
		p.rows++
	}
	p.columns, p.members = rows.columns, rows.members
	if sum != nil {
		// what the decompressor left behind belongs to the file too
		if _, err := io.Copy(sum, p.input); err != nil {
			return readError(err)
		}
		p.hash = sum.Sum(nil)
	}
	if guess != nil {
		p.times, err = guess.decide(p.options.Time)
	}
	return err
}

func (p *plan) text(sum hash.Hash) (*bufio.Reader, error) {
	var raw io.Writer
	if sum != nil {
		raw = sum
	}
	text, err := p.input.text(raw, p.options.Encoding)
	if err != nil {
		return nil, readError(err)
	}
	return text, nil
}

// timeReader returns the guess that finds the format of the times, or nil when
// none has to be found.
func (p *plan) timeReader() (*timeGuess, error) {
	switch {
	case p.options.Time == "":
		return nil, nil
	case p.options.TimeFormat == "":
		return newTimeGuess(p.zone), nil
	}
	var err error
	p.times, err = newTimeFormat(p.options.TimeFormat, p.zone)
	return nil, err
}

// rows begins to read the input from its first row.
func (p *plan) reader() (*rows, error) {
	if p.input.stream {
		return p.open(bufio.NewReaderSize(io.MultiReader(p.ahead, p.rest), 64<<10))
	}
	text, err := p.text(nil)
	if err != nil {
		return nil, err
	}
	return p.open(text)
}

// rows reads the rows of an input of any format.
type rows struct {
	plan      *plan
	csv       *csvReader
	json      interface{ next() (jsonRow, error) }
	header    []string
	columns   []column
	members   []string // of the first objects, in the order in which they come
	looked    int
	userIndex int
	timeIndex int
}

func (p *plan) open(text *bufio.Reader) (*rows, error) {
	r := &rows{plan: p, userIndex: -1, timeIndex: -1}
	switch p.format {
	case FormatNDJSON:
		r.json = &lineReader{src: text}
	case FormatJSON:
		head, _ := text.Peek(4 << 10)
		array := bytes.HasPrefix(bytes.TrimSpace(head), []byte{'['})
		r.json = &valueReader{d: json.NewDecoder(text), array: array}
	default:
		r.csv = newCSVReader(text, p.options.Delimiter)
		return r, r.readHeader()
	}
	return r, nil
}

func (r *rows) readHeader() error {
	row, err := r.csv.next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return readError(err)
	}
	if row.broken != nil {
		return millrace.Errorf(millrace.Invalid, "the header (line %d): %w", row.line, row.broken)
	}
	if !utf8.Valid(row.raw) {
		return millrace.Errorf(millrace.Invalid, "the header is not UTF-8: save the file as UTF-8, or say what it is with --encoding latin1 or windows-1252")
	}
	seen := map[string]int{}
	for i, f := range row.fields {
		name := strings.TrimSpace(string(f))
		if name == "" {
			name = fmt.Sprintf("column_%d", i+1)
		}
		if first, twice := seen[name]; twice {
			return millrace.Errorf(millrace.Invalid, "columns %d and %d of the header are both called %q: rename one of them", first, i+1, name)
		}
		seen[name] = i + 1
		r.header = append(r.header, name)
	}
	if len(r.header) == 1 {
		for _, d := range []string{";", "\t", "|"} {
			if strings.Contains(r.header[0], d) && r.plan.options.Delimiter == ',' {
				return millrace.Errorf(millrace.Invalid, "the header has one column, %.60q: if its values are separated by %q, say so with --delimiter", r.header[0], d)
			}
		}
	}
	r.columns = make([]column, len(r.header))
	r.plan.header = r.header
	o := r.plan.options
	for _, f := range []struct{ flag, name string }{{"--id", o.ID}, {"--user", o.User}, {"--time", o.Time}} {
		if f.name != "" && seen[f.name] == 0 {
			return millrace.Errorf(millrace.Invalid, "%s names %q, which is no column: %s", f.flag, f.name, terminal.ThereAre(r.header))
		}
	}
	r.userIndex, r.timeIndex = seen[o.User]-1, seen[o.Time]-1
	return nil
}

// look takes the next row into account for types and times.
func (r *rows) look(guess *timeGuess) error {
	if r.csv == nil {
		row, err := r.json.next()
		if err == nil && row.broken == nil {
			r.lookAtMembers(row.raw)
		}
		if err != nil || row.broken != nil || guess == nil {
			return err
		}
		if v, err := scalar(row.raw, r.plan.options.Time); err == nil {
			guess.observe(string(v))
		}
		return nil
	}
	row, err := r.csv.next()
	if err != nil {
		return err
	}
	if row.broken != nil || len(row.fields) != len(r.columns) {
		return nil
	}
	for i, v := range row.fields {
		if i == r.userIndex {
			v = integral(v)
		}
		r.columns[i].observe(v)
	}
	if guess != nil && r.timeIndex >= 0 {
		guess.observe(string(row.fields[r.timeIndex]))
	}
	return nil
}

// memberRows is how many objects are looked at for the names of their members.
const memberRows = 100

func (r *rows) lookAtMembers(object []byte) {
	if r.looked++; r.looked > memberRows {
		return
	}
	gjson.ParseBytes(object).ForEach(func(key, value gjson.Result) bool {
		if value.Type != gjson.Null && len(r.members) < 1000 && !slices.Contains(r.members, key.Str) {
			r.members = append(r.members, key.Str)
		}
		return true
	})
}

// encoder makes the encoder of the input's rows.
func (p *plan) encoder() *encoder {
	e := newEncoder(p.options, p.event)
	e.times = p.times
	for i, name := range p.header {
		e.names = append(e.names, appendString(nil, []byte(name)))
		e.types = append(e.types, p.columns[i].kind)
		if name == p.options.ID {
			e.idColumn = i
		}
		if name == p.options.User {
			e.userColumn = i
		}
		if name == p.options.Time {
			e.tim = i
		}
	}
	return e
}

// next appends the event of the next row to dst. A refused row is returned
// with its reason; err is io.EOF or a fault of the input.
func (r *rows) next(e *encoder, dst []byte) (event []byte, line int64, refused, err error) {
	if r.csv != nil {
		row, err := r.csv.next()
		if err != nil {
			return dst, 0, nil, wrapRead(err)
		}
		event, refused = e.csv(dst, row)
		return event, row.line, refused, nil
	}
	row, err := r.json.next()
	if err != nil {
		return dst, 0, nil, wrapRead(err)
	}
	event, refused = e.json(dst, row)
	return event, row.line, refused, nil
}

func wrapRead(err error) error {
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return readError(err)
}
