package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/access/token"
)

// An endpoint is an operation as the description of the API says it: what these
// tests walk is what is described, so that an operation cannot be left out.
type endpoint struct {
	ID, Method, Path string
	Tag              string
	Query            []string       // names of its parameters there
	Body             map[string]any // the schema of its JSON; nil: it takes none
}

var inBraces = regexp.MustCompile(`\{[a-zA-Z_]+\}`)

// at is the path with text for each of its parameters.
func (e endpoint) at(text string) string {
	return inBraces.ReplaceAllLiteralString(strings.Replace(e.Path, "{workspace}", "default", 1), url.PathEscape(text))
}

// settled is a server with people and workspaces, whose owner is Ada.
func settled(t *testing.T) (url string, ada *browser) {
	t.Helper()
	_, url, ada = inhabited(t, func(o *Options) {
		*o, _ = newWorld().tenants(t)
		o.Mode = Production
	})
	return url, ada
}

func (e endpoint) changes() bool { return e.Method != http.MethodGet && e.Method != http.MethodHead }

// described are all operations, and the schemas that they speak of.
func described(t *testing.T) (all []endpoint, schemas map[string]map[string]any) {
	t.Helper()
	data, err := OpenAPI("")
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]struct {
			OperationID string
			Tags        []string
			Parameters  []struct{ Name, In string }
			RequestBody struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal(data, &api); err != nil {
		t.Fatal(err)
	}
	for path, methods := range api.Paths {
		for method, op := range methods {
			e := endpoint{ID: op.OperationID, Method: strings.ToUpper(method), Path: path, Tag: op.Tags[0], Body: op.RequestBody.Content["application/json"].Schema}
			for _, p := range op.Parameters {
				if p.In == "query" {
					e.Query = append(e.Query, p.Name)
				}
			}
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b endpoint) int { return strings.Compare(a.ID, b.ID) })
	if len(all) < 150 {
		t.Fatalf("%d operations are described", len(all))
	}
	return all, api.Components.Schemas
}

// TestEveryChangeIsOnesOwn walks all operations that change something with the cookie
// of an owner, as the page of another site would, and as one that has no token.
func TestEveryChangeIsOnesOwn(t *testing.T) {
	t.Parallel()
	url, ada := settled(t)
	all, _ := described(t)
	before := ada.want(200, "GET", "/api/v1/audit?limit=500", "")
	cookie := sessionCookie + "=" + ada.cookie
	elsewhere := map[string][]string{
		"of another origin":     {"Origin", "https://evil.example"},
		"of another site":       {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"of a sibling":          {"Sec-Fetch-Site", "same-site"},
		"of an opaque origin":   {"Origin", "null"},
		"of another, all given": {"Origin", "https://evil.example", csrfHeader, ada.csrf},
	}
	here := map[string][]string{
		"without an origin": {csrfHeader, ada.csrf},
		"without the token": {"Sec-Fetch-Site", "same-origin", "Origin", url},
		"with a guess":      {"Sec-Fetch-Site", "same-origin", "Origin", url, csrfHeader, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
	}
	walked := 0
	for _, e := range all {
		if !e.changes() {
			continue
		}
		walked++
		try := func(how string, status []int, headers []string) {
			t.Helper()
			resp, text := call(t, e.Method, url+e.at("x"), "{}", append([]string{"Cookie", cookie}, headers...)...)
			if !slices.Contains(status, resp.StatusCode) {
				t.Errorf("%s %s: %d %s; want %d", e.ID, how, resp.StatusCode, text, status)
			}
		}
		if e.Tag == "intake" { // a session is nothing there: what is asked for is a write key
			for how, headers := range elsewhere {
				if resp, _ := call(t, e.Method, url+e.at("x"), "{}", append([]string{"Cookie", cookie}, headers...)...); len(resp.Header["Set-Cookie"]) > 0 {
					t.Errorf("%s %s sets a cookie", e.ID, how)
				}
			}
			continue
		}
		for how, headers := range elsewhere {
			try(how, []int{http.StatusForbidden}, headers)
		}
		refused := []int{http.StatusForbidden}
		if openPaths[e.Path] == asNobody || e.ID == "start-session" { // the cookie counts for nothing: the body has to say enough
			refused = []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusConflict, http.StatusUnprocessableEntity}
		}
		for how, headers := range here {
			try(how, refused, headers)
		}
	}
	if walked < 85 {
		t.Errorf("%d operations were walked", walked)
	}
	if after := ada.want(200, "GET", "/api/v1/audit?limit=500", ""); after != before {
		t.Errorf("something was done: %s", after)
	}
}

// forbidden are fields that say who something is of, or what they may do.
var forbidden = []string{"id", "workspace", "environment", "role", "roles", "rights", "permissions", "created", "created_at", "maker", "holder", "person", "actor", "owner",
	"suspended", "version", "state", "kind", "used", "expires", "is_admin", "admin", "password_hash", "__proto__", "constructor"}

// free are the places in bodies where any name is taken, because the names are data:
// paths of files, and values that are shown again.
var free = map[string]string{"check-files.texts": "names of files"}

// TestNothingElseIsAssigned walks all operations and gives each fields and parameters
// that it does not have: they are refused before anything is done.
func TestNothingElseIsAssigned(t *testing.T) {
	t.Parallel()
	_, ada := settled(t)
	all, schemas := described(t)
	before := ada.want(200, "GET", "/api/v1/audit?limit=500", "")
	bodies := 0
	for _, e := range all {
		if e.Tag == "intake" || strings.HasPrefix(e.Path, "/healthz") || strings.HasPrefix(e.Path, "/readyz") || e.ID == "metrics" || e.ID == "openapi" {
			continue // what is sent there is data, and those that show how it is look at nothing
		}
		body := "{}"
		if e.Body == nil {
			body = ""
		}
		query, given := url.Values{}, 0
		for _, name := range forbidden {
			if !slices.Contains(e.Query, name) {
				query.Set(name, "owner")
				given++
			}
		}
		resp, text := ada.do(e.Method, e.at("x")+"?"+query.Encode(), body)
		if refused := strings.Count(text, "is no parameter that is known here\",\"location"); resp.StatusCode != http.StatusUnprocessableEntity || refused != given {
			t.Errorf("%s takes some of the parameters %s: %d %s", e.ID, query, resp.StatusCode, text)
		}
		if e.Body == nil {
			continue
		}
		bodies++
		closed(t, schemas, e.ID, e.Body, map[string]bool{})
		properties, _ := resolve(schemas, e.Body)["properties"].(map[string]any)
		fields := map[string]any{}
		for _, name := range forbidden {
			if _, known := properties[name]; !known {
				fields[name] = "owner"
			}
		}
		resp, text = ada.do(e.Method, e.at("x"), jsonOf(fields))
		for _, wrong := range decode[Problem](t, text).Errors {
			if wrong.Message == "is no field that is known here" {
				delete(fields, strings.TrimPrefix(wrong.Location, "body."))
			}
		}
		if resp.StatusCode != http.StatusUnprocessableEntity || len(fields) > 0 {
			t.Errorf("%s takes %v: %d %s", e.ID, fields, resp.StatusCode, text)
		}
	}
	if bodies < 45 {
		t.Errorf("%d bodies were tried", bodies)
	}
	if after := ada.want(200, "GET", "/api/v1/audit?limit=500", ""); after != before {
		t.Errorf("something was done: %s", after)
	}
}

func resolve(schemas map[string]map[string]any, schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		return schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
	}
	return schema
}

// closed fails when an object of a body takes names that are not described.
func closed(t *testing.T, schemas map[string]map[string]any, at string, schema map[string]any, seen map[string]bool) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		if seen[ref] {
			return
		}
		seen[ref] = true
	}
	schema = resolve(schemas, schema)
	if fmt.Sprint(schema["type"]) == "object" && schema["additionalProperties"] != false && free[at] == "" {
		t.Errorf("%s takes any name: a body says which it takes", at)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, of := range properties {
		closed(t, schemas, at+"."+name, of.(map[string]any), seen)
	}
	if items, ok := schema["items"].(map[string]any); ok {
		closed(t, schemas, at+"[]", items, seen)
	}
}

// TestNoTokenInAnyAddress walks all operations with a token as a parameter: it is
// refused, whoever asks, and no answer repeats it.
func TestNoTokenInAnyAddress(t *testing.T) {
	t.Parallel()
	_, ada := settled(t)
	all, _ := described(t)
	for _, e := range all {
		if e.Tag == "intake" { // writeKey is public, and no token
			continue
		}
		for _, kind := range []token.Kind{token.Key, token.Session, token.Invitation} {
			secret := token.New(kind, "").Reveal()
			resp, text := ada.do(e.Method, e.at("x")+"?token="+secret, "")
			if resp.StatusCode != http.StatusBadRequest || strings.Contains(text, secret) {
				t.Errorf("%s with a token in its address: %d %s", e.ID, resp.StatusCode, text)
			}
		}
	}
}
