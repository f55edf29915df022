package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse/duckdb"
)

// openKept opens what is kept for the web page: numbers over time, and the
// results of queries. Where that is not possible the server goes on without.
func (a *App) openKept(context.Context) error {
	h, err := history.Open(history.Options{File: a.data.sub("history.db"), Now: a.o.Now, Logger: a.logger("history")})
	if err != nil {
		a.logger("history").Error("there are no charts of what was before: the history cannot be opened", "error", err)
	} else {
		a.history = h
		a.closers = append(a.closers, h)
	}
	if err := a.openResults(); err != nil {
		a.logger("results").Error("results of queries cannot be kept", "error", err)
	}
	return nil
}

// spaceHistory is of the store what belongs to a space: its own series, and for
// the folder's space those of the server as a whole.
type spaceHistory struct {
	*history.Store
	space *space
}

// Query leaves out what is of other spaces.
func (h spaceHistory) Query(ctx context.Context, q history.Query) ([]history.Series, error) {
	found, err := h.Store.Query(ctx, q)
	return slices.DeleteFunc(found, func(s history.Series) bool {
		of, ok := s.Labels["workspace"]
		return ok && of != h.space.id || !ok && h.space != h.space.app.home
	}), err
}

// Marks are told of the folder's space only: they are of the server.
func (h spaceHistory) Marks(ctx context.Context, from, until time.Time) ([]history.Mark, error) {
	if h.space != h.space.app.home {
		return nil, nil
	}
	return h.Store.Marks(ctx, from, until)
}

// resultsFolder is where results are, and what DuckDB's process may read.
func (a *App) resultsFolder() string { return a.data.sub("results") }

func (a *App) openResults() error {
	engine, ok := a.warehouse.(result.Engine)
	if !ok { // not DuckDB: a process of it for the results alone
		reader, err := duckdb.OpenResults(duckdb.Options{ResultsDir: a.resultsFolder(), Dir: a.data.sub("results-engine"), Now: a.o.Now, Logger: a.logger("results")})
		if err != nil {
			return err
		}
		a.closers = append(a.closers, reader)
		engine = reader
	}
	var err error
	a.results, err = result.Open(result.Options{Dir: a.resultsFolder(), Engine: engine, Around: a.ask, Now: a.o.Now, Logger: a.logger("results"), Metrics: a.metrics})
	if err == nil {
		a.closers = append(a.closers, a.results)
	}
	return err
}

// runKept samples and forgets until ctx ends.
func (a *App) runKept(ctx context.Context, do func(func() error)) {
	if a.history != nil {
		do(func() error { return a.history.Run(ctx, history.Sampler(a.metrics, history.Metrics)) })
	}
	if a.results != nil {
		do(func() error { return a.results.Run(ctx) })
	}
}

// mark notes what happened, so that charts show it.
func (a *App) mark(kind, text string) {
	if a.history == nil {
		return
	}
	if err := a.history.Mark(context.Background(), history.Mark{At: a.o.Now(), Kind: kind, Text: text}); err != nil {
		a.logger("history").Warn("a mark of the charts is lost", "kind", kind, "error", err)
	}
}

// markStart notes that the server has started, and as another version.
func (a *App) markStart(ctx context.Context) {
	if a.history == nil {
		return
	}
	text := "Millrace " + a.o.Version
	marks, err := a.history.Marks(ctx, a.started.AddDate(-10, 0, 0), a.started)
	if err == nil {
		for i := len(marks) - 1; i >= 0; i-- {
			if marks[i].Kind == history.MarkStart {
				if marks[i].Text != text {
					a.mark(history.MarkVersion, fmt.Sprintf("%s, before %s", text, marks[i].Text))
				}
				break
			}
		}
	}
	a.mark(history.MarkStart, text)
}

// dataWithin is the data folder for those who list the project's files.
func (a *App) dataWithin() string {
	path, err := filepath.Abs(a.o.Data)
	if err != nil {
		return a.o.Data
	}
	return path
}
