package password

import (
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace"
)

// Lengths of a password, in characters of Unicode. NIST SP 800-63B-4 wants 15 at
// least where a password is all that is asked for, and 64 or more to be taken.
const (
	MinLength = 15
	MaxLength = 1024
)

// enough is how many bits a password has to be worth: three words from the list of
// common ones are not enough, four are.
const enough = 36

// Check refuses a password that is too short, or easy to guess for someone who
// knows about its owner: give it their name and e-mail address, and the names of
// product and workspace. There are no rules on which characters it is made of. The error
// says what is wrong and what would be right, and never repeats the password.
func Check(password string, about ...string) error {
	if !utf8.ValidString(password) {
		return millrace.Errorf(millrace.Invalid, "the password is not valid UTF-8: type it again")
	}
	if len(password) > 8*MaxLength {
		return tooLong()
	}
	normal := Normal(password)
	length, space := 0, true
	for _, c := range normal {
		if unicode.IsControl(c) {
			return millrace.Errorf(millrace.Invalid, "the password has a control character in it, which keyboards cannot type: leave it out")
		}
		length++
		space = space && unicode.IsSpace(c)
	}
	switch {
	case length < MinLength:
		return millrace.Errorf(millrace.Invalid, "the password has %d characters and needs at least %d: take four or more words that have nothing to do with each other, or let your browser make one", length, MinLength)
	case length > MaxLength:
		return tooLong()
	case space || bits(normal, append(about, "millrace")) < enough:
		return millrace.Errorf(millrace.Invalid, "the password is easy to guess: it is made of common words or names, keys that lie side by side, repetition, years, or what is known of you. Take four or more words that have nothing to do with each other, or let your browser make one")
	}
	return nil
}

func tooLong() error {
	return millrace.Errorf(millrace.Invalid, "the password has more than %d characters: take a shorter one", MaxLength)
}
