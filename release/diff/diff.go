// Package diff compares texts by lines and trees by files: what of two versions
// is the same, and what differs, for people (unified text) and for programs.
package diff

import (
	"slices"
	"strings"
)

// Lines splits a text into its lines, each with its line break; the last may
// have none.
func Lines(text string) []string {
	if text == "" {
		return nil
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// A Match is a run of lines that two texts have in common: N lines from A of the
// first and B of the second, from 0.
type Match struct{ A, B, N int }

// Matches returns the runs that two lists of lines have in common, in order,
// without overlap. There may be longer ones; the time is bounded whatever the
// lists are.
func Matches(a, b []string) []Match {
	m := &matcher{a: a, b: b}
	m.between(0, len(a), 0, len(b), 0)
	return m.out
}

type matcher struct {
	a, b []string
	out  []Match
}

// add appends a run, to the last one if it goes on from there.
func (m *matcher) add(a, b, n int) {
	if n == 0 {
		return
	}
	if k := len(m.out) - 1; k >= 0 && m.out[k].A+m.out[k].N == a && m.out[k].B+m.out[k].N == b {
		m.out[k].N += n
		return
	}
	m.out = append(m.out, Match{a, b, n})
}

const (
	mostCells    = 1 << 20 // of the table of an exact comparison
	deepestSplit = 64
)

// between matches a[a0:a1] with b[b0:b1]: what begins and ends alike, then what
// lies between lines that both have once, and small rests exactly.
func (m *matcher) between(a0, a1, b0, b1, depth int) {
	head := 0
	for a0+head < a1 && b0+head < b1 && m.a[a0+head] == m.b[b0+head] {
		head++
	}
	m.add(a0, b0, head)
	a0, b0 = a0+head, b0+head
	tail := 0
	for a1-tail > a0 && b1-tail > b0 && m.a[a1-tail-1] == m.b[b1-tail-1] {
		tail++
	}
	a1, b1 = a1-tail, b1-tail
	switch {
	case a0 == a1 || b0 == b1:
	case (a1-a0)*(b1-b0) <= mostCells:
		m.exact(a0, a1, b0, b1)
	case depth < deepestSplit:
		at, bt := a0, b0
		for _, anchor := range m.anchors(a0, a1, b0, b1) {
			m.between(at, anchor[0], bt, anchor[1], depth+1)
			m.add(anchor[0], anchor[1], 1)
			at, bt = anchor[0]+1, anchor[1]+1
		}
		if at > a0 || bt > b0 {
			m.between(at, a1, bt, b1, depth+1)
		}
	}
	m.add(a1, b1, tail)
}

// exact finds as many common lines as there are.
func (m *matcher) exact(a0, a1, b0, b1 int) {
	na, nb := a1-a0, b1-b0
	table := make([]int32, (na+1)*(nb+1))
	for i := na - 1; i >= 0; i-- {
		for j := nb - 1; j >= 0; j-- {
			at := i*(nb+1) + j
			if m.a[a0+i] == m.b[b0+j] {
				table[at] = table[at+nb+2] + 1
			} else {
				table[at] = max(table[at+nb+1], table[at+1])
			}
		}
	}
	for i, j := 0, 0; i < na && j < nb; {
		at := i*(nb+1) + j
		switch {
		case m.a[a0+i] == m.b[b0+j]:
			m.add(a0+i, b0+j, 1)
			i, j = i+1, j+1
		case table[at+nb+1] >= table[at+1]:
			i++
		default:
			j++
		}
	}
}

// anchors are lines that both sides have exactly once, as many as are in the
// same order on both.
func (m *matcher) anchors(a0, a1, b0, b1 int) [][2]int {
	type seen struct{ a, b, at, bt int }
	count := map[string]*seen{}
	for i := a0; i < a1; i++ {
		s := count[m.a[i]]
		if s == nil {
			s = &seen{}
			count[m.a[i]] = s
		}
		s.a, s.at = s.a+1, i
	}
	for j := b0; j < b1; j++ {
		if s := count[m.b[j]]; s != nil {
			s.b, s.bt = s.b+1, j
		}
	}
	var pairs [][2]int
	for i := a0; i < a1; i++ {
		if s := count[m.a[i]]; s.a == 1 && s.b == 1 {
			pairs = append(pairs, [2]int{s.at, s.bt})
		}
	}
	return increasing(pairs)
}

// increasing keeps the longest list of pairs whose second numbers increase; the
// first ones do.
func increasing(pairs [][2]int) [][2]int {
	var ends []int // the pair that ends the best list of each length
	before := make([]int, len(pairs))
	for i, p := range pairs {
		k, _ := slices.BinarySearchFunc(ends, p[1], func(end, b int) int { return pairs[end][1] - b })
		before[i] = -1
		if k > 0 {
			before[i] = ends[k-1]
		}
		if k == len(ends) {
			ends = append(ends, i)
		} else {
			ends[k] = i
		}
	}
	if len(ends) == 0 {
		return nil
	}
	out := make([][2]int, len(ends))
	for i, k := ends[len(ends)-1], len(ends)-1; k >= 0; i, k = before[i], k-1 {
		out[k] = pairs[i]
	}
	return out
}
