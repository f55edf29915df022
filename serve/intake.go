package serve

import (
	"maps"
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
		Records    int64             `json:"records,omitempty" doc:"With rejected: how many records were stored, those of rejected events among them, the last at Millrace-Position."`
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

// An intakeRoute is a route of collect. The API describes it; it is answered by
// Options.Collect.
type intakeRoute struct {
	id, method, path string
	summary          string
	kind             *intakeKind
	body             any // nil is none, a type otherwise
}

// An intakeKind is what routes have in common: who may ask, what is answered.
type intakeKind struct {
	description string
	security    []map[string][]string
	media       string // of the answer
	means       string // what 200 says
	refusals    map[int]string
}

// Who may ask: one of these. An empty one is what the body says, or nothing.
var (
	byBasic     = map[string][]string{"key": {}}
	byBearer    = map[string][]string{"keyAsBearer": {}}
	byQuery     = map[string][]string{"keyInQuery": {}}
	bySignature = map[string][]string{"signature": {}}
	byNothing   = map[string][]string{}
)

// takes are the refusals of what stores records, with those that only some have.
func takes(more map[int]string) map[int]string {
	all := map[int]string{400: "Nothing of it can be taken", 401: "There is no write key, or one that is not known here", 405: "The method is not POST",
		408: "The body did not arrive in time: send it again", 413: "Too large: over batch_size, batch_events or event_size",
		429: "Over the key's rate, or an outage: come back after Retry-After", 500: "The log refused the records: its log says why",
		503: "Overloaded for a moment: come back after Retry-After"}
	maps.Copy(all, more)
	return all
}

var (
	kindEvents = &intakeKind{media: jsonMedia, means: "Taken: on disk", security: []map[string][]string{byBasic, byBearer, byQuery, byNothing},
		description: "A write key of the source is the user name of Basic auth, a Bearer token, or writeKey in the query or in the body. Bodies may be compressed with gzip.",
		refusals:    takes(map[int]string{403: "The page's origin is not in cors_origins of the source"})}
	kindStream = &intakeKind{media: jsonMedia, means: "Taken: on disk", security: []map[string][]string{byBasic, byBearer, byQuery},
		description: "A write key of the source is the user name of Basic auth, a Bearer token, or writeKey in the query. Bodies may be compressed with gzip.",
		refusals:    takes(map[int]string{403: "The page's origin is not in cors_origins of the source", 404: "This is no name of a stream"})}
	kindWebhook = &intakeKind{media: jsonMedia, means: "Taken: on disk", security: []map[string][]string{bySignature, byBasic, byBearer, byQuery},
		description: "The source's file says whether deliveries carry one of its write keys, as the user name of Basic auth, a Bearer token or writeKey in the query, or a signature in a header.",
		refusals:    takes(map[int]string{401: "The write key or the signature is missing, or not the source's", 404: "There is no webhook of this name"})}
	kindMetrics = &intakeKind{media: jsonMedia, means: "Dropped", description: "Open to all.",
		refusals: map[int]string{405: "The method is not POST"}}
	kindPixel = &intakeKind{media: "image/gif", means: "A dot, whatever became of the event", security: []map[string][]string{byQuery, byNothing},
		description: "data is the event as JSON, or that in base64. The write key is writeKey in the query or in the event."}
	kindSettings = &intakeKind{media: jsonMedia, means: "The settings", description: "Open to all; the write key is in the path.",
		refusals: map[int]string{400: "The Host of the request is no host name", 404: "The write key is not known here", 405: "The method is not GET"}}
	kindLibrary = &intakeKind{media: "text/javascript", means: "The script", description: "Open to all.",
		refusals: map[int]string{400: "The Host of the request is no host name", 404: "The write key is not known here, or the library is not in this build", 405: "The method is not GET"}}
	kindBundle = &intakeKind{media: "text/javascript", means: "The script", description: "Open to all.",
		refusals: map[int]string{404: "The library has no such part", 405: "The method is not GET"}}
)

var intakeRoutes = []intakeRoute{
	{"track", http.MethodPost, "/v1/track", "Something that a user did", kindEvents, IntakeEvent{}},
	{"identify", http.MethodPost, "/v1/identify", "What is known of a user", kindEvents, IntakeEvent{}},
	{"page", http.MethodPost, "/v1/page", "A page that a user saw", kindEvents, IntakeEvent{}},
	{"screen", http.MethodPost, "/v1/screen", "A screen that a user saw", kindEvents, IntakeEvent{}},
	{"group", http.MethodPost, "/v1/group", "A group that a user belongs to", kindEvents, IntakeEvent{}},
	{"alias", http.MethodPost, "/v1/alias", "Another ID of a user", kindEvents, IntakeEvent{}},
	{"batch", http.MethodPost, "/v1/batch", "Many events at once", kindEvents, IntakeBatch{}},
	{"import", http.MethodPost, "/v1/import", "As /v1/batch", kindEvents, IntakeBatch{}},
	{"track-short", http.MethodPost, "/v1/t", "As /v1/track", kindEvents, IntakeEvent{}},
	{"identify-short", http.MethodPost, "/v1/i", "As /v1/identify", kindEvents, IntakeEvent{}},
	{"page-short", http.MethodPost, "/v1/p", "As /v1/page", kindEvents, IntakeEvent{}},
	{"screen-short", http.MethodPost, "/v1/s", "As /v1/screen", kindEvents, IntakeEvent{}},
	{"group-short", http.MethodPost, "/v1/g", "As /v1/group", kindEvents, IntakeEvent{}},
	{"alias-short", http.MethodPost, "/v1/a", "As /v1/alias", kindEvents, IntakeEvent{}},
	{"batch-short", http.MethodPost, "/v1/b", "As /v1/batch", kindEvents, IntakeBatch{}},
	{"stream", http.MethodPost, "/v1/stream/{stream}", "Rows of any JSON: NDJSON or an array", kindStream, []any{}},
	{"webhook", http.MethodPost, "/v1/webhook/{source}", "Any JSON body of a vendor, with a key or a signature", kindWebhook, map[string]any{}},
	{"sdk-metrics", http.MethodPost, "/v1/m", "Metrics of SDKs: taken and dropped", kindMetrics, map[string]any{}},
	{"pixel", http.MethodGet, "/v1/pixel/{type}", "An event in a query parameter, answered by a 1×1 image", kindPixel, nil},
	{"settings", http.MethodGet, "/v1/projects/{writeKey}/settings", "Settings of the browser library", kindSettings, nil},
	{"library", http.MethodGet, "/analytics.js/v1/{writeKey}/analytics.min.js", "The browser library", kindLibrary, nil},
	{"library-bundle", http.MethodGet, "/analytics-next/bundles/{file}", "A part of the browser library", kindBundle, nil},
}

const (
	jsonMedia   = "application/json"
	ndjsonMedia = "application/x-ndjson"
)

// describeIntake adds collect's routes to the description.
func (s *server) describeIntake() {
	answers := map[string]*huma.Schema{jsonMedia: s.schema(reflect.TypeFor[IntakeAnswer]()), "image/gif": {Type: "string", Format: "binary"}, "text/javascript": {Type: "string"}}
	refusal := s.schema(reflect.TypeFor[IntakeRefusal]())
	for _, route := range intakeRoutes {
		kind := route.kind
		answer := answers[kind.media]
		if kind == kindSettings {
			answer = &huma.Schema{Type: "object", AdditionalProperties: true}
		}
		op := &huma.Operation{
			OperationID: route.id, Method: route.method, Path: route.path, Summary: route.summary, Tags: []string{"intake"},
			Description: kind.description, Security: kind.security, Parameters: pathParameters(route.path),
			Responses: map[string]*huma.Response{"200": {Description: kind.means, Content: map[string]*huma.MediaType{kind.media: {Schema: answer}}}},
		}
		if kind.refusals[http.StatusTooManyRequests] != "" || kind == kindPixel {
			op.Responses["200"].Headers = map[string]*huma.Param{"Millrace-Position": {Description: "Log position of the last record.",
				Schema: &huma.Schema{Type: "string", Examples: []any{"1767225600000-7-3"}}}}
		}
		if kind == kindPixel {
			op.Parameters = append(op.Parameters, &huma.Param{Name: "data", In: "query", Required: true, Description: "The event: JSON, or that in base64.",
				Schema: &huma.Schema{Type: "string"}})
		}
		if route.body != nil {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{jsonMedia: {Schema: s.schema(reflect.TypeOf(route.body))}}}
			if kind == kindStream {
				op.RequestBody.Content[ndjsonMedia] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
			}
		}
		for status, why := range kind.refusals {
			op.Responses[strconv.Itoa(status)] = &huma.Response{Description: why, Content: map[string]*huma.MediaType{jsonMedia: {Schema: refusal}}}
		}
		s.api.OpenAPI().AddOperation(op)
	}
}

// describeOthers adds what is answered beside the operations.
func (s *server) describeOthers() {
	problem := &huma.Response{Description: "The admin token is missing or wrong", Content: map[string]*huma.MediaType{problemType: {Schema: s.schema(reflect.TypeFor[Problem]())}}}
	for _, o := range []struct {
		id, path, tag, summary, media string
		schema                        *huma.Schema
	}{
		{"metrics", "/metrics", "status", "Metrics for Prometheus", "text/plain", &huma.Schema{Type: "string"}},
		{"openapi", "/api/openapi.json", "status", "This description", "application/openapi+json", &huma.Schema{Type: "object", AdditionalProperties: true}},
	} {
		s.api.OpenAPI().AddOperation(&huma.Operation{
			OperationID: o.id, Method: http.MethodGet, Path: o.path, Summary: o.summary, Tags: []string{o.tag},
			Security: []map[string][]string{{"admin": {}}}, Responses: map[string]*huma.Response{
				"200": {Description: "OK", Content: map[string]*huma.MediaType{o.media: {Schema: o.schema}}},
				"401": problem, "403": problem, "429": problem,
			},
		})
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
