package collect

import "testing"

func TestTooLargeEvent(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{
		32<<10 + 1: "the event is larger than event_size allows, which is 32KiB: 64KiB would hold it",
		64 << 10:   "the event is larger than event_size allows, which is 32KiB: 64KiB would hold it",
		100_000:    "the event is larger than event_size allows, which is 32KiB: 128KiB would hold it",
	} {
		if got := tooLargeEvent(size, 32<<10); got != want {
			t.Errorf("%d: %s", size, got)
		}
	}
}
