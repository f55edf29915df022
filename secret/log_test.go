package secret_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/millrace/millrace/secret"
)

// TestLogsHideValues: whatever way a value takes into a line of the log.
func TestLogsHideValues(t *testing.T) {
	t.Parallel()
	const canary = "canary-0123456789"
	var r secret.Redactor
	var out bytes.Buffer
	log := slog.New(r.Handler(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	log.Info("before any is known", "n", 1)
	r.Add(secret.NewValue(canary))
	type holder struct{ Token string }
	log.With("bound", "x"+canary).WithGroup("g").Info("of "+canary, "text", canary, "error", fmt.Errorf("dial: %w", errors.New("password="+canary)),
		"any", holder{canary}, slog.Group("inner", "deep", canary), "number", 7, "list", []string{canary})
	log.Debug("plain", "kept", holder{"harmless"}, "error", errors.New("as it was"))
	text := out.String()
	if strings.Contains(text, canary) {
		t.Errorf("the log shows a value: %s", text)
	}
	for _, want := range []string{"before any is known", "[secret]", `"number":7`, `"kept":{"Token":"harmless"}`, `"error":"as it was"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s: %s", want, text)
		}
	}
}
