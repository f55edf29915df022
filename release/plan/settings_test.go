package plan

import (
	"slices"
	"testing"
)

// TestServerSettings: which settings are the whole server's, wherever they stand.
func TestServerSettings(t *testing.T) {
	t.Parallel()
	const old = "name: shop\narchive: file:archive\nenvironments: {production: {query: {rows: 7}}}\n"
	for next, want := range map[string][]string{
		old:                             nil,
		"name: other\n":                 {"archive"}, // taken out
		old + "query: {rows: 9}\n":      nil,
		old + "query: {memory: 1GiB}\n": {"query.memory"},
		old + "smtp: {address: 'mail.example:25', from: a@b.example}\n":             {"smtp.address", "smtp.from"},
		old + "log: {retention: 1d}\n":                                              {"log.retention"},
		"name: shop\narchive: s3://b\n":                                             {"archive"},
		"name: shop\narchive: file:archive\nenvironments: {production: {smtp: {}}}": {"smtp"},
		"name: shop\narchive: file:archive\nenvironments: {staging: {smtp: {}}}":    nil,
		"name: [": nil,
	} {
		if got := ServerSettings([]byte(old), []byte(next), "production"); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
	if got := ServerSettings(nil, []byte(old), ""); !slices.Equal(got, []string{"archive"}) {
		t.Errorf("of nothing: %q", got)
	}
}
