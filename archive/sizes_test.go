package archive

import (
	"maps"
	"testing"
)

// TestSizes: what workspaces have adds up to what there is, of days that are over,
// of the newest and of fresh files, also when a purge has written days anew.
func TestSizes(t *testing.T) {
	t.Parallel()
	w := purgeWorld(t)
	sizes := func() map[string]int64 {
		t.Helper()
		got, err := w.Sizes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		for _, bytes := range got {
			sum += bytes
		}
		if want := w.Stats().SizeBytes; sum != want || sum == 0 {
			t.Errorf("%v are %d bytes, the archive has %d", got, sum, want)
		}
		return got
	}
	w.flush()
	before := sizes()
	if len(w.store.snapshot().Days) < 2 || len(w.store.snapshot().Fresh) == 0 || len(before) != 2 || before["default"] == 0 || before["canary_space"] <= before["default"] {
		t.Fatalf("%v", before)
	}
	if again := sizes(); !maps.Equal(again, before) {
		t.Errorf("asked again: %v, before %v", again, before)
	}
	if err := w.Purge(t.Context(), "canary_space"); err != nil {
		t.Fatal(err)
	}
	if after := sizes(); len(after) != 1 || after["default"] != before["default"] {
		t.Errorf("after the purge %v, before %v", after, before)
	}
}
