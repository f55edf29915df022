package secret

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace"
)

// A Backend finds the values of references. Its errors never hold a value.
type Backend interface {
	// Use returns the value for a resource and a host. NotFound: it has none, and
	// the next backend is asked.
	Use(ctx context.Context, ref Ref, by By) (Value, error)
}

// Backends are asked in order: the vault first, then environment variables, then
// mounted files. What is set in the vault is governed by its Uses, whatever the
// others have.
type Backends []Backend

var (
	_ Backend = (*Vault)(nil)
	_ Backend = Environment{}
	_ Backend = Files{}
	_ Backend = Backends(nil)
)

// Use asks one after the other. When none has the secret the error says where
// each would look.
func (b Backends) Use(ctx context.Context, ref Ref, by By) (Value, error) {
	var nowhere []string
	for _, backend := range b {
		v, err := backend.Use(ctx, ref, by)
		if err == nil || millrace.KindOf(err) != millrace.NotFound {
			return v, err
		}
		nowhere = append(nowhere, err.Error())
	}
	if len(nowhere) == 0 {
		return Value{}, millrace.Errorf(millrace.NotFound, "secret %s is not set: there is no place for secrets", ref.Path)
	}
	return Value{}, millrace.Errorf(millrace.NotFound, "%s", strings.Join(nowhere, "; "))
}

// Variable is the environment variable of a path: MILLRACE_SECRET_ and the path
// in capitals, with two _ for each slash.
func Variable(path string) string {
	return "MILLRACE_SECRET_" + strings.ToUpper(strings.ReplaceAll(path, "/", "__"))
}

// Environment finds secrets in environment variables (see Variable), of one
// workspace: those of the process belong to who runs it. They have no versions,
// and any resource may use them.
type Environment struct {
	Workspace string                           // required
	Getenv    func(name string) (string, bool) // default os.LookupEnv
	Redactor  *Redactor                        // learns the values; default none
}

// Use returns the value of a variable.
func (e Environment) Use(_ context.Context, ref Ref, _ By) (Value, error) {
	getenv := e.Getenv
	if getenv == nil {
		getenv = os.LookupEnv
	}
	variable := Variable(ref.Path)
	if ref.Workspace != e.Workspace || e.Workspace == "" {
		return Value{}, millrace.Errorf(millrace.NotFound, "environment variables are not for this workspace")
	}
	text, set := getenv(variable)
	switch {
	case !set:
		return Value{}, millrace.Errorf(millrace.NotFound, "the environment variable %s is not set", variable)
	case text == "":
		return Value{}, millrace.Errorf(millrace.Invalid, "secret %s is empty in the environment variable %s", ref.Path, variable)
	}
	return plain(ref, text, "the environment variable "+variable, e.Redactor)
}

// Files finds secrets in a folder, with a file for each path, of one workspace.
// A newline at the end of a file does not count. They have no versions, and any
// resource may use them.
type Files struct {
	Workspace string // required
	Folder    string // required
	Redactor  *Redactor
}

// Use returns what a file holds.
func (f Files) Use(_ context.Context, ref Ref, _ By) (Value, error) {
	if ref.Workspace != f.Workspace || f.Workspace == "" || f.Folder == "" {
		return Value{}, millrace.Errorf(millrace.NotFound, "files are not for this workspace")
	}
	if err := CheckPath(ref.Path); err != nil {
		return Value{}, err
	}
	file := filepath.Join(f.Folder, filepath.FromSlash(ref.Path))
	text, err := readLimited(file)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && text == nil:
		return Value{}, millrace.Errorf(millrace.NotFound, "there is no file %s", file)
	case err != nil:
		return Value{}, millrace.Errorf(millrace.Invalid, "secret %s cannot be read: %w", ref.Path, err)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if s == "" {
		return Value{}, millrace.Errorf(millrace.Invalid, "secret %s is empty in the file %s", ref.Path, file)
	}
	return plain(ref, s, "the file "+file, f.Redactor)
}

// readLimited reads a file that is not larger than a value may be; nil when it is a folder.
func readLimited(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil || info.IsDir() {
		return nil, err
	}
	if info.Size() > MaxValueBytes+2 {
		return nil, millrace.Errorf(millrace.Invalid, "%s is larger than %d bytes", file, MaxValueBytes)
	}
	return os.ReadFile(file)
}

// plain is a value that has no versions.
func plain(ref Ref, text, where string, r *Redactor) (Value, error) {
	if ref.Version != 0 {
		return Value{}, millrace.Errorf(millrace.Invalid, "secret %s is in %s, which has no versions: leave out #%d, or set the secret in the vault", ref.Path, where, ref.Version)
	}
	if len(text) > MaxValueBytes {
		return Value{}, millrace.Errorf(millrace.TooLarge, "secret %s has more than %d bytes in %s", ref.Path, MaxValueBytes, where)
	}
	v := NewValue(text)
	if r != nil {
		r.Add(v)
	}
	return v, nil
}
