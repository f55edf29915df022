package app

import (
	"context"
	"time"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/serve"
)

// auditTending is how often the audit trail does what can wait.
const auditTending = time.Hour

// openControl opens who may do what, and who did.
func (a *App) openControl(context.Context) (err error) {
	if a.audit, err = audit.New(audit.Options{Catalog: a.catalog, Redact: a.secrets.redactors.String, Now: a.o.Now, Logger: a.logger("audit")}); err != nil {
		return err
	}
	a.access, err = a.newAccess(a.catalog, a.config().Name)
	return err
}

// record writes down, in its transaction, what was changed of who may do what.
func (a *App) record(ctx context.Context, tx catalog.Tx, c access.Change) error {
	e := audit.Entry{
		Actor: serve.ActorOf(c.Caller.Principal), Action: c.Action, Object: audit.Object{Kind: c.Kind, ID: c.Object, Name: c.Name},
		Workspace: c.Workspace, Environment: c.Environment, From: audit.From{Agent: c.Caller.Agent, Request: c.Caller.Request},
	}
	if e.Workspace == access.Installation {
		e.Workspace = ""
	}
	if c.Caller.Address.IsValid() {
		e.From.Address = c.Caller.Address.String()
	}
	if c.Before != nil {
		e.Before = c.Before
	}
	if c.After != nil {
		e.After = c.After
	}
	// Nothing of it is text in which a value of the vault may stand, so that none is
	// looked for: who sets secrets could take out what they did.
	e.Time = a.o.Now()
	return audit.Append(ctx, tx, e)
}

// runControl writes when keys were used, and tends the audit trail, until ctx ends.
func (a *App) runControl(ctx context.Context, do func(func() error)) {
	do(func() error { return a.access.Run(ctx) })
	do(func() error { return a.mail.out.Run(ctx) })
	do(func() error { return a.recordAudit(ctx) })
	do(func() error {
		for {
			if err := a.cutAudit(ctx); err != nil && ctx.Err() == nil {
				a.logger("audit").Warn("what is older than audit_retention could not be cut off; it is tried again in an hour", "error", err)
			}
			if err := a.audit.Tend(ctx); err != nil && ctx.Err() == nil {
				a.logger("audit").Warn("the audit trail could not be tended; it is tried again in an hour", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(auditTending):
			}
		}
	})
}

// cutAudit cuts off what is older than the project wants to keep of the trail.
func (a *App) cutAudit(ctx context.Context) error {
	keep := time.Duration(a.config().AuditRetention)
	if keep <= 0 {
		return nil
	}
	by := audit.By{Actor: audit.Actor{Kind: audit.System, Name: "millrace"}, Note: "audit_retention: " + a.config().AuditRetention.String()}
	for more := true; more && ctx.Err() == nil; {
		entries, left, err := a.audit.Cut(ctx, a.o.Now().Add(-keep), by)
		if err != nil {
			return err
		}
		if entries > 0 {
			a.logger("audit").Info("entries of the audit trail were cut off, as audit_retention says", "entries", entries)
		}
		more = left
	}
	return nil
}
