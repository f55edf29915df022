package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/result"
)

// A Rejected is a record that intake refused.
type Rejected struct {
	ID         string            `json:"id"`
	Source     string            `json:"source" example:"web"`
	ReceivedAt time.Time         `json:"received_at"`
	Reason     string            `json:"reason" doc:"Why it was refused."`
	Field      string            `json:"field,omitempty" doc:"The field that is wrong."`
	Type       string            `json:"type,omitempty" example:"track" doc:"What the route or the event said it is."`
	Raw        string            `json:"raw,omitempty" doc:"What was received, when it is text."`
	RawBase64  string            `json:"raw_base64,omitempty" doc:"What was received, when it is not."`
	Truncated  bool              `json:"truncated,omitempty" doc:"It was too large to keep whole."`
	Outcome    string            `json:"outcome,omitempty" enum:"accepted,partly accepted,rejected" doc:"What became of it when it was last sent again."`
	Position   millrace.Position `json:"position"`
}

// rejectedQuery reads rejected records and what became of those sent again.
const rejectedQuery = `SELECT r.rejected_id, r.source, r.received_at, r.reason, r.field, r.type, r.raw, r.raw_base64, r.truncated,
  s.outcome, r._epoch, r._seq, r._index
FROM millrace.rejected r ` + resentJoin

// A rejectedFilter chooses rejected records.
type rejectedFilter struct {
	source, reason, id string
	ids                []string
	group              string  // as rejectedGroup makes it
	field              *string // nil: any
	from, until        time.Time
	open               bool // not sent again, or rejected again
	before             *millrace.Position
	limit              int
}

// sql makes the query.
func (f rejectedFilter) sql() (string, []any) {
	c := f.conditions()
	return fmt.Sprintf("%s%s\nORDER BY r._epoch DESC, r._seq DESC, r._index DESC LIMIT %d", rejectedQuery, c, f.limit), c.params
}

func (f rejectedFilter) conditions() *conditions {
	c := &conditions{}
	c.equal("r.source", f.source)
	if f.reason != "" {
		c.add("strpos(lower(r.reason), lower(?)) > 0", f.reason)
	}
	c.equal(rejectedGroup, f.group)
	if f.field != nil {
		c.add("coalesce(r.field, '') = ?", *f.field)
	}
	c.equal("r.rejected_id", f.id)
	if len(f.ids) > 0 {
		names := make([]string, len(f.ids))
		for i, id := range f.ids {
			names[i] = c.value(id)
		}
		c.add("r.rejected_id IN (" + strings.Join(names, ", ") + ")")
	}
	c.between("r.received_at", f.from, f.until)
	if f.open {
		c.add("(s.outcome IS NULL OR s.outcome = 'rejected')")
	}
	c.before("r.", f.before)
	return c
}

// rejected returns rejected records, newest first.
func (s *server) rejected(ctx context.Context, f rejectedFilter) ([]Rejected, error) {
	out := []Rejected{}
	sql, params := f.sql()
	err := s.each(ctx, sql, params, f.limit, func(columns []result.Cell, i int) error {
		r, err := scanRejected(columns, i)
		out = append(out, r)
		return err
	})
	return out, err
}

func scanRejected(columns []result.Cell, i int) (r Rejected, err error) {
	p := &r.Position
	err = scan(columns, i, &r.ID, &r.Source, &r.ReceivedAt, &r.Reason, &r.Field, &r.Type, &r.Raw, &r.RawBase64, &r.Truncated,
		&r.Outcome, &p.Epoch, &p.Seq, &p.Index)
	return r, err
}

// newestPatience is how long one waits for a record that came in a moment ago
// to be in the warehouse.
const newestPatience = 5 * time.Second

// rejectedByID returns one record. One that came in a moment ago is waited for.
func (s *server) rejectedByID(ctx context.Context, id string) (Rejected, error) {
	f := rejectedFilter{id: id, limit: 1}
	found, err := s.rejected(ctx, f)
	if err == nil && len(found) == 0 && s.waitForEnd(ctx, newestPatience) == nil {
		found, err = s.rejected(ctx, f)
	}
	if err != nil {
		return Rejected{}, err
	}
	if len(found) == 0 {
		return Rejected{}, millrace.Errorf(millrace.NotFound, "there is no rejected record %.80q: millrace rejected list says which there are", id)
	}
	return found[0], nil
}

func (s *server) registerRejected() {
	type rejectedPage struct {
		Rejected []Rejected `json:"rejected"`
		Cursor   string     `json:"cursor" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-rejected", needs: access.RecordRead, method: http.MethodGet, path: "/api/v1/rejected", tag: "records",
		summary: "List rejected records, newest first", description: "Intake keeps what it refuses. Fix the sender or the record, and send it again.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			Source string `query:"source" maxLength:"63" doc:"Only of this source."`
			Reason string `query:"reason" maxLength:"200" doc:"Only whose reason contains this, in any case."`
			Group  string `query:"group" maxLength:"2000" doc:"Only of this group, as the list of groups names it."`
			Open   bool   `query:"open" doc:"Only those that were not sent again, or rejected again."`
			Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"Most records of a page."`
			Cursor string `query:"cursor" maxLength:"80" doc:"From the page before."`
			After  string `query:"after" maxLength:"80" doc:"Wait, up to 5 seconds, until the list shows everything up to this position of the log, or with last everything that is in it now."`
		}) (*bodyOf[rejectedPage], error) {
			if err := s.waitAfter(ctx, in.After, newestPatience); err != nil {
				return nil, err
			}
			before, err := positionOf(in.Cursor)
			if err != nil {
				return nil, err
			}
			found, err := s.rejected(ctx, rejectedFilter{source: in.Source, reason: in.Reason, group: in.Group, open: in.Open, before: before, limit: in.Limit})
			if err == nil && len(found) == 0 && before == nil {
				err = s.checkSource(ctx, in.Source)
			}
			if err != nil {
				return nil, err
			}
			out := rejectedPage{Rejected: found}
			if len(found) == in.Limit {
				out.Cursor = found[len(found)-1].Position.String()
			}
			return &bodyOf[rejectedPage]{Body: out}, nil
		})
	register(s, operation{id: "get-rejected", needs: access.RecordRead, method: http.MethodGet, path: "/api/v1/rejected/{id}", tag: "records",
		summary: "Get a rejected record", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"200" doc:"The rejected record's ID."`
		}) (*bodyOf[Rejected], error) {
			r, err := s.rejectedByID(ctx, in.ID)
			return &bodyOf[Rejected]{Body: r}, err
		})
	s.registerGroups()
	s.registerResend()
}

type resendBody struct {
	Body  json.RawMessage `json:"body,omitempty" doc:"The event to send in place of what was received."`
	Patch json.RawMessage `json:"patch,omitempty" doc:"A JSON merge patch (RFC 7396) for the body: a member replaces that of the event, null takes it away."`
}

type resent struct {
	RejectedID string             `json:"rejected_id"`
	ID         string             `json:"id" doc:"Of the new record; when it was rejected again, of the new rejected record."`
	Outcome    string             `json:"outcome" enum:"accepted,partly accepted,duplicate,rejected" doc:"duplicate: it was taken, and an earlier record has its ID. Of a batch: all of it was taken, a part, nothing that is new, nothing."`
	Duplicates int64              `json:"duplicates,omitempty" doc:"Records taken whose ID was there before, as far as that is known within two seconds."`
	Reason     string             `json:"reason,omitempty" doc:"Why it, or a part of it, was rejected again."`
	Position   *millrace.Position `json:"position,omitempty" doc:"Where it lies in the log."`
}

func (s *server) registerResend() {
	register(s, operation{id: "resend-rejected", needs: access.RejectedResend, method: http.MethodPost, path: "/api/v1/rejected/{id}/resend", tag: "records",
		summary: "Send a rejected record again", description: "Goes through intake as if it came in now, with the body as it was received or as given here.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *struct {
			ID   string      `path:"id" maxLength:"200" doc:"The rejected record's ID."`
			Body *resendBody `required:"false"`
		}) (*bodyOf[resent], error) {
			r, err := s.rejectedByID(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			var body, mended []byte
			if in.Body != nil {
				body, mended = in.Body.Body, in.Body.Patch
			}
			out, err := s.resend(ctx, r, body, mended)
			if err != nil {
				return nil, err
			}
			s.tell(ctx, "rejected.resend", audit.Object{Kind: "rejected", ID: r.ID}, nil, map[string]string{"outcome": out.Outcome, "id": out.ID})
			answer := resent{RejectedID: r.ID, ID: out.ID, Outcome: out.Outcome, Duplicates: out.Duplicates, Reason: out.Reason}
			if !out.Position.IsZero() {
				answer.Position = &out.Position
			}
			return &bodyOf[resent]{Body: answer}, nil
		})
}
