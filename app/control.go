package app

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/serve"
)

// auditTending is how often the audit trail does what can wait.
const auditTending = time.Hour

// openControl opens the metadata store, and who may do what.
func (a *App) openControl(ctx context.Context) error {
	store, err := sqlite.Open(ctx, sqlite.Options{File: a.data.sub("catalog.db"), Version: a.o.Version, Now: a.o.Now, Logger: a.logger("catalog")})
	if err != nil {
		return fmt.Errorf("cannot open the metadata store: %w", err)
	}
	a.closers = append(a.closers, store)
	if a.audit, err = audit.New(audit.Options{Catalog: store, Now: a.o.Now, Logger: a.logger("audit")}); err != nil {
		return err
	}
	a.access, err = access.New(access.Options{
		Catalog: store, Record: a.record, Words: []string{"millrace", a.config().Name},
		Now: a.o.Now, Logger: a.logger("access"), Metrics: a.metrics,
	})
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
	return a.audit.Append(ctx, tx, e)
}

// runControl writes when keys were used, and tends the audit trail, until ctx ends.
func (a *App) runControl(ctx context.Context, do func(func() error)) {
	do(func() error { return a.access.Run(ctx) })
	do(func() error {
		for {
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
