package serve

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// Limits of reading the log backwards: how many frames at once, at first and at
// most, how many records make a piece large enough, and how long it may take.
const (
	backFrames    = 4
	maxBackFrames = 4096
	backRecords   = 4000
	backPatience  = 2 * time.Second
)

// Limits of a piece: how many records are read for it, and how large those are
// together that are kept. One frame may always be read.
const (
	maxPieceRecords = 20_000
	maxPieceBytes   = 8 << 20
)

// errPiece says that a piece is too large to be read at once.
var errPiece = errors.New("a piece of the log is too large")

// A search says what is looked for when the log is read backwards.
type search struct {
	after, last millrace.Position
	filter      eventlog.Filter
	keep        func(*eventlog.Entry) bool // which of those that filter chooses; nil is all
	patience    time.Duration
}

// backward reads the log from last towards its beginning, piece by piece, and
// gives of each piece what is looked for, in the order of the log, to do, until
// that wants no more, the frame of after is reached, the log or its newest epoch
// begins, or the patience is over. whole says that there is nothing before what do
// was given. A piece is small, however the log's records lie.
func (s *server) backward(ctx context.Context, look search, do func([]eventlog.Entry) (more bool)) (whole bool, err error) {
	after, last := look.after, look.last
	begin, err := s.newestBegin(ctx, last)
	if err != nil {
		return false, err
	}
	if after.Epoch == last.Epoch {
		begin = max(begin, after.Seq)
	}
	until := time.Now().Add(look.patience)
	frames := uint64(backFrames)
	for high := last.Seq; high >= begin && high > 0; {
		low := begin
		if high-begin >= frames {
			low = high - frames + 1
		}
		entries, read, err := s.piece(ctx, last.Epoch, low, high, look)
		switch {
		case errors.Is(err, errPiece):
			frames = max(1, (high-low+1)/8)
			if time.Now().After(until) {
				return false, nil
			}
			continue
		case millrace.KindOf(err) == millrace.Gone:
			return true, nil // trimmed meanwhile
		case err != nil:
			return false, err
		}
		if !do(entries) || time.Now().After(until) {
			return false, nil
		}
		if read < backRecords {
			frames = min(2*frames, maxBackFrames)
		}
		high = low - 1
	}
	return true, nil
}

// piece returns what is looked for in the frames from low through high, and how
// many records were read for it. The error is errPiece when that is too much.
func (s *server) piece(ctx context.Context, epoch, low, high uint64, look search) (found []eventlog.Entry, read int, err error) {
	size := 0
	err = s.frames(ctx, millrace.Position{Epoch: epoch, Seq: low - 1, Index: millrace.EndOfFrame}, high, look.filter, func(e *eventlog.Entry) error {
		if read++; look.keep == nil || look.keep(e) {
			found = append(found, *e)
			size += len(e.Body) + len(e.Meta)
		}
		if low < high && (read > maxPieceRecords || size > maxPieceBytes) {
			return errPiece
		}
		return nil
	})
	return found, read, err
}

// newestBegin is the first frame of the newest epoch that the log still has.
func (s *server) newestBegin(ctx context.Context, last millrace.Position) (uint64, error) {
	first, _, err := s.o.Log.Bounds(ctx)
	if err != nil {
		return 0, err
	}
	if first.Epoch == last.Epoch {
		return first.Seq, nil
	}
	if log, ok := s.o.Log.(interface{ Eras() []eventlog.Era }); ok {
		eras := log.Eras()
		return max(1, eras[len(eras)-1].First), nil
	}
	return 1, nil
}

// duplicates reads the duplicates that the newest epoch of the log has, newest
// first, and gives them to do, until that wants no more or the patience is over.
// It reads only frames that hold any. since is the time from which on they are
// known; whole says that those are all.
func (s *server) duplicates(ctx context.Context, f eventlog.Filter, patience time.Duration, do func(eventlog.Entry) (more bool)) (since time.Time, whole bool, err error) {
	if s.o.Verdicts == nil {
		return since, false, nil
	}
	_, last, err := s.o.Log.Bounds(ctx)
	if err != nil {
		return since, false, err
	}
	begin, err := s.newestBegin(ctx, last)
	if err != nil || last.Seq < begin {
		return since, err == nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.o.Verdicts.Wait(waiting, last); err != nil {
		return since, false, nil // who judges is behind: what is not known is not told
	}
	positions, err := s.o.Verdicts.Duplicates(ctx, millrace.Position{Epoch: last.Epoch, Seq: begin - 1, Index: millrace.EndOfFrame}, last)
	if err != nil {
		return since, false, err
	}
	until := time.Now().Add(patience)
	for end := len(positions); end > 0; {
		seq, from := positions[end-1].Seq, end-1
		for from > 0 && positions[from-1].Seq == seq {
			from--
		}
		entries, _, err := s.piece(ctx, last.Epoch, seq, seq, search{filter: f})
		if millrace.KindOf(err) == millrace.Gone {
			return since, true, nil // trimmed meanwhile
		}
		if err != nil {
			return since, false, err
		}
		if len(entries) > 0 {
			since = entries[0].Time
		}
		for _, e := range slices.Backward(entries) {
			if _, twice := slices.BinarySearchFunc(positions[from:end], e.Position, millrace.Position.Compare); twice && !do(e) {
				return since, false, nil
			}
		}
		if end = from; end > 0 && time.Now().After(until) {
			return since, false, nil
		}
	}
	return since, true, nil
}

// frames gives the records that f chooses behind after, up to the frame high, to
// do, until that fails.
func (s *server) frames(ctx context.Context, after millrace.Position, high uint64, f eventlog.Filter, do func(*eventlog.Entry) error) error {
	reader, err := s.o.Log.Open(ctx, after, f)
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		batch, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		for i := range batch.Records {
			e := &batch.Records[i]
			if e.Position.Epoch != after.Epoch || e.Position.Seq > high {
				return nil
			}
			if err := do(e); err != nil {
				return err
			}
		}
		if batch.AtEnd || batch.Through.Epoch != after.Epoch || batch.Through.Seq >= high {
			return nil
		}
	}
}

// before is the position next to p, before it.
func before(p millrace.Position) millrace.Position {
	if p.Index > 0 {
		p.Index--
		return p
	}
	if p.Seq > 0 {
		p.Seq, p.Index = p.Seq-1, millrace.EndOfFrame
	}
	return p
}

// recordAt returns the record at a position, from the log or, when that has
// forgotten it, from the archive; archived says which.
func (s *server) recordAt(ctx context.Context, p millrace.Position) (e eventlog.Entry, archived bool, err error) {
	if p.Seq == 0 || p.Index >= millrace.EndOfFrame {
		return e, false, millrace.Errorf(millrace.Invalid, "%s is not the position of a record: it is epoch-seq-index, as the tail and intake's Millrace-Position say it", p)
	}
	_, last, err := s.o.Log.Bounds(ctx)
	if err != nil {
		return e, false, err
	}
	if p.After(last) {
		return e, false, millrace.Errorf(millrace.NotFound, "there is no record at %s: the log ends at %s", p, last)
	}
	e, found, err := find(ctx, s.o.Log, p, s.space(ctx).ID)
	switch kind := millrace.KindOf(err); {
	case err == nil && found:
		return e, false, nil
	case err != nil && kind != millrace.Gone && kind != millrace.Ahead:
		return e, false, err
	case s.o.Past != nil:
		if e, found, err = find(ctx, s.o.Past, p, s.space(ctx).ID); err == nil && found {
			return e, true, nil
		}
		if err != nil && millrace.KindOf(err) != millrace.Ahead {
			return e, false, err
		}
	}
	return e, false, millrace.Errorf(millrace.NotFound, "there is no record at %s, neither in the log nor in the archive: a duplicate is forgotten with the log, all others are kept", p)
}

// find reads the record at a position.
func find(ctx context.Context, o eventlog.Opener, p millrace.Position, workspace string) (e eventlog.Entry, found bool, err error) {
	reader, err := o.Open(ctx, before(p), eventlog.Filter{Workspace: workspace})
	if err != nil {
		return e, false, err
	}
	defer reader.Close()
	for {
		batch, err := reader.Next(ctx)
		if err != nil {
			return e, false, err
		}
		for _, e := range batch.Records {
			if e.Position == p {
				return e, true, nil
			}
		}
		if batch.AtEnd || !batch.Through.Before(p) {
			return e, false, nil
		}
	}
}

// ofUser says whether a record is of a user: by the user's ID or an anonymous one.
func ofUser(e *eventlog.Entry, user string) bool {
	if e.Key == user {
		return true
	}
	for _, found := range gjson.GetManyBytes(e.Body, "userId", "anonymousId") {
		if found.Type == gjson.String && found.Str == user {
			return true
		}
	}
	return false
}
