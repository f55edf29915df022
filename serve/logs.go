package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/serve/logring"
)

type logPage struct {
	Lines []logring.Line `json:"lines" doc:"Oldest first."`
	Last  uint64         `json:"last" doc:"Number of the last line that was looked at: give it as after for what follows."`
}

type logInput struct {
	Accept string `header:"Accept" hidden:"true"`
	Event  string `header:"Last-Event-ID" doc:"As after; browsers send it when they reconnect."`
	Part   string `query:"part" maxLength:"60" doc:"Only of this part: collect, log, dedup, archive, warehouse, http, jobs."`
	Level  string `query:"level" default:"info" enum:"info,warn,error" doc:"Only of this level and graver ones."`
	Search string `query:"q" maxLength:"200" doc:"Only lines that contain this, in any case."`
	After  uint64 `query:"after" doc:"Only lines behind the one of this number."`
	Limit  int    `query:"limit" default:"500" minimum:"1" maximum:"5000" doc:"Most lines: the newest of those that match."`
	Follow bool   `query:"follow" doc:"Go on with lines as they are written, as server-sent events, until one of the two leaves."`
}

var levels = []string{"debug", "info", "warn", "error"}

func (in *logInput) matches(l logring.Line) bool {
	if in.Part != "" && l.Part != in.Part || slices.Index(levels, l.Level) < slices.Index(levels, in.Level) {
		return false
	}
	if in.Search == "" {
		return true
	}
	search := strings.ToLower(in.Search)
	return strings.Contains(strings.ToLower(l.Message), search) || slices.ContainsFunc(l.Attrs, func(a logring.Attr) bool {
		return strings.Contains(strings.ToLower(a.Name+"="+a.Value), search)
	})
}

// choose picks the newest lines that match.
func (in *logInput) choose(lines []logring.Line) (out []logring.Line, last uint64) {
	last = in.After
	if len(lines) > 0 {
		last = lines[len(lines)-1].Seq
	}
	out = slices.DeleteFunc(lines, func(l logring.Line) bool { return !in.matches(l) })
	return list(out[max(0, len(out)-in.Limit):]), last
}

func (s *server) registerLogs() {
	s.schema(reflect.TypeFor[logring.Line]())
	page := s.schema(reflect.TypeFor[logPage]())
	line := s.schema(reflect.TypeFor[logring.Line]())
	register(s, operation{id: "get-logs", needs: access.ServerLogs, method: http.MethodGet, path: "/api/v1/logs", tag: "status", timeout: -1,
		summary:     "The server's own log",
		description: "Its last 5,000 lines of level info and graver. With follow, the lines that match are sent as server-sent events (event: line, and event: missed when the client was too slow).",
		responses: map[string]*huma.Response{"200": {Description: "The lines", Content: map[string]*huma.MediaType{
			"application/json": {Schema: page}, "text/event-stream": {Schema: line,
				Example: json.RawMessage(`{"seq":42,"time":"2026-01-31T10:15:01Z","level":"warn","part":"warehouse","message":"loading into the warehouse failed: trying again","attrs":[{"name":"after","value":"1s"}]}`)}}}}},
		func(ctx context.Context, in *logInput) (*huma.StreamResponse, error) {
			if s.o.Logs == nil {
				return nil, millrace.Errorf(millrace.NotFound, "this server keeps no lines of its log")
			}
			if in.Event != "" {
				if _, err := fmt.Sscanf(in.Event, "%d", &in.After); err != nil {
					return nil, millrace.Errorf(millrace.Invalid, "Last-Event-ID %.40q is not the number of a line", in.Event)
				}
			}
			if !in.Follow {
				lines, last := in.choose(s.o.Logs.Lines(in.After))
				return jsonStream(logPage{Lines: lines, Last: last})
			}
			free, err := s.tailing("")
			if err != nil {
				return nil, err
			}
			return &huma.StreamResponse{Body: func(hc huma.Context) {
				defer free()
				_, w := humago.Unwrap(hc)
				s.followLogs(ctx, w, in)
			}}, nil
		})
}

// jsonStream answers JSON where an operation may stream as well.
func jsonStream(v any) (*huma.StreamResponse, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		_, _ = hc.BodyWriter().Write(append(data, '\n')) // the client is gone
	}}, nil
}

// followLogs sends lines until the client leaves or the server ends.
func (s *server) followLogs(ctx context.Context, w http.ResponseWriter, in *logInput) {
	old, follower := s.o.Logs.Follow(in.After)
	defer follower.Close()
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	send := func(b []byte) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has one
		_, err := w.Write(b)
		return err == nil && control.Flush() == nil
	}
	event := func(b []byte, l logring.Line) []byte {
		data, err := json.Marshal(l)
		if err != nil {
			return b
		}
		return fmt.Appendf(b, "event: line\nid: %d\ndata: %s\n\n", l.Seq, data)
	}
	var b []byte
	lines, _ := in.choose(old)
	for _, l := range lines {
		b = event(b, l)
	}
	if !send(append(b, ":\n\n"...)) {
		return
	}
	heartbeat := time.NewTicker(tailHeartbeat)
	defer heartbeat.Stop()
	for {
		b = b[:0]
		select {
		case l := <-follower.Lines():
			if n := follower.Missed(); n > 0 {
				b = fmt.Appendf(b, "event: missed\ndata: {\"missed\":%d}\n\n", n)
			}
			if in.matches(l) {
				b = event(b, l)
			}
		case <-heartbeat.C:
			b = append(b, ":\n\n"...)
		case <-s.o.Stopping:
			return
		case <-ctx.Done():
			return
		}
		if len(b) > 0 && !send(b) {
			return
		}
	}
}
