package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/millrace/millrace/catalog"
)

// What can be wrong with an entry.
const (
	Changed   = "changed"   // it does not say what it said
	Removed   = "removed"   // it is not there any more
	Inserted  = "inserted"  // it was put between others
	Reordered = "reordered" // it stands at another number
)

// A Finding is one thing that is wrong with a chain.
type Finding struct {
	Kind      string `json:"kind"`      // Changed, Removed, Inserted or Reordered
	Workspace string `json:"workspace"` // whose chain; empty for the installation's
	First     int64  `json:"first"`     // the number in the chain
	Last      int64  `json:"last"`      // the same, or the last of a row of numbers
	Message   string `json:"message"`   // for people
}

// A Report is what Verify found out.
type Report struct {
	Entries  int64     `json:"entries"`  // that were checked
	Erased   int64     `json:"erased"`   // of these: erased with their workspaces, only their hashes are left
	Cut      int64     `json:"cut"`      // the number up to which entries were cut off by their age; 0 for none
	Head     Head      `json:"head"`     // the end of the chain: note it elsewhere
	Findings []Finding `json:"findings"` // nothing is wrong when there are none
}

// OK says whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// VerifyOptions say what Verify looks at.
type VerifyOptions struct {
	// Workspace limits it to one workspace's chain; empty means the
	// installation's chain and those of all workspaces.
	Workspace string
	// Heads were noted elsewhere at some time: the chains must still go through them.
	Heads []Head
	// Progress is called now and then with the number of entries checked.
	Progress func(entries int64)
}

// Verify checks that every entry says what it said when it was appended, that
// none is missing, none was put in, and all are in order. What is wrong is in the
// report; an error says that it could not look. Someone who can write to the
// store and makes every hash anew from an entry to the end is found out only by
// a head that was noted elsewhere.
func (l *Log) Verify(ctx context.Context, o VerifyOptions) (*Report, error) {
	report := &Report{}
	err := l.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		*report = Report{Findings: []Finding{}}
		chains := []string{o.Workspace}
		if o.Workspace == "" {
			var err error
			if chains, err = allChains(ctx, tx); err != nil {
				return err
			}
		}
		for _, chain := range chains {
			v := &verifier{chain: chain, workspace: o.Workspace, options: o, report: report}
			if err := v.run(ctx, tx); err != nil {
				return err
			}
		}
		slices.SortStableFunc(report.Findings, func(a, b Finding) int { return int(min(max(a.First-b.First, -1), 1)) })
		return nil
	})
	return report, err
}

// allChains returns the installation's chain and those of all workspaces. It
// does not trust the heads alone: they may be what was changed.
func allChains(ctx context.Context, tx catalog.Tx) ([]string, error) {
	return catalog.All[string](ctx, tx, `SELECT w FROM (SELECT workspace AS w FROM audit_head UNION SELECT workspace FROM audit_chain UNION SELECT '') AS chains ORDER BY w`)
}

// maxFindings bounds a report: a store that was rewritten as a whole would
// otherwise give a finding for each entry.
const maxFindings = 1000

// maxUnusual bounds what is remembered of a chain to tell how it was changed.
const maxUnusual = 10000

// A verifier checks one chain. Its rows come in the order of the numbers they
// have now; what does not fit is remembered, and explained when all are known.
type verifier struct {
	chain     string
	workspace string // what the caller asked for
	options   VerifyOptions
	report    *Report

	anchor   Link
	last     Link               // the row before
	lastGood bool               // it is what was appended at its number
	moved    map[int64]int64    // where an entry stands now, by its own number
	broken   map[int64]string   // rows that are not what was appended at their number: why
	gaps     []Finding          // numbers that no row has
	heads    map[int64][]Head   // noted elsewhere, by number
	erasures map[string]int64   // the same for the installation's chain, by workspace
	odd      []Finding          // what needs no explanation from others
	extra    map[int64]struct{} // rows that take a number beside the one they claim
	count    int64
}

func (v *verifier) run(ctx context.Context, tx catalog.Tx) error {
	v.moved, v.broken, v.extra, v.heads = map[int64]int64{}, map[int64]string{}, map[int64]struct{}{}, map[int64][]Head{}
	for _, h := range v.options.Heads {
		if h.Workspace == v.chain && h.Number > 0 {
			v.heads[h.Number] = append(v.heads[h.Number], h)
		}
	}
	var err error
	if v.anchor, err = anchorOf(ctx, tx, v.chain); err != nil {
		return err
	}
	if v.erasures, err = erasures(ctx, tx); err != nil {
		return err
	}
	v.last, v.lastGood = v.anchor, true
	order := " WHERE c.workspace = $1 ORDER BY c.number, c.seq"
	if v.chain == "" {
		order = " WHERE $1 = '' ORDER BY c.seq"
	}
	for r, err := range catalog.Each[row](ctx, tx, rows+order, v.chain) {
		if err != nil {
			return err
		}
		v.row(&r)
		if v.options.Progress != nil && v.count%1000 == 0 {
			v.options.Progress(v.report.Entries)
		}
	}
	if err := v.end(ctx, tx); err != nil {
		return err
	}
	if v.chain == "" {
		v.report.Cut = v.anchor.Number
		return v.authorised(ctx, tx)
	}
	if v.workspace != "" {
		v.report.Cut = v.anchor.Number
	}
	return nil
}

// linkOf returns the link of a row in the chain that is verified.
func (v *verifier) linkOf(r *row) Link {
	if v.chain == "" {
		return Link{r.Seq, hashOf(r.Previous), hashOf(r.Hash)}
	}
	return Link{r.Number, hashOf(r.PartPrevious), hashOf(r.PartHash)}
}

// row looks at the next row.
func (v *verifier) row(r *row) {
	at := v.linkOf(r)
	if at.Number <= v.anchor.Number && at.Number > 0 {
		return // cut off, and about to be deleted
	}
	v.count++
	if v.chain == v.workspace {
		v.report.Entries++
		if r.Body == nil {
			v.report.Erased++
		}
	}
	own, why := v.authentic(r, at)
	switch {
	case r.Body == nil && len(r.Digest) == 0:
		v.odd = append(v.odd, v.finding(Removed, at.Number, at.Number, "entry %d was removed: its hashes are there, but not what it said", at.Number))
		v.last, v.lastGood = at, false
		return
	case at.Number == v.last.Number && v.count > 1 || at.Number <= 0:
		v.odd = append(v.odd, v.finding(Inserted, at.Number, at.Number, "entry %d was inserted: it takes a number that another entry has, or that no entry can have", at.Number))
		return
	case at.Number > v.last.Number+1 && len(v.gaps) < maxUnusual:
		v.gaps = append(v.gaps, v.finding(Removed, v.last.Number+1, at.Number-1, ""))
	}
	followed := at.Number == v.last.Number+1
	good := own == at.Number
	switch {
	case len(v.moved)+len(v.broken) > maxUnusual: // enough is known
	case own != 0 && !good:
		v.moved[own] = at.Number
		v.extra[at.Number] = struct{}{}
	case !good:
		v.broken[at.Number] = why
	case followed && v.lastGood && at.Previous != v.last.Hash:
		v.mislinked(at)
	}
	for _, noted := range v.heads[at.Number] {
		if noted.Hash != at.Hash {
			v.odd = append(v.odd, v.finding(Changed, at.Number, at.Number, "entry %d or one before it was changed after its hash was noted elsewhere: the chain was made anew", at.Number))
		}
		delete(v.heads, at.Number)
	}
	v.last, v.lastGood = at, good
}

// mislinked tells whose fault it is when two rows fit their own hashes but not
// each other: that of the first, made anew with its hash; of the second when
// there is none before it that could have been.
func (v *verifier) mislinked(at Link) {
	number := v.last.Number
	if number == v.anchor.Number {
		number = at.Number
	}
	v.broken[number] = "it was written anew together with its hash"
}

// authentic returns the number under which the row was appended, 0 when it is
// not what was appended, and then why.
func (v *verifier) authentic(r *row, at Link) (own int64, why string) {
	d, ok := r.digest()
	if !ok {
		return 0, ""
	}
	if r.Body == nil {
		through, was := v.erasures[r.Workspace]
		if !was || r.Number > through {
			return 0, "what it said is gone, and no entry says that its workspace was erased"
		}
		if link(v.chain, at.Number, at.Previous, d) != at.Hash {
			return 0, "its hashes do not fit each other"
		}
		return at.Number, ""
	}
	if gjson.Get(*r.Body, "workspace").Str != r.Workspace {
		if !gjson.Valid(*r.Body) {
			return 0, "it cannot be read any more"
		}
		return 0, "it says another workspace than it is counted to"
	}
	if link(v.chain, at.Number, at.Previous, d) == at.Hash {
		return at.Number, ""
	}
	field := "seq"
	if v.chain != "" {
		field = "workspace_seq"
	}
	if said := gjson.Get(*r.Body, field).Int(); said > 0 && link(v.chain, said, at.Previous, d) == at.Hash {
		return said, ""
	}
	return 0, "what it says does not fit its hash"
}

func (v *verifier) finding(kind string, first, last int64, format string, args ...any) Finding {
	f := Finding{Kind: kind, Workspace: v.chain, First: first, Last: last}
	if format != "" {
		f.Message = fmt.Sprintf(format, args...) + v.where()
	}
	return f
}

func (v *verifier) where() string {
	if v.chain == "" {
		return ""
	}
	return " (in the chain of workspace " + v.chain + ")"
}

// erasures returns up to which number of its chain each workspace was erased,
// as an entry of the installation's chain says.
func erasures(ctx context.Context, tx catalog.Tx) (map[string]int64, error) {
	type row struct {
		Workspace   string
		Number, Seq int64
		Body        *string
	}
	all, err := catalog.All[row](ctx, tx, "SELECT x.workspace, x.number, x.seq, e.body FROM audit_erased x LEFT JOIN audit_entry e ON e.seq = x.seq")
	if err != nil {
		return nil, err
	}
	cut, err := anchorOf(ctx, tx, "")
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, r := range all {
		if r.Body == nil { // the entry that says so may itself be cut off by age
			if r.Seq <= cut.Number {
				out[r.Workspace] = max(out[r.Workspace], r.Number)
			}
			continue
		}
		var said erasedNote
		b, err := parse([]byte(*r.Body))
		if err != nil || b.Action != actionErase || b.Workspace != "" || b.Object.ID != r.Workspace || said.read(b.After) != nil || said.Through != r.Number {
			continue
		}
		out[r.Workspace] = max(out[r.Workspace], r.Number)
	}
	return out, nil
}
