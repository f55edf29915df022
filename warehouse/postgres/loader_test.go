package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog/mem"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

// testLoader runs the real loader over a log, with rebuilds while events come.
func testLoader(t *testing.T, url string) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	log := mem.New(mem.Options{})
	w := openURL(t, postgres.Options{URL: url})
	loader, err := warehouse.NewLoader(warehouse.LoaderOptions{Warehouse: w, Opener: log, Workspace: "default", Interval: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- loader.Run(run) }()
	sent := 0
	send := func(n int) (last millrace.Position) {
		var records []millrace.Record
		for range n {
			sent++
			records = append(records, event(sent, fmt.Sprintf("E%d", sent%7), fmt.Sprintf(`{"n":%d}`, sent)).Record)
		}
		if last, err = log.Append(ctx, records); err != nil {
			t.Fatal(err)
		}
		return last
	}
	send(1000)
	for round := range 2 {
		rebuilt := make(chan error, 1)
		go func() {
			options := warehouse.RebuildOptions{}
			if round == 1 {
				options.From, options.Source = time.Now().Add(-time.Minute), "web"
			}
			_, err := loader.Rebuild(ctx, options)
			rebuilt <- err
		}()
		for waiting := true; waiting; {
			select {
			case err := <-rebuilt:
				if err != nil {
					t.Fatal(err)
				}
				waiting = false
			default:
				send(20)
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	if err := loader.WaitFor(ctx, send(3)); err != nil {
		t.Fatal(err)
	}
	got := exec(t, url, "SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM web.e0), (SELECT sum(n) FROM web.e1) FROM web.tracks")
	e1 := 0
	for n := 1; n <= sent; n += 7 {
		e1 += n
	}
	if want := fmt.Sprintf("%d %d %d %d", sent, sent, sent/7, e1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
