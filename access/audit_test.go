package access_test

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
)

// testAudit has the audit trail take what is recorded, as a server does.
func testAudit(t *testing.T, w *world) {
	w.o.Record = func(ctx context.Context, tx catalog.Tx, c access.Change) error {
		id := c.Caller.Person
		if c.Caller.Kind == access.KeyKind {
			id = c.Caller.Key
		}
		kind := string(c.Caller.Kind)
		if kind == "" { // nobody yet
			kind = audit.System
		}
		workspace := c.Workspace
		if workspace == access.Installation {
			workspace = ""
		}
		e := audit.Entry{Actor: audit.Actor{Kind: kind, ID: id, Name: c.Caller.Name}, Action: c.Action, Workspace: workspace, Environment: c.Environment,
			Object: audit.Object{Kind: c.Kind, ID: c.Object, Name: c.Name}, From: audit.From{Agent: c.Caller.Agent, Request: c.Caller.Request}}
		if c.Caller.Address.IsValid() {
			e.From.Address = c.Caller.Address.String()
		}
		if c.Before != nil {
			e.Before = c.Before
		}
		if c.After != nil {
			e.After = c.After
		}
		return audit.Append(ctx, tx, e)
	}
	w.restart()
	owner := w.as(w.setUp())
	bob := w.invite("bob", "w_a", "", access.Admin)
	k, _, err := w.CreateKey(t.Context(), w.as(bob), access.NewKey{Name: "ci", Workspace: "w_a", Permissions: []access.Permission{access.KeyRead, access.SecretList}})
	ok(t, err)
	ok(t, third(w.RotateKey(t.Context(), owner, "w_a", k.ID, 0)))
	ok(t, w.SetRole(t.Context(), owner, bob.Person, "w_a", "", access.Editor))
	_, _ = w.SignIn(t.Context(), anyone(elsewhere), access.SignIn{Email: "x@example.com", Password: "wrong"})
	ok(t, w.DeletePerson(t.Context(), owner, bob.Person))
	rows, err := all[string](t.Context(), w, `SELECT body FROM audit_entry ORDER BY seq`)
	ok(t, err)
	text := strings.Join(rows, "\n")
	for _, want := range []string{`"action":"setup.complete"`, `"action":"key.create"`, `key:read secret:list`, `"action":"member.set"`, `"role":"editor"`, `"name":"bob"`, `"action":"session.refuse"`, `"person.delete"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the audit trail does not say %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "[secret]") {
		t.Errorf("something is taken for a secret: %s", text)
	}
}
