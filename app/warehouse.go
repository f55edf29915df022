package app

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/duckdb"
	"github.com/millrace/millrace/warehouse/postgres"
)

// ChildMain has to be the first call of main: it takes over when this process
// was started as the child that DuckDB lives in.
func ChildMain() { duckdb.ChildMain() }

// warehouses are the technologies of the warehouse, by scheme.
var warehouses = map[string]func(ctx context.Context, a *App, engine project.Engine) (warehouse.Warehouse, error){
	"duckdb":     openDuckDB,
	"postgres":   openPostgres,
	"postgresql": openPostgres,
}

func openPostgres(ctx context.Context, a *App, engine project.Engine) (warehouse.Warehouse, error) {
	q := a.config().Query
	return postgres.Open(ctx, postgres.Options{
		URL: engine.Reveal(), QueryURL: q.Login.Reveal(),
		QueryTimeout: time.Duration(q.Timeout), MaxConcurrentQueries: q.Concurrency, QuerySpillBytes: int64(q.Spill),
		Logger: a.logger("postgres"), Metrics: a.metrics,
	})
}

func openDuckDB(ctx context.Context, a *App, _ project.Engine) (warehouse.Warehouse, error) {
	q := a.config().Query
	memory, spill := a.engineMemory(), int64(q.Spill)
	if spill == 0 {
		var err error
		if spill, err = a.spillBytes(ctx); err != nil {
			return nil, err
		}
	}
	return duckdb.Open(ctx, duckdb.Options{
		Dir: a.data.sub("warehouse"), ResultsDir: a.resultsFolder(), MemoryLimitBytes: memory, SpillLimitBytes: spill,
		QueryTimeout: time.Duration(q.Timeout), MaxConcurrentQueries: q.Concurrency,
		Now: a.o.Now, Logger: a.logger("duckdb"), Metrics: a.metrics,
	})
}

// engineMemory is what the warehouse engine stays within.
func (a *App) engineMemory() int64 {
	if memory := int64(a.config().Query.Memory); memory > 0 {
		return memory
	}
	return min(max(memoryBytes()/4, minEngineMemory), maxEngineMemory)
}

// The bounds of the engine's memory where the project names none.
const (
	minEngineMemory = 512 << 20
	maxEngineMemory = 4 << 30
	minSpill        = 64 << 20
)

func memoryBytes() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}

// spillBytes is half of what the disk has above the log's reserve.
func (a *App) spillBytes(ctx context.Context) (int64, error) {
	status, err := a.log.Status(ctx)
	if err != nil {
		return 0, err
	}
	return max((status.FreeBytes-status.ReserveBytes)/2, minSpill), nil
}

// A workspaceQuerier is the warehouse with the project's limits.
type workspaceQuerier struct{ *space }

// Query runs one read-only statement within the project's limits.
func (w workspaceQuerier) Query(ctx context.Context, q warehouse.Query) (warehouse.Rows, error) {
	limits := w.queryLimits()
	if q.Timeout == 0 || q.Timeout > time.Duration(limits.Timeout) {
		q.Timeout = time.Duration(limits.Timeout)
	}
	if q.MaxBytes == 0 || q.MaxBytes > int64(limits.ResultSize) {
		q.MaxBytes = int64(limits.ResultSize)
	}
	if q.Limit == 0 {
		q.Limit = limits.Rows
	}
	if q.Limit > warehouse.MaxQueryRows {
		return nil, millrace.Errorf(millrace.Invalid, "the limit is %d rows, at most %d: aggregate, or ask in parts", q.Limit, warehouse.MaxQueryRows)
	}
	q.Workspace = w.id // whatever was asked for
	return w.app.ask(w.id, false, func() (warehouse.Rows, error) { return w.app.warehouse.Query(ctx, q) })
}
