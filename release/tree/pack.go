package tree

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/unit"
)

// Pack writes a tree as a tar.gz: the same bytes for the same tree. Files are
// in order, with nobody as their owner and no time.
func Pack(w io.Writer, t *Tree) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	a := tar.NewWriter(z)
	for _, f := range t.Files() {
		mode := int64(0o644)
		if f.Executable {
			mode = 0o755
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.SizeBytes, Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		if err := a.WriteHeader(h); err != nil {
			return fmt.Errorf("cannot pack %s: %w", f.Path, err)
		}
		if _, err := a.Write(t.data[f.Hash]); err != nil {
			return fmt.Errorf("cannot pack %s: %w", f.Path, err)
		}
	}
	return errors.Join(a.Close(), z.Close())
}

// maxWrapping is what an archive may have beside the bytes of its files: the
// heads of tar or zip, for each entry.
const maxWrapping = 4 << 10

// Unpack reads a tar.gz or zip that anyone may have made. Folders are not kept
// apart from their files; what is private (project.Private) is left out and
// named in left; a folder that all of it lies in, as in archives
// of a git repository, is taken off. Everything that could be another file than it
// seems, or outside of the project, makes the whole archive Invalid; too much
// of anything makes it TooLarge.
func Unpack(r io.Reader, limits Limits) (t *Tree, left []string, err error) {
	limits = limits.OrDefault()
	most := limits.TotalBytes + int64(limits.Files)*maxWrapping
	packed, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("the archive cannot be read: %w", err)
	case int64(len(packed)) > most:
		return nil, nil, millrace.Errorf(millrace.TooLarge, "the archive is larger than %s, the most that a version may have", unit.Bytes(most))
	}
	u := &unpacking{limits: limits}
	switch {
	case bytes.HasPrefix(packed, []byte{0x1f, 0x8b}):
		err = u.tar(packed, most)
	case bytes.HasPrefix(packed, []byte("PK\x03\x04")), bytes.HasPrefix(packed, []byte("PK\x05\x06")):
		err = u.zip(packed)
	default:
		err = millrace.Errorf(millrace.Invalid, "this is neither a tar.gz nor a zip: pack the project's folder with tar -czf")
	}
	if err != nil {
		return nil, nil, err
	}
	return u.tree()
}

type unpacking struct {
	limits  Limits
	files   []unpacked
	total   int64
	entries int
}

type unpacked struct {
	path       string
	data       []byte
	executable bool
}

// next counts an entry.
func (u *unpacking) next() error {
	if u.entries++; u.entries > 2*u.limits.Files {
		return millrace.Errorf(millrace.TooLarge, "the archive has more than %d entries, the most that a version may have", 2*u.limits.Files)
	}
	return nil
}

// add reads a file. What is private is not read.
func (u *unpacking) add(name string, r io.Reader, mode fs.FileMode) error {
	if err := CheckPath(name); err != nil {
		return err
	}
	f := unpacked{path: name, executable: mode&0o111 != 0}
	if project.Private(name) == "" {
		most := min(u.limits.FileBytes, u.limits.TotalBytes-u.total)
		data, err := io.ReadAll(io.LimitReader(r, most+1))
		if err != nil {
			return notWhole(err)
		}
		if int64(len(data)) > most {
			return NewBuilder(Limits{FileBytes: u.limits.FileBytes, TotalBytes: most}).fits(name, int64(len(data)))
		}
		u.total += int64(len(data))
		f.data = data
	}
	u.files = append(u.files, f)
	return nil
}

func notWhole(err error) error {
	return millrace.Errorf(millrace.Invalid, "the archive is not whole: %w: pack it again", err)
}

func (u *unpacking) tar(packed []byte, most int64) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return notWhole(err)
	}
	limited := &io.LimitedReader{R: z, N: most + 1}
	for a := tar.NewReader(limited); ; {
		h, err := a.Next()
		switch {
		case limited.N <= 0:
			return millrace.Errorf(millrace.TooLarge, "the archive unpacks to more than %s, the most that a version may have", unit.Bytes(most))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return notWhole(err)
		}
		if err := u.next(); err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeXGlobalHeader:
		case tar.TypeDir:
			if err := checkFolder(h.Name); err != nil {
				return err
			}
		case tar.TypeReg:
			if err := u.add(strings.TrimPrefix(h.Name, "./"), a, fs.FileMode(h.Mode)&fs.ModePerm); err != nil {
				return err
			}
		default:
			return notAFile(h.Name)
		}
	}
}

func notAFile(name string) error {
	return millrace.Errorf(millrace.Invalid, "%s is a link or a device, and a version has files only: put the file itself into the archive", clip(name))
}

// checkFolder refuses a folder that no file could be in.
func checkFolder(name string) error {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	if name == "" || name == "." {
		return nil
	}
	return CheckPath(name)
}

func (u *unpacking) zip(packed []byte) error {
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return notWhole(err)
	}
	for _, f := range z.File {
		if err := u.next(); err != nil {
			return err
		}
		mode := f.Mode()
		switch {
		case f.Flags&1 != 0:
			return millrace.Errorf(millrace.Invalid, "%s is encrypted: pack it without a password", clip(f.Name))
		case strings.HasSuffix(f.Name, "/"):
			if err := checkFolder(f.Name); err != nil {
				return err
			}
			continue
		case !mode.IsRegular():
			return notAFile(f.Name)
		}
		r, err := f.Open()
		if err != nil {
			return notWhole(err)
		}
		err = u.add(f.Name, r, mode.Perm())
		_ = r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// tree makes the tree of what was read.
func (u *unpacking) tree() (*Tree, []string, error) {
	wrapped := u.wrapping()
	b := NewBuilder(u.limits)
	var left []string
	for _, f := range u.files {
		name := strings.TrimPrefix(f.path, wrapped)
		if project.Private(f.path) != "" || project.Private(name) != "" {
			if len(left) < 100 {
				left = append(left, name)
			}
			continue
		}
		if err := b.Add(name, f.data, f.executable); err != nil {
			return nil, nil, err
		}
	}
	slices.Sort(left)
	return b.Tree(), left, nil
}

// wrapping is the folder, with its slash, that everything lies in, if that is
// where the project is.
func (u *unpacking) wrapping() string {
	var folder string
	found := false
	for _, f := range u.files {
		if project.Private(f.path) != "" {
			continue
		}
		first, _, ok := strings.Cut(f.path, "/")
		if !ok || folder != "" && first != folder {
			return ""
		}
		folder = first
		found = found || f.path == path.Join(first, project.ConfigFile)
	}
	if !found {
		return ""
	}
	return folder + "/"
}
