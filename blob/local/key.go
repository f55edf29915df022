package local

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/millrace/millrace"
)

// maxPart is the longest part of a key, in bytes after escaping; file systems
// end at 255.
const maxPart = 200

const hexDigits = "0123456789ABCDEF"

// escapeKey returns the path of a key below the root. Parts of the key are
// folders. Percent signs, control characters, backslashes and a leading dot
// are written as %XX, so that no key leaves the root, is hidden, or meets the
// temporary files.
func escapeKey(key string) (string, error) {
	if key == "" {
		return "", millrace.Errorf(millrace.Invalid, "the key of an object is empty: give it a name")
	}
	var out strings.Builder
	for i, part := range strings.Split(key, "/") {
		if part == "" || part == "." || part == ".." {
			return "", millrace.Errorf(millrace.Invalid, "%.200q is not a key of an object: its part %q is not a name; keys are relative and clean, as in a/b.parquet", key, part)
		}
		if i > 0 {
			out.WriteByte('/')
		}
		begin := out.Len()
		for j := 0; j < len(part); j++ {
			c := part[j]
			switch {
			case c == 0:
				return "", millrace.Errorf(millrace.Invalid, "%.200q is not a key of an object: it holds a NUL", key)
			case c < 0x20, c == 0x7f, c == '%', c == '\\', c == '.' && j == 0:
				out.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
			default:
				out.WriteByte(c)
			}
		}
		if out.Len()-begin > maxPart {
			return "", millrace.Errorf(millrace.Invalid, "%.60q… is not a key of an object: a part of it is longer than %d bytes; use shorter names", key, maxPart)
		}
	}
	return out.String(), nil
}

// unescapePart returns the part of a key that a file or folder stands for, and
// false for names that no key has: those are not ours.
func unescapePart(name string) (string, bool) {
	if strings.HasPrefix(name, ".") {
		return "", false
	}
	if !strings.Contains(name, "%") {
		return name, true
	}
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '%' {
			out.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, name[i+1]), strings.IndexByte(hexDigits, name[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		out.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return out.String(), true
}

// explainKey says what went wrong with an object.
func (b *Bucket) explainKey(what, key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return millrace.Errorf(millrace.NotFound, "there is no object %.200q in %s", key, b.dir)
	}
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist) {
		return millrace.Errorf(millrace.Invalid, "cannot %s object %.200q in %s: a key cannot be an object and a folder of others at once; choose another key: %w", what, key, b.dir, err)
	}
	name, nameErr := escapeKey(key)
	if nameErr != nil {
		name = key
	}
	return explain(what, filepath.Join(b.dir, name), err)
}

// explain gives an error of the operating system its kind and an instruction.
func explain(what, name string, err error) error {
	var known *millrace.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return millrace.Errorf(millrace.Canceled, "stopped before the end: cannot %s %s: %w", what, name, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return millrace.Errorf(millrace.Unavailable, "cannot %s %s: the disk is full: make room on it: %w", what, name, err)
	case errors.Is(err, fs.ErrPermission):
		return millrace.Errorf(millrace.Forbidden, "cannot %s %s: this user may not; check the owner and mode of the folder: %w", what, name, err)
	case errors.Is(err, syscall.ENOTDIR):
		return millrace.Errorf(millrace.Invalid, "cannot %s %s: a part of this path is a file; choose another folder: %w", what, name, err)
	case errors.Is(err, syscall.EROFS):
		return millrace.Errorf(millrace.Unavailable, "cannot %s %s: the file system is mounted read-only; check the disk: %w", what, name, err)
	case errors.Is(err, fs.ErrClosed):
		return millrace.Errorf(millrace.Unavailable, "cannot %s %s: the bucket is closed", what, name)
	}
	return millrace.Errorf(millrace.Unavailable, "cannot %s %s: %w", what, name, err)
}
