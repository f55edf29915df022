package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// A Filter says which entries are looked for: those to which all of it applies.
// Its zero value is all.
type Filter struct {
	From, To    time.Time // not before From, before To; zero: any time
	Actor       string    // the id of a person or key
	Action      string    // noun.verb, or noun for all that was done with it
	ObjectKind  string
	Object      string // its id
	Workspace   string // its id
	Environment string // its name
	// Installation is only what concerns no workspace.
	Installation bool
	// Text are words, each of which begins a word of the entry: of a name, an
	// address, a note, or of what was before and after. Large and small letters
	// are the same; words end at anything that is neither a letter nor a digit,
	// but for a dot between digits.
	Text string
}

// A Page is a part of what a search finds, newest first.
type Page struct {
	Entries []Kept
	// Next is the cursor of the next page; empty when this is the last. A page
	// may have fewer entries than asked for, even none, and go on: a search that
	// had to look at many entries returns what it has.
	Next string
}

const (
	// MaxSearch is how many entries a page of a search has at most.
	MaxSearch = 500
	// examined is how many entries a search looks at before it returns: what the
	// index cannot tell apart.
	examined = 10_000
)

// A query is a filter made ready.
type query struct {
	f        Filter
	keys     [hashColumns]uint16
	used     []int    // the columns that count
	exact    []string // what the JSON of an entry has to contain
	words    []string // in small letters; the same
	prefixes []uint64
}

// Search returns up to limit entries that the filter matches and that are older
// than the cursor, which is empty or the Next of a page. It takes some
// milliseconds a million entries, whatever the filter.
func (l *Log) Search(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	if limit < 1 || limit > MaxSearch {
		return Page{}, millrace.Errorf(millrace.Invalid, "a page of the audit log cannot have %d entries: ask for 1 to %d", limit, MaxSearch)
	}
	before := int64(1<<63 - 1)
	if cursor != "" {
		var err error
		if before, err = strconv.ParseInt(cursor, 36, 64); err != nil || before < 1 {
			return Page{}, millrace.Errorf(millrace.Invalid, "%.40q is no cursor of the audit log: give the one of the page before, or none", cursor)
		}
	}
	q := newQuery(f)
	s := &search{query: q, limit: limit}
	p := Page{}
	err := l.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		s.before, s.numbers, s.budget, s.done, p.Entries = before, nil, examined, false, nil
		if err := s.run(ctx, tx); err != nil {
			return err
		}
		return numbered(s.numbers, fetchAtOnce, func(list string, args []any) error {
			all, err := collect(ctx, tx, rows+" WHERE c.seq IN ("+list+") ORDER BY c.seq DESC", args...)
			p.Entries = append(p.Entries, all...)
			return err
		})
	})
	if err != nil {
		return Page{}, err
	}
	if !s.done {
		p.Next = strconv.FormatInt(s.before, 36)
	}
	return p, nil
}

// Entry returns the entry with a number. NotFound when there is none, or the
// filter does not match it.
func (l *Log) Entry(ctx context.Context, f Filter, number int64) (Kept, error) {
	var found []Kept
	err := l.o.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		found, err = collect(ctx, tx, rows+" WHERE c.seq = $1", number)
		return err
	})
	if err == nil && (len(found) == 0 || !newQuery(f).matches(&found[0].Entry)) {
		err = millrace.Errorf(millrace.NotFound, "there is no audit entry with the number %d here: it was cut off by its age, or is of another workspace", number)
	}
	if err != nil {
		return Kept{}, err
	}
	return found[0], nil
}

func newQuery(f Filter) *query {
	f.From, f.To = f.From.Truncate(time.Microsecond), f.To.Truncate(time.Microsecond) // as entries are kept
	q := &query{f: f}
	q.keys = keysOf(&Entry{Actor: Actor{ID: f.Actor}, Action: f.Action, Object: Object{Kind: f.ObjectKind, ID: f.Object},
		Workspace: f.Workspace, Environment: f.Environment})
	action := byAction
	if !strings.Contains(f.Action, ".") {
		action = byNoun
	}
	for column, is := range map[int]bool{byActor: f.Actor != "", action: f.Action != "", byKind: f.ObjectKind != "", byObject: f.Object != "",
		byWorkspace: f.Workspace != "" || f.Installation, byEnvironment: f.Environment != ""} {
		if is {
			q.used = append(q.used, column)
		}
	}
	slices.Sort(q.used)
	for _, s := range []string{f.Actor, f.Action, f.ObjectKind, f.Object, f.Workspace, f.Environment} {
		if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }) {
			q.exact = append(q.exact, s)
		}
	}
	words(f.Text, func(w string) {
		q.words = append(q.words, w)
		eachPrefix(w, func(h uint64) { q.prefixes = append(q.prefixes, h) })
	})
	return q
}

// may says whether the JSON of an entry can be of one that is looked for: it
// spares reading most that are not.
func (q *query) may(body string) bool {
	for _, s := range q.exact {
		if !strings.Contains(body, s) {
			return false
		}
	}
	if !q.f.From.IsZero() || !q.f.To.IsZero() {
		at := gjson.Get(body, "time").Time()
		if !q.f.From.IsZero() && at.Before(q.f.From) || !q.f.To.IsZero() && !at.Before(q.f.To) {
			return false
		}
	}
	if len(q.words) > 0 {
		body = strings.ToLower(body)
	}
	for _, w := range q.words {
		if !strings.Contains(body, w) {
			return false
		}
	}
	return true
}

// matches says whether an entry is one that is looked for.
func (q *query) matches(k *Entry) bool {
	f := &q.f
	noun, _, _ := strings.Cut(k.Action, ".")
	if !f.From.IsZero() && k.Time.Before(f.From) || !f.To.IsZero() && !k.Time.Before(f.To) ||
		f.Actor != "" && f.Actor != k.Actor.ID ||
		f.Action != "" && f.Action != k.Action && f.Action != noun ||
		f.ObjectKind != "" && f.ObjectKind != k.Object.Kind ||
		f.Object != "" && f.Object != k.Object.ID ||
		f.Workspace != "" && f.Workspace != k.Workspace || f.Installation && k.Workspace != "" ||
		f.Environment != "" && f.Environment != k.Environment {
		return false
	}
	if len(q.words) == 0 {
		return true
	}
	missing := slices.Clone(q.words)
	wordsOf(k, func(w string) {
		missing = slices.DeleteFunc(missing, func(m string) bool { return strings.HasPrefix(w, m) })
	})
	return len(missing) == 0
}

// A search goes from the newest entry to the oldest.
type search struct {
	*query
	before  int64 // what is left to look at
	limit   int
	budget  int
	numbers []int64 // what was found
	done    bool    // there is nothing more
}

func (s *search) full() bool { return len(s.numbers) == s.limit || s.budget <= 0 }

func (s *search) run(ctx context.Context, tx catalog.Tx) error {
	next, err := nextBlock(ctx, tx)
	if err != nil {
		return err
	}
	cut, err := anchorOf(ctx, tx, "")
	if err != nil {
		return err
	}
	if err := s.tail(ctx, tx, max(next*blockEntries, cut.Number+1)); err != nil || s.full() {
		return err
	}
	for !s.full() {
		more, err := s.blocks(ctx, tx, cut.Number)
		if err != nil {
			return err
		}
		if !more {
			s.done = !s.full() || s.before <= cut.Number+1
			return nil
		}
	}
	return nil
}

// tailPage is how many entries are read at once where there is no index.
const tailPage = 1000

// tail looks at every entry from first on.
func (s *search) tail(ctx context.Context, tx catalog.Tx, first int64) error {
	for s.before > first && !s.full() {
		n := min(tailPage, 10*s.limit)
		read, err := s.read(ctx, tx, "SELECT seq, body FROM audit_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq DESC LIMIT $3", first, s.before, n)
		if err != nil || s.full() {
			return err
		}
		if read < n {
			s.before = min(s.before, first)
		}
	}
	return nil
}

// read looks at the entries that a query returns, until the page is full.
func (s *search) read(ctx context.Context, tx catalog.Tx, sql string, args ...any) (n int, err error) {
	type row struct {
		Seq  int64
		Body string
	}
	for r, err := range catalog.Each[row](ctx, tx, sql, args...) {
		if err != nil {
			return n, err
		}
		n++
		s.before = r.Seq
		s.budget--
		if s.may(r.Body) {
			b, err := parse([]byte(r.Body))
			if err != nil {
				return n, err
			}
			if e := b.entry(); s.matches(&e) {
				s.numbers = append(s.numbers, r.Seq)
			}
		}
		if s.full() {
			break
		}
	}
	return n, nil
}

// numbered runs do with numbers as the values of a list, some at a time.
func numbered(numbers []int64, atOnce int, do func(list string, args []any) error) error {
	for part := range slices.Chunk(numbers, atOnce) {
		var list strings.Builder
		args := make([]any, len(part))
		for i, seq := range part {
			if args[i] = seq; i > 0 {
				list.WriteByte(',')
			}
			list.WriteString("$" + strconv.Itoa(i+1))
		}
		if err := do(list.String(), args); err != nil {
			return err
		}
	}
	return nil
}

// blocksAtOnce is how many blocks of the index are read at once.
const blocksAtOnce = 16

// blocks looks at the next blocks of the index.
func (s *search) blocks(ctx context.Context, tx catalog.Tx, cut int64) (more bool, err error) {
	type row struct {
		Block          int64
		Entries, Words []byte
	}
	filters := "NULL" // the larger half of a block is left out when there are no words
	if len(s.prefixes) > 0 {
		filters = "words"
	}
	atOnce := blocksAtOnce
	if len(s.used) == 0 && len(s.prefixes) == 0 {
		atOnce = 1
	}
	last := (s.before - 1) / blockEntries
	all, err := catalog.All[row](ctx, tx, "SELECT block, entries, "+filters+" FROM audit_index WHERE block <= $1 ORDER BY block DESC LIMIT $2", last, atOnce)
	if err != nil {
		return false, err
	}
	for _, r := range all {
		candidates, err := s.candidates(r.Block, r.Entries, r.Words)
		if err != nil {
			return false, err
		}
		if err := s.fetch(ctx, tx, candidates); err != nil || s.full() {
			return true, err
		}
		s.before = min(s.before, r.Block*blockEntries)
		if s.before <= cut+1 {
			return false, nil
		}
	}
	return len(all) == atOnce, nil
}

// candidates returns the numbers of a block's entries that may match, the
// highest first.
func (s *search) candidates(block int64, columns, filters []byte) ([]int64, error) {
	le := binary.LittleEndian
	if len(columns) != 9+blockEntries*(4+2*hashColumns) || columns[0] != indexFormat {
		return nil, brokenIndex(block)
	}
	parts, err := s.parts(block, filters)
	if err != nil {
		return nil, err
	}
	least := int64(le.Uint64(columns[1:]))
	from, to := uint32(0), uint32(gone-1)
	if !s.f.From.IsZero() && s.f.From.UnixMicro() > least {
		from = seconds(s.f.From.UnixMicro() - least)
	}
	if !s.f.To.IsZero() {
		if s.f.To.UnixMicro() <= least {
			return nil, nil
		}
		to = seconds(s.f.To.UnixMicro() - least)
	}
	var out []int64
	for part := blockParts - 1; part >= 0; part-- {
		if !parts[part] {
			continue
		}
	entries:
		for i := (part+1)*partEntries - 1; i >= part*partEntries; i-- {
			at := le.Uint32(columns[9+4*i:])
			seq := block*blockEntries + int64(i)
			if at < from || at > to || seq >= s.before {
				continue
			}
			for _, c := range s.used {
				if le.Uint16(columns[9+blockEntries*(4+2*c)+2*i:]) != s.keys[c] {
					continue entries
				}
			}
			out = append(out, seq)
		}
	}
	return out, nil
}

// parts says which parts of a block may have all the words.
func (s *search) parts(block int64, filters []byte) (may [blockParts]bool, err error) {
	for part := range may {
		may[part] = true
	}
	if len(s.prefixes) == 0 {
		return may, nil
	}
	if len(filters) == 0 || filters[0] != indexFormat {
		return may, brokenIndex(block)
	}
	filters = filters[1:]
	for part := range may {
		if len(filters) < 4 {
			return may, brokenIndex(block)
		}
		n := int(binary.LittleEndian.Uint32(filters))
		if n == 0 || n&(n-1) != 0 || n > len(filters)-4 {
			return may, brokenIndex(block)
		}
		b := bloom(filters[4 : 4+n])
		may[part] = !slices.ContainsFunc(s.prefixes, func(h uint64) bool { return !b.has(h) })
		filters = filters[4+n:]
	}
	return may, nil
}

func brokenIndex(block int64) error {
	return millrace.Errorf(millrace.Internal, "block %d of the audit log's index is damaged: delete the rows of the table audit_index, which are made anew", block)
}

// fetchAtOnce is how many entries are asked for by their numbers at once.
const fetchAtOnce = 256

// fetch looks at the entries of these numbers, highest first.
func (s *search) fetch(ctx context.Context, tx catalog.Tx, numbers []int64) error {
	enough := errors.New("enough")
	err := numbered(numbers, min(fetchAtOnce, max(s.limit, 16)), func(list string, args []any) error {
		if _, err := s.read(ctx, tx, "SELECT seq, body FROM audit_entry WHERE seq IN ("+list+") ORDER BY seq DESC", args...); err != nil {
			return err
		}
		if s.full() {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}
