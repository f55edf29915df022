package terminal

import (
	"bufio"
	"io"
	"slices"
	"strings"
)

// A Column heads a table.
type Column struct {
	Name  string
	Right bool // numbers stand on the right
}

// A Table is rows under columns. What it holds is sanitised when it is written.
type Table struct {
	Columns []Column
	Rows    [][]string // each as long as Columns; shorter ones are filled up
	// Width is the columns of the terminal; longer values are cut so that a
	// row fits. 0 cuts nothing.
	Width   int
	Palette Palette
}

const (
	columnGap      = 2
	leastColumn    = 6  // a cut column keeps at least this width
	narrowEnough   = 24 // columns below this are cut only when nothing else is left
	leastTableLine = 20
)

// Write writes the table and returns how many values were cut.
func (t *Table) Write(w io.Writer) (cut int, err error) {
	cells := make([][]string, 0, len(t.Rows)+1)
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = Sanitize(c.Name)
	}
	cells = append(cells, head)
	for _, row := range t.Rows {
		line := make([]string, len(t.Columns))
		for i := range line {
			if i < len(row) {
				line[i] = Sanitize(row[i])
			}
		}
		cells = append(cells, line)
	}
	widths := make([]int, len(t.Columns))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], Columns(cell))
		}
	}
	if !fit(widths, t.Width) {
		return t.writeRecords(w, cells)
	}
	out := bufio.NewWriter(w)
	for n, line := range cells {
		cut += t.writeLine(out, line, widths, n == 0)
	}
	return cut, out.Flush()
}

func (t *Table) writeLine(out *bufio.Writer, line []string, widths []int, head bool) (cut int) {
	spaces := 0 // not written yet, so that none stand at the end of a line
	for i, cell := range line {
		text, shortened := Cut(cell, widths[i])
		if shortened {
			cut++
		}
		pad := widths[i] - Columns(text)
		if t.Columns[i].Right {
			spaces, pad = spaces+pad, 0
		}
		if text != "" {
			_, _ = out.WriteString(strings.Repeat(" ", spaces))
			spaces = 0
		}
		if head {
			text = t.Palette.Bold(text)
		}
		_, _ = out.WriteString(text)
		spaces += pad + columnGap
	}
	_ = out.WriteByte('\n')
	return cut
}

// fit shrinks the widest columns until a line takes at most total columns. It
// says false when the columns are too many for that.
func fit(widths []int, total int) bool {
	if total <= 0 || len(widths) == 0 {
		return true
	}
	total = max(total, leastTableLine) - columnGap*(len(widths)-1)
	for _, least := range []int{narrowEnough, leastColumn} {
		for {
			sum, widest, second := 0, 0, 0
			for _, w := range widths {
				sum += w
			}
			if sum <= total {
				return true
			}
			sorted := slices.Clone(widths)
			slices.Sort(sorted)
			slices.Reverse(sorted)
			widest = sorted[0]
			if widest <= least {
				break
			}
			same := 0
			for _, w := range sorted {
				if w == widest {
					same++
				} else {
					second = w
					break
				}
			}
			over := (sum - total + same - 1) / same
			to := max(widest-over, second, least)
			for i, w := range widths {
				if w == widest {
					widths[i] = to
				}
			}
		}
	}
	return false
}

// writeRecords writes each row as lines of "column value", for tables with
// more columns than the terminal has room for.
func (t *Table) writeRecords(w io.Writer, cells [][]string) (cut int, err error) {
	out := bufio.NewWriter(w)
	names := 0
	for _, name := range cells[0] {
		names = max(names, Columns(name))
	}
	names = min(names, 30, t.Width/2)
	for n, line := range cells[1:] {
		title := "── row " + Count(int64(n+1)) + " "
		title += strings.Repeat("─", max(0, min(t.Width, 60)-Columns(title)))
		_, _ = out.WriteString(t.Palette.Dim(title) + "\n")
		for i, cell := range line {
			name, _ := Cut(cells[0][i], names)
			value, shortened := Cut(cell, max(t.Width-names-columnGap, leastColumn))
			if shortened {
				cut++
			}
			pad := strings.Repeat(" ", names-Columns(name)+columnGap)
			if value == "" {
				pad = ""
			}
			_, _ = out.WriteString(t.Palette.Bold(name) + pad + value + "\n")
		}
	}
	return cut, out.Flush()
}
