package warehouse

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const replacement = "\uFFFD"

// appendText appends what the inside of a JSON string says. NUL, lone
// surrogates and invalid UTF-8, which an engine would refuse, become U+FFFD.
func appendText(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if end := plain(raw, i); end > i {
			dst = append(dst, raw[i:end]...)
			i = end
			continue
		}
		if raw[i] != '\\' {
			r, size := utf8.DecodeRune(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		clean, size := escape(raw[i:])
		switch {
		case size == 0: // not of a valid document
			return append(dst, replacement...)
		case !clean:
			dst = append(dst, replacement...)
		default:
			dst = appendEscape(dst, raw[i:i+size])
		}
		i += size
	}
	return dst
}

func appendEscape(dst, e []byte) []byte {
	switch e[1] {
	case 'b':
		return append(dst, '\b')
	case 'f':
		return append(dst, '\f')
	case 'n':
		return append(dst, '\n')
	case 'r':
		return append(dst, '\r')
	case 't':
		return append(dst, '\t')
	case 'u':
		r, _ := hex4(e[2:])
		if len(e) == 12 {
			low, _ := hex4(e[8:])
			r = utf16.DecodeRune(r, low)
		}
		return utf8.AppendRune(dst, r)
	default:
		return append(dst, e[1])
	}
}

// appendCleanJSON appends JSON with what an engine would refuse replaced by U+FFFD.
func appendCleanJSON(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\':
			clean, size := escape(raw[i:])
			if size == 0 {
				return dst
			}
			if clean {
				dst = append(dst, raw[i:i+size]...)
			} else {
				dst = append(dst, `\ufffd`...)
			}
			i += size
		case c < 0x80:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRune(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return dst
}

// cleanText makes any text one that an engine takes.
func cleanText(s string) string {
	if !strings.Contains(s, "\x00") && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, replacement), "\x00", replacement)
}

// appendQuoted appends s as a JSON string.
func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
