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
	Whole bool // never cut: what people copy, such as IDs
	Wrap  bool // goes on in the next line instead of being cut
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
	if !t.fit(widths) {
		return t.writeRecords(w, cells)
	}
	out := bufio.NewWriter(w)
	for n, line := range cells {
		cut += t.writeLine(out, line, widths, n == 0)
	}
	return cut, out.Flush()
}

// writeLine writes a row: one line, or more where columns wrap.
func (t *Table) writeLine(out *bufio.Writer, line []string, widths []int, head bool) (cut int) {
	lines := [][]string{make([]string, len(line))}
	for i, cell := range line {
		if t.Columns[i].Wrap {
			for n, text := range Wrap(cell, widths[i]) {
				if n == len(lines) {
					lines = append(lines, make([]string, len(line)))
				}
				lines[n][i] = text
			}
			continue
		}
		text, shortened := Cut(cell, widths[i])
		if lines[0][i] = text; shortened {
			cut++
		}
	}
	for _, cells := range lines {
		t.writeCells(out, cells, widths, head)
	}
	return cut
}

func (t *Table) writeCells(out *bufio.Writer, cells []string, widths []int, head bool) {
	spaces := 0 // not written yet, so that none stand at the end of a line
	for i, text := range cells {
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
}

// fit shrinks the widest columns of those that may be until a line is as wide
// as the terminal at most. It says false when that cannot be.
func (t *Table) fit(widths []int) bool {
	if t.Width <= 0 {
		return true
	}
	var places, rest []int
	total := max(t.Width, leastTableLine)
	for i, w := range widths {
		if t.Columns[i].Whole {
			total -= w + columnGap
			continue
		}
		places, rest = append(places, i), append(rest, w)
	}
	if !fit(rest, total) {
		return false
	}
	for n, i := range places {
		widths[i] = rest[n]
	}
	return true
}

// fit shrinks the widest columns until a line takes at most total columns. It
// says false when the columns are too many for that.
func fit(widths []int, total int) bool {
	if len(widths) == 0 {
		return total >= -columnGap // the last column has no gap behind it
	}
	total -= columnGap * (len(widths) - 1)
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
			pad := strings.Repeat(" ", names-Columns(name)+columnGap)
			name = t.Palette.Bold(name)
			values := []string{cell}
			if room := max(t.Width-names-columnGap, leastColumn); t.Columns[i].Wrap {
				values = Wrap(cell, room)
			} else if !t.Columns[i].Whole {
				var shortened bool
				if values[0], shortened = Cut(cell, room); shortened {
					cut++
				}
			}
			for _, value := range values {
				if value == "" {
					pad = ""
				}
				_, _ = out.WriteString(name + pad + value + "\n")
				name, pad = "", strings.Repeat(" ", names+columnGap)
			}
		}
	}
	return cut, out.Flush()
}
