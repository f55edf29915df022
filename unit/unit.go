// Package unit holds sizes, durations and secrets as people write them in
// project files: 512KiB, 20GiB, 30s, 7d, ${secret:name}.
package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// Bytes is a size in bytes. Its text form is a number and a unit: B, KiB, MiB,
// GiB, TiB (powers of 1024) or KB, MB, GB, TB (powers of 1000).
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalText reads a size. The error is Invalid.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v >= 0 && v*float64(u.size) < math.MaxInt64/2) {
			break
		}
		*b = Bytes(v * float64(u.size))
		return nil
	}
	return millrace.Errorf(millrace.Invalid, "%.40q is not a size: write a number with a unit, such as 512KiB, 20MiB or 1GiB", s)
}

// MarshalText writes the shortest exact form.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String returns the size in the largest unit of 1024 that divides it.
func (b Bytes) String() string {
	for i := 3; i >= 0; i-- {
		if u := byteUnits[i]; b != 0 && int64(b)%u.size == 0 {
			return fmt.Sprintf("%d%s", int64(b)/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(b))
}

// Duration is a length of time. Its text form is Go's, and days: 30s, 1h30m, 7d.
type Duration time.Duration

// UnmarshalText reads a duration. The error is Invalid.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n < 100_000 {
			*d = Duration(n * 24 * float64(time.Hour))
			return nil
		}
	} else if v, err := time.ParseDuration(s); err == nil && v >= 0 {
		*d = Duration(v)
		return nil
	}
	return millrace.Errorf(millrace.Invalid, "%.40q is not a duration: write a number with a unit, such as 30s, 15m, 24h or 7d", s)
}

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns whole days as "7d" and everything else as Go does, without zero parts.
func (d Duration) String() string {
	const day = 24 * time.Hour
	if v := time.Duration(d); v >= day && v%day == 0 {
		return fmt.Sprintf("%dd", v/day)
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Secret is text that is never shown: every way of printing or encoding it
// gives "[secret]". Project files hold a reference, ${secret:name}.
type Secret string

const hidden = "[secret]"

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[secret]", or "" of an empty one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format prints String whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText writes String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}
