package workspace_test

import (
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/workspace"
)

// Where the log no longer has what was to be counted, what it has is counted, and
// it is known for a month that something is not.
func testTrimmed(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	log := w.log()
	trim := func(p millrace.Position) {
		t.Helper()
		p.Index = millrace.EndOfFrame
		if err := log.Trim(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	is := func(m *workspace.Meter, events int64, gaps ...time.Time) {
		t.Helper()
		if s, u := m.Stats(), w.sum(acme.ID); len(s.Gaps) != len(gaps) || u.Events != events {
			t.Errorf("%d events and the gaps %v, want %d and %v", u.Events, s.Gaps, events, gaps)
		} else {
			for i, at := range gaps {
				if !s.Gaps[i].Equal(at) {
					t.Errorf("gap %v, want %v", s.Gaps[i], at)
				}
			}
		}
	}
	lost := appendTo(t, log, events(acme.Main, w.time(), 3))
	p := appendTo(t, log, events(acme.Main, w.time(), 4))
	trim(lost) // before anyone counted
	first := w.time()
	m, stop := w.on(log)
	counted(t, m, p)
	is(m, 4, first)
	stop()

	w.pass(24 * time.Hour)
	trim(appendTo(t, log, events(acme.Main, w.time(), 5)))
	second := w.time()
	m, stop = w.on(log) // with nothing to count
	for began := time.Now(); len(m.Stats().Gaps) < 2 && time.Since(began) < 20*time.Second; time.Sleep(time.Millisecond) {
	}
	is(m, 4, first, second)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 6)))
	is(m, 10, first, second)
	stop()

	w.pass(29*24*time.Hour + time.Hour)
	m, stop = w.on(log)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 1)))
	is(m, 11, second)
	stop()
}

// When a meter stops, it is durable how far it has come, also over records that
// do not count: the log may lose them, and nothing is missing.
func testStoppedMeter(t *testing.T, c catalog.Catalog) {
	w := open(t, c)
	acme := w.create("acme")
	log := w.log()
	m, stop := w.on(log)
	counted(t, m, appendTo(t, log, events(acme.Main, w.time(), 3)))
	own := events(acme.Main, w.time(), 3)
	for i := range own {
		own[i].Source = millrace.SourceMillrace
	}
	last := appendTo(t, log, own)
	time.Sleep(50 * time.Millisecond) // it reads them
	stop()
	got, err := w.Counted(t.Context())
	if err != nil || got.Before(last) {
		t.Errorf("counted to %v, %v, want %v", got, err, last)
	}
	p := appendTo(t, log, events(acme.Main, w.time(), 3))
	last.Index = millrace.EndOfFrame
	if err := log.Trim(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	m, stop = w.on(log)
	counted(t, m, p)
	if gaps := m.Stats().Gaps; len(gaps) != 0 {
		t.Errorf("gaps %v", gaps)
	}
	stop()
}
