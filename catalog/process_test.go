package catalog_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/testserver"
)

// rolesEnv makes the test binary play a role in a process of its own: the role
// and where the catalog is.
const rolesEnv = "CATALOG_TEST_ROLE"

var roles = map[string]func(ctx context.Context, where string) error{
	"hold": holdUntilKilled, "count": countUntilKilled, "migrate": migrateUntilKilled, "update": updateSome, "full": updateOnFullDisk,
}

func TestMain(m *testing.M) {
	if role, where, is := strings.Cut(os.Getenv(rolesEnv), " "); is {
		if err := roles[role](context.Background(), where); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// openAt opens what a test called postgres://… or a file.
func openAt(ctx context.Context, where string, o sqlite.Options) (catalog.Catalog, error) {
	if strings.HasPrefix(where, "postgres://") {
		url, schema, _ := strings.Cut(where, " ")
		return postgres.Open(ctx, postgres.Options{URL: url, Schema: schema, Migrations: o.Migrations, Version: o.Version, Now: o.Now})
	}
	o.File = where
	return sqlite.Open(ctx, o)
}

// A child is the test binary in another role.
type child struct {
	*exec.Cmd
	out   io.ReadCloser
	lines chan string
}

func start(t *testing.T, role, where string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), rolesEnv+"="+role+" "+where)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: cmd, out: out, lines: make(chan string, 1_000_000)}
	go func() {
		defer close(c.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			c.lines <- scan.Text()
		}
	}()
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) })
	return c
}

func (c *child) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

const heldTTL = 2 * time.Second

// patience is how long a busy machine may take for what needs a moment.
const patience = time.Minute

// holdUntilKilled prints at which moments it believes that it holds a lease.
// After a | stands how long the lease lasts when it also asks who has ended.
func holdUntilKilled(ctx context.Context, where string) error {
	where, lasts, asks := strings.Cut(where, "|")
	c, err := openAt(ctx, where, sqlite.Options{})
	if err != nil {
		return err
	}
	o := catalog.LeaseOptions{TTL: heldTTL}
	if asks {
		if o.TTL, err = time.ParseDuration(lasts); err != nil {
			return err
		}
		o.Dead = catalog.ProcessEnded
	}
	fmt.Println("opened", uptime())
	h, err := catalog.Hold(ctx, c, "log", catalog.Process(), o)
	if err != nil {
		return err
	}
	fmt.Println("token", h.Token())
	for h.Err() == nil {
		before := uptime() // a stop between the question and the answer makes the answer old, not wrong
		if h.Err() == nil {
			fmt.Println("held", before)
		}
		time.Sleep(2 * time.Millisecond)
	}
	<-h.Lost()
	fmt.Println("lost", uptime())
	time.Sleep(time.Hour)
	return nil
}

// uptime is a clock that processes of a machine share, in nanoseconds.
func uptime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// until reads lines up to one that begins with a word, and returns its number
// and the numbers of those with held before it.
func (c *child) until(t *testing.T, word string, patience time.Duration) (n int64, held []int64) {
	t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case line, open := <-c.lines:
			first, number, _ := strings.Cut(line, " ")
			v, err := strconv.ParseInt(number, 10, 64)
			if !open || err != nil {
				t.Fatalf("waiting for %q there is %q", word, line)
			}
			if first == "held" {
				held = append(held, v)
			}
			if first == word {
				return v, held
			}
		case <-timeout:
			t.Fatalf("there is no %q for %v", word, patience)
		}
	}
}

// testStandby has two processes want one lease, of which the first is killed,
// stopped for a while, or ends.
func testStandby(t *testing.T, where string) {
	t.Run("Killed", func(t *testing.T) {
		t.Parallel()
		a := start(t, "hold", where+"killed")
		first, _ := a.until(t, "token", patience)
		b := start(t, "hold", where+"killed")
		time.Sleep(heldTTL / 2)
		begun := time.Now()
		a.signal(t, syscall.SIGKILL)
		second, _ := b.until(t, "token", patience)
		took := time.Since(begun)
		if _, wait := a.Process.Wait(); wait != nil || second != first+1 || took > 10*time.Second {
			t.Errorf("tokens %d and %d, after %v", first, second, took)
		}
		t.Logf("taken over %v after the kill, with a TTL of %v", took, heldTTL)
	})
	t.Run("KilledBeside", func(t *testing.T) {
		t.Parallel()
		const forever = "beside|24h" // taking it at all is not waiting for its end
		a := start(t, "hold", where+forever)
		a.until(t, "token", patience)
		b := start(t, "hold", where+forever)
		time.Sleep(heldTTL / 2)
		a.signal(t, syscall.SIGKILL) // nobody waits for it: it is a zombie
		b.until(t, "token", patience)
	})
	t.Run("Stopped", func(t *testing.T) {
		t.Parallel()
		stopped := "stopped|" + (2 * heldTTL).String() // the second one has to keep it, however busy the machine is
		a := start(t, "hold", where+stopped)
		a.until(t, "token", patience)
		b := start(t, "hold", where+stopped)
		time.Sleep(heldTTL / 2)
		a.signal(t, syscall.SIGSTOP)
		// Stopped within a write to a file, it would keep everybody from it.
		goesOn := time.AfterFunc(5*heldTTL, func() { _ = a.Process.Signal(syscall.SIGCONT) })
		defer goesOn.Stop()
		b.until(t, "token", patience)
		taken, _ := b.until(t, "held", patience)
		a.signal(t, syscall.SIGCONT)
		_, held := a.until(t, "lost", patience)
		if len(held) == 0 || held[len(held)-1] >= taken {
			t.Errorf("the first believed %d times that it held what the second had at %d: %v", len(held), taken, held[max(0, len(held)-1):])
		}
		time.Sleep(2 * heldTTL)
		b.signal(t, syscall.SIGKILL)
		for line := range b.lines {
			if strings.HasPrefix(line, "lost") {
				t.Error("the second lost it when the first went on")
			}
		}
	})
}

func TestStandbyOnAFile(t *testing.T) {
	t.Parallel()
	testStandby(t, filepath.Join(t.TempDir(), "catalog.db"))
}

func TestProcessEnded(t *testing.T) {
	t.Parallel()
	own := catalog.Process()
	if catalog.ProcessEnded(own) {
		t.Errorf("%s has ended", own)
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := fmt.Sprint(cmd.Process.Pid)
	other := strings.Replace(own, "process "+fmt.Sprint(os.Getpid()), "process "+pid, 1)
	if !catalog.ProcessEnded(other) {
		t.Errorf("%s: the number was given to another, which began later", other)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for name, holder := range map[string]string{
		"another host": strings.Replace(other, " on ", " on x", 1), "another boot": strings.Replace(other, "[", "[0", 1),
		"another namespace": strings.Replace(other, "pid:", "pid:1", 1), "any text": "server 1",
		"no number": "process x on y []", "empty": "", "negative": strings.Replace(other, "process ", "process -", 1),
	} {
		if catalog.ProcessEnded(holder) {
			t.Errorf("%s: %s has ended", name, holder)
		}
	}
	_ = cmd.Wait()
	if !catalog.ProcessEnded(other) {
		t.Errorf("%s has not ended", other)
	}
}

// testStandbyOfServerThatIsAway has the store away for longer than a lease lasts.
func testStandbyOfServerThatIsAway(t *testing.T, server *testserver.PostgresServer) {
	where := server.URL + " away"
	a := start(t, "hold", where)
	first, _ := a.until(t, "token", patience)
	b := start(t, "hold", where)
	b.until(t, "opened", patience)
	time.Sleep(heldTTL / 2)
	server.Kill()
	_, held := a.until(t, "lost", patience)
	server.Start()
	second, _ := b.until(t, "token", patience)
	taken, _ := b.until(t, "held", patience)
	if second != first+1 || len(held) == 0 || held[len(held)-1] >= taken {
		t.Errorf("tokens %d and %d, %d times held", first, second, len(held))
	}
}
