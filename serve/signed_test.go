package serve

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace"
)

// signedWorld has a webhook whose deliveries are signed.
type signedWorld struct {
	*world
	signature SourceSignature
}

func (w signedWorld) Sources(context.Context, string) ([]Source, error) {
	return []Source{{Name: "github", Kind: "webhook", Path: "/v1/webhook/github", Signature: &w.signature}}, nil
}

// A webhook that is signed is tried, and its secret is not told.
func TestSignedTestEvent(t *testing.T) {
	t.Parallel()
	w := signedWorld{newWorld(), SourceSignature{Header: "X-Hub-Signature-256", Prefix: "sha256=", Algorithm: "sha256", Encoding: "hex"}}
	o := w.options(t)
	o.System = w
	var path, signature, key, received string
	o.Collect = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		path, signature, key, received = r.URL.Path, r.Header.Get("X-Hub-Signature-256"), r.Header.Get("Authorization"), string(body)
		_, _ = io.WriteString(rw, `{"success":true}`)
	})
	s := start(t, o)
	resp, answer := call(t, "POST", s.URL+"/api/v1/sources/github/test", "")
	wantProblem(t, resp, answer, 409, "conflict", "has no key that works here")
	o.Sign = func(workspace, source string, header http.Header, body []byte) error {
		if workspace != "default" || source != "github" {
			return millrace.Errorf(millrace.NotFound, "there is no webhook")
		}
		header.Set("X-Hub-Signature-256", "sha256=made-of-"+string(body))
		return nil
	}
	s = start(t, o)
	_, answer = call(t, "POST", s.URL+"/api/v1/sources/github/test", `{"event":{"it":"'s"}}`)
	sent := decode[TestSent](t, answer)
	if !sent.Accepted || path != "/v1/webhook/github" || received != `{"it":"'s"}` || signature != "sha256=made-of-"+received || key != "" {
		t.Errorf("%s; %s %s %s %s", answer, path, signature, key, received)
	}
	if !strings.Contains(sent.Request, "$SECRET") || !strings.Contains(sent.Request, `BODY='{"it":"'\''s"}'`) || strings.Contains(sent.Request, "made-of") {
		t.Errorf("the request is %s", sent.Request)
	}
}
