package project

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/millrace/millrace"
)

// Limits of the names of a project's files.
const (
	maxNameBytes = 200 // of one name; file systems take 255, and a new file's name is longer for a moment
	maxPathBytes = 1000
	maxPathDepth = 16
)

// textEndings are the kinds of files that people edit, by what their names end
// with; plainNames are those of no ending.
var (
	textEndings = []string{".yaml", ".yml", ".sql", ".js", ".mjs", ".ts", ".py", ".sh", ".md", ".txt", ".csv", ".tsv",
		".json", ".ndjson", ".jsonl", ".html", ".css", ".toml", ".xml", ".svg"}
	plainNames = []string{"README", "LICENSE", "NOTICE", "Makefile", "Dockerfile"}
	// otherFolders hold what programs make.
	otherFolders = []string{"node_modules", "target", "dbt_packages", "__pycache__", "venv"}
	// secretEndings are files that nobody is shown.
	secretEndings = []string{".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".env"}
)

// A Folder is the folder of a project on disk, whose text files are shown and
// edited. It gives nothing that lies outside, nothing hidden (and so no
// secrets and no data), nothing behind a symbolic link. It is safe for
// concurrent use; two Folders of one directory are not told of each other,
// except by ETags.
type Folder struct {
	dir     string
	private []string // paths within, with slashes
	mu      sync.Mutex
}

// NewFolder takes the project in dir. private are further files and folders
// that are never given, such as a folder of secrets or data that is not hidden:
// within dir or absolute; those elsewhere do not matter.
func NewFolder(dir string, private ...string) (*Folder, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: resolve(absolute)}
	f.private, err = Within(dir, private...)
	return f, err
}

// Within returns those of some paths that lie in a folder, as paths within it,
// with slashes, whatever links lead there. They are within dir or absolute.
func Within(dir string, paths ...string) (within []string, err error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	resolved := resolve(absolute)
	for _, p := range paths {
		if !filepath.IsAbs(p) {
			p = filepath.Join(absolute, p)
		}
		for _, at := range [][2]string{{absolute, p}, {resolved, resolve(p)}} {
			found, err := filepath.Rel(at[0], at[1])
			if err == nil && filepath.IsLocal(found) && found != "." {
				within = append(within, filepath.ToSlash(found))
			}
		}
	}
	return within, nil
}

// resolve follows the symbolic links of a path, as far as it exists.
func resolve(path string) string {
	for at, rest := path, ""; ; at, rest = filepath.Dir(at), filepath.Join(filepath.Base(at), rest) {
		if found, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(found, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
	}
}

// A File is one of a project's files.
type File struct {
	Path      string // within the project, with slashes
	Folder    string // its first folder, such as "sources"; "" for the project's own
	Kind      string // how its text is written: "yaml", "sql", …; "" when Editable is false
	SizeBytes int64
	Editable  bool   // text, of at most MaxFileSizeBytes, that Read and Save take
	ETag      string // of its content, when Editable
}

// Files lists the files of a project by path, at most MaxFiles of them; all
// says whether that were all.
func (f *Folder) Files() (files []File, all bool, err error) {
	root, err := f.open()
	if err != nil {
		return nil, false, err
	}
	defer root.Close()
	all = true
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case name == ".":
			return err
		case entry.IsDir():
			if err != nil || f.hidden(name) != "" || strings.Count(name, "/") >= maxPathDepth-1 {
				return fs.SkipDir
			}
			return nil
		case err != nil || !entry.Type().IsRegular() || f.hidden(name) != "":
			return nil
		case len(files) == MaxFiles:
			all = false
			return fs.SkipAll
		}
		if file, ok := f.file(root, name, entry); ok {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("the project's folder cannot be read: %w", err)
	}
	return files, all, nil
}

func (f *Folder) file(root *os.Root, name string, entry fs.DirEntry) (File, bool) {
	info, err := entry.Info()
	if err != nil { // it went away
		return File{}, false
	}
	file := File{Path: name, SizeBytes: info.Size()}
	if folder, _, ok := strings.Cut(name, "/"); ok {
		file.Folder = folder
	}
	if checkPath(name) != nil || info.Size() > MaxFileSizeBytes {
		return file, true
	}
	text, err := readText(root, name)
	if err != nil {
		return file, !errors.Is(err, fs.ErrNotExist)
	}
	file.Editable, file.ETag, file.Kind = true, ETagOf(text), kindOfText(name)
	return file, true
}

func kindOfText(name string) string {
	switch ending := strings.TrimPrefix(path.Ext(name), "."); ending {
	case "yml":
		return "yaml"
	case "mjs":
		return "js"
	case "":
		return "txt"
	default:
		return ending
	}
}

// ETagOf returns the ETag of a text: another one for every other text.
func ETagOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// Read returns a file and its ETag.
func (f *Folder) Read(name string) (text []byte, etag string, err error) {
	root, err := f.enter(name)
	if err != nil {
		return nil, "", err
	}
	defer root.Close()
	text, err = readText(root, name)
	if err != nil {
		return nil, "", fileError(name, err)
	}
	return text, ETagOf(text), nil
}

// open returns the folder; what is opened by it cannot lie elsewhere.
func (f *Folder) open() (*os.Root, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, fmt.Errorf("the project's folder cannot be opened: %w", err)
	}
	return root, nil
}

// enter opens the folder for a path that may be given, whose folders, as far
// as they are there, are real ones.
func (f *Folder) enter(name string) (*os.Root, error) {
	if err := checkPath(name); err != nil {
		return nil, err
	}
	if why := f.hidden(name); why != "" {
		return nil, millrace.Errorf(millrace.Forbidden, "%s: %s are not shown or edited here", clip(name), why)
	}
	root, err := f.open()
	if err != nil {
		return nil, err
	}
	for i, c := range name {
		if c != '/' {
			continue
		}
		info, err := root.Lstat(name[:i])
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err == nil && info.IsDir() {
			continue
		}
		_ = root.Close()
		if err == nil {
			err = notPlain(info)
		}
		return nil, fileError(name[:i], err)
	}
	return root, nil
}

// notPlain is the error of what is no file with bytes of its own.
func notPlain(info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return millrace.Errorf(millrace.Forbidden, "is a symbolic link, and those are not followed here: edit what it leads to")
	case info.IsDir():
		return millrace.Errorf(millrace.Conflict, "is a folder")
	case info.Mode().IsRegular():
		return millrace.Errorf(millrace.Conflict, "is a file, not a folder")
	}
	return millrace.Errorf(millrace.Forbidden, "is neither a file nor a folder")
}

// readText reads a file that is text, as it is or not at all.
func readText(root *os.Root, name string) ([]byte, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, notPlain(before)
	}
	f, err := root.OpenFile(name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !os.SameFile(before, info) {
		return nil, errors.Join(err, millrace.Errorf(millrace.Unavailable, "has just been replaced: try again"))
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxFileSizeBytes+1))
	if err != nil {
		return nil, err
	}
	return text, checkText(text)
}

func checkText(text []byte) error {
	if len(text) > MaxFileSizeBytes {
		return millrace.Errorf(millrace.TooLarge, "is larger than 1MiB: edit it with a program of your own")
	}
	if line, _, what := unreadable(text); what != "" {
		return millrace.Errorf(millrace.Invalid, "line %d: %s: only UTF-8 text is edited here", line, what)
	}
	return nil
}

// fileError puts a file's name before what is wrong with it.
func fileError(name string, err error) error {
	kind := millrace.KindOf(err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return millrace.Errorf(millrace.NotFound, "%s: there is no such file", clip(name))
	case errors.Is(err, fs.ErrPermission) && kind == millrace.Internal:
		return millrace.Errorf(millrace.Forbidden, "%s: millrace's user may not do that: change the owner or mode of the file or folder", clip(name))
	}
	return millrace.Errorf(kind, "%s: %w", clip(name), err)
}

// Private says why a path of a project's folder is never shown, edited or taken
// into a version, whatever the project says, or "".
func Private(name string) (why string) {
	for part := range strings.SplitSeq(name, "/") {
		lower := strings.ToLower(part)
		switch {
		case strings.HasPrefix(part, "."):
			return "hidden files and folders"
		case slices.Contains(otherFolders, lower):
			return "folders that programs make"
		case strings.HasPrefix(part, "#"), strings.HasSuffix(part, "~"):
			return "files that editors keep for themselves"
		case slices.Contains(secretEndings, path.Ext(lower)), strings.HasPrefix(lower, "id_rsa"), strings.HasPrefix(lower, "id_ed25519"):
			return "files of secrets"
		}
	}
	return ""
}

// hidden says which reason there is not to show a path, or "".
func (f *Folder) hidden(name string) string {
	if why := Private(name); why != "" {
		return why
	}
	for here := name; here != "."; here = path.Dir(here) {
		if slices.ContainsFunc(f.private, func(p string) bool { return strings.EqualFold(p, here) }) {
			return "the folders of data and secrets"
		}
	}
	return ""
}

// PathFault says why a path cannot be that of a file of a project on every
// system, or is empty when it can.
func PathFault(name string) string {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return "write it from the project's folder on, such as sources/web.yaml, without .. or a / at the beginning or end"
	case len(name) > maxPathBytes:
		return fmt.Sprintf("it is longer than %d bytes", maxPathBytes)
	case strings.Count(name, "/") >= maxPathDepth:
		return fmt.Sprintf("it is deeper than %d folders", maxPathDepth)
	case strings.ContainsAny(name, `\:*?"<>|`):
		return `\ : * ? " < > and | are not in names that every system takes`
	case strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar }):
		return "it has characters that cannot be seen"
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case len(part) > maxNameBytes:
			return fmt.Sprintf("a name is longer than %d bytes", maxNameBytes)
		case strings.TrimSpace(part) != part, strings.HasSuffix(part, "."):
			return "a name begins or ends with a space, or ends with a dot"
		}
	}
	return ""
}

// checkPath says whether a path may be that of a text file in a project.
func checkPath(name string) error {
	wrong := func(what string) error {
		return millrace.Errorf(millrace.Invalid, "%q cannot be the path of a file: %s", clip(name), what)
	}
	if what := PathFault(name); what != "" {
		return wrong(what)
	}
	base := path.Base(name)
	if !slices.Contains(textEndings, strings.ToLower(path.Ext(base))) && !slices.Contains(plainNames, base) {
		return wrong("only text is edited here, in files that end with " + strings.Join(textEndings, " "))
	}
	return nil
}
