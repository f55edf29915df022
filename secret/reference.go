package secret

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace"
)

const (
	// MaxPathBytes is how long a path may be, slashes included.
	MaxPathBytes = 200
	// MaxValueBytes is how long a value may be.
	MaxValueBytes = 64 << 10
)

// A Reference names a secret in a text: ${secret:path} is its current version,
// ${secret:path#3} always the third.
type Reference struct {
	Path    string
	Version int64 // 0: the current one
}

func (r Reference) String() string {
	if r.Version == 0 {
		return r.Path
	}
	return r.Path + "#" + strconv.FormatInt(r.Version, 10)
}

var (
	pathText    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}(/[a-z][a-z0-9_]{0,62}){0,7}$`)
	versionText = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)
)

// CheckPath says whether a text is the path of a secret: one to eight names of
// a-z, 0-9 and _ that begin with a letter, with slashes between them.
func CheckPath(path string) error {
	if len(path) > MaxPathBytes || !pathText.MatchString(path) {
		return millrace.Errorf(millrace.Invalid, "%s is no path of a secret: write names of a-z, 0-9 and _ that begin with a letter, with / between them, such as stripe/live_key", quoted(path))
	}
	return nil
}

// ParseReference reads path or path#version.
func ParseReference(text string) (Reference, error) {
	path, version, pinned := strings.Cut(text, "#")
	if err := CheckPath(path); err != nil {
		return Reference{}, err
	}
	r := Reference{Path: path}
	if !pinned {
		return r, nil
	}
	if !versionText.MatchString(version) {
		return Reference{}, millrace.Errorf(millrace.Invalid, "%s is no version of the secret %s: write a number from 1 on", quoted(version), path)
	}
	n, err := strconv.ParseInt(version, 10, 64)
	r.Version = n
	return r, err
}

// Expand replaces each ${secret:path} of a text by what value returns for it.
// "${{" is left for expressions, and "$${" is a plain "${"; any other "${" is an
// error, as is one that value returns. The error of a reference that is none is
// Invalid and quotes at most 40 bytes of it.
func Expand(text string, value func(Reference) (string, error)) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), nil
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
		inner, rest, closed := strings.Cut(text[i+2:], "}")
		name, is := strings.CutPrefix(inner, "secret:")
		r, err := ParseReference(name)
		if !closed || !is || err != nil {
			return "", millrace.Errorf(millrace.Invalid, "${%s is not a reference: write ${secret:path} or ${secret:path#version} with a path of a-z, 0-9, _ and /, or $${ for a plain ${", clip(inner))
		}
		v, err := value(r)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		text = rest
	}
}

// References returns the references of a text, in order.
func References(text string) ([]Reference, error) {
	var all []Reference
	_, err := Expand(text, func(r Reference) (string, error) {
		all = append(all, r)
		return "", nil
	})
	return all, err
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

func quoted(s string) string { return fmt.Sprintf("%q", clip(s)) }
