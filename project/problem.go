package project

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// A Problem is one mistake in a project folder.
type Problem struct {
	File    string // path within the folder, with slashes
	Line    int    // from 1; 0 when the problem is of the file or folder as a whole
	Column  int    // in characters, from 1; 0 as Line
	Message string // what is wrong and what to do, beginning with the field if there is one
}

// String returns "sources/web.yaml:7:3: message".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems are all the mistakes of a project folder, by file, line and column.
// It is an error of kind Invalid.
type Problems []Problem

// Error returns one line a problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// As makes errors.As find a *millrace.Error of kind Invalid.
func (ps Problems) As(target any) bool {
	e, ok := target.(**millrace.Error)
	if ok {
		*e = &millrace.Error{Kind: millrace.Invalid, Message: ps.Error()}
	}
	return ok
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
}

// maxFileProblems is how many problems of one file are told.
const maxFileProblems = 100

// A report collects the problems of one file.
type report struct {
	file     string
	problems Problems
	more     int
	secrets  *resolver // what must never be shown
	// overrides are the paths of overrides that have what stands at a place.
	overrides map[fieldPlace]string
}

func (r *report) add(line, column int, format string, args ...any) {
	if len(r.problems) == maxFileProblems {
		r.more++
		return
	}
	message := fmt.Sprintf(format, args...)
	if in := r.overrides[fieldPlace{line, column}]; in != "" && !strings.HasPrefix(message, in) {
		message = in + "." + message
	}
	p := Problem{File: r.file, Line: line, Column: column, Message: printable(r.secrets.redact(message))}
	if !slices.Contains(r.problems, p) { // several environments may have it
		r.problems = append(r.problems, p)
	}
}

func (r *report) done() Problems {
	if r.more > 0 {
		last := r.problems[len(r.problems)-1]
		r.problems = append(r.problems, Problem{File: r.file, Line: last.Line, Column: last.Column,
			Message: fmt.Sprintf("and %d more problems in this file", r.more)})
	}
	return r.problems
}

// didYouMean ends a message about an unknown name.
func didYouMean(name string, known []string) string {
	if n := millrace.Nearest(name, known); n != "" {
		return "did you mean " + n + "?"
	}
	if len(known) == 0 {
		return "there are none"
	}
	return "known: " + strings.Join(known, ", ")
}
