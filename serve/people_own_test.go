package serve

import (
	"strings"
	"testing"
)

// TestDeleteAccount: who is signed in removes their own account with their password.
func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	_, url, ada := inhabited(t)
	grace := ada.joins("grace", "admin")
	key := decode[NewAPIKey](t, grace.want(201, "POST", "/api/v1/keys", `{"name":"hers","role":"viewer"}`))
	const path = "/api/v1/profile/removal"
	bearer := []string{"Authorization", "Bearer " + key.Token}
	if resp, text := call(t, "POST", url+path, jsonOf(map[string]string{"password": secretOfGrace}), bearer...); resp.StatusCode != 403 {
		t.Errorf("with a key: %d %s", resp.StatusCode, text)
	}
	grace.want(422, "POST", path, "{}")
	grace.want(403, "POST", path, jsonOf(map[string]string{"password": secretOfAda}))
	grace.want(200, "GET", "/api/v1/profile", "")
	ada.want(409, "POST", path, jsonOf(map[string]string{"password": secretOfAda})) // the last owner
	ada.want(200, "GET", "/api/v1/profile", "")
	elsewhere := &browser{t: t, url: url}
	elsewhere.signIn("grace@example.com", secretOfGrace)
	if s := decode[Session](t, grace.want(200, "POST", path, jsonOf(map[string]string{"password": secretOfGrace}))); s.Authenticated || grace.cookie != "" {
		t.Errorf("still there: %+v", s)
	}
	elsewhere.want(401, "GET", "/api/v1/profile", "")
	(&browser{t: t, url: url}).want(401, "POST", sessionPath, jsonOf(map[string]string{"email": "grace@example.com", "password": secretOfGrace}))
	if resp, text := call(t, "GET", url+"/api/v1/status", "", bearer...); resp.StatusCode != 401 {
		t.Errorf("her key: %d %s", resp.StatusCode, text)
	}
	if text := ada.want(200, "GET", "/api/v1/server/audit?action=person.delete", ""); strings.Count(text, `"person.delete"`) != 1 || !strings.Contains(text, `"actor":"grace"`) {
		t.Errorf("audit: %s", text)
	}
}

// TestNamesBesideIDs: an answer that has the id of a person, a key or an environment
// has what it is called, too.
func TestNamesBesideIDs(t *testing.T) {
	t.Parallel()
	_, ada := settled(t)
	ada.want(201, "POST", "/api/v1/keys", `{"name":"ci","role":"viewer"}`)
	ada.want(201, "POST", "/api/v1/members/invitations", `{"role":"viewer","this_environment":true}`)
	for path, want := range map[string][]string{
		"/api/v1/keys":                {`"maker_name":"Ada"`, `"environment_name":"production"`},
		"/api/v1/members/invitations": {`"maker_name":"Ada"`, `"environment_name":"production"`},
		"/api/v1/members":             {`"name":"Ada"`},
	} {
		text := ada.want(200, "GET", path, "")
		for _, name := range want {
			if !strings.Contains(text, name) {
				t.Errorf("%s has no %s: %s", path, name, text)
			}
		}
	}
	ada.want(200, "PATCH", "/api/v1/profile", `{"name":"Ada L."}`)
	if text := ada.want(200, "GET", "/api/v1/keys", ""); !strings.Contains(text, `"maker_name":"Ada L."`) {
		t.Errorf("the name is the one from before: %s", text)
	}
}
