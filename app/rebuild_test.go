package app

import (
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A rebuild says about how much there is to do, and never less than was done.
func TestRebuildTotal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		records      int64
		through, end uint64
		want         int64
	}{
		"nothing read yet":         {0, 0, 100, 0},
		"none of the source yet":   {0, 50, 100, 0},
		"half":                     {500, 50, 100, 1000},
		"little, in round figures": {1234, 10, 100, 12400},
		"small":                    {2, 1, 3, 6},
		"all":                      {1234, 100, 100, 1234},
		"further than was known":   {1234, 101, 100, 1234},
		"no end is known":          {10, 5, 0, 10},
		"many":                     {1_000_000_000, 1, 1_000_000, 1_000_000_000_000_000},
	} {
		p := warehouse.RebuildProgress{Records: c.records, Through: millrace.Position{Epoch: 1, Seq: c.through}}
		if got := rebuildTotal(p, millrace.Position{Epoch: 1, Seq: c.end}); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	for seq := range uint64(1000) {
		p := warehouse.RebuildProgress{Records: int64(7 * seq), Through: millrace.Position{Epoch: 1, Seq: seq}}
		if got := rebuildTotal(p, millrace.Position{Epoch: 1, Seq: 999}); got < p.Records {
			t.Errorf("%d of %d", p.Records, got)
		}
	}
}
