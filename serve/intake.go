package serve

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// The bodies of intake, for its description: the intake itself reads them
// without decoding, and keeps every field that it is sent.
type (
	// An IntakeEvent is what the SDKs of Segment send.
	IntakeEvent struct {
		Type        string         `json:"type,omitempty" enum:"track,identify,page,screen,group,alias" doc:"In a batch; the route says it otherwise."`
		MessageID   string         `json:"messageId,omitempty" doc:"Counts the event once; made, and told, when absent."`
		UserID      string         `json:"userId,omitempty" doc:"Who; this or anonymousId."`
		AnonymousID string         `json:"anonymousId,omitempty"`
		Event       string         `json:"event,omitempty" example:"Order Completed" doc:"Name of a track event."`
		Name        string         `json:"name,omitempty" doc:"Of a page or screen."`
		GroupID     string         `json:"groupId,omitempty" doc:"Of a group call."`
		PreviousID  string         `json:"previousId,omitempty" doc:"Of an alias call."`
		Properties  map[string]any `json:"properties,omitempty" doc:"Of track, page and screen."`
		Traits      map[string]any `json:"traits,omitempty" doc:"Of identify and group."`
		Context     map[string]any `json:"context,omitempty" doc:"Library, page, device … With direct: true, address and user agent are the request's."`
		Timestamp   string         `json:"timestamp,omitempty" format:"date-time" doc:"When it happened by the sender's clock; originalTimestamp is understood too."`
		SentAt      string         `json:"sentAt,omitempty" format:"date-time" doc:"When it was sent by the sender's clock, which is corrected by it."`
		WriteKey    string         `json:"writeKey,omitempty" doc:"Instead of the Authorization header."`
	}

	// An IntakeBatch is many events in one request.
	IntakeBatch struct {
		Batch    []IntakeEvent  `json:"batch" maxItems:"2500"`
		Context  map[string]any `json:"context,omitempty" doc:"For each event that does not say otherwise."`
		SentAt   string         `json:"sentAt,omitempty" format:"date-time"`
		WriteKey string         `json:"writeKey,omitempty"`
	}

	// An IntakeAnswer says that the events are on disk. The header
	// Millrace-Position says where; a query with that as `after` sees them.
	IntakeAnswer struct {
		Success    bool              `json:"success" doc:"Something was taken."`
		MessageIDs []IntakeMade      `json:"messageIds,omitempty" doc:"IDs that were made for events without one."`
		Rejected   []IntakeRejection `json:"rejected,omitempty" doc:"Events of the batch that were not taken; they are kept as rejected records."`
		NotKept    int               `json:"rejectedNotKept,omitempty" doc:"How many of them are not kept, because more came than rejected_rate allows."`
	}

	// An IntakeMade is an ID that was made.
	IntakeMade struct {
		Index     int    `json:"index" doc:"In the batch."`
		MessageID string `json:"messageId"`
	}

	// An IntakeRejection is an event that was not taken.
	IntakeRejection struct {
		Index     int    `json:"index" doc:"In the batch."`
		MessageID string `json:"messageId"`
		Reason    string `json:"reason" doc:"What is wrong, and what to do."`
		Field     string `json:"field,omitempty" doc:"Where."`
	}

	// An IntakeRefusal says that nothing was taken.
	IntakeRefusal struct {
		Success  bool              `json:"success" doc:"false"`
		Kind     string            `json:"kind" example:"unauthorized"`
		Message  string            `json:"message" doc:"What is wrong, and what to do."`
		Rejected []IntakeRejection `json:"rejected,omitempty"`
	}
)

// intakeRoutes are the routes of collect. The API describes them; they are
// answered by Options.Collect.
var intakeRoutes = []struct {
	id, method, path string
	summary          string
	body             any // nil is none, a type otherwise
	answer           string
}{
	{"track", http.MethodPost, "/v1/track", "Something that a user did; short: /v1/t", IntakeEvent{}, jsonMedia},
	{"identify", http.MethodPost, "/v1/identify", "What is known of a user; short: /v1/i", IntakeEvent{}, jsonMedia},
	{"page", http.MethodPost, "/v1/page", "A page that a user saw; short: /v1/p", IntakeEvent{}, jsonMedia},
	{"screen", http.MethodPost, "/v1/screen", "A screen that a user saw; short: /v1/s", IntakeEvent{}, jsonMedia},
	{"group", http.MethodPost, "/v1/group", "A group that a user belongs to; short: /v1/g", IntakeEvent{}, jsonMedia},
	{"alias", http.MethodPost, "/v1/alias", "Another ID of a user; short: /v1/a", IntakeEvent{}, jsonMedia},
	{"batch", http.MethodPost, "/v1/batch", "Many events at once; short: /v1/b", IntakeBatch{}, jsonMedia},
	{"import", http.MethodPost, "/v1/import", "As /v1/batch", IntakeBatch{}, jsonMedia},
	{"stream", http.MethodPost, "/v1/stream/{stream}", "Rows of any JSON: NDJSON or an array", map[string]any{}, jsonMedia},
	{"webhook", http.MethodPost, "/v1/webhook/{source}", "Any JSON body of a vendor, with a key or a signature", map[string]any{}, jsonMedia},
	{"sdk-metrics", http.MethodPost, "/v1/m", "Metrics of SDKs: taken and dropped", map[string]any{}, jsonMedia},
	{"pixel", http.MethodGet, "/v1/pixel/{type}", "An event in a query parameter, answered by a 1×1 image", nil, "image/gif"},
	{"settings", http.MethodGet, "/v1/projects/{writeKey}/settings", "Settings of the browser library", nil, jsonMedia},
	{"library", http.MethodGet, "/analytics.js/v1/{writeKey}/analytics.min.js", "The browser library", nil, "text/javascript"},
	{"library-bundle", http.MethodGet, "/analytics-next/bundles/{file}", "A part of the browser library", nil, "text/javascript"},
}

const jsonMedia = "application/json"

// describeIntake adds collect's routes to the description.
func (s *server) describeIntake() {
	answers := map[string]*huma.Schema{jsonMedia: s.schema(reflect.TypeFor[IntakeAnswer]()), "image/gif": {Type: "string", Format: "binary"}, "text/javascript": {Type: "string"}}
	refusal := s.schema(reflect.TypeFor[IntakeRefusal]())
	for _, route := range intakeRoutes {
		op := &huma.Operation{
			OperationID: route.id, Method: route.method, Path: route.path, Summary: route.summary, Tags: []string{"intake"},
			Description: "The user name of Basic auth is a write key of the source; writeKey in the body and Bearer work too. Bodies may be compressed with gzip.",
			Security:    []map[string][]string{{"key": {}}}, Parameters: pathParameters(route.path),
			Responses: map[string]*huma.Response{"200": {
				Description: "Taken: on disk", Content: map[string]*huma.MediaType{route.answer: {Schema: answers[route.answer]}},
				Headers: map[string]*huma.Param{"Millrace-Position": {Description: "Log position of the last record.", Schema: &huma.Schema{Type: "string", Examples: []any{"1767225600000-7-3"}}}},
			}},
		}
		if route.body != nil {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{jsonMedia: {Schema: s.schema(reflect.TypeOf(route.body))}}}
		}
		for status, why := range map[int]string{400: "Nothing of it can be taken", 401: "The write key is not known", 404: "There is no such source or route",
			413: "Too large", 429: "Too many, or an outage: come back after Retry-After", 503: "Overloaded for a moment"} {
			op.Responses[strconv.Itoa(status)] = &huma.Response{Description: why, Content: map[string]*huma.MediaType{jsonMedia: {Schema: refusal}}}
		}
		s.api.OpenAPI().AddOperation(op)
	}
}

var parameterNames = map[string]string{
	"writeKey": "A write key of the source.",
	"source":   "The webhook source's name.",
	"stream":   "Name of the stream, and of its table.",
	"type":     "track, identify, page, screen, group or alias.",
	"file":     "As the library asks for it.",
}

// pathParameters are the names in braces.
func pathParameters(path string) []*huma.Param {
	var all []*huma.Param
	for i := 0; i < len(path); i++ {
		if path[i] != '{' {
			continue
		}
		end := i
		for path[end] != '}' {
			end++
		}
		all = append(all, &huma.Param{Name: path[i+1 : end], In: "path", Required: true, Description: parameterNames[path[i+1:end]], Schema: &huma.Schema{Type: "string"}})
		i = end
	}
	return all
}
