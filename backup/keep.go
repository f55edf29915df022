package backup

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// A Keep says which backups stay when others are deleted: the newest Last, and
// the newest of each of as many days, weeks and months, in UTC. The zero Keep
// keeps all.
type Keep struct {
	Last, Daily, Weekly, Monthly int
}

// ParseKeep reads what String writes: "last=3,daily=7,weekly=4,monthly=12".
func ParseKeep(text string) (Keep, error) {
	var k Keep
	fields := map[string]*int{"last": &k.Last, "daily": &k.Daily, "weekly": &k.Weekly, "monthly": &k.Monthly}
	for part := range strings.SplitSeq(text, ",") {
		name, number, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(number)
		field := fields[name]
		if field == nil || err != nil || n < 1 || n > 10_000 {
			return Keep{}, millrace.Errorf(millrace.Invalid, "%.60q does not say which backups to keep: write last=3,daily=7,weekly=4,monthly=12, or some of these", text)
		}
		*field = n
	}
	return k, nil
}

// IsZero says whether all are kept.
func (k Keep) IsZero() bool { return k == Keep{} }

// String is how ParseKeep reads it; "" keeps all.
func (k Keep) String() string {
	var parts []string
	for _, p := range []struct {
		name string
		n    int
	}{{"last", k.Last}, {"daily", k.Daily}, {"weekly", k.Weekly}, {"monthly", k.Monthly}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", p.name, p.n))
		}
	}
	return strings.Join(parts, ",")
}

// goes returns which of the backups are not kept. They are the newest first, and
// the newest always stays.
func (k Keep) goes(all []Listed) (ids []string) {
	if k.IsZero() {
		return nil
	}
	rules := []struct {
		most int
		of   func(time.Time) string
		seen map[string]bool
	}{
		{k.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }, map[string]bool{}},
		{k.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, w) }, map[string]bool{}},
		{k.Monthly, func(t time.Time) string { return t.Format("2006-01") }, map[string]bool{}},
	}
	for i := range all {
		stays := i == 0 || i < k.Last || all[i].Problem != "" // who cannot read it does not know
		for _, r := range rules {
			span := r.of(all[i].Taken.UTC())
			if all[i].Problem == "" && !r.seen[span] && len(r.seen) < r.most {
				r.seen[span], stays = true, true
			}
		}
		if !stays {
			ids = append(ids, all[i].ID)
		}
	}
	return ids
}

// Thin deletes the backups that are not to be kept, and what only they had. It
// returns which.
func (s *Store) Thin(ctx context.Context, k Keep) ([]string, error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	ids := k.goes(all)
	return ids, s.Delete(ctx, ids...) // without any: what a deletion that was cut off has left
}

// Delete deletes backups, and what only they had. It may be called again when
// it was cut off. Without ids it deletes what no backup has.
func (s *Store) Delete(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if !validID(id) {
			return millrace.Errorf(millrace.Invalid, "%.60q is no backup's id: millrace backup list names them", id)
		}
	}
	h, err := s.hold(ctx, "the deletion of backups")
	if err != nil {
		return err
	}
	defer h.release()
	for _, id := range ids {
		if err := h.err(); err != nil {
			return err
		}
		if err := s.o.Bucket.Delete(ctx, manifestPrefix+id); err != nil {
			return err
		}
	}
	return s.sweep(ctx, h)
}

// sweep deletes packs that no backup has. While a manifest cannot be read it
// deletes nothing: what that one has is not known.
func (s *Store) sweep(ctx context.Context, h *held) error {
	left, err := s.ids(ctx)
	if err != nil {
		return err
	}
	needed := map[string]bool{}
	for _, id := range left {
		m, err := s.readManifest(ctx, id)
		if err != nil {
			return fmt.Errorf("nothing more is deleted, since what one backup needs is not known; delete that one too if it is not to be repaired: %w", err)
		}
		for _, name := range m.Packs {
			needed[name] = true
		}
	}
	var unused []string
	for info, err := range s.o.Bucket.List(ctx, packPrefix) {
		if err != nil {
			return err
		}
		if !needed[path.Base(info.Key)] {
			unused = append(unused, info.Key)
		}
	}
	for _, key := range unused {
		if err := h.err(); err != nil {
			return err
		}
		if err := s.o.Bucket.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
