package release

import (
	"context"
	"fmt"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/release/merge"
	"github.com/millrace/millrace/release/tree"
)

// Stale is the error of a proposal that began from a version that does not run
// any more. It is an error of kind Conflict.
type Stale struct {
	Base    int64       // that it began from
	Running int64       // that runs; 0: none
	Author  audit.Actor // of that
	Message string
	// Merge is what comes of both. When its Tree is not nil there is no conflict:
	// propose that, with Running as its base. Otherwise a person has to decide:
	// see merge.Result.Resolve.
	Merge *merge.Result
}

// Error says what happened meanwhile and what to do.
func (s *Stale) Error() string {
	text := fmt.Sprintf("version %d runs by now", s.Running)
	if s.Author.Name != "" {
		text += ", made by " + s.Author.Name
	}
	if s.Message != "" {
		text += fmt.Sprintf(" (%.100q)", s.Message)
	}
	if s.Base > 0 {
		text += fmt.Sprintf(", and your change began from version %d", s.Base)
	} else {
		text += ", and your files began from none: get it first"
	}
	if s.Merge == nil || s.Merge.Tree() != nil {
		return text + ": both changes go together, so look at the merged files and deploy those"
	}
	conflicts := s.Merge.Conflicts()
	where := conflicts[0].Path
	if conflicts[0].Field != "" {
		where += ", " + conflicts[0].Field
	}
	switch n := len(conflicts) - 1; {
	case n == 1:
		where += ", and one more place"
	case n > 1:
		where += fmt.Sprintf(", and %d more places", n)
	}
	return text + ": both changed " + where + ": decide what is to stand there"
}

// As makes errors.As find a *millrace.Error of kind Conflict.
func (s *Stale) As(target any) bool {
	e, ok := target.(**millrace.Error)
	if ok {
		*e = &millrace.Error{Kind: millrace.Conflict, Message: s.Error()}
	}
	return ok
}

// stale merges a proposal with what runs, and returns that as the error.
func (s *Store) stale(ctx context.Context, p *Proposal, now int64) error {
	var out *Stale
	var base, theirs *tree.Tree
	err := s.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		out, base, theirs, err = sides(ctx, tx, p.Workspace, p.Base, now)
		return err
	})
	if err != nil {
		return err
	}
	return s.merged(out, base, p.Tree, theirs)
}

// sides reads what a proposal is merged with.
func sides(ctx context.Context, tx catalog.Tx, workspace string, base, now int64) (out *Stale, from, theirs *tree.Tree, err error) {
	out = &Stale{Base: base, Running: now}
	if base > 0 {
		if _, err := version(ctx, tx, workspace, base); err != nil { // a mistake, such as another server's number
			return out, nil, nil, err
		}
	}
	if from, err = treeOrNone(ctx, tx, workspace, base); err != nil || now == 0 {
		return out, from, nil, err
	}
	v, err := version(ctx, tx, workspace, now)
	if err != nil {
		return out, from, nil, err
	}
	out.Author, out.Message = v.Author, v.Message
	theirs, err = treeOf(ctx, tx, workspace, now)
	return out, from, theirs, err
}

// merged merges, outside of transactions, since it may take a while.
func (s *Store) merged(out *Stale, base, ours, theirs *tree.Tree) error {
	var err error
	if out.Merge, err = merge.Trees(base, ours, theirs, s.o.Limits); err != nil {
		return err
	}
	return out
}

// treeOrNone is treeOf, and nil for a tree that was pruned or never was: then
// two sides have nothing in common.
func treeOrNone(ctx context.Context, tx catalog.Tx, workspace string, number int64) (*tree.Tree, error) {
	t, err := treeOf(ctx, tx, workspace, number)
	if k := millrace.KindOf(err); err != nil && (k == millrace.Gone || k == millrace.NotFound) {
		return nil, nil
	}
	return t, err
}

// Promote makes a version that there is run in another environment. When the
// one that runs there is one that it came from, it runs as it is, with its
// number. Otherwise that environment has changes that it lacks, and the error is
// a *Stale with both merged, to be deployed with the Origin FromPromote and the
// version as Source.
func (s *Store) Promote(ctx context.Context, t Target, number int64, by By, message string, w Switch) (Deploy, error) {
	var base int64
	var stale *Stale
	var from, theirs *tree.Tree
	if w.Allow == nil {
		return Deploy{}, errAllow
	}
	ours, err := s.Tree(ctx, t.Workspace, number)
	if err != nil {
		return Deploy{}, err
	}
	if _, err := s.allowed(ctx, t, ours, w); err != nil { // before both are shown merged
		return Deploy{}, err
	}
	err = s.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		stale = nil
		now, _, err := running(ctx, tx, t)
		if err != nil {
			return err
		}
		base = now.Version
		v, err := version(ctx, tx, t.Workspace, number)
		if err != nil {
			return err
		}
		common, err := ancestor(ctx, tx, t.Workspace, v, now.Version)
		if err != nil || common == now.Version {
			return err
		}
		apart, a, b, err := sides(ctx, tx, t.Workspace, common, now.Version)
		switch {
		case err != nil || ours.Hash() == b.Hash():
			return err
		case common == number:
			return millrace.Errorf(millrace.Conflict, "version %d runs there, and was made of version %d: to go back, say millrace release rollback %d with --env", now.Version, number, number)
		}
		stale, from, theirs = apart, a, b
		return nil
	})
	switch {
	case err != nil:
		return Deploy{}, err
	case stale != nil:
		return Deploy{}, s.merged(stale, from, ours, theirs)
	}
	return s.Deploy(ctx, Proposal{Target: t, Base: base, Version: number, Origin: FromPromote, By: by, Message: message}, w)
}

// ancestor returns the newest version that both come from, which may be one of
// them; 0 when there is none.
func ancestor(ctx context.Context, tx catalog.Tx, workspace string, v Version, other int64) (int64, error) {
	mine, err := history(ctx, tx, workspace, v.Number)
	if err != nil {
		return 0, err
	}
	theirs, err := history(ctx, tx, workspace, other)
	if err != nil {
		return 0, err
	}
	var newest int64
	for n := range theirs {
		if mine[n] {
			newest = max(newest, n)
		}
	}
	return newest, nil
}

// history is a version and all that it came from.
func history(ctx context.Context, tx catalog.Tx, workspace string, number int64) (map[int64]bool, error) {
	all := map[int64]bool{}
	if number == 0 {
		return all, nil
	}
	numbers, err := catalog.All[int64](ctx, tx, `WITH RECURSIVE line (number) AS (
		SELECT CAST($2 AS BIGINT)
		UNION
		SELECT CASE WHEN side.n = 1 THEN v.parent ELSE v.source END
		FROM line JOIN release_version v ON v.workspace = $1 AND v.number = line.number
		JOIN (SELECT 1 AS n UNION ALL SELECT 2) side ON side.n = 1 OR v.origin = 'promote'
		WHERE line.number > 0
	) SELECT number FROM line WHERE number > 0`, workspace, number)
	for _, n := range numbers {
		all[n] = true
	}
	return all, err
}

// Rollback makes a new version with the files of an earlier one, to, which 0
// means the one that ran before. base is the version that the asker saw run, or
// 0 for whichever does.
func (s *Store) Rollback(ctx context.Context, t Target, to, base int64, by By, message string, w Switch) (Deploy, error) {
	now, found, err := s.Running(ctx, t)
	switch {
	case err != nil:
		return Deploy{}, err
	case !found:
		return Deploy{}, millrace.Errorf(millrace.Conflict, "nothing runs there yet, so there is nothing to go back from")
	case base > 0 && base != now.Version:
		return Deploy{}, millrace.Errorf(millrace.Conflict, "version %d runs by now, not %d: look what it changed before you go back", now.Version, base)
	case to == 0 && now.Previous == 0:
		return Deploy{}, millrace.Errorf(millrace.Conflict, "no version ran there before version %d: name the one to go back to", now.Version)
	case to == 0:
		to = now.Previous
	}
	files, err := s.Tree(ctx, t.Workspace, to)
	if err != nil {
		return Deploy{}, err
	}
	if message == "" {
		message = fmt.Sprintf("Back to version %d", to)
	}
	return s.Deploy(ctx, Proposal{Target: t, Base: now.Version, Tree: files, Origin: FromRollback, Source: to, By: by, Message: message}, w)
}
