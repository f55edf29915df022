// Package audit keeps who did what, to which object, from where and when: entries
// that are appended in the transaction of the change they tell of, and never
// changed. Their hashes form a chain over the whole installation and one more for
// each workspace, so that a change behind the program's back shows (Verify), an
// export can be checked by anyone, and a workspace can be erased without
// breaking the rest. Format and checks are in docs/format/audit.md.
package audit

import (
	"encoding/json"
	"time"
)

// The kinds of an Actor.
const (
	Person = "person" // someone who signed in
	Key    = "key"    // an API key
	Local  = "local"  // who sits at a server that asks for no sign-in
	System = "system" // Millrace itself
)

// An Actor is who did something, with the name that it had then.
type Actor struct {
	Kind string `json:"kind"` // Person, Key, Local or System
	ID   string `json:"id"`   // empty for Local and System
	Name string `json:"name"`
}

// An Object is what something was done to.
type Object struct {
	Kind string `json:"kind"` // singular, as the first word of the action: secret, release, member
	ID   string `json:"id"`   // what never changes of it
	Name string `json:"name"` // its name at that time, when that is something else
}

// A From is from where something was done.
type From struct {
	Address string `json:"address"` // of the network, without the port
	Agent   string `json:"agent"`   // what the client calls itself
	Request string `json:"request"` // the id under which logs know the request
}

// An Entry is what is said about one change.
type Entry struct {
	Time        time.Time // when it was; zero means now. Microseconds are kept
	Actor       Actor     // required: Kind
	Action      string    // required: noun.verb, of a-z, 0-9 and _
	Object      Object
	Workspace   string // its id; empty for what concerns the whole installation
	Environment string // its name; empty for all of them
	From        From
	// Before and After are the object, or what changed of it, as anything that
	// encodes as JSON; nil when there is nothing to say. What is secret in them
	// is masked before it is stored: fields with the tag `audit:"secret"`, and
	// fields whose names say so (see Masked).
	Before, After any
	Note          string // a sentence for people: a message, a reason
}

// A Kept is an Entry as it is stored. Its Before and After are json.RawMessage
// or nil.
type Kept struct {
	Entry
	Seq          int64 // its number in the installation's chain, from 1, without gaps
	WorkspaceSeq int64 // its number in the workspace's chain, from 1; 0 without a workspace
	// Raw is what is hashed: the entry as JSON, exactly as it was written. It is
	// nil when the entry was erased with its workspace; then Digest is left.
	Raw json.RawMessage
	// Link is the entry's place in the installation's chain.
	Link Link
	// WorkspaceLink is its place in the workspace's chain.
	WorkspaceLink Link
}

// Erased says whether the entry was erased with its workspace. Of one that was,
// only the numbers, the hashes and the workspace's id are left.
func (k *Kept) Erased() bool { return k.Raw == nil }

// body is the JSON of an entry. Its order and names are part of the format: they
// are documented, and stored entries are never written again.
type body struct {
	Seq          int64           `json:"seq"`
	WorkspaceSeq int64           `json:"workspace_seq"`
	Time         time.Time       `json:"time"`
	Actor        Actor           `json:"actor"`
	Action       string          `json:"action"`
	Object       Object          `json:"object"`
	Workspace    string          `json:"workspace"`
	Environment  string          `json:"environment"`
	From         From            `json:"from"`
	Before       json.RawMessage `json:"before"`
	After        json.RawMessage `json:"after"`
	Note         string          `json:"note"`
	Salt         string          `json:"salt"`
}

// read turns the JSON of an entry into the entry.
func (b *body) entry() Entry {
	e := Entry{Time: b.Time, Actor: b.Actor, Action: b.Action, Object: b.Object, Workspace: b.Workspace,
		Environment: b.Environment, From: b.From, Note: b.Note}
	if present(b.Before) {
		e.Before = b.Before
	}
	if present(b.After) {
		e.After = b.After
	}
	return e
}

func present(j json.RawMessage) bool { return len(j) > 0 && string(j) != "null" }
