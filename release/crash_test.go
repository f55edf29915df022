package release

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/tree"
)

// steps are where a server may end, and what runs after the next start: the
// version before, up to the moment at which the catalog says otherwise.
var steps = []struct {
	at      string
	fails   bool // the new version is not healthy
	version int64
	state   State
}{
	{"proposed", false, 1, RolledBack},
	{"validated", false, 1, RolledBack},
	{"switching", false, 1, RolledBack},
	{"applied", false, 1, RolledBack},
	{"checking", false, 1, RolledBack},
	{"checked", false, 1, RolledBack},
	{"healthy", false, 2, Healthy},
	{"reverting", true, 1, RolledBack},
	{"reverted", true, 1, RolledBack},
}

var names = map[int64]string{1: "shop: web 7d", 2: "shop: web 30d"}

func longer(t testing.TB) *tree.Tree {
	return files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1)})
}

// testCrashes stops a server at each step for good, starts another one, and
// then lets the first go on: it finds out and changes nothing.
func testCrashes(t *testing.T, c catalog.Catalog) {
	for i, step := range steps {
		target := Target{"w_crash", step.at}
		old := newServer(t, c)
		if d := old.mustDeploy(target, 0, files(t, map[string]string{"i.md": step.at}), ""); d.Version == 0 {
			t.Fatal("no version")
		}
		if step.fails {
			old.ill = func(*project.Project) error { return errors.New("ill") }
		}
		reached, goOn := make(chan struct{}), make(chan struct{})
		old.step = func(at string) {
			if at == step.at {
				close(reached)
				<-goOn
			}
		}
		before, _, err := old.Running(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		var zombie sync.WaitGroup
		zombie.Go(func() {
			_, _ = old.deploy(target, before.Version, files(t, map[string]string{"i.md": step.at, "sources/web.yaml": strings.Replace(web, "7d", "30d", 1)}), ben, "")
		})
		<-reached
		fresh := newServer(t, c)
		if err := fresh.Settle(t.Context(), target, fresh.sw()); err != nil {
			t.Fatal(err)
		}
		check := func(when string) {
			t.Helper()
			now, _, err := fresh.Running(t.Context(), target)
			if moved := now.Version != before.Version; err != nil || moved != (step.version == 2) || fresh.now != names[step.version] {
				t.Errorf("%d %s, %s: version %d, %q, %v", i, step.at, when, now.Version, fresh.now, err)
			}
			list, _, err := fresh.Deploys(t.Context(), target, "", 10)
			if err != nil || list[0].State != step.state || list[0].Ended.IsZero() || (list[0].Error == "") != (step.state == Healthy) {
				t.Errorf("%s, %s: %+v, %v", step.at, when, list[0], err)
			}
		}
		check("after the start")
		close(goOn)
		zombie.Wait()
		check("after the first server went on")
		now, _, _ := fresh.Running(t.Context(), target)
		if _, err := fresh.deploy(target, now.Version, files(t, map[string]string{"next.md": step.at}), ada, ""); err != nil {
			t.Errorf("%s: the next deployment: %v", step.at, err)
		}
	}
}

// TestKilled has a process killed at each step.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("RELEASE_TEST_DIR"); dir != "" {
		dieAt(t, dir, os.Getenv("RELEASE_TEST_STEP"), os.Getenv("RELEASE_TEST_FAILS") != "")
	}
	t.Parallel()
	for _, step := range steps {
		t.Run(step.at, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
			cmd.Env = append(os.Environ(), "RELEASE_TEST_DIR="+dir, "RELEASE_TEST_STEP="+step.at)
			if step.fails {
				cmd.Env = append(cmd.Env, "RELEASE_TEST_FAILS=1")
			}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("it was not killed: %v\n%s", err, &out)
			}
			c, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(dir, "catalog.db")})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			s := newServer(t, c)
			if err := s.Settle(t.Context(), production, s.sw()); err != nil {
				t.Fatal(err)
			}
			s.runs(step.version, names[step.version])
			list, _, err := s.Deploys(t.Context(), production, "", 10)
			if err != nil || len(list) != 2 || list[0].State != step.state {
				t.Errorf("%+v, %v", list, err)
			}
			if _, err := s.Deploy(t.Context(), Proposal{Target: production, Base: step.version, Tree: files(t, map[string]string{"a.md": "a"}), Origin: FromDeploy, By: ada}, s.sw()); err != nil {
				t.Error(err)
			}
		})
	}
}

// dieAt is the process.
func dieAt(t *testing.T, dir, step string, fails bool) {
	c, err := sqlite.Open(t.Context(), sqlite.Options{File: filepath.Join(dir, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, c)
	s.mustDeploy(production, 0, files(t, nil), "")
	if fails {
		s.ill = func(*project.Project) error { return errors.New("ill") }
	}
	s.step = func(at string) {
		if at == step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	_, _ = s.deploy(production, 1, longer(t), ben, "")
	t.Fatal("the step was not reached")
}

// unsure is a catalog whose Updates fail as if the connection had broken.
type unsure struct {
	catalog.Catalog
	mu   sync.Mutex
	fail func() (before, after bool) // of the next Update
}

func (u *unsure) Update(ctx context.Context, f func(catalog.Tx) error) error {
	u.mu.Lock()
	before, after := false, false
	if u.fail != nil {
		before, after = u.fail()
	}
	u.mu.Unlock()
	broken := millrace.Errorf(millrace.Unavailable, "the connection broke")
	if before {
		return broken
	}
	err := u.Catalog.Update(ctx, f)
	if after && err == nil {
		return broken
	}
	return err
}

// testCommitUnknown has each Update of a deployment fail, before or after it was
// made: what runs is always what the catalog says, at the latest when settled.
func testCommitUnknown(t *testing.T, c catalog.Catalog) {
	for _, done := range []bool{false, true} {
		for nth := range 8 {
			u := &unsure{Catalog: c}
			s := newServer(t, u)
			now, _, err := s.Running(t.Context(), production)
			if err != nil {
				t.Fatal(err)
			}
			if now.Version == 0 {
				now.Version = s.mustDeploy(production, 0, files(t, nil), "").Version
			}
			if err := s.Settle(t.Context(), production, s.sw()); err != nil {
				t.Fatal(err)
			}
			count := 0
			u.fail = func() (bool, bool) {
				count++
				return count == nth+1 && !done, count == nth+1 && done
			}
			d, err := s.deploy(production, now.Version, files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "30d", 1), "n.md": time.Now().String()}), ben, "")
			u.fail = nil
			after, _, errRunning := s.Running(t.Context(), production)
			if errRunning != nil || (err == nil) != (after.Version != now.Version) || err == nil && after.Version != d.Version {
				t.Errorf("update %d, done %v: %d runs after %d, %+v, %v", nth, done, after.Version, now.Version, d.State, err)
			}
			if err := s.Settle(t.Context(), production, s.sw()); err != nil {
				t.Fatal(err)
			}
			if want := map[bool]string{true: "shop: web 30d", false: "shop: web 7d"}[err == nil]; s.now != want {
				t.Errorf("update %d, done %v: %q runs, want %q", nth, done, s.now, want)
			}
			s.mustDeploy(production, after.Version, files(t, map[string]string{"n.md": time.Now().String()}), "")
		}
	}
}
