package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// EveryWorkspace is for Redact: the values of all workspaces are hidden, in what
// only who runs the server is told.
const EveryWorkspace = "*"

// toldTags are of operations whose answers tell what goes on, in words that may
// quote what should not be told. What is data, such as records, rows and texts of
// files, is answered as it is; so are entries of the audit trail, in which values
// were hidden when they were written: later ones hide nobody.
var toldTags = []string{"status", "health", "readers", "jobs", "releases", "sources", "backups"}

// hide is a step before answers are written: the values of secrets are hidden in
// problems, and in what tells how the server is.
func (s *server) hide(hc huma.Context, _ string, v any) (any, error) {
	if s.o.Redact == nil {
		return v, nil
	}
	told := toldTo(hc.Context())
	redact := func(text string) string { return s.o.Redact(told, text) }
	if p, ok := v.(*Problem); ok {
		return hidden(p, redact), nil
	}
	if op := hc.Operation(); op == nil || !slices.ContainsFunc(op.Tags, func(tag string) bool { return slices.Contains(toldTags, tag) }) {
		return v, nil
	}
	if told == "" {
		told = EveryWorkspace
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if out := hideStrings(text, redact); !bytes.Equal(out, text) {
		return json.RawMessage(out), nil
	}
	return v, nil
}

// toldTo is the workspace that a request is about; "" when it is about none.
func toldTo(ctx context.Context) string {
	if sp, ok := ctx.Value(spaceKey{}).(*Space); ok {
		return sp.Workspace
	}
	id, _ := ctx.Value(workspaceKey{}).(string)
	return id
}

// hidden is a problem without the values of secrets.
func hidden(p *Problem, redact func(string) string) *Problem {
	out := *p
	out.Detail = redact(p.Detail)
	out.Errors = slices.Clone(p.Errors)
	for i, e := range out.Errors {
		out.Errors[i].Message, out.Errors[i].Location = redact(e.Message), redact(e.Location)
		if text, ok := e.Value.(string); ok {
			out.Errors[i].Value = redact(text)
		}
	}
	return &out
}

// hideStrings applies redact to the strings of a JSON text, and to nothing else:
// what comes out is JSON too.
func hideStrings(text []byte, redact func(string) string) []byte {
	var out []byte
	for done := 0; ; {
		begin := bytes.IndexByte(text[done:], '"')
		if begin < 0 {
			return append(out, text[done:]...)
		}
		begin += done
		end := begin + 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(text))
		out = append(out, text[done:begin]...)
		out = append(out, hideString(text[begin:end], redact)...)
		done = end
	}
}

// hideString applies redact to one string.
func hideString(token []byte, redact func(string) string) []byte {
	var says string
	if json.Unmarshal(token, &says) != nil {
		return token
	}
	shown := redact(says)
	if shown == says {
		return token
	}
	out, err := json.Marshal(shown)
	if err != nil {
		return []byte(`""`)
	}
	return out
}
