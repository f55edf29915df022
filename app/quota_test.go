package app_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestQuotasOfWhatIsKept holds a workspace to its quotas of sources, in all
// environments together, and of members with invitations.
func TestQuotasOfWhatIsKept(t *testing.T) {
	t.Parallel()
	r := mustProduce(t, project(t, shop), filepath.Join(t.TempDir(), "data"), io.Discard)
	ask := func(method, path, body string, want int, says string) {
		t.Helper()
		status, text := r.admin(method, path, []byte(body), "application/json")
		if status != want || !strings.Contains(text, says) {
			t.Errorf("%s %s: %d %s, want %d with %s", method, path, status, text, want, says)
		}
	}
	ask("POST", "/api/v1/workspaces", `{"name":"acme"}`, 201, "")
	ask("POST", "/api/v1/workspaces/acme/environments", `{"name":"staging"}`, 201, "")
	ask("PUT", "/api/v1/workspaces/acme/quotas", `{"sources":2,"members":1}`, 200, "")
	eventually(t, 30*time.Second, "both environments are served", func() bool {
		one, _ := r.admin("GET", "/api/v1/w/acme/releases/running", nil, "")
		two, _ := r.admin("GET", "/api/v1/w/acme@staging/releases/running", nil, "")
		return one == 200 && two == 200
	})
	deploy := func(address, base, prefix string, sources string, want int, says string) {
		t.Helper()
		files := map[string]string{"millrace.yaml": "name: acme\n"}
		for _, s := range strings.Fields(sources) {
			files["sources/"+s+".yaml"] = "kind: http\nwrite_keys: [" + prefix + "_" + s + "]\n"
		}
		status, text := r.admin("POST", "/api/v1/w/"+address+"/releases?base="+base+"&message=test", packed(t, files), "application/gzip")
		if status != want || !strings.Contains(text, says) {
			t.Errorf("deploy %s to %s: %d %s, want %d with %s", sources, address, status, text, want, says)
		}
	}
	deploy("acme", "0", "prod", "a b c", 413, "may have 2 sources, and would have 3: remove some")
	deploy("acme", "0", "prod", "a", 200, `"version":1`)
	deploy("acme@staging", "0", "stage", "a b", 413, "may have 2 sources, and would have 3")
	deploy("acme@staging", "0", "stage", "a", 200, `"version":2`)
	ask("PUT", "/api/v1/workspaces/acme/quotas", `{"sources":1,"members":1}`, 200, "")
	deploy("acme", "1", "prod", "other", 200, `"version":3`) // no more than before
	ask("POST", "/api/v1/w/acme/members/invitations", `{"email":"a@example.com","role":"viewer"}`, 201, "")
	ask("POST", "/api/v1/w/acme/members/invitations", `{"email":"A@example.com","role":"editor"}`, 201, "") // the same person
	ask("POST", "/api/v1/w/acme/members/invitations", `{"email":"b@example.com","role":"viewer"}`, 413, "may have 1 members, and would have 2")
}
