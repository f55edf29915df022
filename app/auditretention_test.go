package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAuditRetention: a year later a server whose project keeps the trail for 30
// days has cut off what was done before, says so in the trail, and goes on
// writing records; one that says nothing keeps all.
func TestAuditRetention(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		setting string
		cut     bool
	}{"30 days": {"audit_retention: 30d\n", true}, "for ever": {"", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock, data := &clock{}, filepath.Join(t.TempDir(), "data")
			dir := project(t, map[string]string{"millrace.yaml": small["millrace.yaml"] + test.setting, "sources/web.yaml": small["sources/web.yaml"]})
			r := start(t, dir, data, clock)
			if status, answer, _ := r.in("", "", "POST", "/api/v1/keys", `{"name":"old one","role":"viewer"}`); status != http.StatusCreated {
				t.Fatalf("a key: %d %s", status, answer)
			}
			r.audited()
			r.stop()
			clock.move(365 * 24 * time.Hour)
			r = start(t, dir, data, clock)
			trail := func(action string) string {
				t.Helper()
				status, answer, _ := r.in("", "", "GET", "/api/v1/server/audit?limit=500&action="+action, "")
				if status != http.StatusOK {
					t.Fatalf("the trail: %d %s", status, answer)
				}
				return answer
			}
			if test.cut {
				eventually(t, 20*time.Second, "the trail tells that it was cut off", func() bool { return strings.Contains(trail("audit.cut"), "audit_retention: 30d") })
			}
			if has := strings.Contains(trail("key.create"), "old one"); has == test.cut {
				t.Errorf("whether the trail has what was done a year ago: %v", has)
			}
			if status, answer, _ := r.in("", "", "POST", "/api/v1/keys", `{"name":"new one","role":"viewer"}`); status != http.StatusCreated {
				t.Fatalf("a key: %d %s", status, answer)
			}
			if got := trail("key.create"); !strings.Contains(got, "new one") {
				t.Errorf("the trail does not have what was done now: %s", got)
			}
			r.audited()
			got := r.audit("", `SELECT string_agg(object, ', ' ORDER BY number) AS made FROM millrace.audit WHERE action = 'key.create'`)
			if !strings.Contains(got, `["old one, new one"]`) {
				t.Errorf("the warehouse has %s: what was cut off the trail stays there", got)
			}
		})
	}
}
