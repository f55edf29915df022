package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/serve/snippet"
)

// A SourceSignature is how deliveries to a webhook are signed.
type SourceSignature struct {
	Header      string `json:"header" example:"X-Hub-Signature-256" doc:"Where the signature is."`
	Prefix      string `json:"prefix,omitempty" example:"sha256=" doc:"What is before it."`
	Algorithm   string `json:"algorithm" example:"sha256" doc:"Of the HMAC."`
	Encoding    string `json:"encoding" example:"hex" doc:"hex or base64."`
	Timestamped bool   `json:"timestamped" doc:"A time is signed, too."`
}

// sourceNamed finds a source of the project.
func (s *server) sourceNamed(ctx context.Context, name string) (Source, error) {
	all, err := s.space(ctx).System.Sources(ctx, s.space(ctx).ID)
	if err != nil {
		return Source{}, err
	}
	for _, source := range all {
		if source.Name == name {
			source.WriteKeys, source.Keys = list(source.WriteKeys), list(source.Keys)
			return source, nil
		}
	}
	return Source{}, noSource(name, all)
}

// usableKey is the first key that works in this mode, or "".
func (s *server) usableKey(source Source) string {
	i := slices.IndexFunc(source.WriteKeys, func(key string) bool { return s.o.Mode == Dev || !strings.HasPrefix(key, "dev_") })
	if i < 0 {
		return ""
	}
	return source.WriteKeys[i]
}

// address is where who asks reaches this server.
func (s *server) address(r *http.Request) string {
	scheme := "http"
	if s.o.Secure(r) {
		scheme = "https"
	}
	return cmp.Or(s.o.PublicURL, scheme+"://"+r.Host)
}

func (s *server) registerSnippets() {
	type snippetList struct {
		Key      string            `json:"key,omitempty" doc:"The write key in them."`
		Address  string            `json:"address" example:"https://collect.example.com" doc:"The address in them."`
		Snippets []snippet.Snippet `json:"snippets" doc:"What sends a first event."`
	}
	register(s, operation{id: "list-snippets", needs: access.SourceRead, method: http.MethodGet, path: "/api/v1/sources/{source}/snippets", tag: "sources",
		summary: "Code that sends to a source", description: "To be pasted, with the source's key and this server's address.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *struct {
			SourcePath
			Address string `query:"address" maxLength:"300" example:"https://collect.example.com" doc:"Where senders reach this server; default collect.public_url, or how this request did."`
			Key     string `query:"key" maxLength:"128" doc:"One of the source's keys; default the first that works."`
		}) (*bodyOf[snippetList], error) {
			source, err := s.sourceNamed(ctx, in.Source)
			if err != nil {
				return nil, err
			}
			key := cmp.Or(in.Key, s.usableKey(source))
			switch {
			case in.Key != "" && !slices.Contains(source.WriteKeys, in.Key):
				return nil, millrace.Errorf(millrace.NotFound, "%.130q is not one of write_keys in sources/%s.yaml", in.Key, source.Name)
			case key == "" && source.Signature == nil:
				return nil, millrace.Errorf(millrace.Conflict, "source %s takes nothing here: its write keys begin with dev_, and those work in millrace dev only", source.Name)
			}
			address, err := snippet.CheckAddress(cmp.Or(in.Address, s.address(requestOf(ctx))))
			if err != nil {
				return nil, err
			}
			all, err := snippet.All(snippetSource(source, key, address))
			return &bodyOf[snippetList]{Body: snippetList{Key: key, Address: address, Snippets: all}}, err
		})
	s.registerTestEvent()
}

// snippetSource is what snippets have to know of a source.
func snippetSource(source Source, key, address string) snippet.Source {
	o := snippet.Source{Name: source.Name, Webhook: source.Kind == "webhook", Key: key, Address: address}
	if g := source.Signature; g != nil {
		o.Header, o.Prefix, o.Algorithm, o.Encoding, o.Timestamped = g.Header, g.Prefix, g.Algorithm, g.Encoding, g.Timestamped
	}
	return o
}

// An answered response is one that is kept, of a request that is made here.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header { return a.header }
func (a *answered) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answered) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// SetReadDeadline and SetWriteDeadline are what intake asks of a connection.
func (a *answered) SetReadDeadline(time.Time) error  { return nil }
func (a *answered) SetWriteDeadline(time.Time) error { return nil }

// sendTo gives intake a request to try a source, as if it had come in by the
// network. It is authorised by a key, or by what its header has.
func (s *server) sendTo(ctx context.Context, path, key string, header http.Header, body []byte) (*answered, error) {
	if s.o.Probe != nil {
		ctx = s.o.Probe(ctx)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, header)
	if key != "" {
		r.SetBasicAuth(key, "")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Millrace")
	r.RemoteAddr = "127.0.0.1:0"
	if asked := requestOf(ctx); asked.RemoteAddr != "" {
		r.RemoteAddr = asked.RemoteAddr
	}
	a := &answered{header: http.Header{}}
	s.o.Collect.ServeHTTP(a, r)
	return a, nil
}

// A TestSent says what became of a test event.
type TestSent struct {
	Accepted bool               `json:"accepted" doc:"Whether intake took it."`
	Position *millrace.Position `json:"position,omitempty" doc:"Where it lies in the log; when it was rejected, where the rejected record does."`
	ID       string             `json:"id,omitempty" doc:"Its ID."`
	Reason   string             `json:"reason,omitempty" doc:"Why it was not taken."`
	Request  string             `json:"request" doc:"What was sent, for curl. Of a webhook that is signed, the secret has to be put in; empty when a time is signed too."`
}

func (s *server) registerTestEvent() {
	type testBody struct {
		Event json.RawMessage `json:"event,omitempty" doc:"The event to send, with its type; default a track event called Test Event. Of a webhook: the body."`
	}
	register(s, operation{id: "send-test-event", needs: access.SourceTest, method: http.MethodPost, path: "/api/v1/sources/{source}/test", tag: "sources",
		summary: "Send a test event", description: "Goes through intake with one of the source's keys, or signed as the webhook's vendor would sign it, as if a sender had sent it: it is counted, stored and loaded like any other, and does not make the key a used one. No secret is told.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *struct {
			SourcePath
			Body *testBody `required:"false"`
		}) (*bodyOf[TestSent], error) {
			source, err := s.sourceNamed(ctx, in.Source)
			if err != nil {
				return nil, err
			}
			key := s.usableKey(source)
			if key == "" && (source.Signature == nil || s.o.Sign == nil) {
				return nil, millrace.Errorf(millrace.Conflict, "source %s has no key that works here: its write keys begin with dev_, and those work in millrace dev only", source.Name)
			}
			var event []byte
			if in.Body != nil {
				event = in.Body.Event
			}
			sent, err := s.sendTest(ctx, source, key, event)
			return &bodyOf[TestSent]{Body: sent}, err
		})
}

func (s *server) sendTest(ctx context.Context, source Source, key string, event []byte) (TestSent, error) {
	path, body := "/v1/batch", event
	id := fmt.Sprintf("test-%d", s.o.Now().UnixNano())
	switch {
	case source.Kind == "webhook":
		path = "/v1/webhook/" + source.Name
		if body == nil {
			body = fmt.Appendf(nil, `{"test":true,"id":%q}`, id)
		}
	case event == nil:
		body = fmt.Appendf(nil, `{"batch":[{"type":"track","event":"Test Event","userId":"test","messageId":%q,"properties":{"from":"millrace"}}]}`, id)
	default:
		body = fmt.Appendf(nil, `{"batch":[%s]}`, event)
	}
	out := TestSent{ID: id, Request: fmt.Sprintf("curl %s%s -u %s: -H 'Content-Type: application/json' -d %s",
		s.address(requestOf(ctx)), path, key, snippet.Shell(string(body)))}
	header := http.Header{}
	if key == "" {
		out.Request = snippet.SignedCurl(snippetSource(source, "", s.address(requestOf(ctx))), string(body))
		if err := s.o.Sign(s.space(ctx).ID, source.Name, header, body); err != nil {
			return out, err
		}
	}
	a, err := s.sendTo(ctx, path, key, header, body)
	if err != nil {
		return out, err
	}
	var answer struct {
		IntakeAnswer
		Message string `json:"message"`
	}
	if err := json.Unmarshal(a.body.Bytes(), &answer); err != nil {
		return out, fmt.Errorf("intake answered %d %.200q: %w", a.status, a.body.String(), err)
	}
	if a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests {
		return out, millrace.Errorf(millrace.Unavailable, "intake did not take the event: %s", answer.Message)
	}
	if p, err := millrace.ParsePosition(a.header.Get("Millrace-Position")); err == nil {
		out.Position = &p
	}
	out.Accepted = a.status == http.StatusOK && len(answer.Rejected) == 0
	if len(answer.MessageIDs) > 0 {
		out.ID = answer.MessageIDs[0].MessageID
	} else if event != nil {
		var given struct {
			ID string `json:"messageId"`
		}
		if json.Unmarshal(event, &given) == nil {
			out.ID = given.ID
		}
	}
	if out.Reason = answer.Message; len(answer.Rejected) > 0 {
		out.Reason = answer.Rejected[0].Reason
	}
	return out, nil
}
