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
// engine comes back: batches shrink to one record, of which less and less is
// given, with a row that says so (see Spare). Rows, columns and tables that the
// engine refuses do not come here: the backend sets them aside.
type care struct {
	limit    int               // records a batch
	most     int               // … when all is well
	at       millrace.Position // applied through here
	strikes  int               // failures without progress …
	failedAt millrace.Position // … since here
	suspect  millrace.Position // the single record of the last failures
	single   int               // how many those are
	since    time.Time         // when the first of them was
	patience time.Duration     // before a record loses more than its body
	spare    Spare             // what is left out of the suspect, and why
	reason   string
	// helped is what had to be left out of earlier records, by source and
	// stream: those that follow are not tried as often.
	helped map[string]Spare
}

const (
	strikesEach = 3 // failures of one record before more of it is left out
	// defaultPatience is long, because what is left of a record without its
	// body is nothing that an engine could dislike: it is the engine that is ill.
	defaultPatience = 2 * time.Minute
	maxHelped       = 1000
	maxReasonBytes  = 500
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

func (c *care) failed(b Batch, err error, log *slog.Logger) {
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
	e := &b.Entries[0]
	if e.Position != c.suspect {
		c.suspect, c.single, c.since, c.spare, c.reason = e.Position, 0, time.Now(), SpareNothing, ""
		if before := c.helped[e.Source+"\x00"+e.Stream]; before > SpareNothing {
			c.spareMore(e, before, err, log)
			return
		}
	}
	c.single++
	if c.single < strikesEach || c.spare == SpareAll || c.spare >= SpareBody && time.Since(c.since) < c.patience {
		return
	}
	c.spareMore(e, c.spare+1, err, log)
}

func (c *care) spareMore(e *eventlog.Entry, spare Spare, err error, log *slog.Logger) {
	c.spare, c.single = spare, 0
	if spare == SpareBody || c.reason == "" { // later ones may be of what is left
		c.reason = err.Error()
		c.reason = strings.ToValidUTF8(c.reason[:min(len(c.reason), maxReasonBytes)], replacement)
	}
	left := [...]string{SpareBody: "its body", SpareRows: "all but a row of discards", SpareAll: "all but a notice"}[spare]
	log.Error("a record makes the warehouse fail: it is loaded without "+left+", and is whole in log and archive",
		"position", e.Position, "source", e.Source, "id", e.ID, "error", err)
}

func (c *care) treats(b Batch) bool {
	return c.spare > SpareNothing && len(b.Entries) == 1 && b.Entries[0].Position == c.suspect
}

func (c *care) succeeded(b Batch) {
	if c.treats(b) {
		if c.helped == nil || len(c.helped) >= maxHelped {
			c.helped = map[string]Spare{}
		}
		c.helped[b.Entries[0].Source+"\x00"+b.Entries[0].Stream] = c.spare
	}
	if b.Through.After(c.at) {
		c.at = b.Through
		c.limit = min(2*c.limit, c.most)
	}
}

// treat returns the batch as it is to be applied.
func (c *care) treat(b Batch) Batch {
	if c.treats(b) {
		b.Spare, b.Reason = c.spare, c.reason
	}
	return b
}
