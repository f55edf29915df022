package archive

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

func TestLocate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustOpen()
	w.append(events("default", "web", 0, 5)...)
	w.append(events("default", "ios", 5, 3)...)
	_, first, err := w.log.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := millrace.Position{Epoch: first.Epoch, Seq: first.Seq, Index: 0}
	if _, found, err := w.Locate(t.Context(), "default", "ios", at); found || err != nil {
		t.Errorf("before it is archived: %v, %v", found, err)
	}
	w.flush()
	fresh, found, err := w.Locate(t.Context(), "default", "ios", at)
	if err != nil || !found || fresh.Published || !strings.HasPrefix(fresh.Key, freshPrefix) || fresh.Modified.IsZero() || fresh.SizeBytes == 0 {
		t.Errorf("fresh: %+v, %v, %v", fresh, found, err)
	}
	w.clock.Add(2 * time.Hour)
	w.publish()
	for source, index := range map[string]uint32{"ios": 0, "web": 3} {
		p := at
		if p.Index = index; source == "web" {
			p.Seq--
		}
		place, found, err := w.Locate(t.Context(), "default", source, p)
		if err != nil || !found || !place.Published || !strings.HasPrefix(place.Key, "default/"+source+"/date=") || place.Records == 0 {
			t.Errorf("%s: %+v, %v, %v", source, place, found, err)
		}
	}
	if _, found, err := w.Locate(t.Context(), "default", "nobody", at); found || err != nil {
		t.Errorf("of another source: %v, %v", found, err)
	}
	if _, found, err := w.Locate(t.Context(), "default", "web", millrace.Position{Epoch: 1, Seq: 1}); found || err != nil {
		t.Errorf("of another log: %v, %v", found, err)
	}
}
