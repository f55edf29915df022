package secret_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/secret"
)

const canary = "canary-Zq8vN3xT/+ä\"<&>\\tail"

var (
	ann    = audit.Actor{Kind: audit.Person, ID: "p_ann", Name: "Ann"}
	monday = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	stripe = secret.Uses{Resources: []string{"destinations/hook"}, Hosts: []string{"api.stripe.com"}}
	hook   = secret.By{Resource: "destinations/hook", Host: "api.stripe.com:443"}
)

// who may do what is named.
func who(permissions ...string) secret.Who {
	return secret.Who{Actor: ann, From: audit.From{Address: "10.0.0.1"}, Allow: func(p, _, _ string) error {
		if slices.Contains(permissions, p) {
			return nil
		}
		return millrace.Errorf(millrace.Forbidden, "this needs the permission %s", p)
	}}
}

var owner = who(secret.PermissionSet, secret.PermissionUse, secret.PermissionReveal)

// A clock can be moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func masterKey(n byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune('A'+n)), 32)))
}

// environment is an environment with these master keys.
func environment(keys ...byte) func(string) (string, bool) {
	var all []string
	for _, n := range keys {
		all = append(all, masterKey(n))
	}
	return func(name string) (string, bool) { return strings.Join(all, ","), name == secret.MasterVariable }
}

type parts struct {
	keys  *secret.KeyRing
	vault *secret.Vault
	red   *secret.Redactors
	clock *clock
	c     catalog.Catalog
}

func open(t testing.TB, c catalog.Catalog, masters ...byte) *parts {
	t.Helper()
	p := &parts{clock: &clock{at: monday}, red: &secret.Redactors{}, c: c}
	if len(masters) == 0 {
		masters = []byte{0}
	}
	var err error
	if p.keys, err = secret.OpenKeyRing(context.Background(), secret.KeyRingOptions{Catalog: c, Getenv: environment(masters...), Now: p.clock.now}); err != nil {
		t.Fatal(err)
	}
	if p.vault, err = secret.New(secret.Options{Catalog: c, Keys: p.keys, Redactor: p.red, Now: p.clock.now}); err != nil {
		t.Fatal(err)
	}
	return p
}

func ref(environment, text string) secret.Ref {
	r, err := secret.ParseReference(text)
	if err != nil {
		panic(err)
	}
	return secret.Ref{Workspace: "w_a", Environment: environment, Reference: r}
}

func (p *parts) put(t testing.TB, environment, path, value string) int64 {
	t.Helper()
	n, err := p.vault.Put(context.Background(), secret.Put{Workspace: "w_a", Environment: environment, Path: path, Value: secret.NewValue(value), Uses: &stripe}, owner)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *parts) want(t testing.TB, r secret.Ref, want string) {
	t.Helper()
	v, err := p.vault.Use(context.Background(), r, hook)
	if err != nil || v.Reveal() != want {
		t.Errorf("%v is %q, want %q: %v", r, v.Reveal(), want, err)
	}
}

func wantKind(t testing.TB, err error, kind millrace.Kind, words ...string) {
	t.Helper()
	if err == nil || millrace.KindOf(err) != kind {
		t.Errorf("%v, want %v", err, kind)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the error holds the value: %v", err)
	}
}

func testVersions(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	p.put(t, "", "stripe/live_key", "one")
	p.want(t, ref("production", "stripe/live_key"), "one")
	if n := p.put(t, "", "stripe/live_key", "two"); n != 2 {
		t.Errorf("version %d", n)
	}
	p.want(t, ref("production", "stripe/live_key"), "two")
	p.want(t, ref("production", "stripe/live_key#1"), "one")
	p.put(t, "production", "stripe/live_key", "own")
	p.want(t, ref("production", "stripe/live_key"), "own")
	p.want(t, ref("staging", "stripe/live_key"), "two")
	_, err := p.vault.Use(t.Context(), ref("production", "stripe/live_key#2"), hook)
	wantKind(t, err, millrace.NotFound, "no version 2")
	if err := p.vault.Rollback(t.Context(), "w_a", "", "stripe/live_key", 1, owner); err != nil {
		t.Fatal(err)
	}
	p.want(t, ref("staging", "stripe/live_key"), "one")
	if n := p.put(t, "", "stripe/live_key", "three"); n != 3 {
		t.Errorf("after a rollback comes version %d", n)
	}
	wantKind(t, p.vault.Rollback(t.Context(), "w_a", "", "stripe/live_key", 9, owner), millrace.NotFound)
	wantKind(t, p.vault.DestroyVersion(t.Context(), "w_a", "", "stripe/live_key", 3, owner), millrace.Conflict)
	if err := p.vault.DestroyVersion(t.Context(), "w_a", "", "stripe/live_key", 2, owner); err != nil {
		t.Fatal(err)
	}
	wantKind(t, p.vault.Rollback(t.Context(), "w_a", "", "stripe/live_key", 2, owner), millrace.NotFound)
	h, err := p.vault.History(t.Context(), "w_a", "", "stripe/live_key")
	if err != nil || len(h) != 3 || h[0].Number != 3 || !h[0].Current || h[0].Actor != ann || !h[1].Destroyed || h[2].Destroyed {
		t.Errorf("%+v, %v", h, err)
	}
	wantKind(t, errOf(p.vault.Use(t.Context(), secret.Ref{Workspace: "w_b", Reference: secret.Reference{Path: "stripe/live_key"}}, hook)), millrace.NotFound)
}

func errOf[T any](_ T, err error) error { return err }

func testDeleted(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	p.put(t, "", "key", "all")
	p.put(t, "production", "key", "own")
	r := ref("production", "key")
	p.want(t, r, "own")
	del := func(environment string) {
		t.Helper()
		if err := p.vault.Delete(t.Context(), "w_a", environment, "key", owner); err != nil {
			t.Fatal(err)
		}
	}
	del("production")
	p.want(t, r, "all")
	del("")
	wantKind(t, errOf(p.vault.Use(t.Context(), r, hook)), millrace.NotFound, "was deleted on 2026-03-02", "restore")
	wantKind(t, p.vault.Delete(t.Context(), "w_a", "", "key", owner), millrace.NotFound)
	if err := p.vault.Restore(t.Context(), "w_a", "", "key", owner); err != nil {
		t.Fatal(err)
	}
	p.want(t, r, "all")
	wantKind(t, p.vault.Restore(t.Context(), "w_a", "", "key", owner), millrace.Conflict)
	p.clock.forward(29 * 24 * time.Hour)
	if n, err := p.vault.Purge(t.Context()); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	p.clock.forward(48 * time.Hour)
	if n, err := p.vault.Purge(t.Context()); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	wantKind(t, p.vault.Restore(t.Context(), "w_a", "production", "key", owner), millrace.NotFound)
	all, next, err := p.vault.List(t.Context(), "w_a", "", 10)
	if err != nil || next != "" || len(all) != 1 || all[0].Path != "key" || all[0].Environment != "" || !slices.Equal(all[0].Uses.Hosts, stripe.Hosts) {
		t.Errorf("%+v, %v", all, err)
	}
	if n := p.put(t, "production", "key", "again"); n != 1 {
		t.Errorf("version %d", n)
	}
}

func testList(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	var want []string
	for i := range 7 {
		path := fmt.Sprintf("k%d", i%5)
		environment := ""
		if i >= 5 {
			environment = "production"
		}
		p.put(t, environment, path, "value")
		want = append(want, path+"@"+environment)
	}
	slices.Sort(want)
	for limit := 1; limit <= 8; limit++ {
		var got []string
		for cursor := ""; ; {
			all, next, err := p.vault.List(t.Context(), "w_a", cursor, limit)
			if err != nil || len(all) > limit {
				t.Fatal(err)
			}
			for _, i := range all {
				got = append(got, i.Path+"@"+i.Environment)
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d at once: %q", limit, got)
		}
	}
}

func testPermissions(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	put := func(w secret.Who, u *secret.Uses) error {
		_, err := p.vault.Put(t.Context(), secret.Put{Workspace: "w_a", Path: "key", Value: secret.NewValue(canary), Uses: u}, w)
		return err
	}
	editor := who(secret.PermissionSet)
	wantKind(t, put(secret.Who{Actor: ann}, nil), millrace.Forbidden, "secret:set")
	wantKind(t, put(who(), nil), millrace.Forbidden, "secret:set")
	wantKind(t, put(editor, &stripe), millrace.Forbidden, "secret:use")
	if err := put(editor, nil); err != nil {
		t.Fatal(err)
	}
	wantKind(t, errOf(p.vault.Use(t.Context(), ref("", "key"), hook)), millrace.Forbidden, "destinations/hook", "secret:use", "now: none")
	wantKind(t, p.vault.SetUses(t.Context(), "w_a", "", "key", stripe, editor), millrace.Forbidden, "secret:use")
	if err := p.vault.SetUses(t.Context(), "w_a", "", "key", stripe, owner); err != nil {
		t.Fatal(err)
	}
	p.want(t, ref("", "key"), canary)
	if err := put(editor, &stripe); err != nil { // nothing new
		t.Fatal(err)
	}
	evil := hook
	evil.Host = "evil.example.com"
	wantKind(t, errOf(p.vault.Use(t.Context(), ref("", "key"), evil)), millrace.Forbidden, "evil.example.com", "secret:use", "now: api.stripe.com")
	wantKind(t, errOf(p.vault.Use(t.Context(), ref("", "key"), secret.By{Resource: "destinations/hook"})), millrace.Invalid, "no host")
	for _, host := range []string{"Elsewhere.example:5432", "not a-host!"} { // one that a secret stands in is not told
		err := errOf(p.vault.Use(t.Context(), ref("", "key"), secret.By{Resource: "destinations/hook", Host: host, Hidden: true}))
		if err == nil || strings.Contains(strings.ToLower(err.Error()), strings.ToLower(host)) || !strings.Contains(err.Error(), "has a secret in it, is not told") {
			t.Errorf("%q: %v", host, err)
		}
	}
	wantKind(t, p.vault.Check(t.Context(), ref("", "key"), evil), millrace.Forbidden)
	if v, err := p.vault.Use(t.Context(), ref("", "key"), secret.By{Resource: "destinations/hook", Inside: true}); err != nil || v.Reveal() != canary {
		t.Error(err)
	}
	wider := secret.Uses{Resources: []string{"destinations/hook"}, Hosts: []string{"*.stripe.com"}}
	wantKind(t, p.vault.SetUses(t.Context(), "w_a", "", "key", wider, editor), millrace.Forbidden)
	if err := p.vault.SetUses(t.Context(), "w_a", "", "key", secret.Uses{Resources: stripe.Resources}, editor); err != nil { // less
		t.Fatal(err)
	}
	wantKind(t, errOf(p.vault.Use(t.Context(), ref("", "key"), hook)), millrace.Forbidden, "api.stripe.com:443")
	wantKind(t, errOf(p.vault.Reveal(t.Context(), ref("", "key"), editor)), millrace.Forbidden, "secret:reveal")
	if v, err := p.vault.Reveal(t.Context(), ref("", "key"), owner); err != nil || v.Reveal() != canary {
		t.Error(err)
	}
	for _, err := range []error{
		p.vault.Delete(t.Context(), "w_a", "", "key", who()), p.vault.Restore(t.Context(), "w_a", "", "key", who()),
		p.vault.Rollback(t.Context(), "w_a", "", "key", 1, who()), p.vault.DestroyVersion(t.Context(), "w_a", "", "key", 1, who()),
		p.vault.SetUses(t.Context(), "w_a", "", "key", secret.Uses{}, who()),
	} {
		wantKind(t, err, millrace.Forbidden)
	}
}

// actions returns what the audit log says, oldest first.
func actions(t testing.TB, c catalog.Catalog) (all []string, raw string) {
	t.Helper()
	l, err := audit.New(audit.Options{Catalog: c})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := l.After(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Action)
		raw += string(e.Raw) + "\n"
	}
	return all, raw
}

func testUsesAreCounted(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	p.put(t, "", "key", canary)
	r := ref("production", "key")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				p.want(t, r, canary)
			}
		})
	}
	wg.Wait()
	evil := hook
	for i := range 20 {
		evil.Host = fmt.Sprintf("h%d.example.com", i)
		wantKind(t, errOf(p.vault.Use(t.Context(), r, evil)), millrace.Forbidden)
	}
	if all, _ := actions(t, c); !slices.Equal(all, []string{"secret.set", "secret.use", "secret.refuse"}) {
		t.Errorf("%q", all)
	}
	p.clock.forward(time.Hour)
	if err := p.vault.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.vault.Flush(t.Context()); err != nil { // nothing more
		t.Fatal(err)
	}
	used, err := p.vault.UsedBy(t.Context(), "w_a", "key")
	if err != nil || len(used) != 1 || used[0].Uses != 100 || used[0].Host != "api.stripe.com" || used[0].Environment != "production" {
		t.Errorf("%+v, %v", used, err)
	}
	q := open(t, c) // after a start: known, so counted only
	q.want(t, r, canary)
	if err := q.vault.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, raw := actions(t, c)
	if !slices.Equal(all, []string{"secret.set", "secret.use", "secret.refuse", "secret.count", "secret.count", "secret.count"}) || !strings.Contains(raw, `"uses":99`) || !strings.Contains(raw, `"uses":19`) {
		t.Errorf("%q\n%s", all, raw)
	}
	if strings.Contains(raw, "canary") {
		t.Error("the audit log holds the value")
	}
}

// A lateCatalog lets one change wait, once it is made, before its maker knows.
type lateCatalog struct {
	catalog.Catalog
	made, goOn chan struct{}
}

func (c *lateCatalog) Update(ctx context.Context, change func(catalog.Tx) error) error {
	err := c.Catalog.Update(ctx, change)
	select {
	case c.made <- struct{}{}:
		<-c.goOn
	default:
	}
	return err
}

// testFirstUses: of two first uses at once one is told, and the other one counted.
func testFirstUses(t *testing.T, c catalog.Catalog) {
	late := &lateCatalog{Catalog: c}
	p := open(t, late)
	p.put(t, "", "key", canary)
	late.made, late.goOn = make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { p.want(t, ref("production", "key"), canary) })
	<-late.made
	p.want(t, ref("production", "key"), canary)
	close(late.goOn)
	wg.Wait()
	if err := p.vault.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	used, err := p.vault.UsedBy(t.Context(), "w_a", "key")
	if err != nil || len(used) != 1 || used[0].Uses != 2 {
		t.Errorf("%+v, %v", used, err)
	}
}

func testConcurrent(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	p.put(t, "", "key", "v1")
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 8 {
				switch (w + i) % 4 {
				case 0:
					p.put(t, "", "key", "vx")
				case 1:
					if _, err := p.vault.RotateKey(context.Background(), "w_a", owner); err != nil {
						t.Error(err)
					}
				default:
					if v, err := p.vault.Use(context.Background(), ref("", "key"), hook); err != nil || v.Reveal()[0] != 'v' {
						t.Errorf("%v", err)
					}
				}
				if _, err := p.keys.Data(context.Background(), "space"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	p.want(t, ref("", "key"), "vx")
}

// A row that was copied to where it does not belong does not open.
func testCopiedRows(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	p.put(t, "", "mine", canary)
	p.put(t, "", "other", "else")
	p.put(t, "production", "mine", "own")
	p.put(t, "", "mine", "second")
	for name, sql := range map[string]string{
		"another path":        "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE path = 'mine' AND version = 1 AND environment = '') WHERE path = 'other'",
		"another environment": "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE path = 'mine' AND version = 1 AND environment = '') WHERE path = 'mine' AND environment = 'production'",
		"another version":     "UPDATE secret_version SET sealed = (SELECT sealed FROM secret_version WHERE path = 'mine' AND version = 1 AND environment = '') WHERE path = 'mine' AND environment = '' AND version = 2",
	} {
		rollback := errors.New("rollback")
		err := c.Update(t.Context(), func(tx catalog.Tx) error {
			if n, err := tx.Exec(t.Context(), sql); err != nil || n != 1 {
				return fmt.Errorf("%d rows: %w", n, err)
			}
			if name == "another version" {
				return nil // the last, to be seen from outside
			}
			return rollback
		})
		if err != nil && !errors.Is(err, rollback) {
			t.Fatal(name, err)
		}
	}
	q := open(t, c)
	wantKind(t, errOf(q.vault.Use(t.Context(), ref("", "mine"), hook)), millrace.Internal, "changed, or copied")
	// Another workspace, with its own key row copied along.
	if err := c.Update(t.Context(), func(tx catalog.Tx) error {
		for _, sql := range []string{
			"INSERT INTO secret_key SELECT purpose, 'w_b', number, master, wrapped, state, made FROM secret_key WHERE owner = 'w_a'",
			"INSERT INTO secret SELECT 'w_b', environment, path, 1, versions, resources, hosts, note, made, changed, deleted FROM secret WHERE path = 'other'",
			"INSERT INTO secret_version SELECT 'w_b', environment, path, version, data_key, sealed, made, actor FROM secret_version WHERE path = 'other'",
		} {
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r := ref("", "other")
	r.Workspace = "w_b"
	wantKind(t, errOf(q.vault.Use(t.Context(), r, hook)), millrace.Internal, "changed, or copied")
}

func testShred(t *testing.T, c catalog.Catalog) {
	p := open(t, c)
	p.put(t, "", "key", canary)
	p.want(t, ref("", "key"), canary)
	k, err := p.keys.Data(t.Context(), "space")
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Seal(nil, []byte("records"), []byte("frame 7"))
	if id, err := p.keys.RotateData(t.Context(), "space", owner); err != nil || id != 2 {
		t.Errorf("%d, %v", id, err)
	}
	if k, err := p.keys.Data(t.Context(), "space"); err != nil || k.ID() != 2 {
		t.Errorf("%v", err)
	}
	if k, err = p.keys.Key(t.Context(), "space", 1); err != nil {
		t.Fatal(err)
	}
	if text, err := k.Open(nil, sealed, []byte("frame 7")); err != nil || string(text) != "records" {
		t.Errorf("%s, %v", text, err)
	}
	wantKind(t, errOf(k.Open(nil, sealed, []byte("frame 8"))), millrace.Invalid)
	wantKind(t, errOf(p.keys.Key(t.Context(), "space", 3)), millrace.NotFound)
	wantKind(t, errOf(p.keys.Key(t.Context(), "else", 1)), millrace.NotFound)
	if err := c.Update(t.Context(), func(tx catalog.Tx) error {
		return errors.Join(p.vault.Shred(t.Context(), tx, "w_a", owner), p.keys.DestroyData(t.Context(), tx, "space", owner))
	}); err != nil {
		t.Fatal(err)
	}
	p.vault.Forget("w_a")
	p.keys.Forget("space")
	wantKind(t, errOf(p.keys.Key(t.Context(), "space", 1)), millrace.Gone)
	wantKind(t, errOf(p.vault.Use(t.Context(), ref("", "key"), hook)), millrace.NotFound)
	wantKind(t, errOf(p.keys.Data(t.Context(), "space")), millrace.Gone) // nothing is stored for it any more
}

func TestCatalogs(t *testing.T) {
	t.Parallel()
	catalogtest.Each(t, map[string]func(*testing.T, catalog.Catalog){
		"versions": testVersions, "deleted": testDeleted, "list": testList, "permissions": testPermissions, "reveal in an environment": testRevealInAnEnvironment, "uses are counted": testUsesAreCounted, "first uses": testFirstUses,
		"concurrent": testConcurrent, "copied rows": testCopiedRows, "shred": testShred, "rewrap": testRewrap, "rotate": testRotate,
		"crash": testCrash, "leaks": testCanary,
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{"plain": "one\n", "stripe/live_key": "two\r\n", "empty": "\n", "long": strings.Repeat("x", secret.MaxValueBytes+3)} {
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	red := &secret.Redactor{}
	b := secret.Backends{
		secret.Environment{Workspace: "w_a", Redactor: red, Getenv: func(name string) (string, bool) {
			v, ok := map[string]string{"MILLRACE_SECRET_PLAIN": "from the environment", "MILLRACE_SECRET_A__B": "deep", "MILLRACE_SECRET_EMPTY_ONE": ""}[name]
			return v, ok
		}},
		secret.Files{Workspace: "w_a", Folder: folder, Redactor: red},
	}
	for text, want := range map[string]string{"plain": "from the environment", "stripe/live_key": "two", "a/b": "deep"} {
		if v, err := b.Use(t.Context(), ref("", text), secret.By{}); err != nil || v.Reveal() != want {
			t.Errorf("%s: %q, %v", text, v.Reveal(), err)
		}
	}
	if red.Len() != 2 { // two is too short
		t.Errorf("%d values are hidden", red.Len())
	}
	wantKind(t, errOf(b.Use(t.Context(), ref("", "missing"), secret.By{})), millrace.NotFound, "MILLRACE_SECRET_MISSING", filepath.Join(folder, "missing"))
	wantKind(t, errOf(b.Use(t.Context(), ref("", "stripe"), secret.By{})), millrace.NotFound)
	wantKind(t, errOf(b.Use(t.Context(), ref("", "empty"), secret.By{})), millrace.Invalid)
	wantKind(t, errOf(b.Use(t.Context(), ref("", "empty_one"), secret.By{})), millrace.Invalid)
	wantKind(t, errOf(b.Use(t.Context(), ref("", "long"), secret.By{})), millrace.Invalid)
	wantKind(t, errOf(b.Use(t.Context(), ref("", "plain#1"), secret.By{})), millrace.Invalid, "no versions")
	r := ref("", "plain")
	r.Workspace = "w_b"
	wantKind(t, errOf(b.Use(t.Context(), r, secret.By{})), millrace.NotFound)
	wantKind(t, errOf(secret.Backends(nil).Use(t.Context(), r, secret.By{})), millrace.NotFound)
}
