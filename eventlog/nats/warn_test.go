package nats

import (
	"bytes"
	"log/slog"
	"testing"
)

// What every crash leaves behind is no warning.
func TestServerWarnings(t *testing.T) {
	t.Parallel()
	for text, warns := range map[string]bool{
		"Filestore [F] Stream state outdated, last block has additional entries, will rebuild": false,
		"Filestore [F] Stream state outdated, found extra blocks, will rebuild":                false,
		"Filestore [F] Stream state checksum mismatch":                                         true,
	} {
		var out bytes.Buffer
		l := &serverLogger{logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))}
		if l.Warnf(text); (out.Len() > 0) != warns {
			t.Errorf("%s: warned %q", text, out.String())
		}
	}
}
