package mem_test

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/mem"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	eventlogtest.Run(t, func(*testing.T) eventlog.Log { return mem.New(mem.Options{}) })
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1000)
	log := mem.New(mem.Options{Epoch: 5, Now: func() time.Time { return now }})
	for _, step := range []time.Duration{0, time.Second, -time.Hour, time.Millisecond, 2 * time.Hour} {
		now = now.Add(step)
		if p, err := log.Append(context.Background(), eventlogtest.Records("r", 1)); err != nil || p.Epoch != 5 {
			t.Fatal(p, err)
		}
	}
	entries, _ := eventlogtest.ReadToEnd(t, eventlogtest.Open(t, log, millrace.Position{}, eventlog.Filter{}))
	if first, last := entries[0].Time.UnixMilli(), entries[4].Time.UnixMilli(); first != 1000 || entries[3].Time.UnixMilli() != 2000 || last <= 2000 {
		t.Errorf("log times %v", entries)
	}
}

func TestConformanceKeys(t *testing.T) {
	t.Parallel()
	eventlogtest.Run(t, func(*testing.T) eventlog.Log { return mem.New(mem.Options{Keys: eventlogtest.NewKeys()}) })
	eventlogtest.RunKeys(t, func(_ *testing.T, keys eventlog.Keys) eventlog.Log { return mem.New(mem.Options{Keys: keys}) })
}
