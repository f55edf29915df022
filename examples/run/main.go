// Command run starts the example shop with the real binary, sends it two years
// of orders and a week of order lines, waits until the warehouse has them, and
// shows what came out. It does what a user would do by hand.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/millrace", "the millrace to run")
	flag.StringVar(&o.dir, "dir", "examples/shop", "the example's folder")
	flag.StringVar(&o.data, "data", "", "data folder (default .millrace in the example)")
	flag.StringVar(&o.listen, "listen", "", "address to listen on (default "+usual+", or a free port when that is taken)")
	flag.BoolVar(&o.once, "once", false, "exit after the report")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// usual is where millrace dev listens.
const usual = "127.0.0.1:8080"

// free is the usual address, or one that is free when that is taken.
func free(usual string) (address string, taken bool, err error) {
	l, err := net.Listen("tcp", usual)
	if errors.Is(err, syscall.EADDRINUSE) {
		taken = true
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", taken, fmt.Errorf("cannot find an address to listen on: %w: name one with -listen, or make run LISTEN=127.0.0.1:9000", err)
	}
	return l.Addr().String(), taken, l.Close()
}

type options struct {
	binary, dir, data, listen string
	once                      bool
}

// files are what is sent, with the arguments of millrace send.
var files = []struct {
	name string
	args []string
}{
	{"orders.csv", []string{"--event", "Order Placed", "--id", "invoice_id", "--user", "customer_id", "--time", "invoice_date", "--time-format", "M/D/YY H:MM", "--time-zone", "Europe/London"}},
	{"items.csv", []string{"--event", "Item Sold", "--user", "CustomerID", "--time", "InvoiceDate", "--time-format", "M/D/YY H:MM", "--time-zone", "Europe/London"}},
}

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
	chartWidth   = 64
)

func run(ctx context.Context, o options) error {
	if o.data == "" {
		o.data = filepath.Join(o.dir, ".millrace")
	}
	if o.listen == "" {
		var taken bool
		var err error
		if o.listen, taken, err = free(usual); err != nil {
			return err
		}
		if taken {
			fmt.Fprintf(os.Stderr, "Something else listens on %s, so the shop is at %s (choose with make run LISTEN=%s).\n", usual, o.listen, o.listen)
		}
	}
	server, err := startServer(ctx, o)
	if err != nil {
		return err
	}
	defer server.stop()
	var results []sent
	for _, file := range files {
		r, err := o.send(ctx, file.name, file.args)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	if err := report(ctx, os.Stdout, o, results); err != nil {
		return err
	}
	if o.once {
		return nil
	}
	next(os.Stdout, o)
	select {
	case <-ctx.Done():
		fmt.Println("\nStopping. `make run` goes on from here.")
		return nil
	case err := <-server.ended:
		return fmt.Errorf("the server stopped: %w", err)
	}
}

// A server is the running millrace dev.
type server struct {
	cmd   *exec.Cmd
	ended chan error
}

func startServer(ctx context.Context, o options) (*server, error) {
	cmd := exec.Command(o.binary, "dev", o.dir, "--data", o.data, "--listen", o.listen, "--quiet")
	cmd.Stderr = os.Stderr
	// Its own group: Ctrl-C reaches this program, which stops it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w: build it with make build", o.binary, err)
	}
	s := &server{cmd: cmd, ended: make(chan error, 1)}
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("it ended by itself")
		}
		s.ended <- err
	}()
	c, err := o.client()
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(startTimeout)
	for {
		if _, err = c.Sources(ctx); err == nil {
			return s, nil
		}
		select {
		case err := <-s.ended:
			return nil, fmt.Errorf("the server did not start: %w", err)
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("the server did not answer in %v: %w", startTimeout, err)
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
	}
}

func (o options) url() string { return "http://" + o.listen }

func (o options) client() (*client.Client, error) {
	return client.New(client.Options{Server: o.url()})
}

// sent is what millrace send says of a file.
type sent struct {
	file       string
	Rows       int64             `json:"rows"`
	Sent       int64             `json:"sent"`
	Accepted   int64             `json:"accepted"`
	Duplicates int64             `json:"duplicates"`
	Rejected   int64             `json:"rejected"`
	Unsent     int64             `json:"unsent"`
	Earlier    int64             `json:"earlier"`
	Elapsed    time.Duration     `json:"elapsed_ns"`
	Position   millrace.Position `json:"position"`
}

// send runs millrace send, which shows its own progress.
func (o options) send(ctx context.Context, name string, args []string) (sent, error) {
	args = append([]string{"send", filepath.Join(o.dir, "data", name), "--source", "shop", "--server", o.url(), "--json"}, args...)
	cmd := exec.CommandContext(ctx, o.binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	// What was sent is remembered beside the data that it went to.
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(o.data, "sent"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return sent{}, fmt.Errorf("sending %s: %w", name, err)
	}
	r := sent{file: name}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("what send says of %s is no JSON: %w", name, err)
	}
	return r, nil
}

const revenueSQL = `SELECT strftime(timezone('Europe/London', timestamp), '%Y-%m') AS month, round(sum(total_price), 2) AS revenue
FROM shop.order_placed GROUP BY month ORDER BY month`

func report(ctx context.Context, w io.Writer, o options, results []sent) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	var last millrace.Position
	for _, r := range results {
		if r.Position.After(last) {
			last = r.Position
		}
	}
	after := last.Numbers()
	table := terminal.Table{Columns: []terminal.Column{{Name: "file"}, {Name: "sent", Right: true}, {Name: "accepted", Right: true},
		{Name: "duplicates dropped", Right: true}, {Name: "rejected", Right: true}, {Name: "sent before", Right: true}, {Name: "events/s", Right: true}}}
	for _, r := range results {
		rate := "-"
		if now := r.Sent - r.Earlier; now > 0 && r.Elapsed > 0 {
			rate = terminal.Count(int64(float64(now) / r.Elapsed.Seconds()))
		}
		table.Rows = append(table.Rows, []string{r.file, terminal.Count(r.Sent), terminal.Count(r.Accepted), terminal.Count(r.Duplicates),
			terminal.Count(r.Rejected + r.Unsent), terminal.Count(r.Earlier), rate})
	}
	fmt.Fprintln(w)
	if _, err := table.Write(w); err != nil {
		return err
	}
	orders, err := rows(ctx, c, `SELECT count(*), round(sum(total_price), 2) FROM shop.order_placed`, after)
	if err != nil {
		return err
	}
	items, err := rows(ctx, c, `SELECT count(*) FROM shop.item_sold`, after)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nIn the warehouse: %s orders of %s pounds, %s order lines\n\n",
		terminal.Count(int64(number(orders[0][0]))), terminal.Money(number(orders[0][1])), terminal.Count(int64(number(items[0][0]))))
	months, err := rows(ctx, c, revenueSQL, after)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Revenue by month, pounds")
	chart := terminal.BarChart{Width: chartWidth}
	best, bestMonth := 0.0, ""
	for _, m := range months {
		month, revenue := fmt.Sprint(m[0]), number(m[1])
		if revenue > best {
			best, bestMonth = revenue, month
		}
		chart.Bars = append(chart.Bars, terminal.Bar{Label: month, Value: revenue, Text: terminal.Money(revenue)})
	}
	if err := chart.Write(w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nBest month: %s with %s\n", bestMonth, terminal.Money(best))
	return nil
}

func number(v any) float64 {
	switch v := v.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case float64:
		return v
	}
	return 0
}

// rows asks, seeing at least everything that was sent.
func rows(ctx context.Context, c *client.Client, sql, after string) ([][]any, error) {
	result, err := c.Query(ctx, client.Query{SQL: sql, After: after})
	if err != nil {
		return nil, err
	}
	defer result.Close()
	var all [][]any
	for {
		row, err := result.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		var values []any
		for _, cell := range row {
			var v any
			if err := json.Unmarshal(cell, &v); err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		all = append(all, values)
	}
}

// next says where to go from here.
func next(w io.Writer, o options) {
	at := ""
	if o.listen != usual {
		at = " --server " + o.url()
	}
	fmt.Fprintf(w, `
It is serving until Ctrl-C: open %s in a browser. Send an event of your own:
  curl -u dev_shop: %s/v1/track -d '{"userId":"me","event":"Hello","properties":{"n":1}}'
and ask about it two seconds later:
  %s query%s 'SELECT * FROM shop.hello'
`, o.url(), o.url(), o.binary, at)
}
