package catalog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/sqlite"
	"github.com/millrace/millrace/testserver"
)

const someUpdates = 20

// updateSome prints each update when it is acknowledged.
func updateSome(ctx context.Context, where string) error {
	c, err := openAt(ctx, where, sqlite.Options{Migrations: catalogtest.Schema})
	if err != nil {
		return err
	}
	for i := range someUpdates {
		if _, err := execute(ctx, c, "INSERT INTO thing (id, data) VALUES ($1, $2)", i, make([]byte, 3000)); err != nil {
			return err
		}
		fmt.Println("done", i)
	}
	return c.Close()
}

// TestPowerLoss reads from a trace of system calls that a power loss after an
// acknowledgement would take nothing of it: what was written to the write-ahead
// log was synced before, and the folder after files got their names.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(testserver.Strace(t), "-f", "-y", "-o", trace, "-e", "trace=pwrite64,write,fsync,fdatasync,openat", os.Args[0])
	cmd.Env = append(os.Environ(), rolesEnv+"=update "+filepath.Join(dir, "catalog.db"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\nthis test traces system calls: run it where ptrace is allowed (docker run --cap-add SYS_PTRACE)", err, out)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dirty, fresh := map[string]bool{}, false // files with writes that are not synced; names that are not
	known := map[string]bool{}
	syncing := map[string]string{} // by thread: what it syncs
	synced := func(path string) {
		if delete(dirty, path); path == dir {
			fresh = false
		}
	}
	done, syncs := 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		thread, call, _ := strings.Cut(lines.Text(), " ")
		call = strings.TrimSpace(call)
		_, rest, _ := strings.Cut(call, "<")
		path, _, _ := strings.Cut(rest, ">")
		switch {
		case strings.HasPrefix(call, "openat(") && strings.Contains(call, "O_CREAT") && strings.Contains(call, dir) && !strings.Contains(call, "-shm"):
			name := strings.Split(call, `"`)[1]
			fresh = fresh || !known[name] // until the folder is synced
			known[name] = true
		case strings.HasPrefix(call, "pwrite64(") && strings.HasPrefix(path, dir):
			dirty[path] = true
		case strings.HasPrefix(call, "fsync(") || strings.HasPrefix(call, "fdatasync("):
			if syncs++; strings.HasSuffix(call, "= 0") {
				synced(path)
			} else {
				syncing[thread] = path
			}
		case strings.HasPrefix(call, "<... f") && strings.HasSuffix(call, "= 0") && syncing[thread] != "":
			synced(syncing[thread])
			delete(syncing, thread)
		case strings.HasPrefix(call, "write(1<") && strings.Contains(call, `"done `):
			if done++; fresh || dirty[filepath.Join(dir, "catalog.db-wal")] {
				t.Errorf("a power loss after this takes an acknowledged update: %s (names %v, writes %v)", call, fresh, dirty)
			}
		}
	}
	if done != someUpdates || syncs < someUpdates {
		t.Errorf("%d answers and %d syncs in the trace: the test sees too little", done, syncs)
	}
}

// updateOnFullDisk writes until a file may not grow any more.
func updateOnFullDisk(ctx context.Context, where string) error {
	signal.Ignore(syscall.SIGXFSZ)
	c, err := openAt(ctx, where, sqlite.Options{Migrations: catalogtest.Schema})
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: limit.Max}); err != nil {
		return err
	}
	n := 0
	for ; err == nil; n++ {
		_, err = execute(ctx, c, "INSERT INTO thing (id, data) VALUES ($1, $2)", n, make([]byte, 50_000))
	}
	if millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "disk") {
		return fmt.Errorf("on a full disk: %w (%s)", err, millrace.KindOf(err))
	}
	if s, err := c.Status(ctx); err != nil || !strings.Contains(s.Problem, "disk") {
		return fmt.Errorf("status on a full disk: %+v, %w", s, err)
	}
	count := func() (rows int) {
		_ = c.View(ctx, func(tx catalog.Tx) (err error) {
			rows, err = catalog.One[int](ctx, tx, "SELECT count(*) FROM thing")
			return err
		})
		return rows
	}
	if got := count(); got != n-1 {
		return fmt.Errorf("%d rows on a full disk, acknowledged were %d", got, n-1)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if _, err := execute(ctx, c, "INSERT INTO thing (id) VALUES ($1)", n); err != nil {
		return fmt.Errorf("when there is room again: %w", err)
	}
	if s, err := c.Status(ctx); err != nil || s.Problem != "" || count() != n {
		return fmt.Errorf("when there is room again: %+v, %d rows of %d, %w", s, count(), n, errors.Join(err))
	}
	return c.Close()
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), rolesEnv+"=full "+filepath.Join(t.TempDir(), "catalog.db"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
