package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// beside compares the binary with another one, such as that of the version before:
// both run, and take the same load in turn.
func (b *bench) beside(ctx context.Context) (*section, error) {
	if b.against == "" {
		return nil, errors.New("say with which binary it is compared: -against FILE")
	}
	out := &section{
		title: "Intake beside the version before",
		how: "Both servers run, archive and warehouse paused. The same load goes to one and to the other in turns of two seconds, each pair in the other order than the one before, " +
			"so that what changes on the machine meets both. The figures are medians, and the ratios medians of the ratios of the pairs.",
	}
	before := *b
	before.binary = b.against
	old, err := before.intakeServer(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.against, err)
	}
	defer old.end()
	now, err := b.intakeServer(ctx)
	if err != nil {
		return nil, err
	}
	defer now.end()
	for _, l := range []load{
		{connections: 128, batch: 1, names: eventNames},
		{connections: 16, batch: 100, names: eventNames},
	} {
		what := "single events"
		if l.batch > 1 {
			what = fmt.Sprintf("batches of %d", l.batch)
		}
		b.say("%s: the version before and this one, in turn", what)
		if l.duration = pick(b, 2*time.Second, 500*time.Millisecond); l.batch > 1 {
			l.duration /= 2 // dedup and disk have to follow
		}
		if err := b.compare(ctx, out, what, l, old, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// compare adds the rows of one load.
func (b *bench) compare(ctx context.Context, out *section, what string, l load, old, now *server) error {
	var rates, costs, befores, afters, oldCosts, newCosts []float64
	for pair := range pick(b, 31, 3) {
		both := []*server{old, now}
		if pair%2 == 1 {
			slices.Reverse(both)
		}
		at := map[*server]figures{}
		for _, s := range both {
			r, used, err := s.measure(ctx, l)
			if err != nil {
				return err
			}
			at[s] = figuresOf(r, used.parent)
		}
		if pair == 0 { // warms both up
			continue
		}
		rates, costs = append(rates, at[now].rate/at[old].rate), append(costs, at[now].cpu/at[old].cpu)
		befores, afters = append(befores, at[old].rate), append(afters, at[now].rate)
		oldCosts, newCosts = append(oldCosts, at[old].cpu), append(newCosts, at[now].cpu)
	}
	out.judge(what, perSecond(median(afters)), perSecond(median(befores)), "≥ 0.95 × the version before", median(rates) >= 0.95)
	out.add(what+", CPU of the server", perEvent(median(newCosts)), perEvent(median(oldCosts)))
	out.note("%s: rate %.3f × (half of the pairs from %.2f to %.2f), CPU %.3f × the version before, in %d pairs.", what,
		median(rates), quantile(rates, 0.25), quantile(rates, 0.75), median(costs), len(rates))
	return nil
}

func median(all []float64) float64 { return quantile(all, 0.5) }

// quantile is the value that a part of all lies below.
func quantile(all []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}
