package audit

import (
	"context"
	"slices"

	"github.com/millrace/millrace/catalog"
)

// end explains what did not fit, when all rows of the chain are known.
func (v *verifier) end(ctx context.Context, tx catalog.Tx) error {
	head, known, err := headOf(ctx, tx, v.chain)
	if err != nil {
		return err
	}
	switch {
	case known && head.Number > v.last.Number:
		v.gaps = append(v.gaps, v.finding(Removed, v.last.Number+1, head.Number, ""))
	case v.lastGood && v.last.Number > head.Number:
		first := head.Number + 1
		v.odd = append(v.odd, v.finding(Inserted, first, v.last.Number, "entries %s were put behind the end of the chain, which is number %d", span(first, v.last.Number), head.Number))
	case known && v.lastGood && head.Hash != v.last.Hash && head.Number > 0:
		v.broken[v.last.Number] = "it was written anew together with its hash"
	}
	for number, noted := range v.heads {
		if number <= v.anchor.Number {
			if number == v.anchor.Number && noted[0].Hash != v.anchor.Hash {
				v.odd = append(v.odd, v.finding(Changed, number, number, "the chain does not begin after the entry %d whose hash was noted elsewhere", number))
			}
			continue
		}
		v.odd = append(v.odd, v.finding(Removed, number, number, "entry %d, whose hash was noted elsewhere, is not there", number))
	}
	if v.chain == v.workspace {
		v.report.Head = Head{v.chain, v.last.Number, v.last.Hash}
	}
	if len(v.moved)+len(v.broken)+len(v.gaps)+len(v.odd) == 0 {
		return nil
	}
	v.explain()
	return nil
}

// explain turns what is unusual into findings. An entry that stands at another
// number leaves its own to whoever is there: that row was inserted, or it is
// itself one that moved. A number that no row and no moved entry has was removed.
func (v *verifier) explain() {
	found := v.odd
	var removed []int64
	for _, gap := range v.gaps {
		for n := gap.First; n <= gap.Last && len(removed) < maxUnusual; n++ {
			if _, elsewhere := v.moved[n]; !elsewhere {
				removed = append(removed, n)
			}
		}
		if gap.Last-gap.First > maxUnusual {
			found = append(found, v.finding(Removed, gap.First, gap.Last, "entries %s were removed", span(gap.First, gap.Last)))
		}
	}
	for number := range v.extra { // a moved entry took the place of another
		if _, elsewhere := v.moved[number]; !elsewhere && number <= v.last.Number && !v.beyond(number) {
			removed = append(removed, number)
		}
	}
	for _, s := range spans(removed) {
		found = append(found, v.finding(Removed, s[0], s[1], "%s removed", was(s)))
	}
	inserted := map[int64]bool{}
	for own := range v.moved {
		if _, taken := v.extra[own]; !taken && own <= v.last.Number && !v.isGap(own) {
			inserted[own] = true // the row at own is not a moved one, and own itself moved away
			found = append(found, v.finding(Inserted, own, own, "entry %d was inserted: the one that was appended as number %d stands at %d now", own, own, v.moved[own]))
		}
	}
	for number, why := range v.broken {
		if !inserted[number] {
			found = append(found, v.finding(Changed, number, number, "entry %d was changed: %s", number, why))
		}
	}
	found = append(found, v.reordered()...)
	slices.SortFunc(found, func(a, b Finding) int { return int(min(max(a.First-b.First, -1), 1)) })
	if room := maxFindings - len(v.report.Findings); len(found) > room {
		found = found[:max(room, 0)]
	}
	v.report.Findings = append(v.report.Findings, found...)
}

// beyond says whether a number is one that was never given out: rows that were
// shifted by an insertion reach over the end.
func (v *verifier) beyond(number int64) bool {
	for own, at := range v.moved {
		if at == number && own == number-1 && number == v.last.Number {
			return true
		}
	}
	return false
}

func (v *verifier) isGap(n int64) bool {
	return slices.ContainsFunc(v.gaps, func(g Finding) bool { return g.First <= n && n <= g.Last })
}

// reordered tells of entries that stand at other numbers: a row of them that was
// shifted as a whole in one finding.
func (v *verifier) reordered() []Finding {
	numbers := make([]int64, 0, len(v.moved))
	for own := range v.moved {
		numbers = append(numbers, own)
	}
	slices.Sort(numbers)
	var found []Finding
	for i := 0; i < len(numbers); {
		j, by := i, v.moved[numbers[i]]-numbers[i]
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 && v.moved[numbers[j+1]]-numbers[j+1] == by {
			j++
		}
		first, last := numbers[i], numbers[j]
		if first == last {
			found = append(found, v.finding(Reordered, first, last, "entry %d was reordered: it stands at number %d", first, first+by))
		} else {
			found = append(found, v.finding(Reordered, first, last, "entries %s were reordered: they stand at %s", span(first, last), span(first+by, last+by)))
		}
		i = j + 1
	}
	return found
}

// authorised checks that the beginning of the chain was cut off by an entry that
// says so.
func (v *verifier) authorised(ctx context.Context, tx catalog.Tx) error {
	if v.anchor.Number == 0 {
		return nil
	}
	wrong := v.finding(Removed, 1, v.anchor.Number, "entries %s were removed: no entry says that they were cut off by their age", span(1, v.anchor.Number))
	body, found, err := catalog.Find[string](ctx, tx, `SELECT e.body FROM audit_anchor a JOIN audit_entry e ON e.seq = a.seq
		WHERE a.workspace = '' AND a.number = $1`, v.anchor.Number)
	if err != nil {
		return err
	}
	if found {
		b, err := parse([]byte(body))
		var said cutNote
		if err == nil && b.Action == actionCut && said.read(b.After) == nil && said.Through == v.anchor.Number && said.Hash == v.anchor.Hash {
			sum, err := anchorsDigest(ctx, tx, b.Seq)
			if err != nil || sum == said.Workspaces {
				return err
			}
			wrong = v.finding(Changed, v.anchor.Number, v.anchor.Number, "where the chains of workspaces begin is not what entry %d says", b.Seq)
		}
	}
	v.report.Findings = append(v.report.Findings, wrong)
	return nil
}
