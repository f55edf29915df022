package serve

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/access"
)

// Every operation has an example of what it takes and answers, which is what its
// schema says; every way to authorise is described; intake tells all refusals.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	s := &server{mux: http.NewServeMux()}
	s.routes()
	api := s.api.OpenAPI()
	check := func(id string, content map[string]*huma.MediaType, mode huma.ValidateMode) {
		for media, c := range content {
			if c.Schema != nil && c.Schema.Format == "binary" || media == "text/javascript" {
				continue
			}
			raw, err := json.Marshal(c.Example)
			if err != nil || c.Example == nil {
				t.Errorf("%s: %s has no example (%v)", id, media, err)
				continue
			}
			var value any
			if err := json.Unmarshal(raw, &value); err != nil {
				t.Error(err)
			}
			var result huma.ValidateResult
			huma.Validate(api.Components.Schemas, c.Schema, huma.NewPathBuffer(nil, 0), mode, value, &result)
			for _, err := range result.Errors {
				t.Errorf("%s: the example of %s: %v", id, media, err)
			}
		}
	}
	for path, item := range api.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				check(op.OperationID, op.RequestBody.Content, huma.ModeWriteToServer)
			}
			for status, answer := range op.Responses {
				if status < "300" {
					check(op.OperationID, answer.Content, huma.ModeReadFromServer)
				}
			}
			for _, way := range op.Security {
				for name := range way {
					if api.Components.SecuritySchemes[name] == nil {
						t.Errorf("%s: there is no way to authorise that is called %s", op.OperationID, name)
					}
				}
			}
			want := map[string][]string{"track": {"400", "401", "403", "405", "408", "413", "429", "503"}, "batch-short": {"403", "408"},
				"webhook": {"401", "404", "408"}, "settings": {"404", "405"}, "stream": {"404"}}[op.OperationID]
			for _, status := range want {
				if op.Responses[status] == nil {
					t.Errorf("%s: the answer %s is missing", path, status)
				}
			}
		}
	}
	for _, path := range []string{"/metrics", "/api/openapi.json", "/v1/t", "/v1/i", "/v1/p", "/v1/s", "/v1/g", "/v1/a", "/v1/b"} {
		if api.Paths[path] == nil {
			t.Errorf("%s is not described", path)
		}
	}
}

// TestPermissions writes down what each role may do.
func TestPermissions(t *testing.T) {
	t.Parallel()
	s := &server{mux: http.NewServeMux()}
	s.routes()
	// For the metrics, and what an operation asks for besides when it is called so.
	needed := map[string]bool{string(access.ServerRead): true, string(access.ServerConfigure): true, string(access.SecretUse): true}
	for _, op := range s.operations {
		needed[string(op.needs)], needed[string(op.or)] = true, true
	}
	var page strings.Builder
	page.WriteString("# Permissions\n\nWhat people may do is said by their [roles](../operate.md#people-and-roles). What an [API key](../operate.md#api-keys) may do is a role, or permissions by name. A key of a workspace can have those of a workspace and of an environment, a key of the server those of the server. Each operation of the [HTTP API](http.md) says which one it needs; who lacks it is told its name.\n\n")
	for line := range strings.Lines(access.Markdown()) {
		if name, ok := strings.CutPrefix(line, "| `"); !ok || needed[name[:strings.IndexByte(name, '`')]] {
			page.WriteString(line)
		}
	}
	golden(t, "permissions.md", []byte(page.String()))
}
