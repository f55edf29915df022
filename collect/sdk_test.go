package collect

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/analytics-go/v3"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

// readAll returns everything that is in the log.
func readAll(t *testing.T, log eventlog.Log) []millrace.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := log.Open(ctx, millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var rs []millrace.Record
	for {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Records {
			rs = append(rs, e.Record)
		}
		if b.AtEnd {
			return rs
		}
	}
}

// TestAnalyticsGo sends every type of call with the published Go SDK.
func TestAnalyticsGo(t *testing.T) {
	t.Parallel()
	log := mem.New(mem.Options{})
	defer log.Close()
	h, _ := start(t, func(o *Options, _ *HTTPSource) { o.Log, o.Now = log, nil })
	s := httptest.NewServer(h)
	defer s.Close()
	client, err := analytics.NewWithConfig("web_2026", analytics.Config{Endpoint: s.URL, BatchSize: 4})
	if err != nil {
		t.Fatal(err)
	}
	said := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	for _, m := range []analytics.Message{
		analytics.Track{UserId: "u1", Event: "Order Completed", Properties: analytics.NewProperties().SetRevenue(12.5), Timestamp: said},
		analytics.Identify{UserId: "u1", Traits: analytics.NewTraits().SetEmail("a@example.com")},
		analytics.Page{AnonymousId: "a1", Name: "Home"},
		analytics.Screen{AnonymousId: "a1", Name: "Main"},
		analytics.Group{UserId: "u1", GroupId: "g1"},
		analytics.Alias{PreviousId: "a1", UserId: "u1"},
	} {
		if err := client.Enqueue(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{
		"track:Order Completed": "u1", "identify": "u1", "page": "a1", "screen": "a1", "group": "u1", "alias": "u1",
	}
	rs := readAll(t, log)
	if len(rs) != len(keys) {
		t.Fatalf("%d records: %v", len(rs), rs)
	}
	for _, r := range rs {
		if keys[r.Stream] != r.Key || len(r.ID) != 36 {
			t.Errorf("stream %q key %q ID %q", r.Stream, r.Key, r.ID)
		}
		var meta struct {
			SentAt  time.Time
			Context struct{ Library struct{ Name string } }
		}
		if err := json.Unmarshal(r.Meta, &meta); err != nil || meta.SentAt.IsZero() || meta.Context.Library.Name != "analytics-go" {
			t.Errorf("%s: meta %s", r.Stream, r.Meta)
		}
		if d := r.Occurred.Sub(said); strings.HasPrefix(r.Stream, millrace.StreamTrack) && (d < -5*time.Second || d > 5*time.Second) {
			t.Errorf("occurred %v, said %v", r.Occurred, said)
		}
	}
}

// TestPayloads sends what other SDKs put on the wire.
func TestPayloads(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		path, body string
		header     []string
		records    []string // stream, key and ID
	}{
		"analytics-node": {"/v1/batch", `{"batch":[{"userId":"u1","event":"A","properties":{"a":1},"options":{},"integrations":{},"type":"track","context":{"library":{"name":"@segment/analytics-node","version":"2.2.1"}},"timestamp":"2026-03-04T05:06:07.000Z","messageId":"node-next-1-a","_metadata":{"nodeVersion":"20.0.0","jsRuntime":"node"}},{"anonymousId":"a1","type":"identify","traits":{},"timestamp":"2026-03-04T05:06:07.000Z","messageId":"node-next-1-b"}],"writeKey":"web_2026","sentAt":"2026-03-04T05:06:07.500Z"}`,
			[]string{"Content-Type", "application/json"}, []string{"track:A u1 node-next-1-a", "identify a1 node-next-1-b"}},
		"analytics-next": {"/v1/t", `{"timestamp":"2026-03-04T05:06:07.000Z","integrations":{},"event":"A","type":"track","properties":{},"context":{"page":{"path":"/"},"userAgent":"x","locale":"en"},"messageId":"ajs-next-1-a","userId":null,"anonymousId":"a1","sentAt":"2026-03-04T05:06:07.010Z","writeKey":"web_2026","_metadata":{"bundled":["Segment.io"],"unbundled":[],"bundledIds":[]}}`,
			[]string{"Content-Type", "text/plain", "Authorization", ""}, []string{"track:A a1 ajs-next-1-a"}},
		"analytics-next batch": {"/v1/b", `{"writeKey":"web_2026","batch":[{"type":"page","properties":{},"messageId":"ajs-next-1-b","anonymousId":"a1","writeKey":"web_2026"}],"sentAt":"2026-03-04T05:06:07.010Z"}`,
			[]string{"Content-Type", "text/plain;charset=UTF-8", "Authorization", ""}, []string{"page a1 ajs-next-1-b"}},
		"rudder-sdk-node": {"/v1/batch", packed([]byte(`{"batch":[{"userId":"u1","event":"A","type":"track","context":{"library":{"name":"analytics-node","version":"2.1.0"}},"_metadata":{"nodeVersion":"20.0.0"},"channel":"server","timestamp":"2026-03-04T05:06:07.000Z","originalTimestamp":"2026-03-04T05:06:07.000Z","messageId":"r1"},{"type":"group","groupId":"g","userId":"u1","messageId":"r2","channel":"server"}],"sentAt":"2026-03-04T05:06:07.500Z"}`)),
			[]string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, []string{"track:A u1 r1", "group u1 r2"}},
		"gzip as form": {"/v1/batch", packed([]byte(`{"batch":[{"type":"screen","anonymousId":"a1","messageId":"s1","name":"Main"}],"writeKey":"web_2026"}`)),
			[]string{"Content-Type", "application/x-www-form-urlencoded", "Authorization", ""}, []string{"screen a1 s1"}},
		"beacon": {"/v1/p?writeKey=web_2026", `{"anonymousId":"a1","messageId":"b1"}`,
			[]string{"Content-Type", "text/plain;charset=UTF-8", "Authorization", ""}, []string{"page a1 b1"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, k := start(t)
			if got := want(t, post(h, c.path, c.body, c.header...), 200); len(got) != 1 {
				t.Errorf("answer %v", got)
			}
			var seen []string
			for _, r := range k.take() {
				seen = append(seen, r.Stream+" "+r.Key+" "+r.ID)
			}
			if strings.Join(seen, ", ") != strings.Join(c.records, ", ") {
				t.Errorf("records %q", seen)
			}
		})
	}
}
