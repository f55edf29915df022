package audit

import (
	"context"
	"encoding/json"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A row is what the tables hold of an entry.
type row struct {
	Seq            int64
	Previous, Hash []byte
	Workspace      string
	Number         int64
	PartPrevious   []byte
	PartHash       []byte
	Body           *string // nil: erased
	Digest         []byte  // of one that was erased
}

// rows is where entries are read: the chain, with what is left of each entry.
const rows = `SELECT c.seq, c.previous, c.hash, c.workspace, c.number, c.workspace_previous, c.workspace_hash, e.body, t.digest
	FROM audit_chain c LEFT JOIN audit_entry e ON e.seq = c.seq LEFT JOIN audit_tombstone t ON t.seq = c.seq`

// kept makes an entry of a row.
func (r *row) kept() (*Kept, error) {
	k := &Kept{Seq: r.Seq, Link: Link{r.Seq, hashOf(r.Previous), hashOf(r.Hash)}}
	k.Workspace = r.Workspace
	if r.Workspace != "" {
		k.WorkspaceSeq = r.Number
		k.WorkspaceLink = Link{r.Number, hashOf(r.PartPrevious), hashOf(r.PartHash)}
	}
	if r.Body == nil {
		return k, nil
	}
	b, err := parse([]byte(*r.Body))
	if err != nil {
		return nil, err
	}
	k.Raw = json.RawMessage(*r.Body)
	k.Entry = b.entry()
	return k, nil
}

// Digest is what the chains know of an entry that was erased: SHA-256 of its JSON.
func (r *row) digest() (Hash, bool) {
	switch {
	case r.Body != nil:
		return digest([]byte(*r.Body)), true
	case len(r.Digest) > 0:
		return hashOf(r.Digest), true
	}
	return Hash{}, false
}

// MaxPage is how many entries are read at once.
const MaxPage = 1000

// After returns up to n entries that follow number seq of the installation's
// chain, oldest first; fewer only at the end. Entries are never added before
// one that was returned, so a reader that remembers the last number sees each
// one once. It fails with Gone when entries after seq have been cut off by
// their age: start at the number that the error names.
func (l *Log) After(ctx context.Context, seq int64, n int) ([]Kept, error) {
	if n < 1 || n > MaxPage {
		return nil, millrace.Errorf(millrace.Invalid, "%d entries cannot be read at once: ask for 1 to %d", n, MaxPage)
	}
	var out []Kept
	err := l.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		out = nil
		cut, err := anchorOf(ctx, tx, "")
		if err != nil {
			return err
		}
		if seq < cut.Number {
			return millrace.Errorf(millrace.Gone, "audit entries up to number %d have been cut off by their age: read after %d", cut.Number, cut.Number)
		}
		out, err = collect(ctx, tx, rows+" WHERE c.seq > $1 ORDER BY c.seq LIMIT $2", seq, n)
		return err
	})
	return out, err
}

// Begin returns the number of the last entry that was cut off by its age, behind
// which the trail begins; 0 when none was.
func (l *Log) Begin(ctx context.Context) (seq int64, err error) {
	err = l.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		cut, err := anchorOf(ctx, tx, "")
		seq = cut.Number
		return err
	})
	return seq, err
}

// collect reads the entries that a query returns.
func collect(ctx context.Context, tx catalog.Tx, sql string, args ...any) ([]Kept, error) {
	var out []Kept
	for r, err := range catalog.Each[row](ctx, tx, sql, args...) {
		if err != nil {
			return nil, err
		}
		k, err := r.kept()
		if err != nil {
			return nil, err
		}
		out = append(out, *k)
	}
	return out, nil
}

// anchorOf returns where a chain begins: after the last entry that was cut off.
func anchorOf(ctx context.Context, tx catalog.Tx, chain string) (Link, error) {
	type row struct {
		Number int64
		Hash   []byte
	}
	r, found, err := catalog.Find[row](ctx, tx, "SELECT number, hash FROM audit_anchor WHERE workspace = $1 ORDER BY number DESC LIMIT 1", chain)
	if err != nil || !found {
		return Link{}, err
	}
	return Link{Number: r.Number, Hash: hashOf(r.Hash)}, nil
}
