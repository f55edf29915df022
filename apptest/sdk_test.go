package apptest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/analytics-go/v3"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// sent is what every SDK sends, under its own prefix; see node/calls.mjs.
const calledAt = "2026-01-02T03:04:05.678Z"

// TestSDKs sends every call type through the published SDKs and compares the
// rows in the warehouse field by field.
func TestSDKs(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	for name, send := range map[string]func(*testing.T, *apptest.Server){
		"segment": func(t *testing.T, s *apptest.Server) { node(t, "segment.mjs", s.URL, "dev_web") },
		"rudder":  func(t *testing.T, s *apptest.Server) { node(t, "rudder.mjs", s.URL, "dev_web") },
		"go":      sendGo,
		"browser": sendBrowser,
	} {
		t.Run(name, func(t *testing.T) {
			send(t, s)
			for _, want := range rows(name) {
				compare(t, s, want)
			}
			if got := s.Value(fmt.Sprintf("SELECT count(*) FROM web.tracks WHERE id LIKE '%s-%%'", name), ""); got != "2" {
				t.Errorf("tracks has %s rows of %s, want 2", got, name)
			}
		})
	}
}

func node(t *testing.T, script string, args ...string) string {
	t.Helper()
	binary := testserver.Node(t, "node")
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{script}, args...)...)
	cmd.Dir, cmd.Env = "node", os.Environ()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, stderr.Bytes())
	}
	return string(out)
}

// sendBrowser loads a page with the standard snippet in Chromium. No other
// service than the server is reached.
func sendBrowser(t *testing.T, s *apptest.Server) {
	t.Helper()
	var seen struct{ URLs, Errors []string }
	if err := json.Unmarshal([]byte(node(t, "browser.mjs", testserver.Chromium(t), s.URL, "dev_web")), &seen); err != nil {
		t.Fatal(err)
	}
	for _, err := range seen.Errors {
		t.Errorf("the page says %s", err)
	}
	for i, url := range seen.URLs {
		if i > 0 && !strings.HasPrefix(url, s.URL+"/") {
			t.Errorf("the page reaches %s", url)
		}
	}
}

func sendGo(t *testing.T, s *apptest.Server) {
	t.Helper()
	failed := make(chan error, 10)
	client, err := analytics.NewWithConfig("dev_web", analytics.Config{Endpoint: s.URL, BatchSize: 3, Callback: callback{failed}})
	if err != nil {
		t.Fatal(err)
	}
	at, _ := time.Parse(time.RFC3339Nano, calledAt)
	type object = map[string]any
	for _, m := range []analytics.Message{
		analytics.Identify{MessageId: "go-1", Timestamp: at, UserId: "go-ada", Traits: object{"email": "ada@example.com", "plan": "pro", "logins": 3, "address": object{"city": "London"}}},
		analytics.Track{MessageId: "go-2", Timestamp: at, UserId: "go-ada", Event: "Order Completed", Properties: object{"total": 19.99, "quantity": 2, "coupon": nil, "gift": true, "items": []object{{"sku": "a"}}, "shipping": object{"method": "post"}}},
		analytics.Page{MessageId: "go-3", Timestamp: at, UserId: "go-ada", Name: "Install", Properties: object{"url": "https://example.com/docs", "category": "Docs"}},
		analytics.Screen{MessageId: "go-4", Timestamp: at, UserId: "go-ada", Name: "Start", Properties: object{"variant": "b", "category": "App"}},
		analytics.Group{MessageId: "go-5", Timestamp: at, UserId: "go-ada", GroupId: "go-acme", Traits: object{"name": "Acme", "seats": 12}},
		analytics.Alias{MessageId: "go-6", Timestamp: at, UserId: "go-ada", PreviousId: "go-anonymous"},
		analytics.Track{MessageId: "go-7", Timestamp: at, AnonymousId: "go-visitor", Event: "注文完了", Properties: object{"total": 3}},
	} {
		if err := client.Enqueue(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

type callback struct{ failed chan error }

func (callback) Success(analytics.Message) {}
func (c callback) Failure(_ analytics.Message, err error) {
	c.failed <- err
}

// A row is what one row of a table has to hold.
type row struct {
	table, id string
	want      map[string]any
}

func rows(p string) []row {
	common := func(n int, more map[string]any) map[string]any {
		more["id"] = fmt.Sprintf("%s-%d", p, n)
		more["user_id"] = p + "-ada"
		more["original_timestamp"] = calledAt
		more["timestamp"] = about(calledAt) // corrected for the sender's clock
		return more
	}
	anonymous := common(7, map[string]any{"event_text": "注文完了", "anonymous_id": p + "-visitor"})
	anonymous["user_id"] = nil
	return []row{
		{"identifies", p + "-1", common(1, map[string]any{"email": "ada@example.com", "plan": "pro", "logins": 3, "address_city": "London"})},
		{"users", p + "-ada", map[string]any{"id": p + "-ada", "email": "ada@example.com", "plan": "pro", "logins": 3, "address_city": "London"}},
		{"tracks", p + "-2", common(2, map[string]any{"event": "order_completed", "event_text": "Order Completed"})},
		{"order_completed", p + "-2", common(2, map[string]any{"event": "order_completed", "event_text": "Order Completed",
			"total": 19.99, "quantity": 2, "gift": true, "items": `[{"sku":"a"}]`, "shipping_method": "post"})},
		{"pages", p + "-3", common(3, map[string]any{"name": "Install", "category": "Docs", "url": "https://example.com/docs"})},
		{"screens", p + "-4", common(4, map[string]any{"name": "Start", "category": "App", "variant": "b"})},
		{"groups", p + "-5", common(5, map[string]any{"group_id": p + "-acme", "name": "Acme", "seats": 12})},
		{"accounts", p + "-acme", map[string]any{"id": p + "-acme", "name": "Acme", "seats": 12}},
		{"aliases", p + "-6", common(6, map[string]any{"previous_id": p + "-anonymous"})},
		{"tracks", p + "-7", anonymous},
	}
}

// compare waits until the row is there: an event table follows within seconds.
func compare(t *testing.T, s *apptest.Server, want row) {
	t.Helper()
	var result *apptest.Result
	apptest.Eventually(t, 15*time.Second, func() error {
		var err error
		result, err = s.TryQuery(fmt.Sprintf("SELECT * FROM web.%s WHERE id = '%s'", want.table, want.id), "")
		if err == nil && len(result.Rows) != 1 {
			err = fmt.Errorf("%s has %d rows with id %s, want 1", want.table, len(result.Rows), want.id)
		}
		return err
	})
	got := map[string]any{}
	for i, column := range result.Columns {
		got[column.Name] = result.Rows[0][i]
	}
	for column, value := range want.want {
		if !same(got[column], value) {
			t.Errorf("%s %s: %s is %v, want %v", want.table, want.id, column, got[column], value)
		}
	}
}

// about is a time that may be a few seconds off.
type about string

func same(got, want any) bool {
	if a, ok := want.(about); ok {
		wanted, err1 := time.Parse(time.RFC3339Nano, string(a))
		at, err2 := time.Parse(time.RFC3339Nano, fmt.Sprint(got))
		return err1 == nil && err2 == nil && at.Sub(wanted).Abs() < 10*time.Second
	}
	if want == nil || got == nil {
		return want == got
	}
	a, b := fmt.Sprint(got), fmt.Sprint(want)
	if a == b {
		return true
	}
	if at, err := time.Parse(time.RFC3339Nano, a); err == nil {
		wanted, err := time.Parse(time.RFC3339Nano, b)
		return err == nil && at.Equal(wanted)
	}
	var x, y any
	if strings.HasPrefix(b, "[") && json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil {
		return fmt.Sprint(x) == fmt.Sprint(y)
	}
	return false
}
