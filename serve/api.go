package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
)

const (
	requestTimeout = 30 * time.Second // of operations that do not stream
	maxBodyBytes   = 1 << 20
	statusLeft     = 499 // what logs and metrics say of a request whose sender has left
)

// An operation is what the API description says of a route.
type operation struct {
	id, method, path, tag string
	summary, description  string
	open                  bool              // anyone may ask
	needs                 access.Permission // of who asks, in the space; required unless open
	or                    access.Permission // of the server, that gets in as well; what is asked in a space looks itself at what it is for
	operators             bool              // who may start a job of the server gets in as well: the operation looks at the job
	everybody             bool              // whoever asks at all: the answer has what is theirs
	person                bool              // for who is signed in, about themselves
	apart                 bool              // nothing is asked of what the space holds: it need not be opened
	always                bool              // with apart: also of a space that is suspended or was deleted
	errors                []int             // besides 401, 403, 422 and 500
	status                int               // default 200
	maxBodyBytes          int64
	readTimeout           time.Duration // for the body to come in; default Options.BodyReadTimeout
	timeout               time.Duration // default requestTimeout; negative: the operation's own
	also                  map[int]any   // other answers, by status, with their type
	responses             map[string]*huma.Response
}

type bodyOf[T any] struct{ Body T }

// newAPI makes the description that operations are added to.
func (s *server) newAPI(mux humago.Mux, version string) huma.API {
	useLibrary()
	config := huma.DefaultConfig("Millrace", version)
	config.CreateHooks = nil // no $schema in answers
	config.Transformers = []huma.Transformer{s.hide}
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.RejectUnknownQueryParameters = true
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", resultNames)
	config.Info.Description = "Collect events, query them in SQL, and run the server. Errors are problems (RFC 9457) with a kind for programs and a detail for people."
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.Tags = []*huma.Tag{
		{Name: "health", Description: "For load balancers and process managers; open to all."},
		{Name: "intake", Description: "Events in: the protocol of Segment's SDKs, streams, webhooks."},
		{Name: "status", Description: "How the server is."},
		{Name: "sources", Description: "Where records come in."},
		{Name: "query", Description: "SQL on the warehouse."},
		{Name: "tables", Description: "What the warehouse has, and what is in it."},
		{Name: "records", Description: "Records as they arrive, and those that were rejected."},
		{Name: "readers", Description: "The parts that follow the log."},
		{Name: "files", Description: "The project's files."},
		{Name: "releases", Description: "Versions of the project, and which of them runs."},
		{Name: "jobs", Description: "Long work."},
		{Name: "keys", Description: "What programs ask with."},
		{Name: "audit", Description: "Who did what."},
		{Name: "secrets", Description: "What nobody may see, and who may use it."},
		{Name: "workspaces", Description: "Tenants, their environments, and what they use."},
		{Name: "backups", Description: "Copies of everything, in another place."},
		{Name: "transfer", Description: "Everything in open formats, out and in."},
		{Name: "session", Description: "Signing in, for the web page."},
		{Name: "profile", Description: "What people say of themselves, and their sessions."},
		{Name: "members", Description: "Who may do what in a workspace, and on the server."},
		{Name: "people", Description: "All accounts of the server."},
	}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session":     {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "What signing in gave to a browser; over https its name begins with __Host-. Changes need the header Millrace-CSRF besides."},
		"admin":       {Type: "http", Scheme: "bearer", Description: "An API key, or the admin token of a server that has one. `millrace dev` asks for none on loopback."},
		"key":         {Type: "http", Scheme: "basic", Description: "A write key of the source as the user name, no password."},
		"keyAsBearer": {Type: "http", Scheme: "bearer", Description: "A write key of the source as the token."},
		"keyInQuery":  {Type: "apiKey", In: "query", Name: "writeKey", Description: "A write key of the source, for beacons and pixels, which cannot set headers."},
		"signature": {Type: "apiKey", In: "header", Name: "X-Hub-Signature-256",
			Description: "An HMAC of the body. The header is the one that signature.header in the webhook's file names."},
	}
	return humago.New(mux, config)
}

// need says who may ask.
func (op *operation) need() string {
	switch {
	case op.everybody:
		return " Needs no permission."
	case op.person:
		return " For people who are signed in."
	case op.operators:
		return fmt.Sprintf(" Needs the permission %s; for a job of the server, the one that starting it needs.", op.needs)
	case op.or != "":
		return fmt.Sprintf(" Needs the permission %s, or on the server %s.", op.needs, op.or)
	}
	return fmt.Sprintf(" Needs the permission %s.", op.needs)
}

// register adds an operation: its deadline, its errors as problems, and its
// place in the description.
func register[I, O any](s *server, op operation, handle func(context.Context, *I) (*O, error)) {
	h := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Tags: []string{op.tag},
		Summary: op.summary, Description: op.description, DefaultStatus: op.status,
		MaxBodyBytes: op.maxBodyBytes, BodyReadTimeout: s.o.BodyReadTimeout, Responses: op.responses,
		Metadata: map[string]any{inputKey: reflect.TypeFor[I]()},
	}
	if op.readTimeout > 0 {
		h.BodyReadTimeout = op.readTimeout
	}
	if h.MaxBodyBytes == 0 {
		h.MaxBodyBytes = maxBodyBytes
	}
	h.Errors = append([]int{http.StatusServiceUnavailable}, op.errors...)
	if !op.open {
		h.Errors = append(h.Errors, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
		h.Security = []map[string][]string{{"admin": {}}, {"session": {}}}
	}
	s.operations = append(s.operations, op)
	slices.Sort(h.Errors)
	h.Errors = slices.DeleteFunc(slices.Compact(h.Errors), func(status int) bool { return op.also[status] != nil })
	for status, body := range op.also {
		if h.Responses == nil {
			h.Responses = map[string]*huma.Response{}
		}
		h.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{
			"application/json": {Schema: s.schema(reflect.TypeOf(body))}}}
	}
	if !op.open {
		h.Middlewares = huma.Middlewares{s.allowed(op)}
		h.Description = strings.TrimSpace(h.Description + op.need())
	}
	timeout := op.timeout
	if timeout == 0 {
		timeout = requestTimeout
	}
	huma.Register(s.api, h, func(ctx context.Context, in *I) (*O, error) {
		control := controlOf(ctx)
		// The body is here. Its deadline would end the request if it took longer.
		_ = control.SetReadDeadline(time.Time{})
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		out, err := handle(ctx, in)
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // however long that took
		if err != nil {
			p := problemOf(ctx, err)
			switch {
			case requestOf(ctx).Context().Err() != nil: // who asked has left: no failure, whatever it was
				s.o.Logger.Debug("request left", "request", p.RequestID, "operation", op.id, "error", err)
				left := *p
				left.Status = statusLeft
				return nil, &left
			case millrace.KindOf(err) == millrace.Canceled: // by the deadline that was asked for
				s.o.Logger.Info("request canceled", "request", p.RequestID, "operation", op.id, "status", p.Status, "error", err)
			case p.Status >= 500:
				s.o.Logger.Warn("request failed", "request", p.RequestID, "operation", op.id, "status", p.Status, "error", err)
			}
			return nil, p
		}
		return out, nil
	})
}

func (s *server) schema(t reflect.Type) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(t, true, "")
}

// OpenAPI returns the description of the API as indented JSON, the same at
// every call. It is what /api/openapi.json answers.
func OpenAPI(version string) ([]byte, error) {
	s := &server{mux: http.NewServeMux(), o: Options{Version: version}}
	s.routes()
	return s.openAPI()
}

func (s *server) openAPI() ([]byte, error) {
	data, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	return append(data, '\n'), err
}
