package collect

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// headerKey returns the write key of the Authorization header: the user name
// of Basic, or the token of Bearer. buf is room for it. An empty result with
// true means that there is a header without a key that could be one.
func headerKey(buf []byte, r *http.Request) (key []byte, ok bool) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return nil, false
	}
	return parseAuthorization(buf, values[0])
}

func parseAuthorization(buf []byte, value string) (key []byte, ok bool) {
	scheme, rest, found := strings.Cut(value, " ")
	if !found || len(rest) > 4096 {
		return nil, found
	}
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Basic"):
		encoding := base64.RawStdEncoding
		if strings.ContainsAny(rest, "-_") {
			encoding = base64.RawURLEncoding
		}
		src := append(buf, strings.TrimRight(rest, "=")...)
		n, err := encoding.Decode(src, src)
		if err != nil {
			return nil, true
		}
		key = src[:n]
		for i, c := range key {
			if c == ':' {
				return key[:i], true
			}
		}
		return key, true
	case strings.EqualFold(scheme, "Bearer"):
		return append(buf, rest...), true
	}
	return nil, true
}

// queryKey returns writeKey from the query: of pixels and of beacons, which
// cannot set headers.
func queryKey(r *http.Request) string {
	if r.URL.RawQuery == "" || !strings.Contains(r.URL.RawQuery, "writeKey=") {
		return ""
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ""
	}
	return values.Get("writeKey")
}

// allows says whether the source takes requests from the page that r comes from.
func (s *source) allows(r *http.Request) bool {
	if len(s.origins) == 0 {
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	for _, pattern := range s.origins {
		if strings.EqualFold(origin, pattern) {
			return true
		}
		scheme, name, ok := strings.Cut(pattern, "://*")
		if ok && len(origin) > len(scheme)+3+len(name) && strings.HasPrefix(origin, scheme+"://") &&
			strings.HasSuffix(strings.ToLower(origin), strings.ToLower(name)) {
			return true
		}
	}
	return false
}
