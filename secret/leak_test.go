package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/secret"
)

// holder holds a value where formatting cannot call its methods.
type holder struct {
	value  secret.Value
	key    *secret.Key
	inside []secret.Value
	Shown  secret.Value
}

func testCanary(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	p.put(t, "", "key", canary)
	v, err := p.vault.Use(t.Context(), ref("", "key"), hook)
	if err != nil {
		t.Fatal(err)
	}
	k, err := p.keys.Data(t.Context(), "space")
	if err != nil {
		t.Fatal(err)
	}
	h := holder{v, k, []secret.Value{v}, v}
	var out bytes.Buffer
	for _, x := range []any{v, &v, h, &h, []secret.Value{v}, map[string]secret.Value{"a": v}, k, *k, p.vault, p.keys, p.red} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%p", "%!"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", v, "held", h, "key", k, "list", []secret.Value{v})
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", v, "held", h, "key", k)
	for _, x := range []any{v, h, k, map[string]any{"v": v, "h": &h}} {
		data, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
		masked, err := audit.Masked(x)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(masked)
	}
	func() {
		defer func() { fmt.Fprintf(&out, "%v", recover()) }()
		panic(fmt.Sprint(v, h, &h))
	}()
	fmt.Fprint(&out, errors.Join(fmt.Errorf("with %v", v), millrace.Errorf(millrace.Invalid, "with %s and %v", v, h)))
	_, raw := actions(t, c)
	out.WriteString(raw)
	noCanary(t, out.Bytes(), canary)
	if !strings.Contains(out.String(), secret.Redacted) {
		t.Error("nothing was shown")
	}
}

// noCanary looks for a value in all forms.
func noCanary(t testing.TB, data []byte, value string) {
	t.Helper()
	if bytes.Contains(data, []byte("canary")) {
		t.Errorf("the value is in: %.2000q", data)
	}
	var r secret.Redactor
	r.Add(secret.NewValue(value))
	if !bytes.Equal(r.Bytes(data), data) {
		t.Error("a form of the value is in it")
	}
}

// The files of the catalog hold neither a value nor an unwrapped key.
func TestCanaryOnDisk(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	c, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(folder, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, c)
	for i := range 20 {
		p.put(t, "", fmt.Sprintf("k%d", i), canary)
	}
	p.want(t, ref("", "k3"), canary)
	if _, err := p.vault.RotateKey(t.Context(), "w_a", owner); err != nil {
		t.Fatal(err)
	}
	read := func() {
		files, err := os.ReadDir(folder)
		if err != nil || len(files) == 0 {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(folder, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			noCanary(t, data, canary)
		}
	}
	read()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	read()
}

func TestRedactor(t *testing.T) {
	t.Parallel()
	const pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n"
	var r secret.Redactor
	for _, v := range []string{canary, "hunter2", "tiny", "abc", "sk_live_one", "sk_live_one_longer", "secretABCD", "ABCDefghij", pem} {
		r.Add(secret.NewValue(v))
	}
	quoted, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                   "",
		"nothing here, abc":  "nothing here, abc",
		"a " + canary + " b": "a [secret] b",
		canary + canary:      "[secret][secret]",
		"x=hunter2&tiny":     "x=[secret]&[secret]",
		"hunter":             "hunter",
		string(quoted):       `"[secret]"`,
		"sk_live_one":        "[secret]",
		"sk_live_one_longer": "[secret]",
		"sk_live_one_long":   "[secret]_long",
		"secretABCDefghij":   "[secret]",
		"canary-Zq8vN3xT%2F%2B%C3%A4%22%3C%26%3E%5Ctail": "[secret]",
		"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC":               "[secret]",
		"-----BEGIN PRIVATE KEY-----":                    "-----BEGIN PRIVATE KEY-----",
	} {
		if got := r.String(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for before := range 4 {
		for _, around := range [2]string{"", "user:"} {
			text := encode(strings.Repeat("p", before) + around + canary + "!")
			if got := r.String(text); !strings.Contains(got, secret.Redacted) || len(got) > len(text)-len(canary) {
				t.Errorf("%q: %q", text, got)
			}
		}
	}
}

func encode(s string) string {
	var out bytes.Buffer
	_ = json.NewEncoder(&out).Encode([]byte(s))
	return strings.Trim(out.String(), "\"\n")
}

// What comes in pieces is hidden as it is in one.
func TestRedactorInPieces(t *testing.T) {
	t.Parallel()
	var r secret.Redactor
	values := []string{canary, "hunter22", "pin1", "hunter22-and-longer"}
	for _, v := range values {
		r.Add(secret.NewValue(v))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var text []byte
		for range random.IntN(8) {
			v := values[random.IntN(len(values))]
			switch random.IntN(3) {
			case 0:
				text = append(text, v...)
			case 1:
				text = append(text, v[:random.IntN(len(v))]...)
			default:
				text = append(text, "some other text "[:random.IntN(16)]...)
			}
		}
		var out bytes.Buffer
		w := r.Writer(&out)
		for rest := text; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 12))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := r.Bytes(text); !bytes.Equal(out.Bytes(), want) {
			t.Fatalf("%q: %q, want %q", text, out.Bytes(), want)
		}
		for _, v := range values {
			if bytes.Contains(out.Bytes(), []byte(v)) {
				t.Fatalf("%q is in %q", v, out.Bytes())
			}
		}
	}
	r.Expire(time.Now().Add(time.Hour))
	if r.Len() != 0 || r.String(canary) != canary {
		t.Error("it is still hidden")
	}
}

func BenchmarkRedact(b *testing.B) {
	random := rand.New(rand.NewPCG(3, 4))
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	word := func(n int) string {
		s := make([]byte, n)
		for i := range s {
			s[i] = letters[random.IntN(len(letters))]
		}
		return string(s)
	}
	var text bytes.Buffer
	for text.Len() < 4<<20 {
		fmt.Fprintf(&text, `{"time":"2026-03-02T09:00:00Z","level":"INFO","msg":"delivered","destination":"hook","events":%d,"id":"%s"}`+"\n", random.IntN(1000), word(22))
	}
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var r secret.Redactor
			for range n {
				r.Add(secret.NewValue("sk_live_" + word(32)))
				r.Add(secret.NewValue(word(20 + random.IntN(40))))
			}
			b.SetBytes(int64(text.Len()))
			used := processor()
			for b.Loop() {
				if out := r.Bytes(text.Bytes()); len(out) != text.Len() {
					b.Fatal("something was found")
				}
			}
			b.ReportMetric(float64(b.N*text.Len())/1e6/(processor()-used).Seconds(), "MB/cpu-s")
		})
	}
}

// processor is how long this process has used one.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// When a workspace is shredded its wrapped keys are gone from the file too, not
// only from its tables: with the master key they could be read.
func TestShreddedOnDisk(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "catalog.db")
	c, err := sqlite.Open(t.Context(), sqlite.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, c)
	p.put(t, "", "key", canary)
	if _, err := p.keys.Data(t.Context(), "space"); err != nil {
		t.Fatal(err)
	}
	var wrapped [][]byte
	if err := c.View(t.Context(), func(tx catalog.Tx) (err error) {
		wrapped, err = catalog.All[[]byte](t.Context(), tx, "SELECT wrapped FROM secret_key UNION ALL SELECT sealed FROM secret_version")
		return err
	}); err != nil || len(wrapped) != 3 {
		t.Fatal(len(wrapped), err)
	}
	if err := c.Update(t.Context(), func(tx catalog.Tx) error {
		return errors.Join(p.vault.Shred(t.Context(), tx, "w_a", owner), p.keys.DestroyData(t.Context(), tx, "space", owner))
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range wrapped {
		if bytes.Contains(data, w) {
			t.Errorf("text %d is still in the file", i)
		}
	}
}
