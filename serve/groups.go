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

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/serve/patch"
)

// rejectedGroup is what the reasons of a group have in common: what is quoted in
// them and their numbers are of the single record.
const rejectedGroup = `regexp_replace(regexp_replace(r.reason, '"[^"]*"', '"…"', 'g'), '[0-9]+', '#', 'g')`

const (
	resendPage      = 200  // records that are read together
	resendAtOnce    = 8    // and sent beside each other
	maxOutcomes     = 1000 // that its result lists one by one
	maxPatchBytes   = 64 << 10
	maxGroupSamples = 5
)

// A RejectedGroup is rejected records with one reason.
type RejectedGroup struct {
	Group    string    `json:"group" doc:"The reason, without what is of the single record: name it to choose the group."`
	Reason   string    `json:"reason" doc:"Of one of them, in full."`
	Field    string    `json:"field,omitempty" doc:"The field that is wrong."`
	Source   string    `json:"source" example:"web" doc:"Where they came in."`
	Count    int64     `json:"count" doc:"How many there are."`
	Open     int64     `json:"open" doc:"How many of them were not sent again, or rejected again."`
	First    time.Time `json:"first" doc:"When the first came in."`
	Last     time.Time `json:"last" doc:"When the last came in."`
	Examples []string  `json:"examples" doc:"IDs of some of the newest."`
}

// resentJoin tells what became of rejected records that were sent again.
const resentJoin = `LEFT JOIN (
  SELECT rejected_id, outcome, row_number() OVER (PARTITION BY rejected_id ORDER BY _epoch DESC, _seq DESC, _index DESC) AS n
  FROM millrace.resent) s ON s.rejected_id = r.rejected_id AND s.n = 1`

func (s *server) rejectedGroups(ctx context.Context, f rejectedFilter, from, limit int) ([]RejectedGroup, error) {
	out := []RejectedGroup{}
	c := f.conditions()
	sql := fmt.Sprintf(`SELECT %s AS grp, max(r.reason) AS reason, coalesce(r.field, '') AS field, r.source, count(*) AS n,
  sum(CASE WHEN s.outcome IS NULL OR s.outcome = 'rejected' THEN 1 ELSE 0 END) AS unsolved, min(r.received_at) AS first_at, max(r.received_at) AS last_at
FROM millrace.rejected r %s%s
GROUP BY 1, 3, 4 ORDER BY n DESC, 1, 3, 4 LIMIT %d OFFSET %d`, rejectedGroup, resentJoin, c, limit, from)
	err := s.each(ctx, sql, c.params, limit, func(columns []result.Cell, i int) error {
		g := RejectedGroup{Examples: []string{}}
		err := scan(columns, i, &g.Group, &g.Reason, &g.Field, &g.Source, &g.Count, &g.Open, &g.First, &g.Last)
		out = append(out, g)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, s.groupExamples(ctx, f, out)
}

// groupExamples finds IDs of the newest records of each group, with one query.
func (s *server) groupExamples(ctx context.Context, f rejectedFilter, groups []RejectedGroup) error {
	c := f.conditions()
	sql := fmt.Sprintf(`SELECT grp, field, source, rejected_id FROM (
SELECT %[1]s AS grp, coalesce(r.field, '') AS field, r.source, r.rejected_id, r._epoch, r._seq, r._index,
  row_number() OVER (PARTITION BY %[1]s, coalesce(r.field, ''), r.source ORDER BY r._epoch DESC, r._seq DESC, r._index DESC) AS n
FROM millrace.rejected r %[2]s%[3]s) e WHERE n <= %[4]d ORDER BY n`, rejectedGroup, resentJoin, c, maxGroupSamples)
	return s.each(ctx, sql, c.params, maxCatalogRows, func(columns []result.Cell, i int) error {
		var g RejectedGroup
		var id string
		if err := scan(columns, i, &g.Group, &g.Field, &g.Source, &id); err != nil {
			return err
		}
		at := slices.IndexFunc(groups, func(o RejectedGroup) bool { return o.Group == g.Group && o.Field == g.Field && o.Source == g.Source })
		if at >= 0 {
			groups[at].Examples = append(groups[at].Examples, id)
		}
		return nil
	})
}

func (s *server) registerGroups() {
	type groupPage struct {
		Groups []RejectedGroup `json:"groups" doc:"The largest first."`
		Next   string          `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-rejected-groups", needs: access.RecordRead, method: http.MethodGet, path: "/api/v1/rejected/groups", tag: "records",
		summary: "Rejected records by reason", description: "Records of one group have the same reason but for numbers and what is quoted, the same field and source.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusGatewayTimeout}},
		func(ctx context.Context, in *struct {
			Source string    `query:"source" maxLength:"63" doc:"Only of this source."`
			From   time.Time `query:"from" doc:"Only received at this time or later."`
			Until  time.Time `query:"until" doc:"Only received before this time."`
			Open   bool      `query:"open" doc:"Only those that were not sent again, or rejected again."`
			Limit  int       `query:"limit" default:"50" minimum:"1" maximum:"500" doc:"Most groups of a page."`
			Cursor string    `query:"cursor" maxLength:"20" doc:"From the page before."`
			After  string    `query:"after" maxLength:"80" doc:"Wait, up to 5 seconds, until the groups show everything up to this position, or with last everything that is in the log now."`
		}) (*bodyOf[groupPage], error) {
			if err := s.waitAfter(ctx, in.After, newestPatience); err != nil {
				return nil, err
			}
			from, err := offsetOf(in.Cursor)
			if err != nil {
				return nil, err
			}
			if err := s.checkSource(ctx, in.Source); err != nil {
				return nil, err
			}
			found, err := s.rejectedGroups(ctx, rejectedFilter{source: in.Source, from: in.From, until: in.Until, open: in.Open}, from, in.Limit+1)
			if err != nil {
				return nil, err
			}
			out := groupPage{Groups: found}
			if len(found) > in.Limit {
				out.Groups, out.Next = found[:in.Limit], fmt.Sprint(from+in.Limit)
			}
			return &bodyOf[groupPage]{Body: out}, nil
		})
	s.registerResendMany()
}

// A ResendMany says which rejected records are sent again, and how they are mended.
type ResendMany struct {
	IDs    []string        `json:"ids,omitempty" maxItems:"1000" doc:"These; or a filter."`
	Filter *ResendFilter   `json:"filter,omitempty" doc:"All that match, as far as they were not sent again with success."`
	Patch  json.RawMessage `json:"patch,omitempty" doc:"A JSON merge patch (RFC 7396) that each is mended with: a member replaces that of the event, null takes it away."`
}

// A ResendFilter chooses rejected records.
type ResendFilter struct {
	Source string     `json:"source,omitempty" maxLength:"63" doc:"Of this source."`
	Group  string     `json:"group,omitempty" maxLength:"2000" doc:"Of this group, as the list of groups names it."`
	Field  *string    `json:"field,omitempty" maxLength:"1000" doc:"Whose wrong field is this."`
	Reason string     `json:"reason,omitempty" maxLength:"200" doc:"Whose reason contains this, in any case."`
	From   *time.Time `json:"from,omitempty" doc:"Received at this time or later."`
	Until  *time.Time `json:"until,omitempty" doc:"Received before this time."`
}

// A ResendResult is the result of sending many records again.
type ResendResult struct {
	Records   int64           `json:"records" doc:"How many were sent again."`
	Outcomes  map[string]int  `json:"outcomes" doc:"How many ended how: accepted, partly accepted, duplicate, rejected, failed."`
	List      []ResentOutcome `json:"list" doc:"One by one, those that were not accepted first; at most 1,000."`
	Truncated bool            `json:"truncated" doc:"The list does not have all of them."`
}

// A ResentOutcome is what became of one.
type ResentOutcome struct {
	RejectedID string             `json:"rejected_id" doc:"Of the rejected record."`
	Outcome    string             `json:"outcome" doc:"accepted, partly accepted, duplicate, rejected or failed."`
	Reason     string             `json:"reason,omitempty" doc:"Why it was not accepted."`
	Position   *millrace.Position `json:"position,omitempty" doc:"Where the new record lies in the log."`
}

func (s *server) registerResendMany() {
	s.schema(reflect.TypeFor[ResendResult]()) // of the job
	register(s, operation{id: "resend-many", needs: access.RejectedResend, method: http.MethodPost, path: "/api/v1/rejected/resend", tag: "records",
		summary:     "Send many rejected records again",
		description: "Each goes through intake as if it came in now, mended by the patch. The job says how far it has come; its result is a ResendResult.",
		status:      http.StatusAccepted, errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}},
		func(ctx context.Context, in *struct{ Body ResendMany }) (*started, error) {
			many := in.Body
			if (len(many.IDs) == 0) == (many.Filter == nil) {
				return nil, millrace.Errorf(millrace.Invalid, "name ids or a filter, one of the two: an empty filter is all records that were not sent again")
			}
			if len(many.Patch) > maxPatchBytes {
				return nil, millrace.Errorf(millrace.Invalid, "the patch has %d bytes, at most %d", len(many.Patch), maxPatchBytes)
			}
			if many.Patch != nil {
				if patched, err := patch.Merge([]byte("{}"), many.Patch); err != nil || patched[0] != '{' {
					return nil, millrace.Errorf(millrace.Invalid, "the patch is not a JSON object")
				}
			}
			if many.Filter != nil {
				if err := s.checkSource(ctx, many.Filter.Source); err != nil {
					return nil, err
				}
			}
			return s.start(ctx, "rejected.resend", map[string]any{"filter": many.Filter, "ids": len(many.IDs), "patched": many.Patch != nil}, func(ctx context.Context, progress func(job.Progress)) (any, error) {
				return s.resendMany(ctx, many, progress)
			})
		})
}

// filter is what many asks for.
func (many ResendMany) filter() rejectedFilter {
	f := rejectedFilter{limit: resendPage}
	if many.Filter == nil {
		return f
	}
	f.source, f.group, f.field, f.reason, f.open = many.Filter.Source, many.Filter.Group, many.Filter.Field, many.Filter.Reason, true
	if many.Filter.From != nil {
		f.from = *many.Filter.From
	}
	if many.Filter.Until != nil {
		f.until = *many.Filter.Until
	}
	return f
}

// chosen counts the rejected records that are to be sent again, and returns what
// gives them page by page, newest first, until there are none.
func (s *server) chosen(ctx context.Context, many ResendMany) (total int64, next func() ([]Rejected, error), err error) {
	f := many.filter()
	if many.Filter == nil {
		ids := slices.Compact(slices.Sorted(slices.Values(many.IDs)))
		return int64(len(ids)), func() ([]Rejected, error) {
			f.ids, ids = ids[:min(len(ids), resendPage)], ids[min(len(ids), resendPage):]
			if len(f.ids) == 0 {
				return nil, nil
			}
			found, err := s.rejected(ctx, f)
			for _, id := range f.ids { // those that are not there are told
				if !slices.ContainsFunc(found, func(r Rejected) bool { return r.ID == id }) {
					found = append(found, Rejected{ID: id})
				}
			}
			return found, err
		}, nil
	}
	c := f.conditions()
	err = s.each(ctx, fmt.Sprintf("SELECT count(*) AS n FROM millrace.rejected r %s%s", resentJoin, c), c.params, 1, func(columns []result.Cell, i int) error {
		return scan(columns, i, &total)
	})
	return total, func() ([]Rejected, error) {
		found, err := s.rejected(ctx, f)
		if len(found) > 0 {
			f.before = &found[len(found)-1].Position
		}
		return found, err
	}, err
}

func (s *server) resendMany(ctx context.Context, many ResendMany, progress func(job.Progress)) (any, error) {
	total, next, err := s.chosen(ctx, many)
	if err != nil {
		return nil, err
	}
	out := ResendResult{Outcomes: map[string]int{}, List: []ResentOutcome{}}
	var taken []ResentOutcome
	for {
		found, err := next()
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			break
		}
		outcomes := make([]ResentOutcome, len(found))
		var all errgroup.Group
		all.SetLimit(resendAtOnce)
		for i, r := range found {
			all.Go(func() error {
				outcomes[i] = s.resendOne(ctx, r, many.Patch)
				return nil
			})
		}
		_ = all.Wait() // they tell their errors themselves
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, one := range outcomes {
			out.Outcomes[one.Outcome]++
			if one.Outcome == OutcomeAccepted {
				taken = append(taken, one)
			} else if len(out.List) <= maxOutcomes {
				out.List = append(out.List, one)
			}
		}
		out.Records += int64(len(found))
		taken = taken[:min(len(taken), maxOutcomes+1)]
		progress(job.Progress{Done: out.Records, Total: max(total, out.Records), Unit: "records"})
	}
	out.List = append(out.List, taken...)
	if out.Truncated = len(out.List) > maxOutcomes; out.Truncated {
		out.List = out.List[:maxOutcomes]
	}
	return out, nil
}

// outcomeFailed is of a record that could not be sent at all.
const outcomeFailed = "failed"

// resendOne sends a record again. What is in the way is told, not an error.
func (s *server) resendOne(ctx context.Context, r Rejected, mended json.RawMessage) ResentOutcome {
	out := ResentOutcome{RejectedID: r.ID, Outcome: outcomeFailed}
	if r.Source == "" {
		out.Reason = "there is no such rejected record"
		return out
	}
	sent, err := s.resend(ctx, r, nil, mended)
	if err != nil {
		out.Reason = problemOf(ctx, err).Detail
		return out
	}
	out.Outcome, out.Reason = sent.Outcome, sent.Reason
	if !sent.Position.IsZero() {
		out.Position = &sent.Position
	}
	return out
}

// resend sends a rejected record again, with another body or as it was, mended
// by a patch.
func (s *server) resend(ctx context.Context, r Rejected, body, mended []byte) (Resubmitted, error) {
	switch {
	case len(body) > 0:
	case r.Truncated:
		return Resubmitted{}, millrace.Errorf(millrace.Conflict, "the record was too large to be kept whole: give its body to send it again")
	case r.RawBase64 != "" || !json.Valid([]byte(r.Raw)):
		return Resubmitted{}, millrace.Errorf(millrace.Conflict, "what was received is not JSON: give a body to send in its place")
	default:
		body = []byte(r.Raw)
	}
	if len(mended) > 0 {
		if !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
			return Resubmitted{}, millrace.Errorf(millrace.Conflict, "what was received is not a JSON object, so that it cannot be patched: give a body to send in its place")
		}
		var err error
		if body, err = patch.Merge(body, mended); err != nil {
			return Resubmitted{}, err
		}
	}
	return s.space(ctx).Resubmitter.Resubmit(ctx, Resubmission{Workspace: s.space(ctx).ID, Source: r.Source, RejectedID: r.ID, Type: r.Type, Body: body})
}
