package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// SecretsFolder is where the secrets of a project lie when nothing else is
// said: a folder in the project, kept out of git, with a file for each.
const SecretsFolder = ".secrets"

// Secrets finds the values of ${secret:name}: first in the environment, as
// MILLRACE_SECRET_NAME (the name in upper case), then in the file of that name
// in Dir. A newline at the end of the file does not count.
type Secrets struct {
	Getenv func(name string) (string, bool) // default os.LookupEnv
	Dir    string                           // "" means no folder
}

const maxSecretSizeBytes = 64 << 10

// Lookup returns a secret. NotFound names the places where it may be put.
// Errors never hold the value.
func (s Secrets) Lookup(name string) (string, error) {
	getenv := s.Getenv
	if getenv == nil {
		getenv = os.LookupEnv
	}
	variable := "MILLRACE_SECRET_" + strings.ToUpper(name)
	if v, ok := getenv(variable); ok {
		if v == "" {
			return "", millrace.Errorf(millrace.Invalid, "secret %s is empty in the environment variable %s", name, variable)
		}
		return v, nil
	}
	if s.Dir != "" {
		v, err := readSecret(filepath.Join(s.Dir, name))
		switch {
		case err == nil && v == "":
			return "", millrace.Errorf(millrace.Invalid, "secret %s is empty in the file %s", name, filepath.Join(s.Dir, name))
		case err == nil:
			return v, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("secret %s cannot be read: %w", name, err)
		}
	}
	hint := ", or set MILLRACE_SECRETS_DIR to a folder with a file " + name
	if s.Dir != "" {
		hint = ", or write it to the file " + filepath.Join(s.Dir, name)
	}
	return "", millrace.Errorf(millrace.NotFound, "secret %s is not set: set the environment variable %s%s", name, variable, hint)
}

// Names returns the names of the secrets that are set, sorted: of those in the
// environment only when Getenv is nil, since it cannot be asked for all.
func (s Secrets) Names() []string {
	var names []string
	if s.Getenv == nil {
		for _, variable := range os.Environ() {
			variable, _, _ = strings.Cut(variable, "=")
			if name, ok := strings.CutPrefix(variable, "MILLRACE_SECRET_"); ok {
				names = append(names, strings.ToLower(name))
			}
		}
	}
	if s.Dir != "" {
		entries, err := os.ReadDir(s.Dir)
		if err != nil {
			entries = nil // there are none, or they cannot be read
		}
		for _, e := range entries {
			if !e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !secretName.MatchString(n) })
	slices.Sort(names)
	return slices.Compact(names)
}

func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretSizeBytes+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxSecretSizeBytes {
		return "", fmt.Errorf("%s is larger than 64KiB", path)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// A resolver replaces ${secret:name} and remembers the values, so that no
// message shows one. A nil resolver changes nothing.
type resolver struct {
	lookup func(name string) (string, error) // nil: names are checked, values are not looked up
	values []string
}

const redacted = "[secret]"

// redact hides every resolved secret in a message.
func (s *resolver) redact(message string) string {
	if s == nil {
		return message
	}
	for _, v := range s.values {
		message = strings.ReplaceAll(message, v, redacted)
	}
	return message
}

var secretName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// expand replaces the references in text. known is false when a value was left
// out because this resolver only checks. "${{" is left for expressions, and
// "$${" is a plain "${".
func (s *resolver) expand(text string) (expanded string, known bool, err error) {
	if s == nil || !strings.Contains(text, "${") {
		return text, true, nil
	}
	var b strings.Builder
	known = true
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), known, nil
		}
		switch {
		case i > 0 && text[i-1] == '$':
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		case strings.HasPrefix(text[i:], "${{"):
			b.WriteString(text[:i+3])
			text = text[i+3:]
			continue
		}
		b.WriteString(text[:i])
		reference, rest, closed := strings.Cut(text[i+2:], "}")
		name, isSecret := strings.CutPrefix(reference, "secret:")
		if !closed || !isSecret || !secretName.MatchString(name) {
			return "", false, fmt.Errorf("${%s is not a reference: write ${secret:name} with a name of a-z, 0-9 and _, or $${ for a plain ${", clip(reference))
		}
		text = rest
		if s.lookup == nil {
			known = false
			continue
		}
		v, err := s.lookup(name)
		if err != nil {
			return "", false, err
		}
		s.remember(v)
		b.WriteString(v)
	}
}

func (s *resolver) remember(v string) {
	if len(v) > 0 && !slices.Contains(s.values, v) {
		s.values = append(s.values, v)
		slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	}
}
