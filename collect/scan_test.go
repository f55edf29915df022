package collect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var wide = scanLimits{depth: 400, keyLength: 1 << 20, members: 1 << 20}

var hostileValues = []string{
	`{}`, `{"event":"A","userId":1e400,"messageId":"\ud800"}`, `{"a":"\ud83d\ude00\udc00"}`, `{"userId":"\u0000"}`,
	`{"a":1,"a":2,"context":{"ip":"1.2.3.4","direct":true},"context":{}}`, "{\"a\":\"\xff\"}", "{\"a\":\"\x00\"}", `{"a":"\x"}`,
	`{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":.5}`, `{"a":-0.0E-7}`, `{"a":tru}`, `{"a":nul`, `{"a" 1}`, `{"a":1,}`, `{,}`, `{"a":[1,]}`, `{"a":[,1]}`,
	`{"a":{"b":[[[{}]]]}}`, `[1]`, `"x"`, `7`, `null`, ``, ` `, `{`, `{"`, `{"a":"\`, `{"a":"\u12`, "\xef\xbb\xbf{}", `{} {}`, `{"a":"é漢字\u00e9"}`,
	`{"batch":[{"type":"track"},{},[],1,"x",null],"sentAt":"2026-01-01","context":{"a":1}}`, `{"batch":[]}`, `{"batch":{}}`, `{"batch":[{}],"batch":[1,2]}`,
	strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300), strings.Repeat("[", 5000), `{"` + strings.Repeat("k", 3000) + `":1}`,
	`{"timestamp":"2026-02-30T00:00:00Z","sentAt":1700000000,"originalTimestamp":"x"}`,
}

// FuzzEvent compares the scanner with encoding/json.
func FuzzEvent(f *testing.F) {
	for _, v := range hostileValues {
		f.Add([]byte(v))
	}
	f.Add([]byte(sample(1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s scanner
		var e envelope
		s.reset(b, wide)
		ok := s.one(&e)
		plain := bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		if ok && e.items[0].bad.reason == reasonDepth {
			return
		}
		accepted := ok && !e.items[0].bad.is()
		if valid := json.Valid(plain) && utf8.Valid(plain); accepted != valid {
			t.Fatalf("accepted %v, valid %v: err %q bad %q", accepted, valid, s.err, e.items[0].bad.reason)
		}
		if !accepted {
			return
		}
		it := e.items[0]
		if !bytes.Equal(b[it.start:it.end], bytes.TrimSpace(plain)) {
			t.Fatalf("the event is %q", b[it.start:it.end])
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(plain, &fields) != nil {
			return
		}
		for name, p := range map[string]span{"userId": it.userID, "event": it.event, "messageId": it.messageID} {
			var want string
			if raw, ok := fields[name]; ok && raw[0] == '"' {
				if err := json.Unmarshal(raw, &want); err != nil {
					t.Fatal(err)
				}
			} else if ok && (raw[0] == '-' || digit(raw[0])) {
				want = string(raw)
			}
			if got := string(text(nil, b, p)); got != want {
				t.Fatalf("%s is %q, want %q", name, got, want)
			}
		}
		stamp(b, it.timestamp)
		stamp(b, it.sentAt)
	})
}

// FuzzBatch compares the items with those that encoding/json sees.
func FuzzBatch(f *testing.F) {
	for _, v := range hostileValues {
		f.Add([]byte(v))
		f.Add([]byte(`{"batch":[` + v + `,` + v + `]}`))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		findKey(b)
		var s scanner
		var e envelope
		s.reset(b, wide)
		ok := s.batch(&e, 1000) && e.isBatch
		plain := bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		if !json.Valid(plain) || !utf8.Valid(plain) || e.tooMany > 0 {
			return
		}
		var top map[string]json.RawMessage
		var items []json.RawMessage
		want := json.Unmarshal(plain, &top) == nil && top["batch"] != nil && top["batch"][0] == '[' && json.Unmarshal(top["batch"], &items) == nil
		for i := range e.items {
			if e.items[i].bad.is() {
				return
			}
		}
		if ok != want {
			if s.err == "batch is not an array" || strings.Contains(s.err, "nested") || strings.Contains(s.err, "too") {
				return
			}
			t.Fatalf("batch %v, want %v: %s", ok, want, s.err)
		}
		if !ok {
			return
		}
		if len(items) != len(e.items) {
			t.Fatalf("%d items, want %d", len(e.items), len(items))
		}
		for i, it := range e.items {
			if !bytes.Equal(b[it.start:it.end], bytes.TrimSpace(items[i])) {
				t.Fatalf("item %d is %q, want %q", i, b[it.start:it.end], items[i])
			}
		}
	})
}

func FuzzPixelData(f *testing.F) {
	for _, v := range hostileValues {
		f.Add(base64.StdEncoding.EncodeToString([]byte(v)))
		f.Add(v)
	}
	f.Fuzz(func(_ *testing.T, data string) {
		b := pixelData(nil, data)
		findKey(b)
		var s scanner
		var e envelope
		s.reset(b, wide)
		s.one(&e)
	})
}

func FuzzAuthorization(f *testing.F) {
	for _, v := range []string{"Basic d2ViXzIwMjY6", "Basic ", "basic ====", "Bearer x", "Bearer", "Basic " + strings.Repeat("A", 5000), "Basic -_-_", ""} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var buf [192]byte
		key, _ := parseAuthorization(buf[:0], value)
		if bytes.IndexByte(key, ':') >= 0 && strings.HasPrefix(strings.ToLower(value), "basic") {
			t.Fatalf("the key %q holds a colon", key)
		}
	})
}

func FuzzLines(f *testing.F) {
	for _, v := range hostileValues {
		f.Add([]byte(v + "\n" + v))
	}
	f.Add([]byte("[0,"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s scanner
		var e envelope
		s.reset(b, wide)
		if !s.lines(&e, 1000) {
			if s.err == "" && e.tooMany == 0 {
				t.Fatal("no reason")
			}
			return // the body is refused as a whole
		}
		for i, it := range e.items {
			if it.start > it.end || it.end > len(b) || i > 0 && it.start < e.items[i-1].end {
				t.Fatalf("item %d lies at %d to %d", i, it.start, it.end)
			}
		}
	})
}

func TestTimes(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"2026-03-04T05:06:07.891Z":         "2026-03-04T05:06:07.891Z",
		"2026-03-04T05:06:07.891999Z":      "2026-03-04T05:06:07.891Z",
		"2026-03-04T05:06:07+02:00":        "2026-03-04T03:06:07Z",
		"2026-03-04t05:06:07-0530":         "2026-03-04T10:36:07Z",
		"2026-03-04 05:06:07":              "2026-03-04T05:06:07Z",
		"2026-03-04 05:06:07 +01":          "2026-03-04T04:06:07Z",
		"2026-03-04T05:06Z":                "2026-03-04T05:06:00Z",
		"2026-03-04":                       "2026-03-04T00:00:00Z",
		"2024-02-29T00:00:00Z":             "2024-02-29T00:00:00Z",
		"2026-02-29T00:00:00Z":             "",
		"2026-13-01":                       "",
		"2026-01-01T24:00:00Z":             "",
		"2026-01-01T00:00:00+99:00":        "",
		"2026-01-01T00:00:00Zx":            "",
		"Wed, 04 Mar 2026 05:06:07":        "",
		"":                                 "",
		"2026-03-04T05:06:07.1234567890Z":  "2026-03-04T05:06:07.123Z",
		"0001-01-01T00:00:00Z":             "0001-01-01T00:00:00Z",
		"2026-03-04T05:06:07.000000+00:00": "2026-03-04T05:06:07Z",
	}
	for in, want := range cases {
		got, ok := parseTime([]byte(in))
		if !ok && want != "" || ok && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v %v, want %q", in, got, ok, want)
		}
	}
	for in, want := range map[string]string{"1700000000": "2023-11-14T22:13:20Z", "1700000000123": "2023-11-14T22:13:20.123Z"} {
		got, ok := stamp([]byte(in), span{0, len(in), kindNumber})
		if !ok || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%s is %v, want %s", in, got, want)
		}
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	received := testNow
	at := func(d time.Duration) time.Time { return received.Add(d) }
	cases := map[string]struct{ said, sent, want time.Time }{
		"nothing said":        {time.Time{}, at(-time.Hour), received},
		"no sending":          {at(-time.Hour), time.Time{}, at(-time.Hour)},
		"clock an hour ahead": {at(time.Hour - 5*time.Second), at(time.Hour), at(-5 * time.Second)},
		"clock a year behind": {at(-8760*time.Hour - time.Minute), at(-8760 * time.Hour), at(-time.Minute)},
		"history":             {at(-100 * time.Hour), at(0), at(-100 * time.Hour)},
		"beyond all years":    {time.Date(1, 1, 1, 1, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), received.Add(-time.Duration(1<<63 - 1))},
	}
	for name, c := range cases {
		if got := occurred(received, c.said, c.sent); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
