package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/terminal"
)

// injections would each make a line, a header or a command of their own where they
// are written down as they are.
var injections = []string{
	"x\ntime=2026-01-01T00:00:00Z level=ERROR msg=forged",
	"x\r\nX-Forged: 1\r\nSet-Cookie: forged=1\r\n\r\nforged",
	"x\n{\"time\":\"2026-01-01T00:00:00Z\",\"level\":\"ERROR\",\"msg\":\"forged\"}",
	"x\",\"level\":\"ERROR\",\"msg\":\"forged\"}",
	"level=ERROR msg=forged",
	"\x1b[31m\x1b]0;forged\x07\x1b[2K",
	"\u009b31m\u0085forged\u2028forged\u202eforged\x7f",
	"x\x00\bforged",
}

// TestNothingForgesALine gives each operation of the API each injection in each place
// that takes a text, and sends and stores what has them in its names: every line of
// the log and of what the server prints is one that it wrote itself, and no answer
// has a header that was sent.
func TestNothingForgesALine(t *testing.T) {
	t.Parallel()
	text, lines, out := &output{}, &output{}, &output{}
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	dir := project(t, small)
	r := startWith(t, app.Options{Dir: dir, Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev, Stdout: out,
		Logger: slog.New(slog.NewMultiHandler(slog.NewTextHandler(text, all), slog.NewJSONHandler(terminal.NewJSONWriter(lines), all)))})
	operations := r.operations()
	for _, injection := range injections {
		for _, op := range operations {
			r.inject(op, injection)
		}
		r.injectNames(dir, injection)
		r.injectLines(injection)
	}
	metrics := string(r.raw("/metrics"))
	r.stop()
	if n := strings.Count(text.String(), "msg=request "); n < len(operations) {
		t.Fatalf("%d requests are in the log", n)
	}
	for line := range strings.Lines(text.String()) {
		if problem := textLine(line); problem != "" {
			t.Errorf("a line of the log %s: %q", problem, line)
		}
	}
	for line := range strings.Lines(lines.String()) {
		if problem := jsonLine(line); problem != "" {
			t.Errorf("a line of the log as JSON %s: %q", problem, line)
		}
	}
	if !strings.Contains(out.String(), "not reloaded") {
		t.Errorf("no mistake in a file was printed: %s", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if !ownLine.MatchString(line) || unprintable(line) {
			t.Errorf("printed: %q", line)
		}
	}
	for line := range strings.Lines(metrics) {
		if !metricLine.MatchString(line) || unprintable(line) {
			t.Errorf("in the metrics: %q", line)
		}
	}
}

// What the server prints begins so: the path of a file with a mistake, or words of its own.
var (
	ownLine    = regexp.MustCompile(`^(not reloaded, |reloaded$|version \d+ runs|the folder is |made the master key |[a-z.]+/?[^:]*:\d+:\d+: |[a-z]+/[^:]*: |millrace\.yaml: )`)
	metricLine = regexp.MustCompile(`^(# (HELP|TYPE) )?(millrace|go|process|promhttp)_`)
)

func unprintable(line string) bool {
	return strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(c rune) bool { return !unicode.IsPrint(c) })
}

// textLine says what is wrong with a line of the log as text.
func textLine(line string) string {
	if unprintable(line) {
		return "has what is not printable"
	}
	rest, keys := strings.TrimSuffix(line, "\n"), []string{}
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			key, after, ok = quoted, strings.TrimPrefix(rest[len(quoted):], "="), true
		}
		if !ok || strings.Contains(key, " ") && key[0] != '"' {
			return "is no list of names and values"
		}
		value, err := strconv.QuotedPrefix(after)
		if err != nil {
			value, _, _ = strings.Cut(after, " ")
		}
		keys = append(keys, key)
		if key == "msg" && strings.Contains(value, "forged") {
			return "says what was sent"
		}
		rest = strings.TrimPrefix(after[len(value):], " ")
	}
	if len(keys) < 3 || !slices.Equal(keys[:3], []string{"time", "level", "msg"}) || slices.Contains(keys[3:], "level") || slices.Contains(keys[3:], "msg") {
		return "has other names than its own"
	}
	return ""
}

// jsonLine says what is wrong with a line of the log as JSON.
func jsonLine(line string) string {
	var is struct{ Time, Level, Msg string }
	switch err := json.Unmarshal([]byte(line), &is); {
	case err != nil:
		return err.Error()
	case unprintable(line):
		return "has what is not printable"
	case is.Time == "" || is.Level == "" || is.Msg == "" || strings.Contains(is.Msg, "forged") || strings.Count(line, `"level":`) > 1:
		return "says what was sent"
	}
	return ""
}

// An injected is an operation of the API as its description has it.
type injected struct {
	ID, Method, Path string
	Query            []string
	Body             map[string]any
	schemas          map[string]map[string]any
}

// operations are all that the server describes.
func (r *running) operations() (all []injected) {
	r.t.Helper()
	var api struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
			RequestBody struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct{ Schemas map[string]map[string]any }
	}
	if err := json.Unmarshal(r.raw("/api/openapi.json"), &api); err != nil {
		r.t.Fatal(err)
	}
	for path, methods := range api.Paths {
		for method, op := range methods {
			d := injected{ID: op.OperationID, Method: strings.ToUpper(method), Path: path, Body: op.RequestBody.Content["application/json"].Schema, schemas: api.Components.Schemas}
			for _, p := range op.Parameters {
				if p.In == "query" {
					d.Query = append(d.Query, p.Name)
				}
			}
			all = append(all, d)
		}
	}
	if len(all) < 150 {
		r.t.Fatalf("%d operations are described", len(all))
	}
	slices.SortFunc(all, func(a, b injected) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// like is a value of a schema, with text where a text may be.
func (d injected) like(schema map[string]any, text string, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		schema = d.schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
	}
	if values, ok := schema["enum"].([]any); ok {
		return values[0]
	}
	switch fmt.Sprint(schema["type"]) {
	case "object":
		out := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for name, of := range properties {
			if depth < 4 {
				out[name] = d.like(of.(map[string]any), text, depth+1)
			}
		}
		if free, ok := schema["additionalProperties"]; ok && free != false {
			out[text] = text
		}
		return out
	case "array", "[array null]":
		items, _ := schema["items"].(map[string]any)
		return []any{d.like(items, text, depth+1)}
	case "boolean":
		return true
	case "integer", "number":
		return 1
	}
	return text
}

var inBraces = regexp.MustCompile(`\{[a-zA-Z_]+\}`)

// inject asks an operation with text in its path, its parameters, its body and the
// headers, in one request and in one of each.
func (r *running) inject(op injected, text string) {
	r.t.Helper()
	query := url.Values{}
	for _, name := range op.Query {
		query.Set(name, text)
	}
	var body []byte
	if op.Body != nil {
		body, _ = json.Marshal(op.like(op.Body, text, 0))
	}
	hostile := inBraces.ReplaceAllLiteralString(op.Path, url.PathEscape(text))
	harmless := inBraces.ReplaceAllLiteralString(op.Path, "web")
	r.send(op, hostile, "", nil, text)
	if len(query) > 0 {
		r.send(op, harmless, "?"+query.Encode(), nil, text)
	}
	if body != nil {
		r.send(op, harmless, "", body, text)
	}
	r.send(op, hostile, "?"+url.QueryEscape(text)+"="+url.QueryEscape(text), body, text)
}

// send makes one request, and looks at the headers of its answer.
func (r *running) send(op injected, path, query string, body []byte, text string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Second) // what streams has no end
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, op.Method, r.URL()+path+query, strings.NewReader(string(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	if strings.HasPrefix(op.Path, "/v1/") {
		req.SetBasicAuth("dev_web", "")
	}
	req.Header.Set("Content-Type", "application/json")
	for _, name := range []string{"User-Agent", "X-Request-Id", "Referer", "Accept-Language", "Millrace-Background", "If-Match", "Last-Event-ID"} {
		req.Header.Set(name, headerText(text))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			r.t.Errorf("%s: %v", op.ID, err)
		}
		return
	}
	defer resp.Body.Close()
	if !strings.Contains(op.ID, "tail") && !strings.Contains(op.ID, "follow") {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // it may end in the middle
	}
	for name, values := range resp.Header {
		if strings.Contains(strings.ToLower(name), "forged") || name == "Set-Cookie" && strings.Contains(fmt.Sprint(values), "forged") || strings.ContainsFunc(strings.Join(values, ""), unicode.IsControl) {
			r.t.Errorf("%s answers the header %s: %q", op.ID, name, values)
		}
	}
}

// headerText is what of a text a header may have.
func headerText(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, text)
}

// injectNames stores and sends what has text in its name.
func (r *running) injectNames(dir, text string) {
	r.t.Helper()
	ask := func(method, path string, body any) { r.request("", method, path, body) }
	ask("POST", "/api/v1/keys", object{"name": text, "role": "viewer"})
	ask("POST", "/api/v1/members/invitations", object{"role": "viewer", "email": text + "@example.com"})
	ask("PUT", "/api/v1/secrets", object{"path": "x", "value": "a value of its own", "note": text, "resources": []string{"sources/" + text}, "hosts": []string{text}})
	ask("POST", "/api/v1/session", object{"email": text, "password": text})
	ask("POST", "/api/v1/workspaces", object{"name": text})
	ask("POST", "/api/v1/query", object{"sql": "SELECT '" + text + "' AS \"" + text + "\" FROM \"" + text + "\""})
	ask("PUT", "/api/v1/files/text?path=sources/"+url.QueryEscape(text)+".yaml", object{"text": "kind: http\nwrite_keys: [dev_x]\n"})
	for i, file := range []string{"%s: 1\n", "kind: %s\n", "kind: http\nwrite_keys: [%s]\n", "kind: http\nwrite_keys: [dev_b]\nschema: %s\n", "kind: http\nwrite_keys: [dev_b]\ntypes: {%s: %s}\n", "kind: http\nwrite_keys: ['${secret:%s}']\n"} {
		quoted, err := json.Marshal(text) // is YAML
		if err != nil {
			r.t.Fatal(err)
		}
		file = strings.ReplaceAll(file, "%s", string(quoted))
		ask("POST", "/api/v1/files/check", object{"texts": object{"sources/bad.yaml": file, "sources/" + text + ".yaml": file}})
		if err := os.WriteFile(filepath.Join(dir, "sources", "bad.yaml"), []byte(file), 0o600); err != nil {
			r.t.Fatal(err)
		}
		ask("PUT", "/api/v1/files/text?path=sources/other.yaml", object{"text": "kind: http\nwrite_keys: [dev_other]\n# " + strconv.Itoa(i) + "\n"}) // reads the folder
	}
	for _, stream := range []string{"track", "identify", "page", "group"} {
		r.post("/v1/"+stream, object{"messageId": text, "userId": text, "event": text, "name": text, "groupId": text, "properties": object{text: text}, "traits": object{text: text}, "context": object{"library": object{"name": text}}})
	}
	r.post("/v1/stream/"+url.PathEscape(text), []any{object{"id": text, text: text}})
	for _, key := range []string{text, "mr_key_" + text} { // refused
		for path, bearer := range map[string]bool{"/v1/track": false, "/api/v1/status": true} {
			req, err := http.NewRequest("POST", r.URL()+path, strings.NewReader(`{"event":"x","userId":"u"}`))
			if err != nil {
				r.t.Fatal(err)
			}
			if req.SetBasicAuth(key, text); bearer {
				req.Header.Set("Authorization", "Bearer "+headerText(key))
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				r.t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
}

// injectLines writes requests that no client would make.
func (r *running) injectLines(text string) {
	r.t.Helper()
	u, err := url.Parse(r.URL())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, request := range []string{
		"GET /api/v1/status HTTP/1.1\r\nHost: " + text + "\r\nConnection: close\r\n\r\n",
		"GET /" + text + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		text + " / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + text + "\r\nOrigin: " + text + "\r\nUser-Agent: " + text + "\r\nX-Request-Id: " + text + "\r\nCookie: millrace_session=" + text + "\r\nConnection: close\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			r.t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, request); err != nil {
			r.t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			if resp.Header.Get("X-Forged") != "" || len(resp.Header["Set-Cookie"]) > 0 {
				r.t.Errorf("%q answers the headers %v", request, resp.Header)
			}
			_ = resp.Body.Close()
		}
		_ = conn.Close()
	}
}
