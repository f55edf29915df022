package eventlog

import "github.com/millrace/millrace"

// A FrameVerification is what Frame.Verify could check.
type FrameVerification struct {
	// Destroyed are records that nobody can read, since their key was destroyed;
	// Locked are those whose key cannot be had at the moment. Of both only the
	// checksums of what is stored were checked.
	Destroyed, Locked int
}

// Verify reads the whole frame and checks all there is to check. The error says
// what is broken.
func (f Frame) Verify() (v FrameVerification, err error) {
	// Epoch and sequence do not matter here, nor do the entries.
	d := decoder{frame: &f, at: millrace.Position{Seq: 1}, time: f.Time(), after: -1, filter: &Filter{}}
	d.places = make([]Entry, f.records)
	for i := range d.places {
		d.places[i].Position.Index = unset
	}
	for i := range f.sections {
		s := &f.sections[i]
		err := d.section(s)
		switch kind := millrace.KindOf(err); {
		case err == nil:
		case s.key != 0 && kind == millrace.Gone:
			v.Destroyed += s.records
		case s.key != 0 && (kind == millrace.Unavailable || kind == millrace.Invalid):
			v.Locked += s.records
		default:
			return v, err
		}
	}
	found := 0
	for i := range d.places {
		if at := d.places[i].Position.Index; at != unset {
			found++
			if int(at) != i {
				return v, brokenFrame("record %d says that it is record %d", i, at)
			}
		}
	}
	if found+v.Destroyed+v.Locked != f.records {
		return v, brokenFrame("%d records found, its header says %d: two claim the same place", found+v.Destroyed+v.Locked, f.records)
	}
	return v, nil
}
