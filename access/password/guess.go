package password

import (
	_ "embed"
	"math"
	"strings"
	"sync"
	"unicode"
)

// How many bits a part of a password is worth to someone who guesses it with the
// tricks that programs for that know. A character that fits no pattern counts as a digit.
const (
	characterBits = 3.3
	wordBits      = 10.5 // one of the words in common.txt
	writtenBits   = 1.0  // more for capitals, and for 4 in place of a
	aboutBits     = 1.0  // what is known of the person and the product
	runBits       = 5.0  // where abcd or 4321 begins
	walkBits      = 5.5  // where a walk over the keyboard begins
	turnBits      = 1.5
	yearBits      = 6.5
	dayBits       = 14.0 // a date in 6 or 8 digits
)

const (
	weighed    = 64 // characters of a password that are looked at
	wordLength = 20
	walkLength = 3 // keys at least
)

//go:embed common.txt
var commonText string

var common = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for w := range strings.FieldsSeq(commonText) {
		if len(w) > 2 && len(w) <= wordLength {
			words[w] = true
		}
	}
	return words
})

// leet are the characters that stand for letters.
var leet = map[rune]rune{'0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b', '9': 'g', '@': 'a', '$': 's', '!': 'i', '+': 't', '|': 'l', '€': 'e'}

// A weigher finds the cheapest way to guess a password.
type weigher struct {
	raw, lower, plain []rune // as typed, in lower case, with letters for leet
	about             map[string]bool
	common            map[string]bool
}

// bits returns how hard a password is to guess, for someone who knows about its owner.
func bits(password string, about []string) float64 {
	raw := []rune(password)
	raw = raw[:min(len(raw), weighed)]
	w := &weigher{raw: raw, lower: make([]rune, len(raw)), plain: make([]rune, len(raw)), about: known(about), common: common()}
	for i, c := range raw {
		w.lower[i] = unicode.ToLower(c)
		w.plain[i] = w.lower[i]
		if to, ok := leet[c]; ok {
			w.plain[i] = to
		}
	}
	n := len(raw)
	from := make([][]float64, n) // from[i][k]: the bits of the k characters behind i
	for i := n - 1; i >= 0; i-- {
		from[i] = w.weigh(i)
	}
	best := make([]float64, n+1)
	for i := range best[1:] {
		best[i+1] = math.Inf(1)
	}
	for i := range n {
		for k, b := range from[i] {
			best[i+k] = min(best[i+k], best[i]+b)
		}
		for unit := 1; i+2*unit <= n; unit++ {
			for times := 2; w.repeats(i, unit, times); times++ {
				end := i + unit*times
				best[end] = min(best[end], best[i]+from[i][unit]+math.Log2(float64(times)))
			}
		}
	}
	return best[n]
}

// known are the words that someone who knows the person tries: whole, and their parts.
func known(about []string) map[string]bool {
	words := map[string]bool{}
	for _, text := range about {
		text = strings.ToLower(Normal(text))
		parts := strings.FieldsFunc(text, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
		parts = append(parts, strings.Join(parts, ""), text)
		for _, p := range parts {
			if n := len([]rune(p)); n > 2 && n <= weighed {
				words[p] = true
			}
		}
	}
	return words
}

// repeats says whether the unit characters behind i stand there so many times.
func (w *weigher) repeats(i, unit, times int) bool {
	end := i + unit*times
	if end > len(w.lower) {
		return false
	}
	for k := end - unit; k < end; k++ {
		if w.lower[k] != w.lower[k-unit] {
			return false
		}
	}
	return true
}

// weigh returns the bits of all texts that begin at start, repetition aside.
func (w *weigher) weigh(start int) []float64 {
	n := len(w.raw) - start
	best := make([]float64, n+1)
	for k := range n {
		best[k+1] = math.Inf(1)
	}
	for k := range n {
		i := start + k
		better := func(length int, b float64) {
			if k+length <= n {
				best[k+length] = min(best[k+length], best[k]+b)
			}
		}
		better(1, characterBits)
		w.words(i, better)
		w.runs(i, better)
		w.walks(i, better)
		w.dates(i, better)
	}
	return best
}

func (w *weigher) words(i int, better func(int, float64)) {
	for length := 3; i+length <= len(w.raw); length++ {
		lower, plain := string(w.lower[i:i+length]), string(w.plain[i:i+length])
		extra := 0.0
		if string(w.raw[i:i+length]) != lower {
			extra += writtenBits
		}
		switch {
		case w.about[lower]:
			better(length, aboutBits+extra)
		case w.about[plain]:
			better(length, aboutBits+extra+writtenBits)
		case length > wordLength:
		case w.common[lower]:
			better(length, wordBits+extra)
		case w.common[plain]:
			better(length, wordBits+extra+writtenBits)
		}
	}
}

// runs are abcd, 9876, 2468.
func (w *weigher) runs(i int, better func(int, float64)) {
	if i+1 >= len(w.lower) {
		return
	}
	step := w.lower[i+1] - w.lower[i]
	if step == 0 || step > 2 || step < -2 {
		return
	}
	for k := i + 1; k < len(w.lower) && w.lower[k]-w.lower[k-1] == step; k++ {
		if length := k - i + 1; length >= walkLength {
			better(length, runBits+math.Log2(float64(length)))
		}
	}
}

// keyboards are rows of keys, shifted or not, each standing half a key right of the one above.
var keyboards = [][]string{
	{"`1234567890-=", "\tqwertyuiop[]", "\tasdfghjkl;'", "\tzxcvbnm,./"},
	{"~!@#$%^&*()_+", "\tqwertyuiop{}", "\tasdfghjkl:\"", "\tzxcvbnm<>?"},
	{"^1234567890ß´", "\tqwertzuiopü+", "\tasdfghjklöä", "\tyxcvbnm,.-"},
	{"²1234567890)=", "\tazertyuiop^$", "\tqsdfghjklmù", "\twxcvbn,;:!"},
	{"789", "456", "123"},
}

type step struct{ from, to rune }

// steps says in which directions a finger goes from one key to a neighbour.
var steps = sync.OnceValue(func() map[step]int {
	out := map[step]int{}
	for _, rows := range keyboards {
		keys := make([][]rune, len(rows))
		for y, row := range rows {
			keys[y] = []rune(row)
		}
		for y, row := range keys {
			for x, c := range row {
				for direction, d := range [][2]int{{0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, -1}, {-1, 1}} {
					ny, nx := y+d[0], x+d[1]
					if c == '\t' || ny < 0 || ny >= len(keys) || nx < 0 || nx >= len(keys[ny]) || keys[ny][nx] == '\t' {
						continue
					}
					if s := (step{c, keys[ny][nx]}); out[s] == 0 {
						out[s] = direction + 1
					}
				}
			}
		}
	}
	return out
})

// walks are qwerty, 1qaz, poiuy.
func (w *weigher) walks(i int, better func(int, float64)) {
	neighbours, last, turns := steps(), 0, 0
	for k := i + 1; k < len(w.lower); k++ {
		direction := neighbours[step{w.lower[k-1], w.lower[k]}]
		if direction == 0 {
			return
		}
		if direction != last && last != 0 {
			turns++
		}
		last = direction
		if length := k - i + 1; length >= walkLength {
			better(length, walkBits+math.Log2(float64(length))/2+turnBits*float64(turns))
		}
	}
}

// dates are 1987, 311287, 31121987.
func (w *weigher) dates(i int, better func(int, float64)) {
	digits := 0
	for k := i; k < len(w.lower) && digits < 8 && '0' <= w.lower[k] && w.lower[k] <= '9'; k++ {
		digits++
	}
	number := func(at, length int) (n int) {
		for _, c := range w.lower[i+at : i+at+length] {
			n = n*10 + int(c-'0')
		}
		return n
	}
	day := func(a, b int) bool {
		return a >= 1 && a <= 31 && b >= 1 && b <= 12 || b >= 1 && b <= 31 && a >= 1 && a <= 12
	}
	year := func(y int) bool { return y >= 1900 && y < 2050 }
	if digits >= 4 && year(number(0, 4)) {
		better(4, yearBits)
	}
	if digits >= 6 && (day(number(0, 2), number(2, 2)) || day(number(2, 2), number(4, 2))) {
		better(6, dayBits)
	}
	if digits >= 8 && (year(number(4, 4)) && day(number(0, 2), number(2, 2)) || year(number(0, 4)) && day(number(4, 2), number(6, 2))) {
		better(8, dayBits)
	}
}
