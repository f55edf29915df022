package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/eventlog"
)

// A Report is what Verify found.
type Report struct {
	Files, Records, Bytes int64
	Through               millrace.Position // verified to here
	Problems              []Problem
}

// A Problem is something wrong with an object of the archive.
type Problem struct {
	Object string // its key
	What   string // is wrong
	Do     string // what to do
}

// maxProblems bounds a Report.
const maxProblems = 1000

// Verify reads every file of the archive as it is now and checks that they are
// what the manifest says: sizes, checksums, numbers of rows, every record in
// its range, hour, workspace and source, ranges without gaps or overlaps, no
// position twice, and no published file that the manifest does not know.
// progress, which may be nil, gets bytes. What is wrong is in the Report; the
// error is of the bucket or ctx.
func (a *Archive) Verify(ctx context.Context, progress func(done, total int64)) (Report, error) {
	s, err := a.snapshot(ctx)
	if err != nil {
		return Report{}, err
	}
	v := &verifier{archive: a, progress: progress, known: map[string]bool{}}
	for i := range s.Days {
		v.total += s.Days[i].Bytes
	}
	for i := range s.Fresh {
		for _, f := range s.Fresh[i].Files {
			v.total += f.Bytes
		}
	}
	err = v.run(ctx, s.Through)
	return v.report, err
}

type verifier struct {
	archive     *Archive
	progress    func(done, total int64)
	total       int64
	report      Report
	known       map[string]bool // keys of published files
	before      millrace.Position
	hour        int64
	state       *state // at the span before
	fullStopped bool
}

func (v *verifier) problem(object, do, format string, args ...any) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, Problem{Object: object, What: fmt.Sprintf(format, args...), Do: do})
	}
}

const doRestore = "restore this file from a backup of the bucket"

func (v *verifier) run(ctx context.Context, through millrace.Position) error {
	for v.report.Through.Before(through) {
		s := v.archive.store.snapshot()
		sp, err := v.archive.next(ctx, s, v.report.Through)
		if err != nil && millrace.KindOf(err) != millrace.Invalid && millrace.KindOf(err) != millrace.NotFound {
			return err
		}
		if err != nil {
			v.skipDay(s, err)
			continue
		}
		if sp == nil {
			v.report.Through = s.Through
			break
		}
		again, err := v.span(ctx, s, sp)
		if err != nil {
			return err
		}
		if !again {
			v.before, v.hour, v.report.Through = sp.Through, sp.Hour, sp.Through
		}
	}
	return v.strays(ctx)
}

// skipDay notes that a day's manifest cannot be read and goes on behind it.
func (v *verifier) skipDay(s *state, err error) {
	for i := range s.Days {
		if d := &s.Days[i]; d.Through.After(v.report.Through) {
			v.problem(d.Key, "restore this object from a backup of the bucket; the files of the day are there but not listed", "%v", err)
			v.before, v.report.Through = d.Through, d.Through
			v.fullStopped = true
			return
		}
	}
	v.report.Through = s.Through
}

// span verifies one span; again says that it was published meanwhile.
func (v *verifier) span(ctx context.Context, s *state, sp *span) (again bool, err error) {
	name := fmt.Sprintf("%s (%s, %s]", dateOf(sp.Hour), sp.After, sp.Through)
	switch {
	case v.before.IsZero():
	case sp.After.After(v.before):
		v.problem(name, "records of this range are missing: restore the manifest from a backup of the bucket", "nothing covers the positions from %s to %s", v.before, sp.After)
	case sp.After.Before(v.before) && v.state == s: // else it was published meanwhile
		v.problem(name, "restore the manifest from a backup of the bucket", "it overlaps with the range before, which ends at %s", v.before)
	}
	v.state = s
	if sp.Hour < v.hour {
		v.problem(name, "restore the manifest from a backup of the bucket", "its hour comes before that of the range before it")
	}
	var positions []millrace.Position
	for i := range sp.Files {
		f := &sp.Files[i]
		key := sp.key(f)
		if !sp.Fresh {
			v.known[key] = true
		}
		entries, err := readFile(ctx, v.archive.opts.Bucket, key, f)
		switch k := millrace.KindOf(err); {
		case err == nil:
		case k == millrace.NotFound && v.archive.moved(ctx, s):
			return true, nil
		case k == millrace.NotFound, k == millrace.Invalid:
			v.problem(key, doRestore, "%v", err)
			continue
		default:
			return false, err
		}
		positions = v.file(sp, f, key, entries, positions)
		v.report.Files++
		v.report.Records += int64(len(entries))
		v.report.Bytes += f.Bytes
		if v.progress != nil {
			v.progress(v.report.Bytes, max(v.total, v.report.Bytes))
		}
	}
	slices.SortFunc(positions, millrace.Position.Compare)
	for i := 1; i < len(positions); i++ {
		if positions[i] == positions[i-1] {
			v.problem(name, "report this: the archive wrote a record twice", "position %s is in it twice", positions[i])
		}
	}
	return false, nil
}

// file verifies the records of one file and adds their positions to the span's.
func (v *verifier) file(sp *span, f *fileInfo, key string, entries []eventlog.Entry, positions []millrace.Position) []millrace.Position {
	for i := range entries {
		e := &entries[i]
		switch {
		case !e.Position.After(sp.After) || e.Position.After(sp.Through):
			v.problem(key, doRestore, "record %s lies outside of its range", e.Position)
		case e.Time.UnixMilli()/hourMs > sp.Hour:
			v.problem(key, doRestore, "record %s has the log time %s, which is behind its hour", e.Position, e.Time)
		case e.Workspace != f.Workspace || f.Source != "" && e.Source != f.Source:
			v.problem(key, doRestore, "record %s is of %s/%s, the file of %s/%s", e.Position, e.Workspace, e.Source, f.Workspace, f.Source)
		}
		positions = append(positions, e.Position)
	}
	return positions
}

// strays looks for published files that the manifest does not name: whoever
// lists the folders reads them too.
func (v *verifier) strays(ctx context.Context) error {
	if v.fullStopped {
		return nil // not every name is known
	}
	var found []blob.Info
	for info, err := range v.archive.opts.Bucket.List(ctx, "") {
		if err != nil {
			return err
		}
		if !strings.HasPrefix(info.Key, "_") && !v.known[info.Key] {
			found = append(found, info)
		}
	}
	if len(found) == 0 {
		return nil
	}
	now, err := v.published(ctx)
	if err != nil {
		return err
	}
	for _, info := range found {
		if !now(info.Key) {
			v.problem(info.Key, "move it out of the archive", "the manifest does not name it; whoever lists this folder reads it too")
		}
	}
	return nil
}

// published says of a key whether the manifest names it now, or may soon: an
// hour that is being published has files before it is in the manifest.
func (v *verifier) published(ctx context.Context) (func(key string) bool, error) {
	s := v.archive.store.snapshot()
	keys := map[string]bool{}
	for i := range s.Days {
		if !s.Days[i].Through.After(v.before) && i < len(s.Days)-2 {
			continue
		}
		spans, err := v.archive.readDay(ctx, &s.Days[i])
		if err != nil {
			return nil, err
		}
		for j := range spans {
			for k := range spans[j].Files {
				keys[spans[j].key(&spans[j].Files[k])] = true
			}
		}
	}
	return func(key string) bool {
		if s.Publication != nil {
			hour := hourPrefix("w", "s", s.Publication.Hour)
			if strings.Contains(key, hour[len("w/s"):]) {
				return true
			}
		}
		return keys[key]
	}, nil
}
