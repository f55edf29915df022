package unit

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestBytes(t *testing.T) {
	for text, want := range map[string]int64{"512KiB": 512 << 10, "1.5 MiB": 3 << 19, "2GB": 2e9, "7B": 7, "0B": 0} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || int64(b) != want {
			t.Errorf("%q: %d, %v; want %d", text, b, err, want)
		}
		var again Bytes
		if err := again.UnmarshalText([]byte(b.String())); err != nil || again != b {
			t.Errorf("%q became %q, which reads as %d, %v", text, b, again, err)
		}
	}
	for _, text := range []string{"", "12", "KiB", "-1KiB", "1e30GiB", "1 apple", "NaNKiB"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, b)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "7d": 168 * time.Hour, "1h30m": 90 * time.Minute, "0.5d": 12 * time.Hour} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v; want %v", text, d, err, want)
		}
		var again Duration
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%q became %q, which reads as %v, %v", text, d, again, err)
		}
	}
	for _, text := range []string{"", "7", "d", "-1s", "1 week", "NaNd"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, d)
		}
	}
}

func TestSecret(t *testing.T) {
	s := Secret("hunter2")
	encoded, err := json.Marshal(map[string]any{"s": s, "in": struct{ S Secret }{s}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s)
	for _, shown := range []string{string(encoded), log.String(), fmt.Sprintf("%s %v %q %x %d %#v %+v", s, s, s, s, s, s, struct{ S Secret }{s}), s.String()} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, fmt.Sprintf("%x", "hunter2")) || !strings.Contains(shown, "[secret]") {
			t.Errorf("shown as %s", shown)
		}
	}
	if s.Reveal() != "hunter2" || Secret("").String() != "" {
		t.Error("Reveal or the empty secret is wrong")
	}
}
