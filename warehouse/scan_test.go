package warehouse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/eventlog"
)

var scanSeeds = []string{
	`{}`, `{"a":1}`, ` { "a" : [ 1 , 2 ] , "b" : { "c" : "d" } } `, `{"a":"\u0000\ud800\udc00\ud800x"}`, `{"a":1e400,"b":-0,"c":1.5E+3}`,
	`{"a":}`, `{"a":01}`, `{"a":1.}`, `{"a":tru}`, `{"a":"x`, `{"a":"\x"}`, `{"a":1}}`, `[]`, ``, `{"a":1,}`, `{"\u0061":1,"a":2}`,
	"{\"a\":\"\xff\"}", "{\"a\":\"\x01\"}", `{"":{"":{"":1}}}`,
}

// FuzzScan compares the scanner with encoding/json: it takes what that takes
// (and invalid UTF-8), and finds the same values.
func FuzzScan(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root := &node{role: roleProperty}
		s := &scanner{}
		s.begin()
		ok := s.scan(data, root, root.add("loose", roleProperty))
		if want := json.Valid(data); ok != want {
			if strings.Contains(s.problem, "deeply") || strings.Contains(s.problem, "often") {
				return
			}
			t.Fatalf("scan says %v (%s), encoding/json says %v: %q", ok, s.problem, want, data)
		}
		if !ok {
			return
		}
		for _, v := range s.values {
			if v.kind == kindNone {
				continue
			}
			if !json.Valid(v.raw) {
				t.Fatalf("%q is no value of %q", v.raw, data)
			}
			cleaned := appendCleanJSON(nil, v.raw)
			if !json.Valid(cleaned) || !utf8.Valid(cleaned) {
				t.Fatalf("%q cleaned is %q", v.raw, cleaned)
			}
			if v.flags&flagDirty == 0 && !bytes.Equal(cleaned, v.raw) {
				t.Fatalf("%q is not dirty, but cleaned is %q", v.raw, cleaned)
			}
			if v.kind != kindString {
				continue
			}
			got := string(appendText(nil, v.raw[1:len(v.raw)-1]))
			var want string
			if err := json.Unmarshal(v.raw, &want); err != nil {
				t.Fatal(err)
			}
			if want = strings.ReplaceAll(want, "\x00", replacement); got != want {
				t.Fatalf("%q is %q, want %q", v.raw, got, want)
			}
		}
	})
}

// FuzzShape gives hostile bodies to a shaper: it keeps the row whatever it gets.
func FuzzShape(f *testing.F) {
	for _, seed := range scanSeeds {
		f.Add([]byte(seed), []byte(`{"context":{"ip":"x"}}`), "track:x")
	}
	f.Add([]byte(`{"userId":"u","traits":{"a":1,"A":null,"a_":"2"}}`), []byte(nil), "identify")
	f.Add([]byte(`{"id":[1],"context":5}`), []byte(`{"event":"x"}`), "stream:")
	f.Add([]byte(`{"properties":5,"context":[],"event":{}}`), []byte(`{"event":"x"}`), "track:\xff\x00")
	f.Fuzz(func(t *testing.T, body, meta []byte, stream string) {
		e := newEngine()
		entry := record(1, stream, string(body))
		entry.Meta = meta
		e.apply(t, Settings{}, entry)
		if len(e.tables) == 0 {
			t.Fatal("no row")
		}
		for name, table := range e.tables {
			if len(name.Table) > MaxNameBytes || name.Table == "" {
				t.Fatalf("table %q", name.Table)
			}
			for _, c := range table.columns {
				if len(c.Name) > MaxNameBytes || c.Name == "" {
					t.Fatalf("column %q", c.Name)
				}
			}
			for _, row := range table.rows {
				for column, v := range row {
					if s, ok := v.(string); ok && (strings.Contains(s, "\x00") || !utf8.ValidString(s)) {
						t.Fatalf("%v.%s is %q", name, column, s)
					}
				}
			}
		}
	})
}

func TestParseTimeAgainstTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(minMicros+86_400_000_000, maxMicros-86_400_000_000).Draw(t, "t"))
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone"))
		written := at.In(zone).Format(time.RFC3339Nano)
		got, exact, ok := parseTime([]byte(written), false)
		if !ok || !exact || got != at.UnixMicro() {
			t.Fatalf("%s is %d, got %d (%v, %v)", written, at.UnixMicro(), got, exact, ok)
		}
	})
}

func TestParseDoubleAgainstStrconv(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return
		}
		for _, written := range []string{strconv.FormatFloat(f, 'g', -1, 64), strconv.FormatFloat(f, 'e', 16, 64), strconv.FormatFloat(f, 'f', -1, 64)} {
			if got, ok := parseDouble([]byte(written)); !ok || got != f {
				t.Fatalf("%s: got %v, %v", written, got, ok)
			}
		}
		n := rapid.Int64().Draw(t, "n")
		// What is taken is the shortest form of the double, or the one with 17 digits.
		written := func(f float64, precision int) string {
			whole, _, err := new(big.Float).SetPrec(200).Parse(strconv.FormatFloat(f, 'e', precision, 64), 10)
			if err != nil {
				t.Fatal(err)
			}
			return whole.Text('f', 0)
		}
		number := strconv.FormatInt(n, 10)
		if got, ok := parseDouble([]byte(number)); ok && number != written(got, -1) && number != written(got, 16) {
			t.Fatalf("%d became %v", n, got)
		}
		if got, ok := parseInt(strconv.AppendInt(nil, n, 10)); !ok || got != n {
			t.Fatalf("%d became %v", n, got)
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]string{
		"Order Completed": "order_completed", "order_completed": "order_completed", "iOS App": "i_os_app", "": "event_" + hash8(""),
		"注文完了": "event_" + hash8("注文完了"), "tracks": "tracks_event", "Users": "users_event", "rejected": "rejected",
		strings.Repeat("x", 64): strings.Repeat("x", 54) + "_" + hash8(strings.Repeat("x", 64)), `"; DROP TABLE x; --`: "drop_table_x",
	} {
		if got := EventTable("web", event); got != want {
			t.Errorf("%q: got %s, want %s", event, got, want)
		}
	}
	if got := EventTable(SystemSchema, "rejected"); got != "rejected_event" {
		t.Error(got)
	}
	for path, want := range map[string]string{
		"a": "a", "a.bC.D": "a_b_c_d", "context.app.version": "context_app_version", "金額": "property_" + hash8("金額"),
		"a.額": "a_property_" + hash8("額"), "userID": "user_id", "FOO.bar": "foo_bar",
		"ctid": "ctid_property", "a.ctid": "a_ctid", "tableOID": "table_oid", "tableoid": "tableoid_property", "RowId": "row_id", "ROWID": "rowid_property", "oid": "oid",
	} {
		if got, _ := columnName(strings.Split(path, ".")); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

// benchEntries are events of about 800 bytes, of n names, as SDKs send them.
func benchEntries(n, names int) []eventlog.Entry {
	entries := make([]eventlog.Entry, n)
	for i := range entries {
		body := fmt.Sprintf(`{"type":"track","event":"Event %d","messageId":"ajs-next-%032d","userId":"user-%d","anonymousId":"0f8f6c1e-7b0e-4b7f-9c5e-%012d","timestamp":"2026-03-01T12:00:00.123Z","properties":{"order_id":"o-%d","total":%d.25,"currency":"EUR","quantity":%d,"coupon":"SPRING","gift":false,"sku":"G-%d","created":"2026-03-01T11:59:59.000Z","products":[{"id":"p1","price":9.5,"n":1}]},"context":{"library":{"name":"analytics.js","version":"npm:next-1.70.0"},"page":{"path":"/checkout","referrer":"https://shop.example.com/cart","search":"","title":"Checkout – Shop","url":"https://shop.example.com/checkout"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36","locale":"en-GB","timezone":"Europe/London"},"integrations":{}}`,
			i%names, i, i%997, i, i, i%500, i%7, i%31)
		entries[i] = record(i+1, fmt.Sprintf("track:Event %d", i%names), body)
		entries[i].Meta = []byte(`{"sentAt":"2026-03-01T12:00:01.000Z","receivedAt":"2026-03-01T12:00:01.100Z","context":{"ip":"203.0.113.7"}}`)
	}
	return entries
}

func BenchmarkShape(b *testing.B) {
	for _, names := range []int{5, 50} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			const n = 5000
			entries := benchEntries(n, names)
			s, err := NewShaper(ShaperOptions{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			round := uint64(0)
			for b.Loop() {
				round++
				for i := range entries {
					entries[i].Position.Epoch = round
				}
				s.Add(batch(entries...))
				s.Done(s.Take(true))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/event")
			b.ReportMetric(float64(len(entries[0].Body)), "bytes/event")
		})
	}
}
