package app_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/testserver"
)

// TestProfiles: profiles are given on an address of their own that only the
// machine reaches, and nowhere else.
func TestProfiles(t *testing.T) {
	t.Parallel()
	o := app.Options{Dir: project(t, small), Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev}
	for _, at := range []string{":6060", "0.0.0.0:6060", "[::]:6060", "192.0.2.1:6060", "localhost:6060", "example.com:6060", "6060", "/tmp/x"} {
		o.Profile = at
		a, err := app.Open(t.Context(), o)
		if err == nil {
			t.Errorf("profiles at %s are allowed (%v)", at, a.Close())
		} else if millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "set an address of this machine only") {
			t.Errorf("%s: %v", at, err)
		}
	}
	o.Profile = testserver.FreeAddress(t)
	r := startWith(t, o)
	for _, c := range []struct {
		url   string
		given bool
	}{{"http://" + o.Profile + "/debug/pprof/goroutine?debug=1", true}, {"http://" + o.Profile + "/debug/vars", false}, {r.URL() + "/debug/pprof/goroutine?debug=1", false}} {
		var status int
		var text []byte
		eventually(t, 30*time.Second, c.url+" is answered", func() bool {
			resp, err := http.Get(c.url)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			status = resp.StatusCode
			text, err = io.ReadAll(resp.Body)
			return err == nil
		})
		if given := status == http.StatusOK && strings.Contains(string(text), "goroutine profile:"); given != c.given {
			t.Errorf("%s: %d %.200s", c.url, status, text)
		}
	}
}
