package app_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/serve"
)

// TestTheClockWasAhead by a year for a while: status and /readyz say that the
// log's time is, and what that means; everything goes on.
func TestTheClockWasAhead(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	r := start(t, project(t, small), filepath.Join(t.TempDir(), "data"), clock)
	r.track("a")
	told := func() (serve.Status, serve.Part) {
		t.Helper()
		resp, err := http.Get(r.URL() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var health serve.Health
		if err := json.NewDecoder(resp.Body).Decode(&health); err != nil || resp.StatusCode != http.StatusOK || !health.Ready {
			t.Fatalf("/readyz: %d %+v, %v", resp.StatusCode, health, err)
		}
		for _, p := range health.Parts {
			if p.Name == "clock" {
				return r.status(t), p
			}
		}
		return r.status(t), serve.Part{}
	}
	if s, p := told(); p.Name != "" || len(s.Problems) > 0 || s.Log.AheadSeconds != 0 {
		t.Errorf("all is well: %+v, %q", p, s.Problems)
	}
	const year = 365 * 24 * time.Hour
	clock.move(year)
	r.track("b")
	if _, p := told(); p.Name != "" {
		t.Errorf("the clock is ahead, and the log with it: %+v", p)
	}
	clock.move(-year)
	last := r.track("c")
	s, p := told()
	if p.Ready || p.Required || !strings.Contains(p.Reason, "the log's time is 365 d ahead of this machine's clock") || !strings.Contains(p.Reason, "set it right") {
		t.Errorf("/readyz says %+v", p)
	}
	if len(s.Problems) != 1 || s.Problems[0] != "clock: "+p.Reason || !s.Ready || s.Log.AheadSeconds < year.Seconds()-60 {
		t.Errorf("status says %q, ready %v, %f s", s.Problems, s.Ready, s.Log.AheadSeconds)
	}
	if got := r.ask("SELECT count(*) FROM web.tracks", last); len(got) != 1 || got[0] != "3" {
		t.Errorf("tracks has %v rows, want 3", got)
	}
	clock.move(year - 3*time.Minute)
	if _, p := told(); p.Name != "" {
		t.Errorf("the clock is there again: %+v", p)
	}
}
