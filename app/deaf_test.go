package app_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// In production a source with keys of development only is told, in the log and
// in status; and an address that cannot be is not called one in use.
func TestDeafSource(t *testing.T) {
	t.Parallel()
	dir := project(t, small)
	var said bytes.Buffer
	o := app.Options{Dir: dir, Data: t.TempDir(), Listen: "127.0.0.1:99999", Mode: serve.Production,
		AdminToken: strings.Repeat("a", 40), Logger: slog.New(slog.NewTextHandler(&said, nil))}
	if _, err := app.Open(t.Context(), o); err == nil || strings.Contains(err.Error(), "stop what uses") {
		t.Errorf("an address that cannot be: %v", err)
	}
	o.Listen = "127.0.0.1:0"
	a, err := app.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	const want = "source web takes nothing"
	if !strings.Contains(said.String(), want) {
		t.Errorf("the log does not say so: %s", said.String())
	}
	s, err := a.Status(t.Context())
	if err != nil || !strings.Contains(strings.Join(s.Notices, "\n"), want) {
		t.Errorf("status says %q, %v", s.Notices, err)
	}
}

// Names of sources are checked against project and warehouse.
func TestSourceNames(t *testing.T) {
	t.Parallel()
	r := start(t, project(t, small), t.TempDir(), &clock{})
	for path, want := range map[string]int{"/api/v1/rejected?source=web": 200, "/api/v1/rejected?source=nosuch": 404, "/api/v1/tail?source=nosuch&limit=1": 404} {
		resp, err := http.Get(r.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}
