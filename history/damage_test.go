package history

import (
	"bytes"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// filled makes a file of some days.
func filled(t *testing.T, file string) {
	t.Helper()
	s, err := Open(Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	fast(t, s)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for i := range 300 {
		if err := s.Record(t.Context(), at.Add(time.Duration(i)*20*time.Minute), someSamples(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func someSamples(i int) []Sample {
	out := []Sample{{Name: "n", Kind: Counter, Value: float64(i)}}
	for _, label := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		out = append(out, Sample{Name: "g", Labels: map[string]string{"of": label}, Value: float64(i*7919%1000) / 3})
	}
	return out
}

func TestDamageAtOpen(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T, file string){
		"not a database": func(t *testing.T, file string) { write(t, file, []byte(strings.Repeat("no database ", 1000))) },
		"a header of zeros": func(t *testing.T, file string) {
			change(t, file, func(b []byte) []byte { clear(b[:100]); return b })
		},
		"cut": func(t *testing.T, file string) {
			change(t, file, func(b []byte) []byte { return b[:3*4096] })
		},
		"the schema is zeros": func(t *testing.T, file string) {
			change(t, file, func(b []byte) []byte { clear(b[100:4096]); return b })
		},
		"labels are no JSON": func(t *testing.T, file string) { run(t, file, "UPDATE series SET labels = labels || 'x'") },
		"a round is cut": func(t *testing.T, file string) {
			run(t, file, "UPDATE round SET data = substr(data, 1, length(data) - 1)")
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "history.db")
			filled(t, file)
			damage(t, file)
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			write(t, file+".damaged", []byte("an older one"))
			var text bytes.Buffer
			s, err := Open(Options{File: file, Logger: slog.New(slog.NewTextHandler(&text, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got, err := os.ReadFile(file + ".damaged"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the damaged file was not moved aside: %v", err)
			}
			if !strings.Contains(text.String(), "begins anew") || !strings.Contains(text.String(), "history.db.damaged") {
				t.Errorf("nobody was told: %s", &text)
			}
			works(t, s)
		})
	}
}

// works records and reads.
func works(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Record(t.Context(), time.Now(), someSamples(500)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Query(t.Context(), Query{Names: []string{"g"}})
	if err != nil || len(got) != 8 {
		t.Errorf("afterwards there are %d series: %v", len(got), err)
	}
}

func TestDamageFoundLater(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.db")
	filled(t, file)
	run(t, file, "UPDATE chunk SET data = x'ffffffff' WHERE step = 3600 AND start = (SELECT min(start) FROM chunk)")
	var text bytes.Buffer
	s, err := Open(Options{File: file, Logger: slog.New(slog.NewTextHandler(&text, nil)), Now: func() time.Time { return time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Query(t.Context(), Query{Step: time.Hour})
	if millrace.KindOf(err) != millrace.Internal || !strings.Contains(err.Error(), "moved aside") {
		t.Fatalf("a damaged chunk: %v", err)
	}
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for i := range 2 {
		if err := s.Record(t.Context(), at.Add(time.Duration(i-2)*10*time.Second), someSamples(500+i)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Query(t.Context(), Query{Names: []string{"n"}, From: at.Add(-time.Hour), Step: 10 * time.Second})
	if err != nil || len(got) != 1 || len(got[0].Points) != 2 || got[0].Points[1].Value != 1 {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
	if n := strings.Count(text.String(), "begins anew"); n != 1 {
		t.Errorf("told %d times: %s", n, &text)
	}
	if _, err := os.Stat(file + ".damaged"); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ statement, want string }{
		"newer":           {"PRAGMA user_version = 99", "run a newer version of Millrace"},
		"another program": {"PRAGMA application_id = 7", "another program"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "history.db")
			filled(t, file)
			run(t, file, test.statement)
			_, err := Open(Options{File: file})
			if millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("refused with %v", err)
			}
			if _, err := os.Stat(file + ".damaged"); err == nil {
				t.Error("it was moved aside")
			}
		})
	}
}

// A round that finds no room on the disk is not lost for counters: the next
// one has what they grew by.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	s, err := Open(Options{File: filepath.Join(t.TempDir(), "history.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Now().Add(-time.Minute)
	pages := func(most string) {
		if _, err := s.write.Exec("PRAGMA max_page_count = " + most); err != nil {
			t.Fatal(err)
		}
	}
	count := 0
	pages("1") // as many as it has
	var failed error
	for ; count < 500 && failed == nil; count++ {
		failed = s.Record(t.Context(), at, []Sample{{Name: "n", Kind: Counter, Value: float64(count + 1)}, {Name: "g", Labels: map[string]string{"i": strings.Repeat("x", count)}}})
	}
	if millrace.KindOf(failed) != millrace.Unavailable || !strings.Contains(failed.Error(), "disk") {
		t.Fatalf("a full disk: %v", failed)
	}
	pages("1000000")
	if err := s.Record(t.Context(), at, []Sample{{Name: "n", Kind: Counter, Value: 1000}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Query(t.Context(), Query{Names: []string{"n"}, Step: time.Hour, From: at.Add(-time.Hour)})
	sum := 0.0
	for _, p := range got[0].Points {
		sum += p.Value
	}
	if err != nil || sum != 1000 {
		t.Errorf("%v are counted, want 1000: %v", sum, err)
	}
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, file string, do func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, do(b))
}

func run(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
