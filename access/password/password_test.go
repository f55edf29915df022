package password_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access/password"
)

// cheap is a cost for tests that are not about it.
var cheap = password.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}

func hasher(t testing.TB, o password.Options) *password.Hasher {
	t.Helper()
	h, err := password.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashAndVerify(t *testing.T) {
	t.Parallel()
	h := hasher(t, password.Options{})
	stored, err := h.Hash(t.Context(), "correct horse ﬁve")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("stored as %s", stored)
	}
	for text, want := range map[string]bool{"correct horse ﬁve": true, "correct horse five": true, "correct horse Five": false, "": false} {
		if got, err := h.Verify(t.Context(), stored, text); err != nil || got != want {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	again, err := h.Hash(t.Context(), "correct horse ﬁve")
	if err != nil || again == stored {
		t.Errorf("two hashes of a password are the same (%v)", err)
	}
	if cost, err := password.CostOf(stored); err != nil || cost != password.DefaultCost {
		t.Errorf("cost %v, %v", cost, err)
	}
}

func TestForeignCost(t *testing.T) {
	t.Parallel()
	old := hasher(t, password.Options{Cost: password.Cost{MemoryKiB: 256, Passes: 3, Lanes: 2}})
	stored, err := old.Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	h := hasher(t, password.Options{Cost: cheap})
	before := h.Work()
	if ok, err := h.Verify(t.Context(), stored, "x"); !ok || err != nil {
		t.Errorf("a hash of another cost: %v, %v", ok, err)
	}
	full := h.Work() - before
	if ok, err := h.Verify(t.Context(), password.Decoy(old.Cost()), "x"); ok || err != nil {
		t.Errorf("a decoy: %v, %v", ok, err)
	}
	if decoy := h.Work() - before - full; decoy != full || full != 256*3 {
		t.Errorf("a decoy is %d of work, a hash %d", decoy, full)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	h := hasher(t, password.Options{Cost: cheap})
	good, err := h.Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range []string{"", "x", "$argon2id$v=19$m=64,t=1,p=1$$", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=16", 1),
		strings.Replace(good, "m=64", "m=4294967295", 1), strings.Replace(good, "m=64", "m=064", 1), strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=200", 1),
		good + "$", good + "=", good[:len(good)-30], strings.Repeat("$", 5), strings.Repeat(good, 100)} {
		if ok, err := h.Verify(t.Context(), stored, "x"); ok || err == nil {
			t.Errorf("%.100q was read: %v", stored, ok)
		}
	}
	for _, cost := range []password.Cost{{MemoryKiB: 1, Passes: 1, Lanes: 1}, {MemoryKiB: 1 << 30, Passes: 1, Lanes: 1}, {MemoryKiB: 64, Passes: 1, Lanes: 100}} {
		if _, err := password.New(password.Options{Cost: cost}); err == nil {
			t.Errorf("%v was taken", cost)
		}
	}
}

// TestFlood lets many sign in at once: so many hash, so many wait, others are refused.
func TestFlood(t *testing.T) {
	t.Parallel()
	h := hasher(t, password.Options{Cost: password.Cost{MemoryKiB: 4096, Passes: 2, Lanes: 1}, Parallel: 1, Waiting: 3})
	const people = 60
	errs := make([]error, people)
	var start, wg sync.WaitGroup
	start.Add(1)
	for i := range people {
		wg.Go(func() {
			start.Wait()
			_, errs[i] = h.Hash(t.Context(), "x")
		})
	}
	start.Done()
	wg.Wait()
	refused := 0
	for _, err := range errs {
		switch {
		case err == nil:
		case millrace.KindOf(err) == millrace.Unavailable:
			refused++
		default:
			t.Error(err)
		}
	}
	if refused == 0 || refused > people-4 {
		t.Errorf("%d of %d were refused, with room for 4 at once", refused, people)
	}
	if _, err := h.Hash(t.Context(), "x"); err != nil {
		t.Errorf("after the flood: %v", err)
	}
}

func TestGivingUp(t *testing.T) {
	t.Parallel()
	h := hasher(t, password.Options{Cost: password.Cost{MemoryKiB: 64 * 1024, Passes: 8, Lanes: 1}, Parallel: 1})
	first := make(chan error)
	go func() { _, err := h.Hash(context.WithoutCancel(t.Context()), "x"); first <- err }()
	time.Sleep(10 * time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // who has left may still be served when the slot is free
		if _, err := h.Hash(ctx, "x"); err != nil && millrace.KindOf(err) != millrace.Canceled {
			t.Error(err)
		} else if err != nil {
			break
		}
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	about := []string{"Ada Lovelace", "ada.lovelace@analytical-engine.example", "Acme Corporation"}
	for text, ok := range map[string]bool{
		// What people and programs make well.
		"correct horse battery staple": true, "tepid walnut orbit cashier": true, "plinth-gauze-tamper-owl": true,
		"k7#Vq2!mZx9$Lp4w": true, "abandonar trigo celeste": true, "пустыня громко лампа": true, "Ich ging gestern langsam": true,
		"xkqjwzvbnprtghd": true, "849302758163940": true, "日本語のとても長い合言葉です。": true,
		// Too short.
		"": false, "short": false, "fourteen chars": false, "k7#Vq2!mZx9$Lp": false,
		// Repetition, runs, walks.
		"aaaaaaaaaaaaaaa": false, "abababababababab": false, "passwordpassword": false, "PasswordPassword1!": false,
		"123456789012345": false, "1234567890123456789": false, "abcdefghijklmnop": false, "zyxwvutsrqponmlk": false,
		"qwertyuiopasdfgh": false, "qwertyuiop[]asdfghjkl": false, "1qaz2wsx3edc4rfv": false, "qazwsxedcrfvtgb": false,
		"azertyuiopqsdfgh": false, "qwertzuiopasdfgh": false, "!@#$%^&*()_+!@#$": false, "7894561230789456": false,
		"1q2w3e4r5t6y7u8i9o0p": false, "monkey123monkey123": false, strings.Repeat("a", 200): false, strings.Repeat("Ab1!", 50): false,
		// Common words, years, leet.
		"password123456789": false, "P@ssw0rd123456789": false, "letmeinletmein2024": false, "iloveyouforever1": false,
		"dragonmonkey2019": false, "Summer2026!Summer": false, "trustno1trustno1": false, "administrator2026": false,
		"31121987 31121987": false, "superman-batman": false,
		// What is known of the person and the product.
		"adalovelace2026": false, "AdaLovelace!2026": false, "lovelace-millrace": false, "millrace-millrace-1": false, "4d4L0v3l4c3-2026": false,
		"analytical-engine": false, "ada.lovelace@analytical-engine.example": false, "AcmeCorporation1": false, "acme-password-2026": false,
		// Cannot be typed.
		"tepid walnut\x00orbit": false, "tepid walnut \xff orbit": false, strings.Repeat(" ", 20): false,
	} {
		err := password.Check(text, about...)
		if (err == nil) != ok {
			t.Errorf("%.40q: %v", text, err)
		}
		if err != nil {
			if millrace.KindOf(err) != millrace.Invalid {
				t.Errorf("%.40q: kind %v", text, millrace.KindOf(err))
			}
			if len(text) > 5 && strings.Contains(err.Error(), text) {
				t.Errorf("the error repeats the password: %v", err)
			}
		}
	}
	long := "k7#Vq2!mZx9$Lp4w orbit cashier walnut" + strings.Repeat("x", password.MaxLength)
	if err := password.Check(long[:password.MaxLength]); err != nil {
		t.Errorf("the longest: %v", err)
	}
	if err := password.Check(long[:password.MaxLength+1]); err == nil {
		t.Error("longer than the longest was taken")
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("correct horse battery staple", "Ada")
	f.Add(strings.Repeat("a", 100), "aaa")
	f.Add("ﬁ\u0301\u200d ß1qaz", "\xff")
	f.Fuzz(func(_ *testing.T, text, about string) {
		_ = password.Check(text, about)
	})
}

// BenchmarkHash is what one sign-in costs.
func BenchmarkHash(b *testing.B) {
	h := hasher(b, password.Options{})
	for b.Loop() {
		if _, err := h.Hash(b.Context(), "correct horse battery staple"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1e3/float64(b.N), "ms/hash")
}

// BenchmarkCheck is what refusing weak ones costs, at worst.
func BenchmarkCheck(b *testing.B) {
	for name, text := range map[string]string{"usual": "tepid walnut orbit cashier", "worst": strings.Repeat("a", 64)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_ = password.Check(text, "Ada Lovelace")
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/password")
		})
	}
}

func ExampleCheck() {
	fmt.Println(password.Check("Ada-Lovelace-2026", "Ada Lovelace") != nil)
	fmt.Println(password.Check("tepid walnut orbit cashier"))
	// Output:
	// true
	// <nil>
}
