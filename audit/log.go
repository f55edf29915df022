package audit

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// Options say how a Log works.
type Options struct {
	Catalog catalog.Catalog // required
	// Redact masks more in what is stored of a workspace than the names of fields
	// tell: the values of the vault. Who did it, to what and from where is never
	// masked so, nor are words that are one as a whole, such as the name of a role:
	// whoever chooses the value of a secret could take them out of the trail.
	// Default: nothing.
	Redact func(workspace, text string) string
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default discard
}

// A Log is the audit log of an installation. It is safe for concurrent use.
type Log struct {
	o Options
}

// New returns the audit log that a catalog holds.
func New(o Options) (*Log, error) {
	if o.Catalog == nil {
		return nil, millrace.Errorf(millrace.Invalid, "the audit log needs a catalog")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Log{o}, nil
}

// Append stores an entry in the transaction of the change it tells of: both are
// done or neither is. Entries of all writers are numbered in the order in which
// their transactions commit, so transactions that append wait for each other:
// append late in them. It fails with Invalid when the entry is not whole.
func (l *Log) Append(ctx context.Context, tx catalog.Tx, e Entry) error {
	if e.Time.IsZero() {
		e.Time = l.o.Now()
	}
	_, err := appendEntry(ctx, tx, e, l.o.Redact)
	return err
}

// Append is Log.Append with the time of this machine, for who has no Log.
func Append(ctx context.Context, tx catalog.Tx, e Entry) error {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	_, err := appendEntry(ctx, tx, e, nil)
	return err
}

// Write appends an entry that tells of nothing else in the catalog.
func (l *Log) Write(ctx context.Context, e Entry) error {
	return l.o.Catalog.Update(ctx, func(tx catalog.Tx) error { return l.Append(ctx, tx, e) })
}

// Head returns the end of the installation's chain, or of a workspace's.
func (l *Log) Head(ctx context.Context, workspace string) (Head, error) {
	h := Head{Workspace: workspace}
	err := l.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		at, _, err := headOf(ctx, tx, workspace)
		h.Number, h.Hash = at.Number, at.Hash
		return err
	})
	return h, err
}

func headOf(ctx context.Context, tx catalog.Tx, chain string) (Link, bool, error) {
	type row struct {
		Number int64
		Hash   []byte
	}
	r, found, err := catalog.Find[row](ctx, tx, "SELECT number, hash FROM audit_head WHERE workspace = $1", chain)
	if err != nil || !found {
		return Link{}, false, err
	}
	return Link{Number: r.Number, Hash: hashOf(r.Hash)}, true, nil
}

func hashOf(b []byte) (h Hash) {
	copy(h[:], b)
	return h
}
