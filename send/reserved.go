package send

import (
	"slices"
	"strings"

	"github.com/segmentio/go-snakecase"

	"github.com/millrace/millrace/terminal"
)

// reservedColumns are the columns that the tables of track events have for
// themselves: a property of that name goes to discards, unless it says the same.
// The warehouse has them; a test asks it.
var reservedColumns = []string{
	"id", "anonymous_id", "user_id", "event", "event_text", "received_at", "sent_at", "original_timestamp",
	"timestamp", "uuid_ts", "properties_overflow",
}

// reservedPrefix begins the names of the columns that hold an event's context.
const reservedPrefix = "context_"

// reserved says whether a property of that name has no column of its own.
func reserved(name string) bool {
	column := snakecase.Snakecase(name)
	return strings.HasPrefix(column, reservedPrefix) || slices.Contains(reservedColumns, column)
}

// warnReserved says, once, which fields of the input go to discards, and what to
// do about it. Those that are given for ID, user and time say the same as the
// columns.
func warnReserved(screen *terminal.Screen, o Options, names []string) {
	var lost, flags []string
	for _, name := range names {
		if name == o.ID || name == o.User || name == o.Time || !reserved(name) {
			continue
		}
		lost = append(lost, name)
		for _, f := range []struct{ flag, given, column string }{{"--id", o.ID, "id"}, {"--time", o.Time, "timestamp"}, {"--user", o.User, "user_id"}} {
			if f.given == "" && snakecase.Snakecase(name) == f.column {
				flags = append(flags, f.flag+" "+name)
			}
		}
	}
	if len(lost) == 0 {
		return
	}
	advice := ""
	if len(flags) > 0 {
		advice = "give " + strings.Join(flags, ", ") + ", or "
	}
	if len(lost) == 1 {
		screen.Warn("column %s has a name that tables use for themselves and goes to discards: %srename it", lost[0], advice)
		return
	}
	screen.Warn("columns %s have names that tables use for themselves and go to discards: %srename them", listed(lost), advice)
}

// listed names a few, and says how many there are more.
func listed(names []string) string {
	const most = 10
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + " and " + terminal.Count(int64(more)) + " more"
	}
	return strings.Join(names, ", ")
}
