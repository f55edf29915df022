package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/workspace"
)

// ask runs a query that somebody asked of a space, on its tables or on a result
// that is kept: here all of them are counted, until their rows are closed, and
// refused when the time of the day is used up. plain is of rows of a result that
// are read as they are stored: they are counted, and never refused, so that what
// was asked in time can be seen.
func (a *App) ask(space string, plain bool, run func() (warehouse.Rows, error)) (warehouse.Rows, error) {
	meter, began := a.workspaces.meter, a.o.Now()
	if !plain {
		if err := meter.AdmitQuery(space, began); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	rows, err := run()
	if err != nil {
		meter.Queried(space, began, time.Since(start))
		return nil, err
	}
	return &meteredRows{Rows: rows, done: func() { meter.Queried(space, began, time.Since(start)) }}, nil
}

// meteredRows tell how long their query took when they are closed.
type meteredRows struct {
	warehouse.Rows
	once sync.Once
	done func()
}

// Close ends the query.
func (r *meteredRows) Close() error {
	defer r.once.Do(r.done)
	return r.Rows.Close()
}

// shareEvery is how often environments are told how many event tables they may have.
const shareEvery = time.Second

// shareTables shares the quota of event tables of each workspace among its
// environments, until ctx ends: each may have what the others leave. Two that make
// tables in the same moment may have more than the quota together, and keep them.
func (a *App) shareTables(ctx context.Context) error {
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		open := a.spaces.all()
		for _, sp := range open {
			sp.noteTables()
		}
		for _, sp := range open {
			if now, most := sp.tables.Load(), a.workspaces.meter.MostTables(sp.id); !same(now, most) {
				sp.configure()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// configure gives the loader the settings of the project that runs, again.
func (sp *space) configure() {
	sp.app.spaces.changing.Lock() // no other project meanwhile
	defer sp.app.spaces.changing.Unlock()
	sp.loader.Configure(sp.settings(sp.project.Load().Project))
}

// noteTables notes how many event tables the space has, as its loader knows it.
func (sp *space) noteTables() {
	if n := sp.loader.Stats().EventTables; n != nil {
		sp.app.workspaces.meter.SetStored(sp.id, sp.app.o.Now(), workspace.Stored{Log: -1, Archive: -1, Warehouse: -1, EventTables: *n})
	}
}

func same(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }

// settings say how the warehouse shapes records of the space, with the quota of
// its workspace as it is shared now.
func (sp *space) settings(p *project.Project) warehouse.Settings {
	s := settings(p)
	if meter := sp.app.workspaces.meter; meter != nil {
		s.MaxTables = meter.MostTables(sp.id)
	} else if ws, ok := sp.app.workspaces.store.Spaces().Space(sp.id); ok { // the server is being opened
		s.MaxTables = ws.Quotas.EventTables
	}
	sp.tables.Store(s.MaxTables)
	return s
}

// beyond says what happens when a quota that is no day's is used up.
var beyond = map[string]string{
	workspace.StorageBytes: "beyond it nothing is taken in",
	workspace.EventTables:  "beyond it events with new names have no table, and their properties are in tracks.properties_overflow",
}

// quotaNotices tell of which quotas much is used.
func quotaNotices(near []workspace.Near) (texts []string) {
	for _, n := range near {
		then := beyond[n.Quota]
		if !n.Until.IsZero() {
			then = "beyond it senders are told to come back when the next day begins, at " + n.Until.Format(time.RFC3339)
		}
		if n.Quota == workspace.QuerySecondsPerDay {
			then = "beyond it queries are refused until the next day begins, at " + n.Until.Format(time.RFC3339)
		}
		texts = append(texts, fmt.Sprintf("quota: %d %% of %d %s are used: %s. Use less, or have whoever runs the server raise it (millrace workspace quota)", n.Percent(), n.Limit, n.Words(), then))
	}
	return texts
}

// usagePart is the part of status that tells of what is counted.
const usagePart = "usage"

// usageProblem says what it means that usage is not counted.
func usageProblem(why string) string {
	return "what workspaces use is not counted at this moment, and quotas of the day do not know what was not counted: it is tried again, and what the log still has by then is counted: " + why
}

// usageNotices tell of records that the log lost before they were counted.
func usageNotices(gaps []time.Time) (texts []string) {
	for _, at := range gaps {
		texts = append(texts, fmt.Sprintf("usage: when it was to be counted at %s, the log no longer had the records that followed: what workspaces used is too low for the days up to then, and quotas of those days counted less than was sent. "+
			"No record is missing elsewhere because of it: who bills by usage counts these days in the tables", at.Format(time.RFC3339)))
	}
	return texts
}
