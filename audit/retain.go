package audit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

const (
	actionCut   = "audit.cut"
	actionErase = "audit.erase"
	// cutAtOnce is how many entries one Cut cuts off at most.
	cutAtOnce = 100_000
	// deleteAtOnce is how many rows one transaction deletes.
	deleteAtOnce = 2000
)

// A cutNote is what the entry of a Cut says after it.
type cutNote struct {
	Through    int64     `json:"through"` // the last number that was cut off
	Hash       Hash      `json:"hash"`    // of that entry: where the chain goes on
	Entries    int64     `json:"entries"`
	Before     time.Time `json:"before"`     // entries older than this
	Workspaces Hash      `json:"workspaces"` // over where the chains of workspaces go on
}

func (n *cutNote) read(j json.RawMessage) error { return json.Unmarshal(j, n) }

// An erasedNote is what the entry of an Erase says after it.
type erasedNote struct {
	Through int64 `json:"through"` // the last number of the workspace's chain
	Hash    Hash  `json:"hash"`    // of that entry
}

func (n *erasedNote) read(j json.RawMessage) error { return json.Unmarshal(j, n) }

// By is who had entries cut off or erased, and from where.
type By struct {
	Actor Actor
	From  From
	Note  string
}

// Cut cuts off the entries at the beginning of the chain that are older than a
// time, up to the first that is not, 100,000 at most: more says that there are
// others. What remains begins at an anchor: the number and hash of the last one
// that was cut off, in a table and in an entry audit.cut of the chain itself, so
// that Verify accepts a beginning only that someone has signed for. The rows are
// deleted by Tend.
func (l *Log) Cut(ctx context.Context, before time.Time, by By) (entries int64, more bool, err error) {
	err = l.o.Catalog.Update(ctx, func(tx catalog.Tx) error {
		entries, more = 0, false
		old, err := anchorOf(ctx, tx, "")
		if err != nil {
			return err
		}
		at := old
		for r, err := range catalog.Each[row](ctx, tx, rows+" WHERE c.seq > $1 ORDER BY c.seq LIMIT $2", old.Number, cutAtOnce+1) {
			if err != nil {
				return err
			}
			if more = entries == cutAtOnce; more {
				break
			}
			if r.Body != nil { // one that was erased is as old as those around it
				b, err := parse([]byte(*r.Body))
				if err != nil {
					return err
				}
				if !b.Time.Before(before) {
					break
				}
			}
			at = Link{Number: r.Seq, Hash: hashOf(r.Hash)}
			entries++
		}
		if entries == 0 {
			return nil
		}
		return l.anchor(ctx, tx, old, at, cutNote{Through: at.Number, Hash: at.Hash, Entries: entries, Before: before.UTC()}, by)
	})
	return entries, more, err
}

// anchor stores where the chains go on, and the entry that says so.
func (l *Log) anchor(ctx context.Context, tx catalog.Tx, old, at Link, note cutNote, by By) error {
	head, _, err := headOf(ctx, tx, "")
	if err != nil {
		return err
	}
	seq := head.Number + 1 // the number that the entry below will have
	if _, err := tx.Exec(ctx, "INSERT INTO audit_anchor (workspace, number, hash, seq) VALUES ('', $1, $2, $3)", at.Number, at.Hash[:], seq); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO audit_anchor (workspace, number, hash, seq)
		SELECT c.workspace, c.number, c.workspace_hash, $3 FROM audit_chain c JOIN
			(SELECT workspace AS w, max(number) AS n FROM audit_chain WHERE seq > $1 AND seq <= $2 AND workspace <> '' GROUP BY workspace) AS last
			ON c.workspace = last.w AND c.number = last.n`, old.Number, at.Number, seq); err != nil {
		return err
	}
	if note.Workspaces, err = anchorsDigest(ctx, tx, seq); err != nil {
		return err
	}
	return l.Append(ctx, tx, Entry{Actor: by.Actor, From: by.From, Note: by.Note, Action: actionCut, Object: Object{Kind: "audit"}, After: note})
}

// anchorsDigest is a hash over where the chains of workspaces go on after a Cut.
func anchorsDigest(ctx context.Context, tx catalog.Tx, seq int64) (Hash, error) {
	type row struct {
		Workspace string
		Number    int64
		Hash      []byte
	}
	sum := sha256.New()
	for r, err := range catalog.Each[row](ctx, tx, "SELECT workspace, number, hash FROM audit_anchor WHERE seq = $1 AND workspace <> '' ORDER BY workspace", seq) {
		if err != nil {
			return Hash{}, err
		}
		fmt.Fprintf(sum, "%s\n", Head{r.Workspace, r.Number, hashOf(r.Hash)})
	}
	return Hash(sum.Sum(nil)), nil
}

// Erase gives up what a workspace's entries say, as a step of deleting the
// workspace: the numbers and hashes stay, so that the installation's chain can
// still be verified, with an entry audit.erase that says it. Tend deletes the
// entries. Entries that are appended for the workspace later are not erased.
func (l *Log) Erase(ctx context.Context, tx catalog.Tx, workspace string, by By) error {
	if workspace == "" {
		return millrace.Errorf(millrace.Invalid, "the entries of the installation cannot be erased: cut off those that are old enough")
	}
	head, _, err := headOf(ctx, tx, "")
	if err != nil {
		return err
	}
	at, found, err := headOf(ctx, tx, workspace)
	if err != nil || !found {
		return err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO audit_erased (workspace, number, seq) VALUES ($1, $2, $3) ON CONFLICT (workspace, number) DO NOTHING", workspace, at.Number, head.Number+1); err != nil {
		return err
	}
	return l.Append(ctx, tx, Entry{Actor: by.Actor, From: by.From, Note: by.Note, Action: actionErase,
		Object: Object{Kind: "workspace", ID: workspace}, After: erasedNote{at.Number, at.Hash}})
}

// Tend does what can wait: it deletes what Cut and Erase gave up, and completes
// the index of Search. Call it when the server starts, after Erase, and each
// hour. What a crash leaves undone the next call does.
func (l *Log) Tend(ctx context.Context) error {
	for _, step := range []func(ctx context.Context, tx catalog.Tx, after int64) (next int64, more bool, err error){dropErased, dropCut, seal} {
		after := int64(0)
		for more := true; more; {
			var next int64
			err := l.o.Catalog.Update(ctx, func(tx catalog.Tx) (err error) {
				next, more, err = step(ctx, tx, after)
				return err
			})
			if err != nil {
				return err
			}
			after = next
		}
	}
	return nil
}

// dropErased leaves the digests of entries that were erased.
func dropErased(ctx context.Context, tx catalog.Tx, after int64) (next int64, more bool, err error) {
	type row struct {
		Seq  int64
		Body string
	}
	all, err := catalog.All[row](ctx, tx, `SELECT e.seq, e.body FROM audit_erased x JOIN audit_chain c ON c.workspace = x.workspace AND c.number <= x.number
		JOIN audit_entry e ON e.seq = c.seq WHERE e.seq > $1 ORDER BY e.seq LIMIT $2`, after, deleteAtOnce)
	if err != nil {
		return 0, false, err
	}
	for _, r := range all {
		d := digest([]byte(r.Body))
		if _, err := tx.Exec(ctx, "INSERT INTO audit_tombstone (seq, digest) VALUES ($1, $2)", r.Seq, d[:]); err != nil {
			return 0, false, err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM audit_entry WHERE seq = $1", r.Seq); err != nil {
			return 0, false, err
		}
		after = r.Seq
	}
	return after, len(all) == deleteAtOnce, nil
}

// dropCut deletes what lies before the anchor.
func dropCut(ctx context.Context, tx catalog.Tx, _ int64) (next int64, more bool, err error) {
	at, err := anchorOf(ctx, tx, "")
	if err != nil || at.Number == 0 {
		return 0, false, err
	}
	first, found, err := catalog.Find[int64](ctx, tx, "SELECT seq FROM audit_chain WHERE seq <= $1 ORDER BY seq LIMIT 1", at.Number)
	if err != nil || !found {
		return 0, false, err
	}
	through := min(first+deleteAtOnce-1, at.Number)
	for _, sql := range []string{
		"DELETE FROM audit_entry WHERE seq <= $1", "DELETE FROM audit_tombstone WHERE seq <= $1", "DELETE FROM audit_chain WHERE seq <= $1",
	} {
		if _, err := tx.Exec(ctx, sql, through); err != nil {
			return 0, false, err
		}
	}
	_, err = tx.Exec(ctx, "DELETE FROM audit_index WHERE block < $1", (through+1)/blockEntries)
	return 0, through < at.Number, err
}
