package workspace_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/workspace"
)

// childDir is set in the process that is killed.
const childDir = "MILLRACE_WORKSPACE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func openDir(ctx context.Context, dir string) (*workspace.Store, eventlog.Log, error) {
	c, err := sqlite.Open(ctx, sqlite.Options{File: filepath.Join(dir, "catalog.db")})
	if err != nil {
		return nil, nil, err
	}
	s, err := workspace.Open(ctx, workspace.Options{Catalog: c, Grace: time.Millisecond,
		Record: func(context.Context, catalog.Tx, workspace.Change) error { return nil }})
	if err != nil {
		return nil, nil, err
	}
	log, err := nats.Open(ctx, nats.Options{Dir: filepath.Join(dir, "log")})
	return s, log, err
}

// child counts what it appends to the log, and purges, until it is killed. It
// says what was acknowledged.
func child(dir string) error {
	ctx := context.Background()
	s, log, err := openDir(ctx, dir)
	if err != nil {
		return err
	}
	m, err := workspace.NewMeter(workspace.MeterOptions{Store: s, Log: log, Every: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	if err := m.Begin(ctx); err != nil {
		return err
	}
	go func() { _ = m.Run(ctx) }()
	var steps []workspace.Step
	for _, name := range []string{"key", "warehouse", "archive"} {
		steps = append(steps, workspace.Step{Name: name, Do: func(_ context.Context, space string) error {
			time.Sleep(20 * time.Millisecond)
			return os.RemoveAll(filepath.Join(dir, name+"-"+space))
		}})
	}
	p, err := workspace.NewPurger(workspace.PurgerOptions{Store: s, Steps: steps, Every: time.Millisecond})
	if err != nil {
		return err
	}
	go func() { _ = p.Run(ctx) }()
	fmt.Println("begun")
	for i := 0; ; i++ {
		if _, err := log.Append(ctx, events("default", time.Now(), 1+i%5)); err != nil {
			return err
		}
		fmt.Println("acknowledged", 1+i%5)
		time.Sleep(time.Millisecond)
	}
}

// run lets a child run for a while, kills it, and returns what it acknowledged.
func run(t *testing.T, dir string, while time.Duration) (acknowledged int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n := 0
		switch text := lines.Text(); {
		case text == "begun":
			time.AfterFunc(while, func() { _ = cmd.Process.Kill() })
		case strings.HasPrefix(text, "failed"):
			t.Error(text)
		default:
			_, _ = fmt.Sscanf(text, "acknowledged %d", &n)
			acknowledged += n
		}
	}
	return acknowledged
}

// A process that is killed at any moment, and again, purges all the same, and
// counts each record once.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, log, err := openDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var doomed []workspace.Workspace
	for i := range 3 {
		w, err := s.Create(t.Context(), workspace.New{Name: fmt.Sprintf("team-%c", 'a'+i)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if w, err = s.AddEnvironment(t.Context(), w.ID, "staging"); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.Environments {
			for _, name := range []string{"key", "warehouse", "archive"} {
				if err := os.MkdirAll(filepath.Join(dir, name+"-"+e.Space, "data"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
		}
		if w, err = s.Delete(t.Context(), w.ID); err != nil {
			t.Fatal(err)
		}
		doomed = append(doomed, w)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for range 6 {
		acknowledged += run(t, dir, 20*time.Millisecond+rand.N(150*time.Millisecond))
	}
	acknowledged += run(t, dir, 2*time.Second)
	s, log, err = openDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, w := range doomed {
		if _, err := s.Get(t.Context(), w.ID); err == nil {
			t.Errorf("workspace %s is still there", w.Name)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*-1*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v are left %v", left, err)
	}
	m, err := workspace.NewMeter(workspace.MeterOptions{Store: s, Log: log, Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = m.Run(ctx); close(done) }()
	_, last, err := log.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counted(t, m, last)
	cancel()
	<-done
	sp, _ := s.Spaces().Find("default")
	page, _, err := s.Usage(t.Context(), workspace.UsageOptions{Workspace: sp.Workspace})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, u := range page {
		sum += int(u.Events)
	}
	held := inLog(t, log)
	if sum != held || held < acknowledged || acknowledged == 0 {
		t.Errorf("%d events are counted, %d are in the log, %d were acknowledged", sum, held, acknowledged)
	}
}

func inLog(t *testing.T, log eventlog.Log) (n int) {
	t.Helper()
	r, err := log.Open(t.Context(), millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n += len(b.Records); b.AtEnd {
			return n
		}
	}
}
