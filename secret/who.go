package secret

import (
	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
)

// The permissions that a Vault asks for.
const (
	PermissionSet    = "secret:set"    // values, versions, deleting, and taking uses away
	PermissionUse    = "secret:use"    // a new use: another resource or host
	PermissionReveal = "secret:reveal" // reading a value
)

// A Who asks a Vault to change something: for the audit log, and what they may.
type Who struct {
	Actor audit.Actor
	From  audit.From
	// Allow returns nil when they have a permission in a workspace and
	// environment (empty: all of them). Required: nothing is allowed without it.
	Allow func(permission, workspace, environment string) error
}

// System is Millrace itself, which may do everything.
func System() Who {
	return Who{Actor: audit.Actor{Kind: audit.System}, Allow: func(string, string, string) error { return nil }}
}

func (w Who) may(permission string, n name) error {
	if w.Allow == nil {
		return millrace.Errorf(millrace.Forbidden, "this needs the permission %s", permission)
	}
	return w.Allow(permission, n.Workspace, n.Environment)
}

// entry is what the audit log says of what they did.
func (w Who) entry(action string, o audit.Object, workspace, environment string, before, after any) audit.Entry {
	return audit.Entry{Actor: w.Actor, From: w.From, Action: action, Object: o, Workspace: workspace, Environment: environment, Before: before, After: after}
}

func (w Who) of(action string, n name, before, after any) audit.Entry {
	return w.entry(action, audit.Object{Kind: "secret", ID: n.Path}, n.Workspace, n.Environment, before, after)
}
