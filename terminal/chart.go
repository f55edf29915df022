package terminal

import (
	"bufio"
	"io"
	"math"
	"strings"
)

// A Bar is one line of a bar chart.
type Bar struct {
	Label string
	Value float64
	Text  string // how the value is written; default Money(Value)
}

// A BarChart draws one horizontal bar a line, from a common zero.
type BarChart struct {
	Bars    []Bar
	Width   int // columns of a whole line; default 72
	Palette Palette
}

var eighths = []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}

// Write draws the chart. Negative values have no bar, only their number.
func (c *BarChart) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	total := c.Width
	if total <= 0 {
		total = 72
	}
	labels, texts, most := 0, 0, 0.0
	lines := make([][2]string, len(c.Bars))
	for i, b := range c.Bars {
		text := b.Text
		if text == "" {
			text = Money(b.Value)
		}
		lines[i] = [2]string{Sanitize(b.Label), Sanitize(text)}
		labels = max(labels, Columns(lines[i][0]))
		texts = max(texts, Columns(lines[i][1]))
		if !math.IsInf(b.Value, 0) && b.Value > most {
			most = b.Value
		}
	}
	labels = min(labels, total/3)
	room := max(total-labels-texts-2*columnGap, 4)
	for i, b := range c.Bars {
		label, _ := Cut(lines[i][0], labels)
		bar := ""
		if most > 0 && b.Value > 0 {
			n := int(math.Round(min(b.Value/most, 1) * float64(room) * 8))
			bar = strings.Repeat("█", n/8) + eighths[n%8]
		}
		space := strings.Repeat(" ", columnGap)
		_, _ = out.WriteString(label + strings.Repeat(" ", labels-Columns(label)) + space +
			strings.Repeat(" ", texts-Columns(lines[i][1])) + lines[i][1])
		if bar != "" {
			_, _ = out.WriteString(space + c.Palette.Accent(bar))
		}
		_ = out.WriteByte('\n')
	}
	return out.Flush()
}
