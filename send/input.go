package send

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/text/encoding/charmap"

	"github.com/millrace/millrace"
)

// Formats of an input.
const (
	FormatCSV    = "csv"
	FormatNDJSON = "ndjson"
	FormatJSON   = "json"
)

// An input is an open file or standard input.
type input struct {
	name   string // for people
	file   *os.File
	stream bool // can be read only once
	size   int64
	read   atomic.Int64 // bytes of the file, compressed as it is
}

func openInput(path string, stdin *os.File) (*input, error) {
	if path == "-" {
		return &input{name: "standard input", file: stdin, stream: true}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, millrace.Errorf(millrace.Invalid, "cannot read %s: %w", path, err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder: name the files in it", path)
	}
	if err != nil {
		f.Close()
		return nil, millrace.Errorf(millrace.Invalid, "%w", err)
	}
	return &input{name: filepath.Base(path), file: f, stream: !info.Mode().IsRegular(), size: info.Size()}, nil
}

func (in *input) Close() error {
	if in.file == nil || in.name == "standard input" {
		return nil
	}
	return in.file.Close()
}

// Read implements io.Reader over the bytes of the file.
func (in *input) Read(p []byte) (int, error) {
	n, err := in.file.Read(p)
	in.read.Add(int64(n))
	return n, err
}

// text returns what is in the file: uncompressed, in UTF-8, without a byte
// order mark. raw sees the bytes of the file, or is nil.
func (in *input) text(raw io.Writer, encoding string) (*bufio.Reader, error) {
	if !in.stream {
		if _, err := in.file.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		in.read.Store(0)
	}
	var src io.Reader = in
	if raw != nil {
		src = io.TeeReader(in, raw)
	}
	r := bufio.NewReaderSize(src, 256<<10)
	magic, err := r.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, millrace.Errorf(millrace.Invalid, "the gzip header is broken: %w", err)
		}
		r = bufio.NewReaderSize(z, 256<<10)
	}
	from, err := decoderOf(encoding)
	if err != nil {
		return nil, err
	}
	if from != nil {
		r = bufio.NewReaderSize(from.NewDecoder().Reader(r), 256<<10)
	}
	return r, skipMark(r)
}

// decoderOf is the character set of that name; nil is UTF-8.
func decoderOf(encoding string) (*charmap.Charmap, error) {
	switch strings.ToLower(encoding) {
	case "", "utf-8", "utf8":
		return nil, nil
	case "latin1", "latin-1", "iso-8859-1":
		return charmap.ISO8859_1, nil
	case "windows-1252", "cp1252":
		return charmap.Windows1252, nil
	}
	return nil, millrace.Errorf(millrace.Invalid, "--encoding %.40q is not known: use utf-8, latin1 or windows-1252", encoding)
}

// skipMark skips the byte order mark of UTF-8, and refuses those of UTF-16.
func skipMark(r *bufio.Reader) error {
	head, err := r.Peek(3)
	if err != nil && err != io.EOF {
		return readError(err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		_, err := r.Discard(3)
		return err
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return millrace.Errorf(millrace.Invalid, "the file is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`")
	}
	return nil
}

func readError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return millrace.Errorf(millrace.Invalid, "the file cannot be uncompressed to its end (%w): it is cut off or damaged", err)
	case millrace.KindOf(err) == millrace.Invalid:
		return err
	}
	return millrace.Errorf(millrace.Invalid, "the file cannot be read: %w", err)
}

// formatOf tells the format. The ending of the name binds (.csv, .ndjson,
// .jsonl, .json, each also with .gz): content that is none of it is refused.
// Otherwise the first bytes tell. A file that ends in .json may hold an array, or
// an object a line.
func formatOf(name string, r *bufio.Reader) (string, error) {
	head, err := r.Peek(64 << 10)
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return "", readError(err)
	}
	text := bytes.TrimSpace(head)
	object, array := bytes.HasPrefix(text, []byte{'{'}), bytes.HasPrefix(text, []byte{'['})
	switch ending := ending(name); {
	case ending == ".ndjson" || ending == ".jsonl":
		return FormatNDJSON, nil
	case ending == ".csv" && (object || array):
		return FormatCSV, notJSON(text)
	case ending == ".json" && len(text) > 0 && !object && !array:
		return FormatJSON, noRows(text)
	case array:
		return FormatJSON, nil
	case object:
		line, _, _ := bytes.Cut(text, []byte{'\n'})
		if json.Valid(bytes.TrimSpace(line)) || len(line) > 32<<10 {
			return FormatNDJSON, nil
		}
		return FormatJSON, nil
	}
	return FormatCSV, nil
}

// ending is the last part of a file's name, in lower case, without .gz.
func ending(name string) string {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	return filepath.Ext(name)
}

// notJSON refuses what is called CSV and is JSON.
func notJSON(text []byte) error {
	var v json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&v); err == nil || errors.Is(err, io.ErrUnexpectedEOF) { // so far as it was looked at
		return millrace.Errorf(millrace.Invalid, "it holds JSON: say --input-format json, or ndjson when it has an object a line; if it is CSV, --input-format csv")
	}
	return nil
}

// noRows says why what is called JSON, and begins neither with { nor with [,
// has no rows.
func noRows(text []byte) error {
	var v any
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&v); err != nil {
		return millrace.Errorf(millrace.Invalid, "it is not JSON: %w; for CSV say --input-format csv", err)
	}
	return millrace.Errorf(millrace.Invalid, "it holds JSON values that are no objects: write each row as {\"column\": value, …}, one a line or in an array; for CSV say --input-format csv")
}

// eventName is the name of the event when none is given: that of the file,
// without what stands behind the first dot.
func eventName(path string) string {
	base := filepath.Base(path)
	name, _, _ := strings.Cut(base, ".")
	if name == "" {
		return base
	}
	return name
}
