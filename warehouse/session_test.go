package warehouse

import (
	"context"
	"testing"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

// TestLowLoad shows when every table is committed at the end of an interval:
// when little came and the end of the log was reached, though more may be
// there again.
func TestLowLoad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ends []bool // of the batches of an interval: whether they reached the end
		want bool
	}{
		"at the end": {[]bool{true}, true}, "more is there again": {[]bool{true, false}, true}, "catching up": {[]bool{false, false}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wh := &mapsWarehouse{t: t, engine: newEngine(), fail: func(Batch, bool) error { return nil }}
			l, err := NewLoader(LoaderOptions{Warehouse: wh, Opener: mem.New(mem.Options{}), Workspace: "default"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := wh.Resume(context.Background(), "default"); err != nil {
				t.Fatal(err)
			}
			s := &session{Loader: l}
			for i, end := range test.ends {
				e := record(i+1, "track:A", `{"properties":{"n":1}}`)
				s.take(eventlog.Batch{Records: []eventlog.Entry{e}, Through: e.Position, AtEnd: end})
			}
			s.tick = true
			if err := s.applyDue(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := s.prog.Committed == s.through; got != test.want || s.prog.Scanned != s.through {
				t.Errorf("committed %v of %v", s.prog, s.through)
			}
		})
	}
}
