package serve

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// toldTags are of operations whose answers tell what goes on, in words that may
// quote what should not be told. What is data, such as records, rows and texts of
// files, is answered as it is.
var toldTags = []string{"status", "health", "readers", "jobs", "audit", "releases", "sources", "backups"}

// hide is a step before answers are written: the values of secrets are hidden in
// problems, and in what tells how the server is.
func (s *server) hide(hc huma.Context, _ string, v any) (any, error) {
	if s.o.Redact == nil {
		return v, nil
	}
	if p, ok := v.(*Problem); ok {
		return hidden(p, s.o.Redact), nil
	}
	if op := hc.Operation(); op == nil || !slices.ContainsFunc(op.Tags, func(tag string) bool { return slices.Contains(toldTags, tag) }) {
		return v, nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if out := hideStrings(text, s.o.Redact); !bytes.Equal(out, text) {
		return json.RawMessage(out), nil
	}
	return v, nil
}

// hidden is a problem without the values of secrets.
func hidden(p *Problem, redact func(string) string) *Problem {
	if redact == nil {
		return p
	}
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
