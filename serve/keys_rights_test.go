package serve

import (
	"net/http"
	"strings"
	"testing"
)

// TestKeysAreShownOnce: who may make and rotate keys and not list them is told the
// token that they made, which nobody is told again.
func TestKeysAreShownOnce(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().guarded(t))
	for path, permission := range map[string]string{"/api/v1/keys": "key:manage", "/api/v1/server/keys": "server_key:manage"} {
		id, manager := madeKey(t, s.URL+path, `{"name":"manager","permissions":["`+permission+`"]}`)
		if resp, text := call(t, "GET", s.URL+path, "", headers(manager)...); resp.StatusCode != http.StatusForbidden {
			t.Fatalf("%s: it lists keys: %d %s", path, resp.StatusCode, text)
		}
		resp, text := call(t, "POST", s.URL+path, `{"name":"another","permissions":["`+permission+`"]}`, headers(manager)...)
		if made := decode[NewAPIKey](t, text); resp.StatusCode != http.StatusCreated || made.Token == "" || made.Key.Name != "another" {
			t.Errorf("%s: made: %d %s", path, resp.StatusCode, text)
		}
		resp, text = call(t, "POST", s.URL+path+"/"+id+"/rotate", `{"overlap_seconds":0}`, headers(manager)...)
		made := decode[NewAPIKey](t, text)
		if resp.StatusCode != http.StatusOK || made.Key.ID != id || len(made.Key.Tokens) != 1 || !strings.HasPrefix(made.Token, made.Key.Tokens[0].Begins) {
			t.Fatalf("%s: rotated: %d %s", path, resp.StatusCode, text)
		}
		if resp, text := call(t, "POST", s.URL+path+"/"+id+"/rotate", `{"overlap_seconds":60}`, headers("Bearer "+made.Token)...); resp.StatusCode != http.StatusOK || len(decode[NewAPIKey](t, text).Key.Tokens) != 2 {
			t.Errorf("%s: with the new token: %d %s", path, resp.StatusCode, text)
		}
		if resp, _ := call(t, "GET", s.URL+path, "", headers(manager)...); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: the old token works on: %d", path, resp.StatusCode)
		}
	}
}

// TestKeysOfAnEnvironment: who manages one environment sees what they make there.
func TestKeysOfAnEnvironment(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().guarded(t))
	makeKey(t, s.URL, `{"name":"of all","role":"viewer","all_environments":true}`)
	_, admin := makeKey(t, s.URL, `{"name":"admin here","role":"admin"}`)
	if resp, text := call(t, "POST", s.URL+"/api/v1/keys", `{"name":"reports","role":"viewer"}`, headers(admin)...); resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	resp, text := call(t, "GET", s.URL+"/api/v1/keys", "", headers(admin)...)
	if resp.StatusCode != http.StatusOK || !strings.Contains(text, `"reports"`) || strings.Contains(text, `"of all"`) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if resp, text := call(t, "POST", s.URL+"/api/v1/members/invitations", `{"role":"viewer","this_environment":true}`, headers(admin)...); resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	if resp, text := call(t, "GET", s.URL+"/api/v1/members/invitations", "", headers(admin)...); resp.StatusCode != http.StatusOK || strings.Count(text, `"state":"open"`) != 1 {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

// TestRevokingAStolenKey: what was got with it is told, in the trail as well, and can
// be revoked then.
func TestRevokingAStolenKey(t *testing.T) {
	t.Parallel()
	s := start(t, newWorld().guarded(t))
	for path, role := range map[string]string{"/api/v1/keys": "admin", "/api/v1/server/keys": "owner"} {
		stolen, thief := madeKey(t, s.URL+path, `{"name":"stolen","role":"`+role+`"}`)
		resp, text := call(t, "POST", s.URL+path, `{"name":"back door","role":"viewer"}`, headers(thief)...)
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, text)
		}
		door := headers("Bearer " + decode[NewAPIKey](t, text).Token)
		theirs, _ := madeKey(t, s.URL+path, `{"name":"theirs","role":"viewer"}`)
		if resp, text := call(t, "POST", s.URL+path+"/"+theirs+"/rotate", `{"overlap_seconds":3600}`, headers(thief)...); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, text)
		}
		for _, c := range [][2]string{{"", `{"revoked":[],"go_on":["back door","theirs"]}`}, {"?with_its_keys=true", `{"revoked":["back door","theirs"],"go_on":[]}`}, {"", `{"revoked":[],"go_on":[]}`}} {
			if resp, text := call(t, "DELETE", s.URL+path+"/"+stolen+c[0], ""); resp.StatusCode != http.StatusOK || strings.TrimSpace(text) != c[1] {
				t.Errorf("%s%s: %d %s", path, c[0], resp.StatusCode, text)
			}
		}
		if resp, text := call(t, "GET", s.URL+"/api/v1/workspaces", "", door...); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: the back door is open: %d %s", path, resp.StatusCode, text)
		}
		if _, text := call(t, "GET", s.URL+"/api/v1/server/audit?action=key.revoke", ""); !strings.Contains(text, `"keys_that_go_on":["back door","theirs"]`) {
			t.Errorf("%s: the trail says %s", path, text)
		}
	}
}
