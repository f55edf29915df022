package workspace

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"acme": true, "acme-inc": true, "a1": true, "a-1-b": true, strings.Repeat("x", 40): true,
		"": false, "a": false, "1acme": false, "-acme": false, "acme-": false, "ac--me": false, "Acme": false, "acme@x": false, "ac me": false, "ac.me": false,
		"äcme": false, "аcme": false, "acme\n": false, "acme/..": false, strings.Repeat("x", 41): false,
		"admin": false, "adm1n": false, "ad-min": false, "api": false, "ap1": false, "millrace": false, "rnillrace": false, "default": false, "me": false, "l0gin": false, "www": false, "vvwvv": false,
	} {
		if err := CheckName(name); (err == nil) != good || err != nil && millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, good := range map[string]bool{"production": true, "e2e": true, "default": false, "all": false, strings.Repeat("x", 31): false} {
		if err := CheckEnvironment(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	for text, good := range map[string]bool{"Acme & Söhne 👨\u200d👩": true, "a\u202eb": false, "a\x00": false, "a\u2028b": false, "a\xff": false, "a\u200bb": false, strings.Repeat("ü", 100): true, strings.Repeat("ü", 101): false} {
		if err := checkText("title", text, maxTitleLength); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// An id is never a name, and ids differ.
func TestIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id, space := newID(), newSpace()
		if seen[id] || seen[space] || CheckName(id) == nil || CheckName(space) == nil || len(space) > 40 || strings.Trim(space, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Fatal(id, space)
		}
		seen[id], seen[space] = true, true
	}
}

// Whatever passes as a name is safe in a path and an address.
func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"acme", "a--b", "rnillrace", "x@y", "../x", "a\u0301b"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if strings.ContainsAny(name, "@/.%:?# \\\x00") || len(name) > maxNameLength || strings.ToLower(name) != name || name[0] < 'a' {
			t.Errorf("%q is a name", name)
		}
		if looks(name) == "" {
			t.Errorf("%q looks like nothing", name)
		}
	})
}

func TestDays(t *testing.T) {
	t.Parallel()
	for day := int64(-2); day < 3; day++ {
		at := DayStart(day)
		if Day(at) != day || Day(at.Add(dayLength-1)) != day || Day(at.Add(-1)) != day-1 {
			t.Errorf("%d: %s", day, at)
		}
	}
	for _, c := range [][3]int64{{10, 80, 8}, {1, 80, 1}, {3, 80, 3}, {1 << 62, 100, 1 << 62}, {7, 100, 7}, {101, 80, 81}} {
		if got := part(c[0], c[1]); got != c[2] {
			t.Errorf("%d %% of %d is %d", c[1], c[0], got)
		}
	}
}
