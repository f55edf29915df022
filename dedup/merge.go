package dedup

import (
	"cmp"
	"context"
	"errors"
	"math/bits"
	"slices"

	"github.com/millrace/millrace"
)

// mergeWidth is how many runs of about one size are merged into one.
const mergeWidth = 4

// pick chooses runs to merge: all those of a partition that is over, or
// mergeWidth that are about equally large. Nil when there is nothing to do.
func pick(runs []*run, current int64) []*run {
	type group struct {
		partition int64
		tier      int
	}
	groups := map[group][]*run{}
	for _, r := range runs {
		g := group{r.Partition, bits.Len64(uint64(r.IDs)) / 2}
		if r.Family == recent && r.Partition != current {
			g.tier = -1
		}
		groups[g] = append(groups[g], r)
	}
	var best []*run
	for g, rs := range groups {
		if len(rs) < 2 || g.tier >= 0 && len(rs) < mergeWidth {
			continue
		}
		if best == nil || total(rs) < total(best) {
			best = rs
		}
	}
	if total(best) > maxRunIDs {
		return nil
	}
	slices.SortFunc(best, func(a, b *run) int { return cmp.Compare(a.File, b.File) })
	return best
}

// total returns how many IDs the runs hold.
func total(runs []*run) (n int64) {
	for _, r := range runs {
		n += r.IDs
	}
	return n
}

// merge writes one run at path with the IDs of all inputs, each with its latest
// time, without those last seen at horizon or before. It returns nil when
// nothing is left. The inputs' checksums are verified first.
func merge(ctx context.Context, path string, inputs []*run, horizon int64) (*run, error) {
	for _, r := range inputs {
		if err := r.verify(ctx); err != nil {
			return nil, err
		}
	}
	w, err := newRunWriter(path, inputs[0].Family, inputs[0].Partition, total(inputs))
	if err != nil {
		return nil, err
	}
	if err := mergeInto(ctx, w, inputs, horizon); err != nil {
		return nil, errors.Join(err, w.abort())
	}
	if w.info.IDs == 0 {
		return nil, w.abort()
	}
	return w.finish()
}

// A head is the next slot of a run that is being merged.
type head struct {
	slot
	from *slotReader
}

// next moves to the run's next slot; false when there is none.
func (h *head) next() (ok bool, err error) {
	h.slot, ok, err = h.from.next()
	return ok, err
}

func mergeInto(ctx context.Context, w *runWriter, inputs []*run, horizon int64) error {
	var heads []head
	for _, r := range inputs {
		from, err := r.read()
		if err != nil {
			return err
		}
		defer from.close() // it was only read
		h := head{from: from}
		ok, err := h.next()
		if err != nil {
			return err
		}
		if ok {
			heads = append(heads, h)
		}
	}
	for written := 0; len(heads) > 0; written++ {
		if written&0xffff == 0 && ctx.Err() != nil {
			return millrace.Errorf(millrace.Canceled, "the merge of %d runs was stopped: %w", len(inputs), ctx.Err())
		}
		least := heads[0].slot
		for i := 1; i < len(heads); i++ {
			if heads[i].less(least) {
				least = heads[i].slot
			}
		}
		for i := 0; i < len(heads); i++ {
			h := &heads[i]
			if h.hash != least.hash {
				continue
			}
			least.at = max(least.at, h.at)
			ok, err := h.next()
			if err != nil {
				return err
			}
			if !ok {
				heads = slices.Delete(heads, i, i+1)
				i--
			}
		}
		if least.at > horizon {
			if err := w.add(least); err != nil {
				return err
			}
		}
	}
	return nil
}
