package warehouse

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/segmentio/go-snakecase"
)

// MaxNameBytes is the longest name of a schema, table or column: Postgres's limit.
const MaxNameBytes = 63

// ShortName returns name, or when it is longer than MaxNameBytes its beginning
// and a hash of the whole, so that different names stay different.
func ShortName(name string) string {
	if len(name) <= MaxNameBytes {
		return name
	}
	return name[:MaxNameBytes-9] + "_" + hash8(name)
}

func hash8(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

// EventTable returns the table of events with that name in schema: snake_case
// as Segment makes it, event_<hash8> where that leaves nothing, the suffix
// _event where the name is a built-in table's.
func EventTable(schema, event string) string {
	name := snakecase.Snakecase(event)
	if name == "" {
		name = "event_" + hash8(event)
	}
	if builtIn(schema, name) {
		name += "_event"
	}
	return ShortName(name)
}

var builtInTables = map[string]bool{
	"tracks": true, "identifies": true, "users": true, "pages": true, "screens": true,
	"groups": true, "accounts": true, "aliases": true, "discards": true,
}

var systemNames = map[string]bool{
	"rejected": true, "resent": true, "names": true, "notices": true, "checkpoints": true, "pending": true,
	"format": true, "row_groups": true,
}

func builtIn(schema, table string) bool {
	return builtInTables[table] || schema == SystemSchema && systemNames[table]
}
