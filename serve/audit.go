package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/serve/job"
)

// An AuditEntry is who did what, to what, from where and when.
type AuditEntry struct {
	Number          int64           `json:"number" example:"42" doc:"In the trail, from 1, without gaps."`
	Time            time.Time       `json:"time"`
	ActorKind       string          `json:"actor_kind" enum:"person,key,local,system" doc:"local: who sits at a machine on which millrace dev runs. system: the server itself, and commands on its machine."`
	ActorID         string          `json:"actor_id,omitempty" doc:"Of the person or key."`
	Actor           string          `json:"actor" doc:"Its name then."`
	Action          string          `json:"action" example:"key.create" doc:"What was done: object.verb."`
	ObjectKind      string          `json:"object_kind,omitempty" example:"key"`
	ObjectID        string          `json:"object_id,omitempty"`
	Object          string          `json:"object,omitempty" doc:"Its name then, when that is not its id."`
	Environment     string          `json:"environment,omitempty" doc:"By id."`
	EnvironmentName string          `json:"environment_name,omitempty" example:"staging" doc:"What it is called now."`
	Address         string          `json:"address,omitempty" doc:"From where on the network."`
	Agent           string          `json:"agent,omitempty" doc:"What the client calls itself."`
	RequestID       string          `json:"request_id,omitempty" doc:"Under which the server's log knows the request."`
	Before          json.RawMessage `json:"before,omitempty" doc:"What was, without secrets."`
	After           json.RawMessage `json:"after,omitempty" doc:"What is since, without secrets."`
	Note            string          `json:"note,omitempty"`
	Erased          bool            `json:"erased,omitempty" doc:"It was erased with its workspace: only its number and hash are left."`
}

func (s *server) auditEntry(k audit.Kept) AuditEntry {
	out := AuditEntry{Number: k.Seq, Time: k.Time.UTC(), ActorKind: k.Actor.Kind, ActorID: k.Actor.ID, Actor: k.Actor.Name, Action: k.Action,
		ObjectKind: k.Object.Kind, ObjectID: k.Object.ID, Object: k.Object.Name, Environment: k.Environment, EnvironmentName: s.environmentName(k.Environment),
		Address: k.From.Address, Agent: k.From.Agent, RequestID: k.From.Request, Note: k.Note, Erased: k.Erased()}
	out.Before, _ = k.Before.(json.RawMessage)
	out.After, _ = k.After.(json.RawMessage)
	return out
}

// An AuditFilter chooses entries.
type AuditFilter struct {
	From   time.Time `query:"from" doc:"Only at this time or later."`
	Until  time.Time `query:"until" doc:"Only before this time."`
	Actor  string    `query:"actor" maxLength:"200" doc:"Only by this person or key, by id."`
	Action string    `query:"action" maxLength:"100" example:"key" doc:"Only this action, such as key.create, or all that was done to such objects: key."`
	Object string    `query:"object" maxLength:"300" doc:"Only what was done to this object, by id."`
	Text   string    `query:"q" maxLength:"200" doc:"Only entries with these words, or words that begin so."`
}

// of is the filter within a workspace's trail, or within the whole when that is "".
func (in AuditFilter) of(workspace string) audit.Filter {
	return audit.Filter{From: in.From, To: in.Until, Actor: in.Actor, Action: in.Action, Object: in.Object, Text: in.Text, Workspace: workspace}
}

var errNoAudit = millrace.Errorf(millrace.NotFound, "this server keeps no audit trail")

// registerAudit are the operations on the trail of a workspace, and on that of
// the whole server, for which one needs no role in any workspace.
func (s *server) registerAudit() {
	own := func(ctx context.Context) string { return s.space(ctx).Workspace }
	const checked = "Oldest first, with the hashes that it takes to verify it anywhere; docs/format/audit.md says how."
	s.registerTrail(operation{id: "list-audit", path: "/api/v1/audit", needs: access.AuditRead, summary: "Who did what",
		description: "Every change that someone made, with what was before and after. Entries are never changed: each holds the hash of the one before."},
		operation{id: "get-audit-entry", path: "/api/v1/audit/{number}", needs: access.AuditRead, summary: "One entry of the trail"},
		operation{id: "export-audit", path: "/api/v1/audit/export", needs: access.AuditRead, summary: "Export who did what", description: checked}, own)
	s.registerTrail(operation{id: "list-server-audit", path: "/api/v1/server/audit", needs: access.ServerAudit, summary: "Who did what on the whole server",
		description: "In all workspaces, and what concerns none of them."},
		operation{id: "get-server-audit-entry", path: "/api/v1/server/audit/{number}", needs: access.ServerAudit, summary: "One entry of the server's trail"},
		operation{id: "export-server-audit", path: "/api/v1/server/audit/export", needs: access.ServerAudit, summary: "Export who did what on the whole server",
			description: checked}, func(context.Context) string { return "" })
	register(s, operation{id: "start-audit-verification", method: http.MethodPost, path: "/api/v1/audit/verifications", tag: "audit", needs: access.ServerAudit,
		summary: "Verify the audit trail", description: "Reads every entry and checks that none was changed, taken out, put in or moved.", status: http.StatusAccepted, errors: []int{http.StatusConflict, http.StatusNotFound}},
		func(ctx context.Context, _ *struct{}) (*started, error) {
			if s.o.Audit == nil {
				return nil, errNoAudit
			}
			return s.start(ctx, "audit.verify", nil, func(ctx context.Context, progress func(job.Progress)) (any, error) {
				report, err := s.o.Audit.Verify(ctx, audit.VerifyOptions{Progress: func(n int64) { progress(job.Progress{Done: n, Unit: "entries"}) }})
				if err != nil {
					return nil, err
				}
				return auditReport(report), nil
			})
		})
}

// registerTrail are the operations that read a trail.
func (s *server) registerTrail(listing, one, export operation, of func(context.Context) string) {
	type auditPage struct {
		Entries []AuditEntry `json:"entries" doc:"The newest first."`
		Next    string       `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	listing.method, listing.tag, listing.apart, listing.errors = http.MethodGet, "audit", true, []int{http.StatusBadRequest, http.StatusNotFound}
	register(s, listing,
		func(ctx context.Context, in *struct {
			AuditFilter
			Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"Most entries of a page."`
			Cursor string `query:"cursor" maxLength:"200" doc:"From the page before."`
		}) (*bodyOf[auditPage], error) {
			if s.o.Audit == nil {
				return nil, errNoAudit
			}
			found, err := s.o.Audit.Search(ctx, in.of(of(ctx)), in.Cursor, in.Limit)
			if err != nil {
				return nil, err
			}
			out := auditPage{Entries: []AuditEntry{}, Next: found.Next}
			for _, k := range found.Entries {
				out.Entries = append(out.Entries, s.auditEntry(k))
			}
			return &bodyOf[auditPage]{Body: out}, nil
		})
	one.method, one.tag, one.apart, one.errors = http.MethodGet, "audit", true, listing.errors
	register(s, one, func(ctx context.Context, in *struct {
		Number int64 `path:"number" minimum:"1" example:"42" doc:"Of the entry."`
	}) (*bodyOf[AuditEntry], error) {
		if s.o.Audit == nil {
			return nil, errNoAudit
		}
		k, err := s.o.Audit.Entry(ctx, audit.Filter{Workspace: of(ctx)}, in.Number)
		if err != nil {
			return nil, err
		}
		return &bodyOf[AuditEntry]{Body: s.auditEntry(k)}, nil
	})
	export.method, export.tag, export.apart, export.errors, export.timeout = http.MethodGet, "audit", true, listing.errors, -1
	export.responses = map[string]*huma.Response{"200": {Description: "The entries", Content: map[string]*huma.MediaType{
		ndjsonMedia: {Schema: &huma.Schema{Type: huma.TypeString}, Example: "{\"audit\":1}\n"}, "text/csv": {Schema: &huma.Schema{Type: huma.TypeString}, Example: "number,time,actor\n"}}}}
	register(s, export,
		func(ctx context.Context, in *struct {
			AuditFilter
			Format string `query:"format" enum:"ndjson,csv" default:"ndjson" doc:"In CSV no text is a formula."`
		}) (*huma.StreamResponse, error) {
			if s.o.Audit == nil {
				return nil, errNoAudit
			}
			f := in.of(of(ctx))
			return &huma.StreamResponse{Body: func(hc huma.Context) { s.exportAudit(ctx, hc, f, in.Format) }}, nil
		})
}

// auditVerified is what came of verifying the trail.
type auditVerified struct {
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
	Records  int64    `json:"records"`
	Erased   int64    `json:"erased"`
	Cut      int64    `json:"cut"`
	Number   int64    `json:"number"` // of the newest entry
	Hash     string   `json:"hash"`   // its hash: who notes it elsewhere can hold the trail to it
}

func auditReport(r *audit.Report) auditVerified {
	out := auditVerified{OK: r.OK(), Problems: []string{}, Records: r.Entries, Erased: r.Erased, Cut: r.Cut, Number: r.Head.Number, Hash: r.Head.Hash.String()}
	for _, f := range r.Findings {
		out.Problems = append(out.Problems, f.Message)
	}
	return out
}

// exportAudit streams the entries. When it fails in the middle the connection
// breaks off, so that what is there is not taken for all.
func (s *server) exportAudit(ctx context.Context, hc huma.Context, f audit.Filter, format string) {
	kind := "application/x-ndjson"
	if format == "csv" {
		kind = "text/csv; charset=utf-8"
	}
	_, w := humago.Unwrap(hc)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="audit.`+format+`"`)
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // not every writer has one
	buffered := bufio.NewWriterSize(w, 64<<10)
	err := s.o.Audit.Export(ctx, buffered, f, format)
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		s.o.Logger.Warn("an export of the audit trail broke off", "request", requestID(ctx), "error", err)
		panic(http.ErrAbortHandler)
	}
}

// tell writes down what who asks has done, where it is not told in a transaction
// of the catalog itself. What was done stays done when that fails, which is said
// in the server's log.
func (s *server) tell(ctx context.Context, action string, object audit.Object, before, after any) {
	if s.o.Audit == nil {
		return
	}
	by, sp := s.caller(ctx), s.space(ctx)
	e := audit.Entry{Actor: ActorOf(by.Principal), Action: action, Object: object, Workspace: sp.Workspace, Environment: sp.ID,
		From: audit.From{Address: by.Address.String(), Agent: by.Agent, Request: requestID(ctx)}, Before: before, After: after}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout) // it is done, whoever has left
	defer cancel()
	if err := s.o.Audit.Write(ctx, e); err != nil {
		s.o.Logger.Error("what was done is not in the audit trail", "action", action, "object", object.ID, "by", by.String(), "error", err)
	}
}

// tellTimeout bounds writing an entry.
const tellTimeout = 10 * time.Second

// ActorOf is a principal in the audit trail.
func ActorOf(p access.Principal) audit.Actor {
	switch p.Kind {
	case access.PersonKind:
		return audit.Actor{Kind: audit.Person, ID: p.Person, Name: p.Name}
	case access.KeyKind:
		return audit.Actor{Kind: audit.Key, ID: p.Key, Name: p.Name}
	case access.LocalKind:
		return audit.Actor{Kind: audit.Local, Name: p.Name}
	}
	return audit.Actor{Kind: audit.System, Name: p.Name}
}
