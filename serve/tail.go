package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/result"
)

const (
	tailBuffer    = 20_000           // lines that wait for a slow client, at most: seconds at thousands of events a second
	tailBytes     = 16 << 20         // and how large they are together; one line may be larger
	backBytes     = 16 << 20         // what lies before and is told first
	tailVerdict   = 2 * time.Second  // patience for the verdict on duplicates
	tailHeartbeat = 15 * time.Second // between signs of life
)

// Results that a tail tells of a record.
const (
	tailAccepted  = "accepted"
	tailDuplicate = "duplicate"
	tailRejected  = "rejected"
	tailReceived  = "received" // not judged yet
)

// A TailLine is what the tail tells of a record.
type TailLine struct {
	Position   millrace.Position `json:"position"`
	Result     string            `json:"result" enum:"accepted,duplicate,rejected,received" doc:"received: it is in the log and not judged yet."`
	Source     string            `json:"source" example:"web"`
	Stream     string            `json:"stream" example:"track:Order Completed" doc:"track:EVENT, identify, page, screen, group, alias, stream:NAME, rejected, resent."`
	Event      string            `json:"event,omitempty" example:"Order Completed" doc:"Name of a track event."`
	Op         string            `json:"op" example:"event"`
	ID         string            `json:"id"`
	Key        string            `json:"key,omitempty" doc:"The user or anonymous ID."`
	ReceivedAt time.Time         `json:"received_at"`
	OccurredAt time.Time         `json:"occurred_at"`
	Body       json.RawMessage   `json:"body" doc:"As it was received."`
	Meta       json.RawMessage   `json:"meta,omitempty" doc:"What intake added."`
}

type tailInput struct {
	Accept    string `header:"Accept" hidden:"true"`
	LastEvent string `header:"Last-Event-ID" doc:"As after; browsers send it when they reconnect."`
	Source    string `query:"source" maxLength:"63" doc:"Only of this source."`
	Event     string `query:"event" maxLength:"200" doc:"Only track events of this name, or identify, page, screen, group, alias, rejected."`
	User      string `query:"user" maxLength:"1024" doc:"Only records of the user with this ID or anonymous ID."`
	Result    string `query:"result" enum:"accepted,duplicate,rejected,received" doc:"Only records that ended so. What is not judged within two seconds is received."`
	Grep      string `query:"grep" maxLength:"200" doc:"Only records whose body, ID or key contains this text, in any case."`
	After     string `query:"after" maxLength:"80" doc:"Begin with what follows this position, and miss nothing; when absent, with what arrives from now on."`
	Backlog   int    `query:"backlog" minimum:"0" maximum:"5000" doc:"Without after: begin with so many of the last records that are in the log already, as far as they are found within two seconds and are not over 16 MiB together."`
	Limit     int    `query:"limit" minimum:"0" maximum:"1000000" doc:"End after so many records; 0 goes on until one of the two leaves."`
}

func (s *server) registerTail() {
	line := s.schema(reflect.TypeFor[TailLine]())
	register(s, operation{id: "tail", needs: access.RecordRead, method: http.MethodGet, path: "/api/v1/tail", tag: "records", summary: "Follow records as they arrive",
		description: "One JSON object a line, or server-sent events to Accept: text/event-stream. Empty lines are signs of life. Without after, a client that reads too slowly (20,000 records or 16 MiB behind) misses records and is told how many: {\"dropped\": 12}. An end that the server makes is told: {\"error\": {…}}.",
		timeout:     -1, errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone},
		responses: map[string]*huma.Response{"200": {Description: "The records", Content: map[string]*huma.MediaType{
			"application/x-ndjson": {Schema: line}, "text/event-stream": {Schema: line}}}}},
		func(ctx context.Context, in *tailInput) (*huma.StreamResponse, error) { return s.tail(ctx, in) })
}

func (s *server) tail(ctx context.Context, in *tailInput) (*huma.StreamResponse, error) {
	var from millrace.Position
	after := cmp.Or(in.After, in.LastEvent)
	if after != "" {
		var err error
		if from, err = millrace.ParsePosition(after); err != nil {
			return nil, err
		}
	}
	if err := s.checkSource(ctx, in.Source); err != nil {
		return nil, err
	}
	free, err := s.tailing(s.space(ctx).Workspace)
	if err != nil {
		return nil, err
	}
	t := &tail{server: s, room: make(chan struct{}, 1), grep: []byte(strings.ToLower(in.Grep)), limit: in.Limit, user: in.User, result: in.Result,
		keep: after != "", events: strings.Contains(in.Accept, "text/event-stream")}
	if err := t.open(ctx, from, in); err != nil {
		free()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer free()
		_, t.w = humago.Unwrap(hc)
		t.run(ctx)
	}}, nil
}

// tailing takes a place for a tail of a workspace, "" for one of the whole server.
func (s *server) tailing(workspace string) (free func(), err error) {
	free, ok := s.tails.take(workspace)
	if !ok {
		return nil, &millrace.Error{Kind: millrace.Limited, RetryAfter: 10 * time.Second,
			Message: fmt.Sprintf("too many tails run already (this server has %d at once, one workspace half of them at most): end one of them", s.o.MaxTails)}
	}
	return free, nil
}

// open opens the log after from, or at its end, with what is to be told of what
// lies before.
func (t *tail) open(ctx context.Context, from millrace.Position, in *tailInput) (err error) {
	filter := eventlog.Filter{Workspace: t.space(ctx).ID}
	if in.Source != "" {
		filter.Sources = []string{in.Source}
	}
	if in.Event != "" {
		filter.Streams = []string{millrace.StreamTrack + in.Event, millrace.StreamCustom + in.Event, in.Event}
	}
	if !t.keep {
		if _, from, err = t.o.Log.Bounds(ctx); err != nil {
			return err
		}
		if in.Backlog > 0 {
			if err := t.lookBack(ctx, from, filter, in.Backlog); err != nil {
				return err
			}
		}
	}
	t.reader, err = t.o.Log.Open(ctx, from, filter)
	return err
}

// lookBack finds what is told first: the last n lines up to last, or as many as
// have room.
func (t *tail) lookBack(ctx context.Context, last millrace.Position, f eventlog.Filter, n int) error {
	keep := func(e *eventlog.Entry) bool { return t.matches(*e) }
	size := 0
	_, err := t.backward(ctx, search{last: last, filter: f, keep: keep, patience: backPatience}, func(entries []eventlog.Entry) bool {
		for _, line := range slices.Backward(t.lines(ctx, entries)) { // the newest first
			if size += len(line.line); len(t.first) == n || size > backBytes && len(t.first) > 0 {
				return false
			}
			t.first = append(t.first, line)
		}
		return len(t.first) < n
	})
	slices.Reverse(t.first)
	return err
}

// A tail moves records from a reader to a client.
type tail struct {
	*server
	reader eventlog.Reader
	first  []tailItem // told before what is read
	grep   []byte     // in lower case
	user   string
	result string
	keep   bool // let the log wait for the client, rather than drop
	events bool // server-sent events
	limit  int  // 0: none
	sent   int
	w      http.ResponseWriter

	waiting atomic.Int64  // bytes of the lines that wait
	room    chan struct{} // a line has left
}

type tailItem struct {
	position millrace.Position
	line     []byte
	dropped  int64 // lines that were dropped before this one
	err      error // the end
}

func (t *tail) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	lines := make(chan *tailItem, tailBuffer)
	read := make(chan struct{})
	go func() {
		defer close(read)
		t.read(ctx, lines)
	}()
	defer func() {
		cancel()
		_ = t.reader.Close() // it only ends
		<-read
	}()
	t.write(ctx, lines)
}

// put lets a line wait for the client: for a place when wait says so, and
// otherwise only if there is one. dropped says that there was none; ok is false
// when ctx has ended.
func (t *tail) put(ctx context.Context, lines chan<- *tailItem, item tailItem, wait bool) (dropped, ok bool) {
	size := int64(len(item.line))
	for before := t.waiting.Load(); before > 0 && before+size > tailBytes; before = t.waiting.Load() {
		if !wait {
			return true, true
		}
		select {
		case <-t.room:
		case <-ctx.Done():
			return false, false
		}
	}
	t.waiting.Add(size)
	if wait {
		select {
		case lines <- &item:
			return false, true
		case <-ctx.Done():
			return false, false
		}
	}
	select {
	case lines <- &item:
		return false, true
	default:
		t.waiting.Add(-size)
		return true, true
	}
}

// left notes that a line waits no more.
func (t *tail) left(item tailItem) {
	t.waiting.Add(-int64(len(item.line)))
	select {
	case t.room <- struct{}{}:
	default: // whoever waits looks again already
	}
}

// read puts lines of records into lines, and closes it when the reader ends.
func (t *tail) read(ctx context.Context, lines chan<- *tailItem) {
	defer close(lines)
	var missed int64
	send := func(item tailItem, wait bool) bool {
		item.dropped = missed
		dropped, ok := t.put(ctx, lines, item, wait)
		if missed = 0; dropped {
			missed = item.dropped + 1
		}
		return ok
	}
	for _, line := range t.first {
		if !send(line, true) {
			return
		}
	}
	t.first = nil
	for {
		batch, err := t.reader.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				send(tailItem{err: err}, true)
			}
			return
		}
		for _, line := range t.lines(ctx, batch.Records) {
			if !send(line, t.keep) {
				return
			}
		}
	}
}

// lines returns what is told of records, with the verdict on each.
func (t *tail) lines(ctx context.Context, entries []eventlog.Entry) []tailItem {
	entries = slices.DeleteFunc(entries, func(e eventlog.Entry) bool { return !t.matches(e) })
	if len(entries) == 0 {
		return nil
	}
	duplicates, judged := t.judge(ctx, entries[0].Position, entries[len(entries)-1].Position)
	out := make([]tailItem, 0, len(entries))
	for _, e := range entries {
		result := resultOf(&e, duplicates, judged)
		if t.result != "" && t.result != result {
			continue
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(tailLine(&e, result)); err != nil {
			continue // cannot be: every part is JSON
		}
		out = append(out, tailItem{position: e.Position, line: b.Bytes()})
	}
	return out
}

// tailLine is what is told of a record.
func tailLine(e *eventlog.Entry, result string) TailLine {
	line := TailLine{Position: e.Position, Result: result, Source: e.Source, Stream: e.Stream, Op: e.Op.String(), ID: e.ID, Key: e.Key,
		ReceivedAt: e.Received, OccurredAt: e.Occurred, Body: oneLine(e.Body), Meta: oneLine(e.Meta)}
	line.Event, _ = strings.CutPrefix(e.Stream, millrace.StreamTrack)
	if line.Event == e.Stream {
		line.Event = ""
	}
	return line
}

// oneLine returns JSON without line breaks; what is not JSON becomes text.
func oneLine(data []byte) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, data) == nil {
		return b.Bytes()
	}
	return result.AppendText(nil, string(data))
}

func (t *tail) matches(e eventlog.Entry) bool {
	if t.user != "" && !ofUser(&e, t.user) {
		return false
	}
	if len(t.grep) == 0 {
		return true
	}
	for _, text := range [][]byte{e.Body, []byte(e.ID), []byte(e.Key), []byte(e.Stream)} {
		if bytes.Contains(bytes.ToLower(text), t.grep) {
			return true
		}
	}
	return false
}

// judge returns the positions of duplicates from first through last; judged
// is false when they are not known in time.
func (t *tail) judge(ctx context.Context, first, last millrace.Position) (_ []millrace.Position, judged bool) {
	if t.o.Verdicts == nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, tailVerdict)
	defer cancel()
	if err := t.o.Verdicts.Wait(ctx, last); err != nil {
		return nil, false
	}
	before := millrace.Position{Epoch: first.Epoch, Seq: first.Seq - 1, Index: millrace.EndOfFrame}
	found, err := t.o.Verdicts.Duplicates(ctx, before, last)
	return found, err == nil
}

// write sends lines until the client leaves, the limit is reached, the reader
// or the server ends.
func (t *tail) write(ctx context.Context, lines <-chan *tailItem) {
	control := http.NewResponseController(t.w)
	contentType := "application/x-ndjson"
	if t.events {
		contentType = "text/event-stream"
	}
	t.w.Header().Set("Content-Type", contentType)
	t.w.Header().Set("X-Accel-Buffering", "no") // nginx passes it on at once
	t.w.WriteHeader(http.StatusOK)
	send := func(b []byte) bool {
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has one
		_, err := t.w.Write(b)
		return err == nil && control.Flush() == nil
	}
	if control.Flush() != nil {
		return
	}
	end := func(err error) {
		if err != nil {
			send(t.format(ctx, tailItem{err: err}))
		}
	}
	heartbeat := time.NewTicker(tailHeartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case item, ok := <-lines:
			if !ok {
				end(endedBy(ctx))
				return
			}
			piece, last := t.gather(ctx, *item, lines)
			if !send(piece) || last {
				return
			}
		case <-heartbeat.C:
			alive := "\n"
			if t.events {
				alive = ":\n\n"
			}
			if !send([]byte(alive)) {
				return
			}
		case <-t.o.Stopping:
			end(millrace.Errorf(millrace.Unavailable, "the server is stopping: follow again when it is back"))
			return
		case <-ctx.Done():
			end(endedBy(ctx))
			return
		}
	}
}

// gather formats an item and those that wait behind it, up to a piece; last
// says that nothing follows.
func (t *tail) gather(ctx context.Context, item tailItem, lines <-chan *tailItem) (piece []byte, last bool) {
	for {
		t.left(item)
		piece = append(piece, t.format(ctx, item)...)
		t.sent++
		if item.err != nil || t.sent == t.limit {
			return piece, true
		}
		if len(piece) > pieceBytes {
			return piece, false
		}
		select {
		case next, ok := <-lines:
			if !ok {
				return piece, false // whoever gets no more looks why
			}
			item = *next
		default:
			return piece, false
		}
	}
}

func (t *tail) format(ctx context.Context, item tailItem) []byte {
	var b []byte
	add := func(event string, id string, data []byte) {
		if !t.events {
			b = append(append(b, data...), '\n')
			return
		}
		b = fmt.Appendf(b, "event: %s\n", event)
		if id != "" {
			b = fmt.Appendf(b, "id: %s\n", id)
		}
		b = fmt.Appendf(b, "data: %s\n\n", data)
	}
	if item.dropped > 0 {
		add("dropped", "", fmt.Appendf(nil, `{"dropped":%d}`, item.dropped))
	}
	switch {
	case item.err != nil:
		data, err := json.Marshal(map[string]*Problem{"error": problemOf(ctx, item.err)})
		if err != nil {
			return b
		}
		add("error", "", data)
	case item.line != nil:
		add("record", item.position.String(), bytes.TrimSuffix(item.line, []byte("\n")))
	}
	return b
}
