package duckdb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// The engine keeps a table in row groups of up to 122,880 rows, and each
// checkpoint ends those that it writes. Many small ones make checkpoints slow.
// The engine would merge them in the middle of a checkpoint, for a minute after
// ten million events, while commits wait. So that is off, and small row groups
// are merged here, a few of one table at a time: a transaction beside commits
// writes their rows again and deletes them, and the next full checkpoint drops
// what is empty. Each row is written again at most about four times. What is merged
// is a range of positions, so the notes on which row groups there are may be
// wrong, or lost, without harm. Rows of users and accounts change, and their
// row groups stay as they are.

// A rowGroup is the rows of a table that one checkpoint wrote, or one merge.
type rowGroup struct {
	first, last millrace.Position // of their frames; indexes do not count
	rows, bytes int64             // bytes of memory, about
}

func (g rowGroup) and(next rowGroup) rowGroup {
	return rowGroup{g.first, next.last, g.rows + next.rows, g.bytes + next.bytes}
}

// A mergePolicy says which row groups are merged.
type mergePolicy struct {
	Rows, Bytes int64 // what one may have at most; it is full with half of that
	Groups      int   // how many of about a size are merged into one
	// Pause is how many times as long as the last merge the loader has for
	// itself before the next, unless it is quiet.
	Pause int
}

// defaultMergePolicy has the engine's own limit on rows.
var defaultMergePolicy = mergePolicy{Rows: 122_880, Bytes: 64 << 20, Groups: 16, Pause: 19}

// mergeLevels is how many sizes are told apart beside full ones: each a Groups-th of the next.
const mergeLevels = 3

// level says about how large a row group is; mergeLevels is a full one.
func (p mergePolicy) level(g rowGroup) int {
	level, part := mergeLevels, int64(2)
	for ; level > 0 && g.rows < p.Rows/part && g.bytes < p.Bytes/part; level-- {
		part *= int64(p.Groups)
	}
	return level
}

// next says which of a table's row groups, oldest first, to merge: from
// groups[from] to before groups[to], if anything. The first done have nothing
// to be merged with any more.
func (p mergePolicy) next(groups []rowGroup) (done, from, to int) {
	full := func(g rowGroup) bool { return p.level(g) == mergeLevels }
	for {
		i := slices.IndexFunc(groups[done:], full)
		if i < 0 {
			break
		}
		if i > 1 { // they will not become more
			return done, done, p.end(groups, done, done+i)
		}
		done += i + 1
	}
	for level := range mergeLevels {
		for from = done; from < len(groups); from = to + 1 {
			of := 0
			for to = from; to < len(groups) && p.level(groups[to]) <= level; to++ {
				if p.level(groups[to]) == level {
					of++
				}
			}
			if end := p.end(groups, from, to); end < to || of >= p.Groups {
				return done, from, end
			}
		}
	}
	return done, 0, 0
}

// end returns where to stop so that about one full row group comes out.
func (p mergePolicy) end(groups []rowGroup, from, to int) int {
	sum := groups[from]
	for i := from + 1; i < to; i++ {
		if sum.rows >= p.Rows || sum.bytes >= p.Bytes {
			return i
		}
		sum = sum.and(groups[i])
	}
	return to
}

// freshRows are the rows of each table since the last checkpoint.
type freshRows map[warehouse.TableName]rowGroup

// note adds what a step wrote.
func (f freshRows) note(step *warehouse.Step) {
	for _, b := range step.Buffers {
		if b.Rows == 0 || b.Key != "" {
			continue
		}
		g := rowGroup{first: b.Position(0), last: b.Position(b.Rows - 1), rows: int64(b.Rows), bytes: int64(b.SizeBytes)}
		if before, ok := f[b.TableName]; ok {
			g = before.and(g)
		}
		f[b.TableName] = g
	}
}

// takeFresh returns the fresh rows, and begins anew.
func (s *store) takeFresh() freshRows {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := maps.Clone(s.fresh)
	clear(s.fresh)
	return taken
}

func (s *store) giveBack(taken freshRows) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, g := range taken {
		if since, ok := s.fresh[name]; ok {
			g = g.and(since)
		}
		s.fresh[name] = g
	}
}

// sealed notes the row groups that a checkpoint wrote, and forgets fresh.
func (s *store) sealed(c *connection, fresh freshRows) error {
	if len(fresh) == 0 {
		return nil
	}
	var sql strings.Builder
	sql.WriteString("INSERT INTO millrace.row_groups VALUES ")
	separator := ""
	for name, g := range fresh {
		sql.WriteString(separator + rowGroupSQL(name, g))
		separator = ", "
	}
	clear(fresh)
	s.merging.Lock()
	defer s.merging.Unlock()
	s.unmerged = true
	return c.exec(sql.String()) // notes that are lost do no harm
}

func rowGroupSQL(name warehouse.TableName, g rowGroup) string {
	return fmt.Sprintf("(%s, %s, %d, %d, %d, %d, %d, %d)", literal(name.Schema), literal(name.Table),
		g.first.Epoch, g.first.Seq, g.last.Epoch, g.last.Seq, g.rows, g.bytes)
}

// readRowGroups reads the notes, oldest row groups first.
func readRowGroups(c *connection) (map[warehouse.TableName][]rowGroup, error) {
	rows, err := c.texts(`SELECT "schema", "table", first_epoch::VARCHAR, first_seq::VARCHAR, last_epoch::VARCHAR, last_seq::VARCHAR, rows::VARCHAR, bytes::VARCHAR
		FROM millrace.row_groups AS g ORDER BY g.last_epoch, g.last_seq`)
	if err != nil {
		return nil, err
	}
	groups := map[warehouse.TableName][]rowGroup{}
	for _, row := range rows {
		var n [6]int64
		for i := range n {
			if n[i], err = strconv.ParseInt(row[i+2], 10, 64); err != nil {
				return nil, err
			}
		}
		name := warehouse.TableName{Schema: row[0], Table: row[1]}
		groups[name] = append(groups[name], rowGroup{
			first: millrace.Position{Epoch: uint64(n[0]), Seq: uint64(n[1])},
			last:  millrace.Position{Epoch: uint64(n[2]), Seq: uint64(n[3])},
			rows:  n[4], bytes: n[5],
		})
	}
	return groups, nil
}

// mergeRetry is how long a table is left alone after a merge that failed.
const mergeRetry = time.Hour

// merge merges row groups of one table, if there is something to merge.
// Commits go on meanwhile, but for those that make tables or columns; a rebuild
// does not take its place before it is over.
func (s *store) merge() (merged bool, err error) {
	if !s.gate.TryRLock() { // it is being closed
		return false, nil
	}
	defer s.gate.RUnlock()
	s.merging.Lock()
	defer s.merging.Unlock()
	s.life.Lock()
	db := s.db // stays open as long as the gate is held
	s.life.Unlock()
	if db == nil || !s.unmerged || s.rebuilding.Load() {
		return false, nil
	}
	c, err := db.connect()
	if err != nil {
		return false, err
	}
	defer c.close()
	all, err := readRowGroups(c)
	if err != nil {
		return false, err
	}
	for _, name := range slices.SortedFunc(maps.Keys(all), func(a, b warehouse.TableName) int {
		return strings.Compare(a.Schema+"\x00"+a.Table, b.Schema+"\x00"+b.Table)
	}) {
		groups := all[name]
		done, from, to := s.config.Merge.next(groups)
		if done > 0 {
			if err := c.exec("DELETE FROM millrace.row_groups WHERE " + noted(name, groups[0], groups[done-1])); err != nil {
				return false, err
			}
		}
		if to == 0 || time.Since(s.unmergeable[name]) < mergeRetry {
			continue
		}
		err := s.mergeGroups(c, name, groups[from:to])
		if err == nil {
			return true, nil
		}
		c.rollback()
		if isFatal(err) {
			return false, err
		}
		s.unmergeable[name] = time.Now()
	}
	s.unmerged = false
	return false, nil
}

// errMergeCount would be a merge that loses or doubles rows; it is rolled back.
var errMergeCount = errors.New("a merge of row groups wrote another number of rows than it deleted")

// mergeGroups writes the rows of row groups into one in a transaction.
func (s *store) mergeGroups(c *connection, name warehouse.TableName, groups []rowGroup) error {
	sum := groups[0]
	for _, g := range groups[1:] {
		sum = sum.and(g)
	}
	if err := c.begin(); err != nil {
		return err
	}
	condition := within("_epoch", "_seq", sum.first, sum.last)
	rows, err := c.texts(fmt.Sprintf("SELECT count(*)::VARCHAR, coalesce(max(rowid), 0)::VARCHAR FROM %s WHERE %s", sqlTable(name), condition))
	if err != nil {
		return err
	}
	count, err := strconv.ParseInt(rows[0][0], 10, 64)
	if err != nil {
		return err
	}
	forget := "DELETE FROM millrace.row_groups WHERE " + noted(name, groups[0], groups[len(groups)-1])
	// When there is more within than the notes know of, they are of no use.
	if count == 0 || count > 2*sum.rows+s.config.Merge.Rows {
		if err := c.exec(forget); err != nil {
			return err
		}
		return c.commit()
	}
	// The rows that are written are not to be deleted: their row ids are greater.
	condition += " AND rowid <= " + rows[0][1]
	inserted, err := c.change(fmt.Sprintf("INSERT INTO %[1]s FROM %[1]s WHERE %[2]s", sqlTable(name), condition))
	if err != nil {
		return err
	}
	deleted, err := c.change(fmt.Sprintf("DELETE FROM %s WHERE %s", sqlTable(name), condition))
	if err != nil {
		return err
	}
	if inserted != count || deleted != count {
		return errMergeCount
	}
	sum.rows = count
	if err := c.exec(forget + "; INSERT INTO millrace.row_groups VALUES " + rowGroupSQL(name, sum)); err != nil {
		return err
	}
	return c.commit()
}

// within is the condition for positions from one frame through another.
func within(epoch, seq string, first, last millrace.Position) string {
	if first.Epoch == last.Epoch {
		return fmt.Sprintf("%s = %d AND %s BETWEEN %d AND %d", epoch, first.Epoch, seq, first.Seq, last.Seq)
	}
	return fmt.Sprintf("%[1]s BETWEEN %[3]d AND %[5]d AND (%[1]s > %[3]d OR %[2]s >= %[4]d) AND (%[1]s < %[5]d OR %[2]s <= %[6]d)",
		epoch, seq, first.Epoch, first.Seq, last.Epoch, last.Seq)
}

// noted is the condition for a table's notes from one row group through another.
func noted(name warehouse.TableName, first, last rowGroup) string {
	return fmt.Sprintf(`"schema" = %s AND "table" = %s AND %s`, literal(name.Schema), literal(name.Table), within("last_epoch", "last_seq", first.last, last.last))
}
