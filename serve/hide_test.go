package serve

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestHideStrings: only texts change, and JSON stays JSON.
func TestHideStrings(t *testing.T) {
	t.Parallel()
	redact := strings.NewReplacer("1234", "[secret]", `a"b`, "[secret]").Replace
	for in, want := range map[string]string{
		`{"n":1234,"s":"x1234y","1234":[true,"",null]}`: `{"n":1234,"s":"x[secret]y","[secret]":[true,"",null]}`,
		`"a\"b1234"`: `"[secret][secret]"`,
		`"\\"`:       `"\\"`,
		`12`:         `12`,
		`"cut`:       `"cut`,
		`"cut\`:      `"cut\`,
		``:           ``,
	} {
		if got := string(hideStrings([]byte(in), redact)); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func FuzzHideStrings(f *testing.F) {
	f.Add(`{"a":"1234","b":[1234,"\"1234\""]}`)
	f.Fuzz(func(t *testing.T, text string) {
		out := hideStrings([]byte(text), strings.NewReplacer("1234", "[secret]").Replace)
		if json.Valid([]byte(text)) != json.Valid(out) {
			t.Errorf("%q became %q", text, out)
		}
	})
}

// TestProblemsHide: what quotes a value in a problem does not get out.
func TestProblemsHide(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t)
	o.Redact = func(_, text string) string { return strings.ReplaceAll(text, "canary", "[secret]") }
	s := start(t, o)
	for _, call := range [][3]string{
		call3("PUT", "/api/v1/secrets", `{"path":"no canary","value":"x"}`),
		call3("GET", "/api/v1/sources/canary", ""),
		call3("GET", "/api/v1/status?canary=canary", ""),
		call3("POST", "/api/v1/query", `{"sql":["canary"]}`),
		call3("GET", "/api/v1/w/canary/status", ""),
		call3("GET", "/api/v1/canary", ""),
	} {
		resp, text := callIn(t, s.URL, call)
		if resp < 400 || strings.Contains(text, "canary") {
			t.Errorf("%v: %d %s", call, resp, text)
		}
	}
}

func call3(method, path, body string) [3]string { return [3]string{method, path, body} }

func callIn(t *testing.T, url string, c [3]string) (int, string) {
	t.Helper()
	resp, text := call(t, c[0], url+c[1], c[2])
	return resp.StatusCode, text
}
