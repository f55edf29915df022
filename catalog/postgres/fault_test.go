package postgres_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/testserver"
)

func openOn(t *testing.T, o postgres.Options) *postgres.Catalog {
	t.Helper()
	o.Migrations = catalogtest.Schema
	c, err := postgres.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func insert(ctx context.Context, c catalog.Catalog, id int) error {
	return c.Update(ctx, func(tx catalog.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO thing (id) VALUES ($1) ON CONFLICT DO NOTHING", id)
		return err
	})
}

func count(ctx context.Context, c catalog.Catalog) (n int, err error) {
	err = c.View(ctx, func(tx catalog.Tx) error {
		n, err = catalog.One[int](ctx, tx, "SELECT count(*) FROM thing")
		return err
	})
	return n, err
}

// exec runs SQL as the superuser and returns the first value of the last statement.
func exec(t *testing.T, url string, sql ...string) (got string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, one := range sql {
		results, err := conn.PgConn().Exec(ctx, one).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if len(r.Rows) > 0 {
				got = string(r.Rows[0][0])
			}
		}
	}
	return got
}

// testDeadServer kills the server while transactions run, several times: what
// was acknowledged is there afterwards, and nobody has to open the catalog again.
func testDeadServer(t *testing.T, server *testserver.PostgresServer) {
	c := openOn(t, postgres.Options{URL: server.URL})
	ctx := t.Context()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	kept := make([]int, 3)
	for w := range kept {
		writing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := insert(ctx, c, w*1_000_000+kept[w])
				if err == nil {
					kept[w]++
					continue
				}
				if millrace.KindOf(err) != millrace.Unavailable {
					t.Errorf("%s: %v", millrace.KindOf(err), err)
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	for range 2 {
		time.Sleep(250 * time.Millisecond)
		server.Kill()
		if _, err := count(ctx, c); millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "is it running") {
			t.Errorf("a dead server: %v", err)
		}
		if s, err := c.Status(ctx); err != nil || !strings.Contains(s.Problem, "cannot be reached") {
			t.Errorf("status of a dead server: %+v, %v", s, err)
		}
		if _, err := postgres.Open(ctx, postgres.Options{URL: server.URL}); millrace.KindOf(err) != millrace.Unavailable {
			t.Errorf("opened on a dead server: %v", err)
		}
		server.Start()
		if _, err := count(ctx, c); err != nil { // at once, over a connection of the pool that is dead
			t.Error(err)
		}
	}
	close(stop)
	writing.Wait()
	if got, err := count(ctx, c); err != nil || got < kept[0]+kept[1]+kept[2] || kept[0] < 10 {
		t.Errorf("%d rows, acknowledged were %v; %v", got, kept, err)
	}
	if s, err := c.Status(ctx); err != nil || s.Problem != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

func testSettings(t *testing.T, url string) {
	// A server that does not fsync.
	exec(t, url, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()")
	for begun := time.Now(); exec(t, url, "SHOW fsync") == "on" && time.Since(begun) < 5*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	if millrace.KindOf(err) != millrace.Invalid || !strings.Contains(err.Error(), "fsync = off") || !strings.Contains(err.Error(), "switch it on") {
		t.Errorf("a server without fsync: %v", err)
	}
	c := openOn(t, postgres.Options{URL: url, Schema: "settings", AcceptNoFsync: true})
	if s, err := c.Status(t.Context()); err != nil || !strings.Contains(s.Problem, "fsync = off") || !strings.Contains(s.Acknowledged, "does not fsync") {
		t.Errorf("%+v, %v", s, err)
	}
	// Our commits wait whatever the server's default is.
	err = c.View(t.Context(), func(tx catalog.Tx) error {
		got, err := catalog.One[string](t.Context(), tx, "SELECT current_setting('synchronous_commit')")
		if got != "on" {
			t.Errorf("synchronous_commit = %s", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	exec(t, url, "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()", "CREATE ROLE poor LOGIN", "CREATE SCHEMA given AUTHORIZATION poor")
	for begun := time.Now(); exec(t, url, "SHOW fsync") == "off" && time.Since(begun) < 5*time.Second; {
		time.Sleep(10 * time.Millisecond)
	}
	poor := strings.Replace(url, "postgres@", "poor:secret-word@", 1)
	_, err = postgres.Open(t.Context(), postgres.Options{URL: poor, Schema: "other"})
	if millrace.KindOf(err) != millrace.Unavailable || !strings.Contains(err.Error(), "let it create one") || strings.Contains(err.Error(), "secret-word") {
		t.Errorf("a user without rights: %v", err)
	}
	if err := insert(t.Context(), openOn(t, postgres.Options{URL: poor, Schema: "given"}), 1); err != nil {
		t.Errorf("the owner of a schema: %v", err)
	}
	exec(t, url, "CREATE SCHEMA foreign_tables", "CREATE TABLE foreign_tables.x (a INT)")
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: url, Schema: "foreign_tables"}); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "not Millrace's") {
		t.Errorf("a schema of someone else: %v", err)
	}
	for _, wrong := range []string{"", "postgres://a:secret-word@%zz", strings.Replace(poor, "/postgres?", "/nowhere?", 1)} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: wrong})
		if err == nil || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%v", err)
		}
	}
}

// testStuckTransaction has a process stop in the middle of an Update: others
// get on when the server has ended it, and it learns of that.
func testStuckTransaction(t *testing.T, url string) {
	t.Parallel()
	stuck, other := openOn(t, postgres.Options{URL: url, Schema: "stuck"}), openOn(t, postgres.Options{URL: url, Schema: "stuck"})
	ctx := t.Context()
	if err := insert(ctx, stuck, 1); err != nil {
		t.Fatal(err)
	}
	update := func(tx catalog.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE thing SET number = 1 WHERE id = 1")
		return err
	}
	begun := time.Now()
	err := stuck.Update(ctx, func(tx catalog.Tx) error {
		if err := update(tx); err != nil {
			return err
		}
		if err := other.Update(ctx, update); err != nil {
			t.Error(err)
		}
		return nil
	})
	if millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("it was committed: %v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("the other waited for %v", took)
	}
}

// testSilentNetwork has the network swallow everything: whoever asks with a
// deadline is told in time, and all is well when it is back.
func testSilentNetwork(t *testing.T, url string) {
	t.Parallel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), silent: make(chan struct{})}
	address := p.start(t)
	c := openOn(t, postgres.Options{URL: strings.Replace(url, p.to, address, 1), Schema: "silent"})
	if err := insert(t.Context(), c, 1); err != nil {
		t.Fatal(err)
	}
	close(p.silent)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := insert(ctx, c, 2); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("told after %v", took)
	}
	p.mu.Lock()
	p.silent = make(chan struct{})
	p.mu.Unlock()
	if err := insert(t.Context(), c, 3); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

// A proxy swallows what goes through its connections once silent is closed.
type proxy struct {
	to     string
	mu     sync.Mutex
	silent chan struct{}
}

func (p *proxy) start(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			silent := p.silent
			p.mu.Unlock()
			go pass(in, out, silent)
			go pass(out, in, silent)
		}
	}()
	return ln.Addr().String()
}

func pass(from, to net.Conn, silent chan struct{}) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-silent:
			_, _ = io.Copy(io.Discard, from)
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
