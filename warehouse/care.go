package warehouse

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// care finds the record that makes Apply fail again and again although the
// engine comes back: batches shrink to one record, which is then applied
// without its body, and at last left out. Rows that the engine refuses do not
// come here: the backend sets them aside.
type care struct {
	limit    int               // records a batch
	most     int               // … when all is well
	at       millrace.Position // applied through here
	strikes  int               // failures without progress …
	failedAt millrace.Position // … since here
	suspect  millrace.Position // the single record of the last failures
	single   int               // how many those are
	since    time.Time         // when the first of them was
	patience time.Duration     // before all of a record is left out
}

const (
	strikesWithout = 3 // failures of one record before its body is left out
	strikesSkip    = 6 // and at least so many, and patience, before all of it is
	// defaultPatience is long, because what is left of a record without its
	// body is nothing that an engine could dislike: it is the engine that is ill.
	defaultPatience = 2 * time.Minute
)

// Suspect marks an error of Apply that the records of the batch may have
// caused: the engine died while it took them. A Loader that sees it again and
// again at the same place, and nowhere else, sets the record aside. Errors
// that are not marked (no connection, no room, a lock) only make it wait.
func Suspect(err error) error {
	if err == nil {
		return nil
	}
	return &suspect{err}
}

type suspect struct{ error }

func (s *suspect) Unwrap() error { return s.error }

// blames says whether a failure may be a record's doing. A full disk is not,
// however the engine dies of it.
func blames(err error) bool {
	var s *suspect
	if !errors.As(err, &s) {
		return false
	}
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"no space left", "disk full", "disk is full", "could not extend file", "quota", "read-only file system"} {
		if strings.Contains(text, sign) {
			return false
		}
	}
	return true
}

func (c *care) begin(after millrace.Position) { c.at = maxPosition(c.at, after) }

// careful says whether every table has to be committed with each batch, so
// that a failure belongs to its records.
func (c *care) careful() bool { return c.limit < c.most }

func (c *care) failed(b Batch, err error) {
	if !blames(err) {
		return
	}
	if c.at != c.failedAt {
		c.strikes, c.failedAt = 0, c.at
	}
	c.strikes++
	if c.strikes > 1 {
		c.limit = max(1, min(c.limit, len(b.Entries))/4)
	}
	if len(b.Entries) != 1 {
		return
	}
	if p := b.Entries[0].Position; p != c.suspect {
		c.suspect, c.single, c.since = p, 0, time.Now()
	}
	c.single++
}

func (c *care) succeeded(b Batch) {
	if b.Through.After(c.at) {
		c.at = b.Through
		c.limit = min(2*c.limit, c.most)
	}
}

// treat returns the batch as it is to be applied.
func (c *care) treat(b Batch, log *slog.Logger) Batch {
	if len(b.Entries) != 1 || b.Entries[0].Position != c.suspect || c.single < strikesWithout {
		return b
	}
	e := b.Entries[0]
	if c.single >= strikesSkip && time.Since(c.since) >= c.patience {
		log.Error("a record makes the warehouse fail and is left out: it is in log and archive", "position", e.Position, "id", e.ID)
		b.Entries = nil
		return b
	}
	log.Error("a record makes the warehouse fail and is loaded without its body: it is in log and archive", "position", e.Position, "id", e.ID)
	e.Body, e.Meta = nil, nil
	b.Entries = []eventlog.Entry{e}
	return b
}
