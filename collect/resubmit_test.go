package collect

import (
	"context"
	"testing"
)

// What has no ID of its own has the same however often it is sent again, so
// that it is counted once.
func TestResubmitTwice(t *testing.T) {
	t.Parallel()
	h, k := start(t)
	for name, c := range map[string]struct {
		typ, raw string
		ids      []string
	}{
		"one":    {"track", `{"event":"A","userId":"u"}`, []string{"r1"}},
		"batch":  {"batch", `{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"v","messageId":"m"},{"type":"page","userId":"w"}]}`, []string{"r1-0", "m", "r1-2"}},
		"stream": {"stream:x", "{}\n{}", []string{"r1-0", "r1-1"}},
	} {
		for range 2 {
			out, err := h.Resubmit(context.Background(), Resubmission{Source: "web", RejectedID: "r1", Type: c.typ, Raw: []byte(c.raw)})
			if err != nil || out.ID != c.ids[0] || out.Accepted != len(c.ids) {
				t.Fatalf("%s: %+v %v", name, out, err)
			}
			for i, r := range k.take()[:len(c.ids)] {
				if r.ID != c.ids[i] {
					t.Errorf("%s: ID %q, want %q", name, r.ID, c.ids[i])
				}
			}
		}
	}
}
