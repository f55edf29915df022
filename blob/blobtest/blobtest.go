// Package blobtest is the conformance suite of blob.Bucket: a backend's tests
// call Run in one line.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// Run tests the buckets that open gives; each is empty and closed by the suite.
func Run(t *testing.T, open func(t *testing.T) blob.Bucket) {
	tests := map[string]func(*testing.T, blob.Bucket){
		"round trip":            roundTrip,
		"replaces":              replaces,
		"not found":             notFound,
		"keys":                  keys,
		"hostile keys":          hostileKeys,
		"list":                  list,
		"list stops":            listStops,
		"delete":                deletes,
		"failing reader":        failingReader,
		"canceled":              canceled,
		"read at":               readAt,
		"large":                 large,
		"concurrent":            concurrent,
		"open survives replace": openSurvivesReplace,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test(t, b)
		})
	}
}

// ReadAll returns the whole object.
func ReadAll(t testing.TB, b blob.Bucket, key string) []byte {
	t.Helper()
	o, err := b.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("Open(%q): %v", key, err)
	}
	defer o.Close()
	data, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
	if err != nil {
		t.Fatalf("reading %q: %v", key, err)
	}
	return data
}

func put(t *testing.T, b blob.Bucket, key, content string) {
	t.Helper()
	if err := b.Put(t.Context(), key, strings.NewReader(content)); err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

func listed(t *testing.T, b blob.Bucket, prefix string) []string {
	t.Helper()
	var got []string
	for info, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		got = append(got, info.Key)
	}
	return got
}

func roundTrip(t *testing.T, b blob.Bucket) {
	for _, content := range []string{"", "x", "a\x00b\xff\xfe", strings.Repeat("long ", 100_000)} {
		put(t, b, "folder/object", content)
		if got := ReadAll(t, b, "folder/object"); string(got) != content {
			t.Errorf("got %d bytes %.40q, want %d", len(got), got, len(content))
		}
	}
}

func replaces(t *testing.T, b blob.Bucket) {
	put(t, b, "k", "a long first version")
	put(t, b, "k", "second")
	if got := ReadAll(t, b, "k"); string(got) != "second" {
		t.Errorf("got %q", got)
	}
	if got := listed(t, b, ""); len(got) != 1 {
		t.Errorf("listed %q", got)
	}
}

func notFound(t *testing.T, b blob.Bucket) {
	put(t, b, "a/b", "x")
	for _, key := range []string{"missing", "a", "a/c", "a/b/c"} {
		if _, err := b.Open(t.Context(), key); millrace.KindOf(err) != millrace.NotFound {
			t.Errorf("Open(%q): %v (%v), want NotFound", key, err, millrace.KindOf(err))
		}
	}
}

// names that a medium might not hold as they are.
var names = []string{
	"simple", "with space", "date=2026-11-21/hour=07/1-2_3-4.parquet", "ünïcödé/注文完了", "percent%20and%2F",
	"back\\slash", "..hidden", ".dot/.dot", "a..b/c...", "new\nline", "tab\t", "quote\"'`", "question?hash#amp&plus+",
	"star*[x]{y}", "colon:semi;", "trailing.", "~tilde", "-dash", "con", "\x01\x1f\x7f", "%", "%2e%2e/x", "_fresh/default/x",
}

func keys(t *testing.T, b blob.Bucket) {
	for _, key := range names {
		put(t, b, key, "content of "+key)
	}
	for _, key := range names {
		if got := ReadAll(t, b, key); string(got) != "content of "+key {
			t.Errorf("%q: got %q", key, got)
		}
	}
	want := append([]string(nil), names...)
	sort.Strings(want)
	got := listed(t, b, "")
	sort.Strings(got)
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("listed\n%q, want\n%q", got, want)
	}
}

func hostileKeys(t *testing.T, b blob.Bucket) {
	for _, key := range []string{"", "/", "/abs", "a//b", "a/", "..", "../x", "a/../../x", "./a", "a/.", "nul\x00", strings.Repeat("x", 4000)} {
		if err := b.Put(t.Context(), key, strings.NewReader("x")); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("Put(%.40q): %v, want Invalid", key, err)
		}
		if _, err := b.Open(t.Context(), key); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("Open(%.40q): %v, want Invalid", key, err)
		}
		if err := b.Delete(t.Context(), key); millrace.KindOf(err) != millrace.Invalid {
			t.Errorf("Delete(%.40q): %v, want Invalid", key, err)
		}
	}
	if got := listed(t, b, ""); len(got) != 0 {
		t.Errorf("listed %q", got)
	}
}

func list(t *testing.T, b blob.Bucket) {
	all := []string{"a-b/1", "a.b", "a/1", "a/2/x", "a/2/y", "a0", "b", "b1/c"}
	for _, key := range all {
		put(t, b, key, key)
	}
	for _, prefix := range []string{"", "a", "a/", "a/2", "a/2/", "a/2/x", "b", "c", "a-", "missing/deep/"} {
		want := []string{}
		for _, key := range all {
			if strings.HasPrefix(key, prefix) {
				want = append(want, key)
			}
		}
		if got := listed(t, b, prefix); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
	for info, err := range b.List(t.Context(), "b1/") {
		if err != nil || info.SizeBytes != 4 || info.Modified.IsZero() {
			t.Errorf("List: %+v, %v", info, err)
		}
	}
}

func listStops(t *testing.T, b blob.Bucket) {
	for i := range 5 {
		put(t, b, fmt.Sprintf("k/%d", i), "x")
	}
	n := 0
	for range b.List(t.Context(), "k/") {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("yielded %d", n)
	}
}

func deletes(t *testing.T, b blob.Bucket) {
	put(t, b, "a/b", "x")
	put(t, b, "a/c", "y")
	for _, key := range []string{"a/b", "a/b", "never", "a", "a/c/d"} {
		if err := b.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q): %v", key, err)
		}
	}
	if got := listed(t, b, ""); len(got) != 1 || got[0] != "a/c" {
		t.Errorf("listed %q", got)
	}
	put(t, b, "a/b", "again")
	if got := ReadAll(t, b, "a/b"); string(got) != "again" {
		t.Errorf("got %q", got)
	}
}

var errBroken = errors.New("the reader broke")

func failingReader(t *testing.T, b blob.Bucket) {
	put(t, b, "k", "old")
	for _, n := range []int{0, 10, 6 << 20} {
		broken := io.MultiReader(bytes.NewReader(make([]byte, n)), errReader{})
		if err := b.Put(t.Context(), "k", broken); err == nil {
			t.Errorf("Put with a reader that breaks after %d bytes: no error", n)
		}
		if err := b.Put(t.Context(), "new", io.MultiReader(bytes.NewReader(make([]byte, n)), errReader{})); err == nil {
			t.Errorf("Put with a reader that breaks after %d bytes: no error", n)
		}
	}
	if got := ReadAll(t, b, "k"); string(got) != "old" {
		t.Errorf("after a failed Put: %d bytes %.20q, want the old object", len(got), got)
	}
	if got := listed(t, b, ""); len(got) != 1 {
		t.Errorf("listed %q", got)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func canceled(t *testing.T, b blob.Bucket) {
	put(t, b, "k", "old")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Put(ctx, "k", strings.NewReader("new")); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("Put: %v, want Canceled", err)
	}
	if _, err := b.Open(ctx, "k"); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("Open: %v, want Canceled", err)
	}
	if err := b.Delete(ctx, "k"); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("Delete: %v, want Canceled", err)
	}
	for _, err := range b.List(ctx, "") {
		if millrace.KindOf(err) != millrace.Canceled {
			t.Errorf("List: %v, want Canceled", err)
		}
	}
	if got := ReadAll(t, b, "k"); string(got) != "old" {
		t.Errorf("got %q", got)
	}
}

func readAt(t *testing.T, b blob.Bucket) {
	put(t, b, "k", "0123456789")
	o, err := b.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Size() != 10 {
		t.Errorf("Size() = %d", o.Size())
	}
	tests := map[string]struct {
		off  int64
		n    int
		want string
		eof  bool
	}{
		"begin": {0, 4, "0123", false}, "middle": {3, 4, "3456", false}, "to the end": {6, 4, "6789", false},
		"over the end": {6, 10, "6789", true}, "at the end": {10, 1, "", true}, "behind the end": {50, 1, "", true}, "nothing": {5, 0, "", false},
	}
	for name, test := range tests {
		p := make([]byte, test.n)
		n, err := o.ReadAt(p, test.off)
		if string(p[:n]) != test.want || (test.eof && !errors.Is(err, io.EOF)) || (!test.eof && err != nil && !errors.Is(err, io.EOF)) {
			t.Errorf("%s: ReadAt = %q, %v", name, p[:n], err)
		}
	}
}

func large(t *testing.T, b blob.Bucket) {
	content := make([]byte, 12<<20)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	// A reader that is nothing but a reader, so that no length is known.
	if err := b.Put(t.Context(), "large", io.MultiReader(bytes.NewReader(content))); err != nil {
		t.Fatal(err)
	}
	if got := ReadAll(t, b, "large"); !bytes.Equal(got, content) {
		t.Errorf("got %d other bytes", len(got))
	}
}

func concurrent(t *testing.T, b blob.Bucket) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				// All write one object: each reader sees one of them, whole.
				content := strings.Repeat(fmt.Sprint(i), 10_000+i)
				if err := b.Put(t.Context(), "same/object", strings.NewReader(content)); err != nil {
					t.Errorf("Put: %v", err)
				}
				if err := b.Put(t.Context(), fmt.Sprintf("new/%d/%d", i, j), strings.NewReader(content)); err != nil {
					t.Errorf("Put: %v", err)
				}
				o, err := b.Open(t.Context(), "same/object")
				if err != nil {
					t.Errorf("Open: %v", err)
					continue
				}
				got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
				o.Close()
				// A backend may say that the object was replaced under the reader.
				if err == nil && (len(got) < 10_000 || strings.Trim(string(got), string(got[:1])) != "" || len(got) != 10_000+int(got[0]-'0')) {
					t.Errorf("read a mixture of %d bytes", len(got))
				}
			}
		})
	}
	wg.Wait()
	if got := listed(t, b, "new/"); len(got) != 40 {
		t.Errorf("listed %d objects, want 40", len(got))
	}
}

// openSurvivesReplace: an open object is what it was, or says that it is gone.
func openSurvivesReplace(t *testing.T, b blob.Bucket) {
	put(t, b, "k", "first")
	o, err := b.Open(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	put(t, b, "k", "other")
	p := make([]byte, 5)
	if _, err := o.ReadAt(p, 0); (err == nil || errors.Is(err, io.EOF)) && string(p) != "first" {
		t.Errorf("read %q from an object that was opened as %q", p, "first")
	}
}
