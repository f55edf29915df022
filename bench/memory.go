package main

import (
	"context"
	"fmt"
	"time"
)

// parentLimit is what the parent may hold.
const parentLimit = 200e6

// A sample is the memory at a time after the load began.
type sample struct {
	after         time.Duration
	parent, child memory
}

// memory is what the processes hold at rest and under load, and what an event
// takes on disk.
func (b *bench) memory(ctx context.Context) (*section, error) {
	took := pick(b, b.long, 10*time.Second)
	out := &section{
		title: fmt.Sprintf("Memory and disk, %v at 5,000 events/s", took),
		how: "Resident memory of each process, looked at every second: at rest after the start, then under batches of 100 with 50 event names and everything running. " +
			"`query.memory`, meant for the whole child, is " + engineMemory + ". Bytes on disk are what the files take up per event once all readers have everything; the log and the archive's fresh files hold compressed frames and Parquet, the warehouse two rows and its write-ahead file.",
	}
	s, err := b.newServer(ctx, time.Minute)
	if err != nil {
		return nil, err
	}
	defer s.end()
	sleep(ctx, pick(b, 10*time.Second, 2*time.Second))
	parent, child := s.memory()
	out.add("at rest, parent", parent.String(), "")
	out.add("at rest, child", child.String(), "")
	b.say("%v at %s", took, perSecond(liveRate))
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	samples := make(chan []sample, 1)
	go func() { samples <- s.watchMemory(inner) }()
	r, used, err := s.measure(ctx, load{connections: 8, batch: 100, names: eventNames, rate: liveRate, duration: took})
	cancel()
	all := <-samples
	if err != nil {
		return nil, err
	}
	b.judgeMemory(out, all, took)
	parentCPU, childCPU := used.per(r.events)
	out.add("CPU of everything, parent + child", fmt.Sprintf("%.1f + %.1f µs an event", parentCPU, childCPU), "")
	out.add("answers, p50 and p99", ms(r.p50)+", "+ms(r.p99), "")
	b.say("waiting until all readers have everything")
	if err := s.drained(ctx, dedupReader, archiveReader, warehouseReader); err != nil {
		return nil, err
	}
	for _, folder := range []string{"log", "dedup", "archive", "warehouse"} {
		out.add("on disk, "+folder, fmt.Sprintf("%.0f bytes/event", float64(folderSize(s.data(folder)))/float64(r.events)), "")
	}
	return out, nil
}

func (s *server) watchMemory(ctx context.Context) (all []sample) {
	for begin := time.Now(); sleep(ctx, time.Second); {
		p, c := s.memory()
		all = append(all, sample{time.Since(begin), p, c})
	}
	return all
}

// mostBetween is the most that was held in a part of the run.
func mostBetween(all []sample, from, until time.Duration) (parent, child memory) {
	for _, s := range all {
		if s.after < from || s.after > until {
			continue
		}
		if s.parent.resident > parent.resident {
			parent = s.parent
		}
		if s.child.resident > child.resident {
			child = s.child
		}
	}
	return parent, child
}

func (b *bench) judgeMemory(out *section, all []sample, took time.Duration) {
	parent, child := mostBetween(all, 0, 2*took)
	early, childEarly := mostBetween(all, took/10, took*3/10)
	late, childLate := mostBetween(all, took*8/10, took)
	flat := float64(late.anonymous) <= 1.15*float64(early.anonymous)+10e6
	out.judge("under load, parent, at most", parent.String(), "", "< 200 MB", parent.resident < parentLimit)
	out.judge("parent, most in the minutes 1–3 and in the last two", fmt.Sprintf("%d MB, then %d MB without mapped files", early.anonymous/1e6, late.anonymous/1e6), "", "flat: at most 15 % + 10 MB more", flat)
	const limit = 1 << 30
	out.judge("under load, child, at most", child.String(), "", "within its limit of "+engineMemory, child.resident <= limit)
	out.add("child, most in the minutes 1–3 and in the last two", fmt.Sprintf("%d MB, then %d MB", childEarly.resident/1e6, childLate.resident/1e6), "")
}
