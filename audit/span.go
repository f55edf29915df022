package audit

import (
	"fmt"
	"slices"
)

// spans joins numbers that follow each other.
func spans(numbers []int64) [][2]int64 {
	slices.Sort(numbers)
	var out [][2]int64
	for _, n := range slices.Compact(numbers) {
		if last := len(out) - 1; last >= 0 && out[last][1] == n-1 {
			out[last][1] = n
			continue
		}
		out = append(out, [2]int64{n, n})
	}
	return out
}

func span(first, last int64) string {
	if first == last {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d to %d", first, last)
}

func was(s [2]int64) string {
	if s[0] == s[1] {
		return fmt.Sprintf("entry %d was", s[0])
	}
	return fmt.Sprintf("entries %d to %d were", s[0], s[1])
}
