package apptest_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A disk is what a power cut would leave of the files that a traced process
// writes: bytes count once an fsync that began after them returned, names once
// an fsync of their folder did. It is fed with what strace -y -xx prints, and
// its clock is the number of the line.
type disk struct {
	t     *testing.T
	root  string // what is traced: a folder that is there already
	line  int
	files map[string]*traced // by path
	// fresh are the files and folders that were made or moved since the last
	// fsync of their folder, and when.
	fresh   map[string]int
	pending map[string]pendingCall // by thread
	// rules are told before a write, a rename or a removal counts.
	wrote   func(path string, offset int64, data []byte)
	renamed func(from, to string)
	removed func(path string)
	sent    func(data []byte) // an HTTP message
	kept    func(path string) bool
}

// A traced is a file: when it was last written, and up to when an fsync counts.
type traced struct {
	wrote, synced int
	always        bool   // opened with O_SYNC
	data          []byte // of files that are kept
	last          string // the call that wrote it last, for messages
}

// A pendingCall is one that another thread interrupts in the trace.
type pendingCall struct {
	text  string
	began int
}

// dirty says whether a power cut would take bytes of it.
func (f *traced) dirty() bool { return !f.always && f.wrote > f.synced }

// inFolder is a path that a call names, and the folder that it is relative to.
var inFolder = regexp.MustCompile(`(?:(?:\d+|AT_FDCWD)<((?:[^<>\\]|\\x..)*)>, )?"((?:\\x..)*)"`)

func newDisk(t *testing.T, root string) *disk {
	return &disk{t: t, root: root, files: map[string]*traced{}, fresh: map[string]int{}, pending: map[string]pendingCall{}}
}

// unhex decodes what -xx printed, and leaves alone what is printed plainly.
func unhex(s string) []byte {
	if !strings.HasPrefix(s, `\x`) {
		return []byte(s)
	}
	b := make([]byte, 0, len(s)/4)
	for ; len(s) >= 4; s = s[4:] {
		b = append(b, digit(s[2])<<4|digit(s[3]))
	}
	return b
}

func digit(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}

// read takes the next line of the trace. A call that another thread interrupts
// is printed in two halves.
func (d *disk) read(s string) {
	d.line++
	thread, s, _ := strings.Cut(s, " ")
	s = strings.TrimLeft(s, " ")
	if begun, ok := strings.CutSuffix(s, " <unfinished ...>"); ok {
		d.pending[thread] = pendingCall{begun, d.line}
		call, args, _ := strings.Cut(begun, "(")
		d.begin(call, args)
		return
	}
	began := d.line
	half := strings.HasPrefix(s, "<... ")
	if half {
		p := d.pending[thread]
		delete(d.pending, thread)
		_, rest, _ := strings.Cut(s, " resumed>")
		s, began = p.text+rest, p.began
	}
	call, args, ok := strings.Cut(s, "(")
	if !ok {
		return // a signal, or an end
	}
	result := ""
	if i := strings.LastIndex(args, " = "); i >= 0 {
		args, result = strings.TrimSuffix(strings.TrimRight(args[:i], " "), ")"), args[i+len(" = "):]
	}
	if !half {
		d.begin(call, args)
	}
	if result != "" && result[0] != '-' && result[0] != '?' {
		d.end(call, args, descriptor(result), began)
	}
}

// descriptor is the path that -y prints behind a descriptor.
func descriptor(s string) string {
	_, path, _ := strings.Cut(s, "<")
	path, _, _ = strings.Cut(path, ">")
	return string(unhex(path))
}

// bytesOf are the bytes that a call writes.
func bytesOf(args string) []byte {
	_, text, _ := strings.Cut(args, `"`)
	text, _, _ = strings.Cut(text, `"`)
	return unhex(text)
}

// lastOf is the last argument of a call, a number.
func lastOf(args string) int64 { return atoi(args[strings.LastIndex(args, ", ")+2:]) }

func (d *disk) file(path string) *traced {
	f := d.files[path]
	if f == nil {
		f = &traced{}
		d.files[path] = f
	}
	return f
}

// inside says whether a path is traced.
func (d *disk) inside(path string) bool { return strings.HasPrefix(path, d.root+"/") }

// begin of a call: bytes may reach the disk, or others, from here on.
func (d *disk) begin(call, args string) {
	switch call {
	case "write", "writev", "pwrite64", "pwritev", "pwritev2", "ftruncate", "fallocate", "sendfile", "copy_file_range":
	default:
		return
	}
	path := descriptor(args[:min(len(args), 4000)])
	if strings.HasPrefix(path, "socket:") {
		if strings.Contains(args[:min(len(args), 300)], `"\x48\x54\x54\x50`) { // HTTP
			d.sent(bytesOf(args))
		}
		return
	}
	if !d.inside(path) {
		return
	}
	f, data := d.file(path), bytesOf(args)
	offset := int64(len(f.data))
	switch call {
	case "pwrite64":
		offset = lastOf(args)
	case "ftruncate":
		if offset = lastOf(args); offset == 0 {
			d.removed(path)
		}
		f.data = f.data[:min(int64(len(f.data)), offset)]
	}
	d.wrote(path, offset, data)
	if d.kept(path) {
		f.data = append(f.data, make([]byte, max(0, offset+int64(len(data))-int64(len(f.data))))...)
		copy(f.data[offset:], data)
	}
	f.wrote, f.last = d.line, fmt.Sprintf("%s at %d in line %d", call, offset, d.line)
}

func atoi(s string) (n int64) {
	for _, c := range s {
		n = 10*n + int64(c-'0')
	}
	return n
}

// end of a call that succeeded and had begun then.
func (d *disk) end(call, args, result string, began int) {
	switch call {
	case "fsync", "fdatasync":
		path := descriptor(args)
		if f := d.files[path]; f != nil {
			f.synced = max(f.synced, began)
		}
		for name, made := range d.fresh {
			if made < began && filepath.Dir(name) == path {
				delete(d.fresh, name)
			}
		}
	case "open", "openat", "creat":
		if !d.inside(result) || !strings.Contains(args, "O_CREAT") && !strings.Contains(args, "O_TRUNC") {
			return
		}
		if d.files[result] == nil && strings.Contains(args, "O_CREAT") {
			d.fresh[result] = d.line
		}
		f := d.file(result)
		f.always = strings.Contains(args, "O_SYNC")
		if strings.Contains(args, "O_TRUNC") && f.wrote > 0 {
			d.removed(result)
			f.data, f.wrote, f.last = nil, d.line, call
		}
	case "mkdir", "mkdirat":
		if path := d.paths(args)[0]; d.inside(path) {
			d.fresh[path] = d.line
		}
	case "rename", "renameat", "renameat2":
		if p := d.paths(args); len(p) == 2 && d.inside(p[1]) {
			d.renamed(p[0], p[1])
			d.move(p[0], p[1])
		}
	case "unlink", "unlinkat":
		path := d.paths(args)[0]
		d.removed(path)
		delete(d.files, path)
		delete(d.fresh, path)
	}
}

// paths are those that a call names.
func (d *disk) paths(args string) (all []string) {
	for _, m := range inFolder.FindAllStringSubmatch(args, 2) {
		path := string(unhex(m[2]))
		if !filepath.IsAbs(path) {
			path = filepath.Join(string(unhex(m[1])), path)
		}
		all = append(all, path)
	}
	return all
}

// move gives a file, or a folder with all in it, another name.
func (d *disk) move(from, to string) {
	for path := range d.files {
		if path == to || strings.HasPrefix(path, to+"/") {
			delete(d.files, path)
		}
	}
	for path, f := range d.files {
		if rest, ok := strings.CutPrefix(path, from); ok && (rest == "" || rest[0] == '/') {
			delete(d.files, path)
			d.files[to+rest] = f
		}
	}
	for path, made := range d.fresh {
		if rest, ok := strings.CutPrefix(path, from); ok && (rest == "" || rest[0] == '/') {
			delete(d.fresh, path)
			d.fresh[to+rest] = made
		}
	}
	d.fresh[to] = d.line
}

// unnamed is the part of a path whose name a power cut would take, "" when none.
func (d *disk) unnamed(path string) string {
	for ; path != d.root && path != "/" && path != "."; path = filepath.Dir(path) {
		if _, ok := d.fresh[path]; ok {
			return path
		}
	}
	return ""
}

// missing says why what was written to a file by then would not survive a
// power cut; "" when it would.
func (d *disk) missing(path string, wrote int) string {
	f := d.files[path]
	if f == nil {
		return path + " is not there"
	}
	if !f.always && f.synced < wrote {
		return path + " is not synced since " + f.last
	}
	if name := d.unnamed(path); name != "" {
		return "the folder of " + name + " is not synced"
	}
	return ""
}
