package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// A damagedPack is an object of the store that is not what was stored.
type damagedPack struct {
	key     string
	missing bool
	err     error
}

// Error implements error.
func (d *damagedPack) Error() string { return d.err.Error() }

// Unwrap returns what is wrong with it.
func (d *damagedPack) Unwrap() error { return d.err }

func damaged(pack string, missing bool, format string, args ...any) error {
	return &damagedPack{packKey(pack), missing, millrace.Errorf(millrace.Invalid, format, args...)}
}

// advise says for each damaged object which backups need it, and what to do.
func (s *Store) advise(ctx context.Context, all ...*damagedPack) ([]string, error) {
	with, without := make([][]string, len(all)), make([][]string, len(all))
	ids, err := s.ids(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Backward(ids) {
		m, err := s.readManifest(ctx, id)
		if err != nil {
			continue // deleted meanwhile, or damaged itself
		}
		for i, d := range all {
			if slices.ContainsFunc(m.Packs, func(name string) bool { return packKey(name) == d.key }) {
				with[i] = append(with[i], id)
			} else {
				without[i] = append(without[i], id)
			}
		}
	}
	out := make([]string, len(all))
	for i, d := range all {
		text := "is needed by " + namedBackups(with[i])
		if len(without[i]) > 0 {
			text += ", not by " + namedBackups(without[i])
		}
		do := "take a backup: it stores again what is missing, as long as the server still has it"
		if !d.missing {
			do = "remove it from the store, and " + do
		}
		out[i] = text + "; " + do
	}
	return out, nil
}

// mostNamed is how many backups a text names.
const mostNamed = 5

func namedBackups(ids []string) string {
	if len(ids) == 1 {
		return "the backup " + ids[0]
	}
	if len(ids) > mostNamed {
		return fmt.Sprintf("the backups %s and %d older ones", strings.Join(ids[:mostNamed], ", "), len(ids)-mostNamed)
	}
	return "the backups " + strings.Join(ids, ", ")
}

// explained adds to an error what a damaged object of the store means for the backups.
func (s *Store) explained(ctx context.Context, err error) error {
	var d *damagedPack
	if !errors.As(err, &d) {
		return err
	}
	advice, failed := s.advise(ctx, d)
	if failed != nil {
		return err // which tells enough
	}
	return fmt.Errorf("%w; it %s", err, advice[0])
}
