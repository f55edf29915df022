package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the limit of loading is DuckDB by itself
)

// limitServer is the least that a server of the same kind can do: it reads the
// body and answers. It runs as a process of its own until it is killed.
func limitServer() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	answer := []byte(`{"success":true}`)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a client that left
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(ln)
}

// A limitProcess is a running limitServer.
type limitProcess struct {
	cmd     *exec.Cmd
	address string
}

func startLimitServer() (*limitProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-limit-server")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	return &limitProcess{cmd, strings.TrimSpace(line)}, nil
}

func (p *limitProcess) end() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
}

func (p *limitProcess) measure(ctx context.Context, l load) (sent, time.Duration, error) {
	l.address = p.address
	before := processCPU(p.cmd.Process.Pid)
	out, err := send(ctx, l)
	return out, processCPU(p.cmd.Process.Pid) - before, err
}

// writeAndSync appends n bytes to a file and fsyncs them, over and over. It is
// the limit of a log that acknowledges what is on disk.
func writeAndSync(dir string, n int, d time.Duration) (times int64, took, cpu time.Duration, err error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, 0, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	buffer := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
	cpu, begin := selfCPU(), time.Now()
	for time.Since(begin) < d {
		if _, err := f.Write(buffer); err != nil {
			return 0, 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, 0, err
		}
		times++
	}
	return times, time.Since(begin), selfCPU() - cpu, nil
}

// writeEvents writes n events as lines of JSON, as a load with so many names sends them.
func writeEvents(path string, n int64, names int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	templates := make([]*template, names)
	for i := range templates {
		t := &template{}
		t.begin()
		t.parse(eventText(i))
		t.parse("\n")
		templates[i] = t
	}
	out := bufio.NewWriterSize(f, 1<<20)
	for i := range n {
		t := templates[i%int64(names)]
		t.fill(time.Now())
		if _, err := out.Write(t.bytes); err != nil {
			return err
		}
	}
	return out.Flush()
}

// readJSON loads a file of events as DuckDB does it by itself: into tracks and
// one table with all properties. It runs as a process of its own and prints how
// long it took.
func readJSON(file string, threads int) error {
	db, err := sql.Open("duckdb", filepath.Join(filepath.Dir(file), "limit-"+strconv.Itoa(threads)+".duckdb")+"?memory_limit=1GB&threads="+strconv.Itoa(threads))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var version string
	if err := db.QueryRow("SELECT version()").Scan(&version); err != nil {
		return err
	}
	const common = `messageId, userId, anonymousId, event, "timestamp", context.library.name AS library, context.library.version AS library_version, context.page.url, context.page.path, context.page.title, context.userAgent, context.locale`
	source := " FROM read_json('" + file + "', format='newline_delimited', sample_size=20000)"
	cpu, begin := selfCPU(), time.Now()
	for _, text := range []string{
		"BEGIN", "CREATE TABLE tracks AS SELECT " + common + source,
		"CREATE TABLE event AS SELECT " + common + ", unnest(properties)" + source, "COMMIT", "CHECKPOINT",
	} {
		if _, err := db.Exec(text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	fmt.Println(time.Since(begin).Nanoseconds(), (selfCPU() - cpu).Nanoseconds(), version)
	return nil
}

// A loaded is what DuckDB by itself took.
type loaded struct {
	took, cpu time.Duration
	version   string
}

func measureReadJSON(ctx context.Context, file string, threads int) (out loaded, err error) {
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(ctx, self, "-limit-read-json", file, "-threads", strconv.Itoa(threads))
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return out, err
	}
	var took, cpu int64
	if _, err := fmt.Sscan(string(text), &took, &cpu, &out.version); err != nil {
		return out, fmt.Errorf("read_json printed %q: %w", text, err)
	}
	out.took, out.cpu = time.Duration(took), time.Duration(cpu)
	return out, os.Remove(filepath.Join(filepath.Dir(file), "limit-"+strconv.Itoa(threads)+".duckdb"))
}
