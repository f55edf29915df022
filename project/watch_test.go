package project

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/secret"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mkdir := func(name string) {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	move := func(from, to string) {
		if err := os.Rename(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, at("millrace.yaml"), plain)
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan struct{}, 100), make(chan error)
	go func() { ended <- Watch(ctx, dir, func() { changes <- struct{}{} }) }()
	select {
	case <-changes: // told once at the beginning
	case <-time.After(5 * time.Second):
		t.Fatal("not told at the beginning")
	}
	for _, step := range []struct {
		name string
		do   func()
		told bool
	}{
		{"nothing", func() {}, false},
		{"another file", func() { write(t, at("notes.txt"), "x") }, false},
		{"data", func() { mkdir(".millrace"); write(t, at(".millrace/x.yaml"), "x") }, false},
		{"save", func() { write(t, at("millrace.yaml"), plain+"#\n") }, true},
		{"save by renaming", func() { write(t, at(".m.tmp"), plain); move(".m.tmp", "millrace.yaml") }, true},
		{"many at once", func() {
			for range 20 {
				write(t, at("millrace.yaml"), plain)
			}
		}, true},
		{"new folder", func() { mkdir("sources"); write(t, at("sources/web.yaml"), "kind: http\n") }, true},
		{"file in it", func() { write(t, at("sources/web.yaml"), "kind: http \n") }, true},
		{"editor's file", func() { write(t, at("sources/.web.yaml.swp"), "x"); write(t, at("sources/web.yaml~"), "x") }, false},
		{"permissions", func() {
			if err := os.Chmod(at("sources/web.yaml"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"rename in it", func() { move("sources/web.yaml", "sources/shop.yaml") }, true},
		{"remove", func() {
			if err := os.RemoveAll(at("sources")); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"folder again", func() { mkdir("sources") }, true},
		{"file in it again", func() { write(t, at("sources/web.yaml"), "kind: http\n") }, true},
		{"secrets", func() { mkdir(".secrets"); write(t, at(".secrets/db"), "x") }, true},
		{"secret", func() { write(t, at(".secrets/db"), "y") }, true},
	} {
		step.do()
		told := 0
		patience := 300 * time.Millisecond
		if step.told {
			patience = 5 * time.Second
		}
	wait:
		for {
			select {
			case <-changes:
				told++
				patience = 250 * time.Millisecond
			case <-time.After(patience):
				break wait
			}
		}
		if (told > 0) != step.told || step.name == "many at once" && told > 2 {
			t.Errorf("%s: told %d times", step.name, told)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := Watch(t.Context(), at("nothing"), func() {}); err == nil || !strings.Contains(err.Error(), "cannot watch") {
		t.Errorf("no folder: %v", err)
	}
}

func TestInit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "My Shop (2)")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "README.md"), "mine")
	made, err := Init(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(made, " "); got != ".secrets/.gitignore .gitignore sources/web.yaml millrace.yaml" {
		t.Errorf("made %s", got)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "README.md")); err != nil || string(text) != "mine" {
		t.Errorf("README.md is now %q, %v", text, err)
	}
	p, err := Load(os.DirFS(dir), testKinds, Options{Secrets: Secrets{Dir: filepath.Join(dir, SecretsFolder)}})
	if err != nil {
		t.Fatal(err)
	}
	key := p.In("sources")[0].Config.(*httpSource).WriteKeys[0]
	if p.Config.Name != "my-shop-2" || !strings.HasPrefix(key, "dev_") || len(key) != 24 || p.Config.Warehouse.String() != "duckdb" {
		t.Errorf("%+v with key %s", p.Config, key)
	}
	if _, err := Init(dir, ""); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("a second time: %v", err)
	}
	other := filepath.Join(t.TempDir(), "new", "deep")
	if made, err = Init(other, "shop"); err != nil || len(made) != 5 {
		t.Fatalf("%v, %v", made, err)
	}
	q, err := Load(os.DirFS(other), testKinds, Options{})
	if err != nil || q.In("sources")[0].Config.(*httpSource).WriteKeys[0] == key {
		t.Errorf("the same key twice, or %v", err)
	}
	readme, err := os.ReadFile(filepath.Join(other, "README.md"))
	if err != nil || !strings.Contains(string(readme), q.In("sources")[0].Config.(*httpSource).WriteKeys[0]) || !strings.Contains(string(readme), "in a browser") {
		t.Errorf("README %s, %v", readme, err)
	}
	if _, err := Init(t.TempDir(), "No!"); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("a bad name: %v", err)
	}
	for folder, want := range map[string]string{"/": "project", "2026": "project", "Shop": "shop", "x_1-y": "x_1-y", "Müller": "m-ller", strings.Repeat("a", 100): strings.Repeat("a", 63)} {
		if got := nameFrom(folder); got != want {
			t.Errorf("%q makes %q, want %q", folder, got, want)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "db"), "hunter2\n")
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "large"), strings.Repeat("x", secret.MaxValueBytes+3))
	s := Secrets{Dir: dir, Getenv: func(name string) (string, bool) {
		return "from-env", name == "MILLRACE_SECRET_BOTH" || name == "MILLRACE_SECRET_DB_2"
	}}
	write(t, filepath.Join(dir, "both"), "from-file")
	for name, want := range map[string]string{"db": "hunter2", "both": "from-env", "db_2": "from-env"} {
		if got, _, err := s.Lookup(secret.Reference{Path: name}); got != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"empty": "is empty in the file", "large": "larger than 65536 bytes",
		"none": "set the environment variable MILLRACE_SECRET_NONE, or write it to the file " + filepath.Join(dir, "none")} {
		if _, _, err := s.Lookup(secret.Reference{Path: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{"a${secret:db}b${secret:db}": "ahunter2bhunter2", "$${secret:db}": "${secret:db}", "${{ x }}${secret:db}": "${{ x }}hunter2", "$": "$", "5 $ {": "5 $ {"} {
		r := &resolver{secrets: s}
		if got, known, err := r.expand(text, SecretUse{}); got != want || !known || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"${", "${}", "${secret:}", "${secret:a-b}", "${secret:../../etc/passwd}", "${secret:db", "${env:HOME}"} {
		r := &resolver{secrets: s}
		if got, _, err := r.expand(text, SecretUse{}); err == nil {
			t.Errorf("%s became %q", text, got)
		}
	}
}
