package token_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/token"
)

var kinds = []token.Kind{token.Key, token.Session, token.Setup, token.Invitation, token.Reset, token.Email}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	whole := regexp.MustCompile("^" + token.Pattern + "$")
	for _, kind := range kinds {
		for _, hint := range []string{"", "production", "Pre-Prod 2", "a-very-long-environment-name", "注文"} {
			made := token.New(kind, hint)
			if !whole.MatchString(made.Reveal()) {
				t.Errorf("%s does not match the pattern for scanners", made.Reveal())
			}
			read, err := token.Parse(kind, made.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			if read != made || read.ID() != made.ID() || !read.Sum().Equal(made.Sum()) {
				t.Errorf("made %s, read %s", made.Reveal(), read.Reveal())
			}
			if kept, ok := token.SumOf(sumBytes(made)); !ok || !kept.Equal(made.Sum()) {
				t.Error("the kept sum is another")
			}
		}
	}
	if _, ok := token.SumOf(make([]byte, 31)); ok {
		t.Error("a short sum was taken")
	}
}

func sumBytes(t token.Token) []byte { s := t.Sum(); return s[:] }

func TestEveryTypoIsFound(t *testing.T) {
	t.Parallel()
	text := token.New(token.Key, "production").Reveal()
	for i := range text {
		for _, c := range []byte("0aZ_-é ") {
			if wrong := text[:i] + string(c) + text[i+1:]; wrong != text {
				refused(t, token.Key, wrong)
			}
		}
		refused(t, token.Key, text[:i])
		refused(t, token.Key, text[:i]+text[i+1:])
		if i > 0 && text[i] != text[i-1] {
			refused(t, token.Key, text[:i-1]+text[i:i+1]+text[i-1:i]+text[i+1:])
		}
	}
	refused(t, token.Key, text+"0")
	refused(t, token.Key, " "+text)
	refused(t, token.Key, strings.Repeat(text, 1000))
}

func TestAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	for _, is := range kinds {
		for _, want := range kinds {
			if is != want {
				refused(t, want, token.New(is, "").Reveal())
			}
		}
	}
}

func refused(t *testing.T, kind token.Kind, text string) {
	t.Helper()
	_, err := token.Parse(kind, text)
	if millrace.KindOf(err) != millrace.Unauthorized || err == nil {
		t.Errorf("%.100q: got %v, want unauthorized", text, err)
	} else if len(text) > 20 && strings.Contains(err.Error(), text[8:20]) {
		t.Errorf("the error repeats the token: %v", err)
	}
}

func TestNothingPrintsIt(t *testing.T) {
	t.Parallel()
	made := token.New(token.Key, "")
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "token", made, "in", struct{ T token.Token }{made})
	encoded, err := json.Marshal(map[string]any{"a": made, "b": &made})
	if err != nil {
		t.Fatal(err)
	}
	printed := log.String() + string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed += fmt.Sprintf(verb+verb+verb, made, &made, struct{ T token.Token }{made})
	}
	if text := made.Reveal(); strings.Contains(printed, text[10:]) || strings.Contains(printed, fmt.Sprintf("%x", text)) {
		t.Errorf("printed the token: %s", printed)
	}
}

func TestUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 10_000 {
		made := token.New(token.Key, "")
		if seen[made.ID()] {
			t.Fatal("the same ID twice")
		}
		seen[made.ID()] = true
	}
}

func FuzzParse(f *testing.F) {
	for _, kind := range kinds {
		f.Add(string(kind), token.New(kind, "prod").Reveal())
	}
	for _, text := range []string{"", "mr_", "mr_key_", "mr_key__", "mr_key_a_" + strings.Repeat("0", 50)} {
		f.Add("key", text)
	}
	f.Fuzz(func(t *testing.T, kind, text string) {
		read, err := token.Parse(token.Kind(kind), text)
		if err != nil {
			return
		}
		if read.Reveal() != text || read.Kind() != token.Kind(kind) || !strings.Contains(text, read.ID()) {
			t.Errorf("%q was read as %q", text, read.Reveal())
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := token.New(token.Key, "production").Reveal()
	for b.Loop() {
		read, err := token.Parse(token.Key, text)
		if err != nil {
			b.Fatal(err)
		}
		if s := read.Sum(); s[0] == s[1] && s[1] == s[2] && s[2] == s[3] && s[3] == 1 {
			b.Log("rare")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/token")
}
