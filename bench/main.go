// Command bench measures Millrace: the real binary, driven over HTTP, each
// figure beside the limit of the machine in the same run. make bench runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	var o options
	limit, file, threads := false, "", 0
	flag.StringVar(&o.binary, "binary", "bin/millrace", "the millrace to measure")
	flag.StringVar(&o.write, "write", "", "write the figures into this page, keeping the sections that were not measured")
	flag.StringVar(&o.run, "run", "", "sections to measure, separated by commas (default all: "+strings.Join(order(), ",")+"; beside only with -against)")
	flag.BoolVar(&o.quick, "quick", false, "small sizes and short times: to see that it works, not to quote")
	flag.StringVar(&o.dir, "dir", "", "folder on the disk to measure; needs 15 GB free (default the system's temporary folder)")
	flag.DurationVar(&o.long, "long", 10*time.Minute, "how long memory is watched under load")
	flag.StringVar(&o.keep, "profile", "", "keep the server's profile of the last section in this file, for go tool pprof")
	flag.StringVar(&o.against, "against", "", "another millrace, for the section beside")
	flag.BoolVar(&limit, "limit-server", false, "be the server that everything is compared with")
	flag.StringVar(&file, "limit-read-json", "", "load this file with DuckDB alone")
	flag.IntVar(&threads, "threads", 1, "of DuckDB alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case limit:
		err = limitServer()
	case file != "":
		err = readJSON(file, threads)
	default:
		err = measure(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	binary, write, run, dir string
	keep                    string // file for a profile
	against                 string // binary of the version before
	quick                   bool
	long                    time.Duration // of the load whose memory is watched
}

// A bench is one run of the program.
type bench struct {
	options
	machine machine
	last    *server // the one that was started last
}

// pick is full, or small in a quick run.
func pick[T any](b *bench, full, small T) T {
	if b.quick {
		return small
	}
	return full
}

// parts are the sections in the order of the page.
var parts = []struct {
	id      string
	measure func(*bench, context.Context) (*section, error)
}{
	{"single", (*bench).single},
	{"batch", (*bench).batch},
	{"beside", (*bench).beside},
	{"bulk", (*bench).bulk},
	{"live", (*bench).live},
	{"stages", (*bench).stages},
	{"memory", (*bench).memory},
	{"growth", (*bench).growth},
	{"page", (*bench).page},
	{"backup", (*bench).backup},
}

func order() (ids []string) {
	for _, p := range parts {
		ids = append(ids, p.id)
	}
	return ids
}

func measure(ctx context.Context, o options) error {
	chosen := order()
	if o.against == "" { // there is nothing to compare with
		chosen = slices.DeleteFunc(chosen, func(id string) bool { return id == "beside" })
	}
	if o.run != "" {
		chosen = strings.Split(o.run, ",")
	}
	for _, id := range chosen {
		if !slices.Contains(order(), id) {
			return fmt.Errorf("there is no section %q; there are %s", id, strings.Join(order(), ", "))
		}
	}
	dir, err := os.MkdirTemp(o.dir, "millrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	b := &bench{options: o}
	if b.machine, err = describe(ctx, o.binary, dir); err != nil {
		return err
	}
	fmt.Println(b.machine)
	var sections []*section
	var failed []error
	for _, p := range parts {
		if !slices.Contains(chosen, p.id) {
			continue
		}
		begin := time.Now()
		s, err := p.measure(b, ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p.id, err))
			fmt.Fprintln(os.Stderr, "bench:", failed[len(failed)-1])
			if b.last != nil {
				fmt.Fprintf(os.Stderr, "the server printed:\n%s\n", b.last.output.tail())
			}
			continue
		}
		s.id, s.taken, s.quick = p.id, time.Now(), o.quick
		s.print(os.Stdout)
		fmt.Printf("  (%s took %v)\n", p.id, time.Since(begin).Round(time.Second))
		sections = append(sections, s)
		if o.write != "" {
			if err := writeDocument(o.write, b.machine.String(), sections, order()); err != nil {
				return err
			}
		}
	}
	return errors.Join(failed...)
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "… "+format+"\n", args...)
}
