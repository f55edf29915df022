package access

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/millrace/millrace"
)

// Lengths of what people are called, in bytes.
const (
	maxEmail = 254 // RFC 5321
	maxLocal = 64
	maxName  = 200
)

// Email reads an e-mail address: the form that is shown and written to, and the
// key by which no two accounts may be the same.
//
// Only ASCII is taken, after Unicode's compatible forms (full-width letters …) were
// made plain: so there are no two addresses that look alike but for l and I. A
// domain in other letters is written as xn--…. The key is in lower case, because no
// one who runs a mail server gives ANN and ann to two people. Dots and +tags
// are kept: what they mean differs from server to server.
func Email(text string) (shown, key string, err error) {
	shown = strings.TrimSpace(norm.NFKC.String(text))
	at := strings.LastIndexByte(shown, '@')
	if !utf8.ValidString(text) || at < 1 || len(shown) > maxEmail || at > maxLocal {
		return "", "", millrace.Errorf(millrace.Invalid, "that is not an e-mail address: they look like name@example.com")
	}
	local, domain := shown[:at], strings.ToLower(strings.TrimSuffix(shown[at+1:], "."))
	for i, c := range local + domain {
		if c > unicode.MaxASCII {
			return "", "", millrace.Errorf(millrace.Invalid, "an e-mail address is written in ASCII letters here: write a domain in other letters in its form that begins with xn--")
		}
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.'
		if !letter && (i >= len(local) || !strings.ContainsRune("!#$%&'*+/=?^_`{|}~", c)) {
			return "", "", millrace.Errorf(millrace.Invalid, "an e-mail address has no %q in it", c)
		}
	}
	dotted := "." + local + "." + domain + "."
	if strings.Contains(dotted, "..") || strings.Contains(domain, ".-") || strings.Contains(domain, "-.") || strings.HasPrefix(domain, "-") || strings.HasSuffix(domain, "-") {
		return "", "", millrace.Errorf(millrace.Invalid, "that is not an e-mail address: a dot or hyphen stands where none can be")
	}
	shown = local + "@" + domain
	return shown, strings.ToLower(shown), nil
}

// Name reads the name of a person or a key as people type it.
func Name(text string) (string, error) {
	name := strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	switch {
	case !utf8.ValidString(text):
		return "", millrace.Errorf(millrace.Invalid, "the name is not valid UTF-8")
	case name == "":
		return "", millrace.Errorf(millrace.Invalid, "the name is empty")
	case len(name) > maxName:
		return "", millrace.Errorf(millrace.Invalid, "the name is longer than %d bytes", maxName)
	}
	for _, c := range name {
		// Format characters turn text around or hide it; joiners are part of some scripts.
		if !unicode.IsPrint(c) && c != '\u200c' && c != '\u200d' || unicode.Is(unicode.Co, c) {
			return "", millrace.Errorf(millrace.Invalid, "the name has a character in it that cannot be seen: %U", c)
		}
	}
	return name, nil
}
