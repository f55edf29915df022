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
}

func (r *report) add(line, column int, format string, args ...any) {
	if len(r.problems) == maxFileProblems {
		r.more++
		return
	}
	message := printable(r.secrets.redact(fmt.Sprintf(format, args...)))
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Column: column, Message: message})
}

func (r *report) done() Problems {
	if r.more > 0 {
		last := r.problems[len(r.problems)-1]
		r.problems = append(r.problems, Problem{File: r.file, Line: last.Line, Column: last.Column,
			Message: fmt.Sprintf("and %d more problems in this file", r.more)})
	}
	return r.problems
}

// nearest returns the known name that a mistyped one most likely means, or "".
func nearest(name string, known []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, remove, replace or swap with
// their neighbour that make b of a. Names over 64 bytes are far from everything.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 1 << 20
	}
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// didYouMean ends a message about an unknown name.
func didYouMean(name string, known []string) string {
	if n := nearest(name, known); n != "" {
		return "did you mean " + n + "?"
	}
	if len(known) == 0 {
		return "there are none"
	}
	return "known: " + strings.Join(known, ", ")
}
