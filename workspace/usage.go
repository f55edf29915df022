package workspace

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

type usageRow struct {
	Space                                string
	Day                                  int64
	Events, Rejected, Bytes, QueryMicros int64
	Storage                              int64 // -1: not measured that day
	Log, Archive, Warehouse, EventTables int64
}

func (r *usageRow) stored() Stored { return Stored{r.Log, r.Archive, r.Warehouse, r.EventTables} }

const usageColumns = "space, day, events, rejected, bytes, query_micros, storage, log_bytes, archive_bytes, warehouse_bytes, event_tables"

// A Usage is what a space used on a day.
type Usage struct {
	Day          string  `json:"day"` // 2026-11-21, UTC
	Workspace    string  `json:"workspace"`
	Environment  string  `json:"environment"`
	Space        string  `json:"space"`
	Events       int64   `json:"events"`   // taken, duplicates among them
	Rejected     int64   `json:"rejected"` // refused and kept
	Bytes        int64   `json:"bytes"`    // of both
	QuerySeconds float64 `json:"query_seconds"`
	// The last that was measured on the day; nil: it was not. StorageBytes is the
	// sum of the three that follow.
	StorageBytes   *int64 `json:"storage_bytes"`
	LogBytes       *int64 `json:"log_bytes"`
	ArchiveBytes   *int64 `json:"archive_bytes"`
	WarehouseBytes *int64 `json:"warehouse_bytes"`
	EventTables    *int64 `json:"event_tables"`
}

// UsageOptions choose days of usage.
type UsageOptions struct {
	Workspace string // id; required
	Space     string // one environment of it; default all
	// From and To are days (Day), including; default the last 30.
	From, To int64
	// After is the cursor: the last row that was seen.
	After *UsageCursor
	Limit int // default 1,000, at most 10,000
}

// A UsageCursor is a place in the order of days and spaces.
type UsageCursor struct {
	Day   int64
	Space string
}

// Usage returns what a workspace used, by day and space, the oldest first, and
// where the next page begins; nil when this is the last.
func (s *Store) Usage(ctx context.Context, o UsageOptions) (page []Usage, next *UsageCursor, err error) {
	if o.To == 0 {
		o.To = Day(s.now())
	}
	if o.From == 0 {
		o.From = o.To - 29
	}
	if o.Limit <= 0 {
		o.Limit = 1000
	}
	o.Limit = min(o.Limit, 10_000)
	after := UsageCursor{o.From, ""}
	if o.After != nil {
		after = *o.After
	}
	var rows []usageRow
	names := map[string]Environment{}
	var w Workspace
	err = s.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		if w, err = s.get(ctx, tx, o.Workspace); err != nil {
			return err
		}
		condition, args := "", []any{after.Day, after.Space, o.To, o.Limit}
		for _, e := range w.Environments {
			names[e.Space] = e
			if o.Space != "" && o.Space != e.Space {
				continue
			}
			args = append(args, e.Space)
			if condition != "" {
				condition += ", "
			}
			condition += place(len(args))
		}
		if condition == "" {
			return millrace.Errorf(millrace.NotFound, "workspace %s has no environment of space %.80q", w.Name, o.Space)
		}
		rows, err = catalog.All[usageRow](ctx, tx, "SELECT "+usageColumns+" FROM usage_day WHERE (day > $1 OR day = $1 AND space > $2) AND day <= $3 AND space IN ("+condition+") ORDER BY day, space LIMIT $4", args...)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		u := Usage{Day: DayStart(r.Day).Format(time.DateOnly), Workspace: w.Name, Environment: names[r.Space].Name, Space: r.Space,
			Events: r.Events, Rejected: r.Rejected, Bytes: r.Bytes, QuerySeconds: float64(r.QueryMicros) / 1e6}
		for n, to := range map[*int64]**int64{&r.Storage: &u.StorageBytes, &r.Log: &u.LogBytes, &r.Archive: &u.ArchiveBytes, &r.Warehouse: &u.WarehouseBytes, &r.EventTables: &u.EventTables} {
			if *n >= 0 {
				*to = n
			}
		}
		page = append(page, u)
	}
	if len(rows) == o.Limit {
		last := rows[len(rows)-1]
		next = &UsageCursor{last.Day, last.Space}
	}
	return page, next, nil
}

// The formats of Export.
const (
	NDJSON = "ndjson"
	CSV    = "csv"
)

var csvHeader = []string{"day", "workspace", "environment", "space", "events", "rejected", "bytes", "query_seconds", "storage_bytes", "log_bytes", "archive_bytes", "warehouse_bytes", "event_tables"}

// Export writes all that Usage would return, page by page: as lines of JSON, or
// as CSV with a header.
func (s *Store) Export(ctx context.Context, w io.Writer, format string, o UsageOptions) error {
	var write func(Usage) error
	switch format {
	case NDJSON:
		lines := json.NewEncoder(w)
		write = func(u Usage) error { return lines.Encode(u) }
	case CSV:
		table := csv.NewWriter(w)
		write = func(u Usage) error {
			whole := func(n int64) string { return strconv.FormatInt(n, 10) }
			row := []string{u.Day, u.Workspace, u.Environment, u.Space, whole(u.Events), whole(u.Rejected), whole(u.Bytes), strconv.FormatFloat(u.QuerySeconds, 'f', -1, 64)}
			for _, n := range []*int64{u.StorageBytes, u.LogBytes, u.ArchiveBytes, u.WarehouseBytes, u.EventTables} {
				if n == nil {
					row = append(row, "")
				} else {
					row = append(row, whole(*n))
				}
			}
			_ = table.Write(row) // Flush tells
			table.Flush()
			return table.Error()
		}
		if err := table.Write(csvHeader); err != nil {
			return err
		}
		if table.Flush(); table.Error() != nil {
			return table.Error()
		}
	default:
		return millrace.Errorf(millrace.Invalid, "usage cannot be exported as %.20q: choose %s or %s", format, NDJSON, CSV)
	}
	for {
		page, next, err := s.Usage(ctx, o)
		if err != nil {
			return err
		}
		for _, u := range page {
			if err := write(u); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		o.After = next
	}
}
