package millrace

import "strings"

// longestName is how many bytes a name may have to be near another.
const longestName = 64

// Nearest returns the known name, in lower case, that a mistyped one most
// likely means, or "".
func Nearest(name string, known []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := EditDistance(strings.ToLower(name), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// EditDistance is the number of letters to insert, remove, replace or swap with
// their neighbour that make b of a, in bytes: the optimal string alignment
// distance. Names of more than 64 bytes are far from everything.
func EditDistance(a, b string) int {
	if len(a) > longestName || len(b) > longestName {
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
