package dedup

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Forever is the window of a source whose IDs are never forgotten.
const Forever = time.Duration(math.MaxInt64)

// MinWindow is the least window; a shorter one is taken as this.
const MinWindow = 24 * time.Hour

// Unknown is the window of a source whose project is not read, or does not have
// it any more: what was known of it stays, since IDs that are forgotten are not
// found again when the source is back.
const Unknown time.Duration = -1

// A Count says how many records of a source were judged, and how.
type Count struct {
	Workspace string `json:"workspace"`
	Source    string `json:"source"`
	// Space tells records apart that never meet as duplicates: "" for events
	// and changes, "rejected" and "resent" for those streams, and the stream
	// for records of the source millrace.
	Space      string `json:"space,omitempty"`
	Distinct   int64  `json:"distinct"`
	Duplicates int64  `json:"duplicates"`
}

// A space is a set of IDs of which each counts once: those of a source's
// events, or of one of its streams that are judged apart.
type space struct {
	sourceInfo
	hasher  hasher
	window  int64 // ms; MaxInt64 for Forever
	family  family
	has     [families]bool // it has IDs in that family
	asked   uint64         // the batch for which window was asked last
	unknown bool           // the window is that of before
	changed bool           // Count differs from what was published
}

type spaceKey struct{ workspace, source, space string }

// spaceOf returns the name of the space that a record's ID belongs to.
func spaceOf(r *millrace.Record) string {
	if r.Source == millrace.SourceMillrace || r.Stream == millrace.StreamRejected || r.Stream == millrace.StreamResent {
		return r.Stream
	}
	return ""
}

// spaces are all that were ever seen. One goroutine uses them, but for what is
// published, which is guarded by the follower.
type spaces struct {
	key    [16]byte
	window func(workspace, source string) time.Duration
	all    map[spaceKey]*space
	last   *space
	// salts are of the IDs of workspaces; unsalted ones are older than salts.
	salts    map[string]string
	unsalted map[string]bool
	batch    uint64 // number of the current batch: windows are asked once in each
}

// of returns the space of a record, with its window as it is now.
func (s *spaces) of(r *millrace.Record) *space {
	name := spaceOf(r)
	if l := s.last; l == nil || l.Source != r.Source || l.Workspace != r.Workspace || l.Space != name {
		s.last = s.get(spaceKey{r.Workspace, r.Source, name})
	}
	if s.last.asked != s.batch {
		s.ask(s.last)
	}
	return s.last
}

func (s *spaces) get(k spaceKey) *space {
	sp := s.all[k]
	if sp == nil {
		sp = &space{hasher: s.hasher(k)}
		sp.Workspace, sp.Source, sp.Space = k.workspace, k.source, k.space
		s.all[k] = sp
	}
	return sp
}

// ask brings the window of a space up to date.
func (s *spaces) ask(sp *space) {
	w := MinWindow
	if sp.Space == "" {
		now := s.window(sp.Workspace, sp.Source)
		if sp.unknown = now == Unknown; !sp.unknown {
			sp.Window = now
		}
		w = max(w, sp.Window)
	}
	sp.asked, sp.window, sp.family = s.batch, w.Milliseconds(), recent
	if w == Forever {
		sp.window, sp.family = math.MaxInt64, lasting
	}
}

// longest returns the longest window of any space, in milliseconds, other than
// Forever. A source that is gone counts as long as its window has an ID in it.
func (s *spaces) longest(now int64) int64 {
	longest := MinWindow.Milliseconds()
	for _, sp := range s.all {
		if s.ask(sp); sp.family == recent && !(sp.unknown && now-sp.Newest >= sp.window) {
			longest = max(longest, sp.window)
		}
	}
	return longest
}

// reset makes the spaces what a manifest says. What is published stays until
// the counts have come that far again.
func (s *spaces) reset(m *manifest) {
	s.last = nil
	s.resalt(m)
	for _, sp := range s.all {
		sp.Distinct, sp.Duplicates, sp.has, sp.changed = 0, 0, [families]bool{}, true
	}
	for _, i := range m.Sources {
		sp := s.get(spaceKey{i.Workspace, i.Source, i.Space})
		sp.Count, sp.has, sp.changed = i.Count, [families]bool{i.Recent, i.Lasting}, true
		sp.Window, sp.Newest = cmp.Or(sp.Window, i.Window), max(sp.Newest, cmp.Or(i.Newest, m.Time))
	}
}

// rebase sets the counts to those that a verdict segment knows.
func (s *spaces) rebase(counts []Count) {
	for _, sp := range s.all {
		sp.Distinct, sp.Duplicates, sp.changed = 0, 0, true
	}
	for _, c := range counts {
		sp := s.get(spaceKey{c.Workspace, c.Source, c.Space})
		sp.Count, sp.changed = c, true
	}
}

// infos returns what the manifest keeps, in order.
func (s *spaces) infos() []sourceInfo {
	var out []sourceInfo
	for _, sp := range s.all {
		i := sp.sourceInfo
		i.Recent, i.Lasting = sp.has[recent], sp.has[lasting]
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b sourceInfo) int { return compareCounts(a.Count, b.Count) })
	return out
}

func compareCounts(a, b Count) int {
	return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Space, b.Space))
}

// count adds one judged record.
func (sp *space) count(duplicate bool) {
	if duplicate {
		sp.Duplicates++
	} else {
		sp.Distinct++
	}
	sp.changed = true
}

// millis returns an entry's log time in milliseconds since 1970.
func millis(e *eventlog.Entry) int64 { return e.Time.UnixMilli() }
