package diff

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/release/tree"
)

// An Op says what became of a file.
type Op string

// What becomes of a file.
const (
	Added   Op = "added"
	Changed Op = "changed"
	Removed Op = "removed"
)

// A File is a file that differs between two trees.
type File struct {
	Path string    `json:"path"`
	Op   Op        `json:"op"`
	Old  tree.Hash `json:"old,omitempty"`
	New  tree.Hash `json:"new,omitempty"`
	// Binary says that it is no text: then there are no Hunks.
	Binary bool `json:"binary,omitempty"`
	// Mode says that it may be run now and could not before, or the other way
	// round: "executable" or "plain".
	Mode  string `json:"mode,omitempty"`
	Hunks []Hunk `json:"hunks,omitempty"`
}

// A Hunk is a piece of a text that differs, with lines around it.
type Hunk struct {
	OldLine int    `json:"old_line"` // the first of them, from 1; 0 when there are none
	OldN    int    `json:"old_lines"`
	NewLine int    `json:"new_line"`
	NewN    int    `json:"new_lines"`
	Lines   []Line `json:"lines"`
}

// A Line of a hunk.
type Line struct {
	Op   string `json:"op"`   // " ", "-" or "+"
	Text string `json:"text"` // without its line break
	// Open says that the text ends here, without a line break.
	Open bool `json:"open,omitempty"`
}

const (
	around = 3 // lines shown beside those that differ
	// MaxTextBytes is the largest file whose lines are compared.
	MaxTextBytes = 2 << 20
)

// Trees returns the files that differ, by path.
func Trees(old, next *tree.Tree) []File {
	var out []File
	a, b := old.Files(), next.Files()
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case j == len(b) || i < len(a) && a[i].Path < b[j].Path:
			out = append(out, file(Removed, old, next, a[i], tree.File{}))
			i++
		case i == len(a) || a[i].Path > b[j].Path:
			out = append(out, file(Added, old, next, tree.File{}, b[j]))
			j++
		default:
			if a[i].Hash != b[j].Hash || a[i].Executable != b[j].Executable {
				out = append(out, file(Changed, old, next, a[i], b[j]))
			}
			i, j = i+1, j+1
		}
	}
	return out
}

func file(op Op, old, next *tree.Tree, a, b tree.File) File {
	f := File{Path: a.Path + b.Path, Op: op, Old: a.Hash, New: b.Hash}
	if op == Changed {
		f.Path = a.Path
	}
	if a.Executable != b.Executable && op != Removed {
		f.Mode = "plain"
		if b.Executable {
			f.Mode = "executable"
		}
	}
	before, _ := old.Blob(a.Hash)
	after, _ := next.Blob(b.Hash)
	if !IsText(before) || !IsText(after) {
		f.Binary = true
		return f
	}
	f.Hunks = Hunks(string(before), string(after))
	return f
}

// IsText says whether lines of it can be compared.
func IsText(data []byte) bool {
	return len(data) <= MaxTextBytes && utf8.Valid(data) && bytes.IndexByte(data, 0) < 0
}

// Hunks compares two texts.
func Hunks(old, next string) []Hunk {
	a, b := Lines(old), Lines(next)
	matches := append(Matches(a, b), Match{len(a), len(b), 0})
	var out []Hunk
	var open *Hunk
	at, bt := 0, 0
	show := func(op string, lines []string) {
		for _, l := range lines {
			text, ended := strings.CutSuffix(l, "\n")
			open.Lines = append(open.Lines, Line{Op: op, Text: text, Open: !ended})
		}
		if op != "+" {
			open.OldN += len(lines)
		}
		if op != "-" {
			open.NewN += len(lines)
		}
	}
	for k, m := range matches {
		if differs := at < m.A || bt < m.B; differs {
			if open == nil {
				before := min(around, at)
				open = &Hunk{OldLine: at - before + 1, NewLine: bt - before + 1}
				show(" ", a[at-before:at])
			}
			show("-", a[at:m.A])
			show("+", b[bt:m.B])
		}
		last := k == len(matches)-1
		if open != nil && (last || m.N > 2*around) {
			show(" ", a[m.A:m.A+min(m.N, around)])
			out = append(out, closed(*open))
			open = nil
		} else if open != nil {
			show(" ", a[m.A:m.A+m.N])
		}
		at, bt = m.A+m.N, m.B+m.N
	}
	return out
}

// closed numbers a side without lines as unified diffs do.
func closed(h Hunk) Hunk {
	if h.OldN == 0 {
		h.OldLine--
	}
	if h.NewN == 0 {
		h.NewLine--
	}
	return h
}

// Unified writes files that differ as a unified diff, which git apply and patch
// take. Signs that are not to be printed are the reader's to take out.
func Unified(files []File) string {
	var b strings.Builder
	for _, f := range files {
		from, to := "a/"+f.Path, "b/"+f.Path
		fmt.Fprintf(&b, "diff --git %s %s\n", from, to)
		mode := "100644"
		if f.Mode == "executable" {
			mode = "100755"
		}
		switch {
		case f.Op == Added:
			fmt.Fprintf(&b, "new file mode %s\n", mode)
			from = "/dev/null"
		case f.Op == Removed:
			b.WriteString("deleted file mode 100644\n")
			to = "/dev/null"
		case f.Mode == "executable":
			b.WriteString("old mode 100644\nnew mode 100755\n")
		case f.Mode == "plain":
			b.WriteString("old mode 100755\nnew mode 100644\n")
		}
		if f.Binary {
			fmt.Fprintf(&b, "Binary files %s and %s differ\n", from, to)
			continue
		}
		if len(f.Hunks) > 0 {
			fmt.Fprintf(&b, "--- %s\n+++ %s\n", from, to)
		}
		for _, h := range f.Hunks {
			fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(h.OldLine, h.OldN), span(h.NewLine, h.NewN))
			for _, l := range h.Lines {
				b.WriteString(l.Op + l.Text + "\n")
				if l.Open {
					b.WriteString("\\ No newline at end of file\n")
				}
			}
		}
	}
	return b.String()
}

func span(line, n int) string {
	if n == 1 {
		return fmt.Sprint(line)
	}
	return fmt.Sprintf("%d,%d", line, n)
}
