package warehouse

import "testing"

func TestFits(t *testing.T) {
	t.Parallel()
	for typ, values := range map[Type]struct{ fit, not []string }{
		Bool:      {[]string{"true", "false"}, []string{"", "yes", "1", "null", "TRUE"}},
		BigInt:    {[]string{"5", "-7", "5.0", "1e3", "9223372036854775807"}, []string{"", "5.5", "a", "9223372036854775808", "true", "[1]", " 5"}},
		Double:    {[]string{"5", "0.1", "-1e-3", "9007199254740992"}, []string{"", "x", "NaN", "9007199254740993", "1e400", "null"}},
		Timestamp: {[]string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+02:00"}, []string{"", "2026", "yesterday", "1767323045", "2026-13-02T03:04:05Z"}},
		Text:      {[]string{"", "anything"}, nil},
		JSON:      {[]string{"", "anything", "{}"}, nil},
	} {
		for _, v := range values.fit {
			if reason := Fits(typ, v); reason != "" {
				t.Errorf("%q does not fit %s: %s", v, typ, reason)
			}
		}
		for _, v := range values.not {
			if Fits(typ, v) == "" {
				t.Errorf("%q fits %s", v, typ)
			}
		}
	}
}
