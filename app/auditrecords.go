package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/workspace"
)

// The records of the source millrace: entries of the audit trail in the log of
// the space that they are about, behind the requests that made them. The trail
// itself says what is still to be stored.
const (
	auditStream     = millrace.StreamCustom + "audit"
	auditPage       = 500         // entries read at once
	auditWait       = time.Second // until the trail is looked at again
	auditPause      = 50 * time.Millisecond
	auditRetry      = 5 * time.Second
	auditBatchBytes = 1 << 20 // appended at once
)

// auditFact is, in the catalog, how far the audit trail is in the log.
const auditFact = "audit_records"

// An auditMark says that the records of all entries up to and including Number
// lie in the log at Position and before.
type auditMark struct {
	Number   int64             `json:"number"`
	Position millrace.Position `json:"position"`
}

// auditMarks is how many marks are kept, and auditMarkEvery how many entries lie
// between them: a log that was restored lacks the newest, and is given them again.
const (
	auditMarks     = 50
	auditMarkEvery = 1000
)

// An auditRecord is the body of a record: the entry as the API tells it, but
// that what was before and after is text, so that tables have columns of fixed types.
type auditRecord struct {
	ID          string    `json:"id"`
	Number      int64     `json:"number"`
	Time        time.Time `json:"time"`
	ActorKind   string    `json:"actor_kind"`
	ActorID     string    `json:"actor_id,omitempty"`
	Actor       string    `json:"actor"`
	Action      string    `json:"action"`
	ObjectKind  string    `json:"object_kind,omitempty"`
	ObjectID    string    `json:"object_id,omitempty"`
	Object      string    `json:"object,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Address     string    `json:"address,omitempty"`
	Agent       string    `json:"agent,omitempty"`
	RequestID   string    `json:"request_id,omitempty"`
	Before      string    `json:"before,omitempty"`
	After       string    `json:"after,omitempty"`
	Note        string    `json:"note,omitempty"`
}

// auditTypes are the columns of millrace.audit, whatever the first values look like.
func auditTypes() map[string]string {
	types := map[string]string{"audit.number": warehouse.BigInt.String(), "audit.time": warehouse.Timestamp.String()}
	for _, name := range []string{"actor_kind", "actor_id", "actor", "action", "object_kind", "object_id", "object", "environment",
		"address", "agent", "request_id", "before", "after", "note"} {
		types["audit."+name] = warehouse.Text.String()
	}
	return types
}

// recordAudit stores the entries of the audit trail as records, until ctx ends.
func (a *App) recordAudit(ctx context.Context) error {
	marks, err := a.auditMarks(ctx)
	for ctx.Err() == nil {
		wait, more := auditWait, false
		if err == nil {
			marks, more, err = a.recordEntries(ctx, marks)
		}
		switch {
		case err != nil:
			wait = auditRetry
		case more:
			wait = auditPause
		}
		if err != nil && ctx.Err() == nil {
			a.logger("audit").Warn("the newest entries of the audit trail are not in the log yet; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if err != nil {
			marks, err = a.auditMarks(ctx)
		}
	}
	return nil
}

// auditMarks returns the marks that hold in this log.
func (a *App) auditMarks(ctx context.Context) (marks []auditMark, err error) {
	var text string
	var known bool
	err = a.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		text, known, err = catalog.Find[string](ctx, tx, "SELECT value FROM server_fact WHERE name = $1", auditFact)
		return err
	})
	if err != nil || !known {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &marks); err != nil {
		return nil, fmt.Errorf("how far the audit trail is in the log cannot be read: %w", err)
	}
	_, last, err := a.log.Bounds(ctx)
	if err != nil {
		return nil, err
	}
	n := len(marks)
	for n > 0 && !holds(a.log.Eras(), last, marks[n-1].Position) {
		n--
	}
	if n < len(marks) {
		if n == 0 && len(marks) == auditMarks { // what is older is not known any more
			n = 1
		}
		a.logger("audit").Warn("the log is from before the newest records of the audit trail: they are stored again, and those that are there are duplicates")
	}
	return marks[:n], nil
}

// holds says whether a log that ends at last has had a position.
func holds(eras []eventlog.Era, last, p millrace.Position) bool {
	for i, era := range eras {
		if era.Epoch == p.Epoch {
			return i+1 < len(eras) && p.Seq < eras[i+1].First || i+1 == len(eras) && p.Seq <= last.Seq
		}
	}
	return p.IsZero()
}

// recordEntries stores a page of the entries behind the marks. What is stored
// and not written down is stored again: the second one is a duplicate.
func (a *App) recordEntries(ctx context.Context, marks []auditMark) (_ []auditMark, more bool, err error) {
	var at auditMark
	if len(marks) > 0 {
		at = marks[len(marks)-1]
	}
	entries, err := a.audit.After(ctx, at.Number, auditPage)
	if millrace.KindOf(err) == millrace.Gone { // cut off by their age
		if at.Number, err = a.audit.Begin(ctx); err == nil {
			entries, err = a.audit.After(ctx, at.Number, auditPage)
		}
	}
	if err != nil || len(entries) == 0 {
		return marks, false, err
	}
	batches, err := a.auditBatches(ctx, entries)
	if err != nil {
		return marks, false, err
	}
	for _, batch := range batches {
		p, err := a.log.Append(ctx, batch)
		if millrace.KindOf(err) == millrace.Gone { // the space was purged meanwhile
			continue
		}
		if err != nil {
			return marks, false, err
		}
		at.Position = p
	}
	at.Number = entries[len(entries)-1].Seq
	marks = withMark(marks, at)
	return marks, len(entries) == auditPage, a.storeAuditMarks(ctx, marks)
}

// withMark adds a mark, or moves the newest on.
func withMark(marks []auditMark, m auditMark) []auditMark {
	n := len(marks)
	next := append([]auditMark(nil), marks...)
	if n >= 2 && m.Number-marks[n-2].Number <= auditMarkEvery {
		next[n-1] = m
		return next
	}
	next = append(next, m)
	return next[max(0, len(next)-auditMarks):]
}

func (a *App) storeAuditMarks(ctx context.Context, marks []auditMark) error {
	text, err := json.Marshal(marks)
	if err != nil {
		return err
	}
	return a.catalog.Update(ctx, func(tx catalog.Tx) error {
		if err := a.lease.Check(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO server_fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", auditFact, string(text))
		return err
	})
}

// auditBatches are the records of entries, in what is appended at once: of one
// space each, so that one that is purged does not keep the others.
func (a *App) auditBatches(ctx context.Context, entries []audit.Kept) (batches [][]millrace.Record, err error) {
	spaces := a.workspaces.store.Spaces()
	for i := range entries {
		if e := &entries[i]; e.Workspace != "" && len(spaces.Of(e.Workspace)) == 0 { // made a moment ago, or gone
			if err := a.workspaces.store.Refresh(ctx); err != nil {
				return nil, err
			}
			spaces = a.workspaces.store.Spaces()
			break
		}
	}
	now := a.o.Now().UTC().Truncate(time.Millisecond)
	type open struct{ batch, bytes int }
	last := map[string]open{}
	for i := range entries {
		space, ok := a.auditSpace(spaces, &entries[i])
		if !ok || entries[i].Erased() {
			continue
		}
		r, err := recordOf(&entries[i], space, now)
		if err != nil {
			return nil, err
		}
		to, began := last[space]
		if !began || to.bytes+len(r.Body) > auditBatchBytes {
			batches = append(batches, nil)
			to = open{batch: len(batches) - 1}
		}
		batches[to.batch] = append(batches[to.batch], r)
		to.bytes += len(r.Body)
		last[space] = to
	}
	return batches, nil
}

// auditSpace is the space whose log an entry belongs in: that of its environment,
// or the main one of its workspace; none for a workspace that is gone or about to
// be, and for what concerns the installation, which those who may query some
// space need not know.
func (a *App) auditSpace(spaces *workspace.Spaces, e *audit.Kept) (id string, ok bool) {
	for _, sp := range spaces.Of(e.Workspace) {
		switch {
		case sp.State == workspace.Purging:
		case e.Environment != "" && (e.Environment == sp.Environment || e.Environment == sp.ID):
			return sp.ID, true
		case sp.Main:
			id, ok = sp.ID, true
		}
	}
	return id, ok
}

// recordOf makes a record of an entry. Its ID is the entry's number and the
// beginning of its hash: a catalog that was put back gives numbers again, to
// other entries.
func recordOf(e *audit.Kept, space string, now time.Time) (millrace.Record, error) {
	before, beforeErr := auditText(e.Before)
	after, afterErr := auditText(e.After)
	body := auditRecord{
		ID: fmt.Sprintf("%d-%.16s", e.Seq, e.Link.Hash), Number: e.Seq, Time: e.Time.UTC(),
		ActorKind: e.Actor.Kind, ActorID: e.Actor.ID, Actor: e.Actor.Name, Action: e.Action,
		ObjectKind: e.Object.Kind, ObjectID: e.Object.ID, Object: e.Object.Name, Environment: e.Environment,
		Address: e.From.Address, Agent: e.From.Agent, RequestID: e.From.Request, Before: before, After: after, Note: e.Note,
	}
	text, err := json.Marshal(body)
	if err = errors.Join(beforeErr, afterErr, err); err != nil {
		return millrace.Record{}, fmt.Errorf("entry %d of the audit trail: %w", e.Seq, err)
	}
	key := body.ActorID
	if key == "" {
		key = body.ID
	}
	return millrace.Record{
		ID: body.ID, Workspace: space, Source: millrace.SourceMillrace, Stream: auditStream, Key: key,
		Received: now, Occurred: e.Time.UTC().Truncate(time.Millisecond), Body: text,
	}, nil
}

// auditText is what was before or after, as text.
func auditText(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	text, err := json.Marshal(v)
	return string(text), err
}
