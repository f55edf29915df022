package tree

import (
	"path"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
)

// deviceNames are what one system takes for devices, whatever their ending.
var deviceNames = []string{"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}

// CheckPath says whether a path may be in a tree: the same file on every
// system, and never outside of the project. The error is Invalid.
func CheckPath(name string) error {
	wrong := func(what string) error {
		return millrace.Errorf(millrace.Invalid, "%q cannot be a file of a project: %s", clip(name), what)
	}
	switch {
	case strings.ContainsRune(name, 0):
		return wrong("its name has a NUL")
	case strings.HasPrefix(name, "/"), strings.HasPrefix(name, `\`):
		return wrong("it is an absolute path: paths begin in the project's folder")
	case slices.Contains(strings.Split(strings.ReplaceAll(name, `\`, "/"), "/"), ".."):
		return wrong("it leads out of its folder with ..")
	}
	if what := project.PathFault(name); what != "" {
		return wrong(what)
	}
	if slices.ContainsFunc(strings.Split(name, "/"), isDevice) {
		return wrong("one system takes that name for a device: choose another")
	}
	return nil
}

func isDevice(part string) bool {
	base, _, _ := strings.Cut(strings.ToLower(part), ".")
	base = strings.TrimRight(base, " ")
	if slices.Contains(deviceNames, base) {
		return true
	}
	number, ok := strings.CutPrefix(base, "com")
	if !ok {
		number, ok = strings.CutPrefix(base, "lpt")
	}
	return ok && slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"}, number)
}

// clip keeps a name that came from outside short and printable in a message.
func clip(s string) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:97], "") + "..."
	}
	return s
}

// fold is what paths have in common that are one file on a system that does
// not tell case or the writing of accents apart.
func fold(name string) string { return norm.NFC.String(cases.Fold().String(norm.NFC.String(name))) }

// places knows the paths of a tree as every system sees them.
type places struct {
	files   map[string]string // folded path → path
	folders map[string]string
}

func newPlaces() *places {
	return &places{files: map[string]string{}, folders: map[string]string{}}
}

// take gives a path its place, or says what is there already.
func (p *places) take(name string) error {
	collides := func(with, why string) error {
		return millrace.Errorf(millrace.Invalid, "%s and %s %s: rename one of them", clip(with), clip(name), why)
	}
	key := fold(name)
	switch other, taken := p.files[key]; {
	case taken && other == name:
		return millrace.Errorf(millrace.Invalid, "%s is there twice", clip(name))
	case taken:
		return collides(other, "differ in case or accents only, and are one file on some systems")
	}
	if folder, taken := p.folders[key]; taken {
		return collides(folder+"/", "are a folder and a file of one name")
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		key := fold(dir)
		if file, taken := p.files[key]; taken {
			return collides(file, "are a file and a folder of one name")
		}
		if other, taken := p.folders[key]; taken {
			if other != dir {
				return collides(other+"/", "lie in folders that differ in case or accents only, and are one on some systems")
			}
			break // and those above it
		}
		p.folders[key] = dir
	}
	p.files[key] = name
	return nil
}
