package duckdb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

// A shadow is a rebuild in progress: tables beside the live ones, in the same
// schemas, under names with shadowSuffix. Its store's mutex is held.
type shadow struct {
	id      uint64
	store   *store
	options warehouse.ShadowOptions
	conn    *connection
	shaper  *warehouse.Shaper
}

// whole says whether nothing is taken over from the live tables.
func (s *shadow) whole() bool { return s.options.From.IsZero() && s.options.Until.IsZero() }

// beginShadow starts a rebuild.
func (s *store) beginShadow(o warehouse.ShadowOptions) (uint64, error) {
	if s.shadow != nil {
		return 0, millrace.Errorf(millrace.Conflict, "a rebuild of the warehouse is running: wait until it is done, or cancel it")
	}
	c, err := s.db.connect()
	if err != nil {
		return 0, s.failed(err)
	}
	sh := &shadow{store: s, options: o, conn: c}
	if err := sh.prepare(); err != nil {
		c.close()
		return 0, err
	}
	s.shadows++
	sh.id = uint64(time.Now().UnixNano()) + s.shadows
	s.shadow = sh
	s.rebuilding.Store(true)
	return sh.id, nil
}

// prepare removes what an earlier rebuild left and makes the shaper.
func (s *shadow) prepare() error {
	if err := dropShadows(s.conn); err != nil {
		return err
	}
	var known warehouse.Known
	if !s.whole() {
		tables, err := readTables(s.conn)
		if err != nil {
			return err
		}
		known.Tables = slices.DeleteFunc(tables, func(t warehouse.KnownTable) bool { return !s.covers(t.TableName) })
		for _, t := range known.Tables {
			if err := s.createLike(t); err != nil {
				return err
			}
		}
	}
	shaper, err := warehouse.NewShaper(warehouse.ShaperOptions{
		Settings: s.store.settings, Known: known, Shadow: &s.options,
		Large:    func(t warehouse.TableName, column string) (bool, error) { return holdsLarge(s.conn, t, column) },
		HoldRows: 50_000, HoldBytes: 64 << 20, HoldTime: time.Hour,
	})
	s.shaper = shaper
	return err
}

// covers says whether a live table is among those that are rebuilt.
func (s *shadow) covers(n warehouse.TableName) bool {
	return s.options.Covers(n)
}

// createLike makes an empty shadow of a live table.
func (s *shadow) createLike(t warehouse.KnownTable) error {
	return s.conn.exec(fmt.Sprintf("CREATE TABLE %s AS FROM %s LIMIT 0", sqlTable(shadowTables.place(t.TableName)), sqlTable(t.TableName)))
}

// shadowOf returns the rebuild with that id.
func (s *store) shadowOf(id uint64) (*shadow, error) {
	if s.shadow == nil || s.shadow.id != id {
		return nil, millrace.Errorf(millrace.Unavailable, "the rebuild was lost when the warehouse engine was restarted: begin it again; the live tables are as they were")
	}
	return s.shadow, nil
}

// apply shapes records into the shadow.
func (s *shadow) apply(b warehouse.Batch) (warehouse.Progress, error) {
	s.shaper.Add(b)
	if err := s.shaper.Err(); err != nil {
		s.end()
		return warehouse.Progress{}, s.store.failedShadow(err)
	}
	step := s.shaper.Take(b.Flush)
	if len(step.Buffers) > 0 {
		if err := writeStep(s.conn, step, shadowTables); err != nil {
			s.end()
			return warehouse.Progress{}, s.store.failedShadow(err)
		}
		s.store.noteWrite()
	}
	s.shaper.Done(step)
	return warehouse.Progress{Scanned: step.Scanned, Committed: step.Committed, Rows: step.Rows, Discards: step.Discards}, nil
}

// failedShadow explains why a rebuild cannot go on.
func (s *store) failedShadow(err error) error {
	if isFatal(err) {
		endProcess(err)
	}
	return millrace.Errorf(millrace.Unavailable, "the rebuild failed, and the live tables are as they were: begin it again: %w", err)
}

// end forgets the rebuild, whose tables the next opening or rebuild removes.
func (s *shadow) end() {
	s.conn.close()
	s.store.shadow = nil
	s.store.rebuilding.Store(false)
}

// tables lists the live tables that are rebuilt and the shadows' live
// names; a table may be in both.
func (s *shadow) tables() (live, shadows map[warehouse.TableName]bool, err error) {
	rows, err := s.conn.texts("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND schema_name <> 'main'")
	if err != nil {
		return nil, nil, err
	}
	live, shadows = map[warehouse.TableName]bool{}, map[warehouse.TableName]bool{}
	for _, row := range rows {
		name := warehouse.TableName{Schema: row[0], Table: strings.TrimSuffix(row[1], shadowSuffix)}
		if !s.covers(name) {
			continue
		}
		if name.Table != row[1] {
			shadows[name] = true
		} else {
			live[name] = true
		}
	}
	return live, shadows, nil
}

// outside is the condition for the live rows that are taken over, or "" when
// none are.
func (s *shadow) outside(n warehouse.TableName) string {
	if s.whole() || n.Table == "users" || n.Table == "accounts" {
		return ""
	}
	low, high := s.shaper.Bounds()
	place := func(p millrace.Position) string {
		return fmt.Sprintf("(%d::BIGINT, %d::BIGINT, %d::INTEGER)", min(p.Epoch, 1<<63-1), min(p.Seq, 1<<63-1), min(p.Index, 1<<31-1))
	}
	return fmt.Sprintf("((_epoch, _seq, _index) < %s OR (_epoch, _seq, _index) >= %s)", place(low), place(high))
}

// compare counts the rows, live and shadow.
func (s *shadow) compare() ([]warehouse.TableCount, error) {
	live, shadows, err := s.tables()
	if err != nil {
		return nil, s.store.failedShadow(err)
	}
	names := map[warehouse.TableName]bool{}
	for _, m := range []map[warehouse.TableName]bool{live, shadows} {
		for name := range m {
			names[name] = true
		}
	}
	var counts []warehouse.TableCount
	for name := range names {
		count := warehouse.TableCount{Schema: name.Schema, Table: name.Table}
		if live[name] {
			if count.Live, err = s.count(name, ""); err != nil {
				return nil, s.store.failedShadow(err)
			}
			if condition := s.outside(name); condition != "" {
				if count.Shadow, err = s.count(name, condition); err != nil {
					return nil, s.store.failedShadow(err)
				}
			}
		}
		if shadows[name] {
			n, err := s.count(shadowTables.place(name), "")
			if err != nil {
				return nil, s.store.failedShadow(err)
			}
			count.Shadow += n
		}
		counts = append(counts, count)
	}
	slices.SortFunc(counts, func(a, b warehouse.TableCount) int {
		return strings.Compare(a.Schema+"\x00"+a.Table, b.Schema+"\x00"+b.Table)
	})
	return counts, nil
}

func (s *shadow) count(name warehouse.TableName, condition string) (int64, error) {
	sql := "SELECT count(*)::VARCHAR FROM " + sqlTable(name)
	if condition != "" {
		sql += " WHERE " + condition
	}
	rows, err := s.conn.texts(sql)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(rows[0][0], 10, 64)
}

// swap puts the shadow in the place of the live tables. The rows that are taken
// over are copied first; the exchange itself is one short transaction.
func (s *shadow) swap(at millrace.Position) error {
	store := s.store
	if store.loader != nil && store.loader.holds {
		return millrace.Errorf(millrace.Conflict, "the live tables are not committed through %s: flush them first", at)
	}
	if _, err := s.apply(warehouse.Batch{Through: at, Flush: true}); err != nil {
		return err
	}
	defer s.end()
	live, shadows, err := s.tables()
	if err != nil {
		return store.failedShadow(err)
	}
	if err := s.takeOver(shadows); err != nil {
		return store.failedShadow(err)
	}
	var sql strings.Builder
	for name := range live {
		if name.Schema == warehouse.SystemSchema && !shadows[name] {
			fmt.Fprintf(&sql, "DELETE FROM %s;", sqlTable(name)) // these are always there
			continue
		}
		fmt.Fprintf(&sql, "DROP TABLE %s;", sqlTable(name))
	}
	for name := range shadows {
		fmt.Fprintf(&sql, "ALTER TABLE %s RENAME TO %s;", sqlTable(shadowTables.place(name)), quote(name.Table))
	}
	sql.WriteString(s.shaper.NoticesSQL("millrace.notices"))
	checkpointSQL(&sql, at)
	sql.WriteString("DELETE FROM millrace.pending;")
	store.merging.Lock()
	defer store.merging.Unlock()
	for name := range live {
		fmt.Fprintf(&sql, `DELETE FROM millrace.row_groups WHERE "schema" = %s AND "table" = %s;`, literal(name.Schema), literal(name.Table))
		delete(store.fresh, name)
	}
	// From here on the live loader's knowledge of the tables is old.
	store.forgetLoader()
	err = s.conn.begin()
	if err == nil {
		if err = s.conn.exec(sql.String()); err == nil {
			err = s.conn.commit()
		}
	}
	if err != nil {
		s.conn.rollback()
		return store.failedShadow(err)
	}
	return nil
}

// takeOver copies the rows of live tables that lie outside the bounds into
// their shadows, to which the live loader may have been faster: it may have
// made tables and columns, and widened them, since the rebuild began.
func (s *shadow) takeOver(shadows map[warehouse.TableName]bool) error {
	if s.whole() {
		return nil
	}
	tables, err := readTables(s.conn)
	if err != nil {
		return err
	}
	columns, err := s.shadowColumns()
	if err != nil {
		return err
	}
	for _, t := range tables {
		condition := s.outside(t.TableName)
		if !s.covers(t.TableName) || condition == "" {
			continue
		}
		shadow := sqlTable(shadowTables.place(t.TableName))
		if !shadows[t.TableName] {
			if err := s.createLike(t); err != nil {
				return err
			}
			shadows[t.TableName] = true
		} else if err := s.widen(t, columns[t.TableName]); err != nil {
			return err
		}
		if err := s.conn.exec(fmt.Sprintf("INSERT INTO %s BY NAME FROM %s WHERE %s", shadow, sqlTable(t.TableName), condition)); err != nil {
			return err
		}
	}
	return nil
}

// shadowColumns are the engine's types of the shadows' columns.
func (s *shadow) shadowColumns() (map[warehouse.TableName]map[string]string, error) {
	rows, err := s.conn.texts("SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE table_name LIKE '% (rebuild)'")
	if err != nil {
		return nil, err
	}
	columns := map[warehouse.TableName]map[string]string{}
	for _, row := range rows {
		name := warehouse.TableName{Schema: row[0], Table: strings.TrimSuffix(row[1], shadowSuffix)}
		if columns[name] == nil {
			columns[name] = map[string]string{}
		}
		columns[name][row[2]] = row[3]
	}
	return columns, nil
}

// widen gives a shadow the columns of its live table that it lacks, and types
// that hold what the live columns do.
func (s *shadow) widen(live warehouse.KnownTable, has map[string]string) error {
	name := shadowTables.place(live.TableName)
	shadow := sqlTable(name)
	for _, c := range live.Columns {
		sql, want := "", sqlTypes[c.Type]
		switch mine, ok := has[c.Name]; {
		case !ok:
			sql = fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", shadow, quote(c.Name), want)
		case c.Type == warehouse.Double && mine == sqlTypes[warehouse.BigInt]:
			if large, err := holdsLarge(s.conn, name, c.Name); err != nil || large {
				return errors.Join(err, fmt.Errorf("the column %s of %s.%s has numbers with a fraction now, and whole numbers within the bounds that would be rounded beside them: rebuild without bounds", c.Name, live.Schema, live.Table))
			}
			sql = fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", shadow, quote(c.Name), want)
		}
		if sql == "" {
			continue
		}
		if err := s.conn.exec(sql); err != nil {
			return err
		}
	}
	return nil
}

// discard removes the shadow.
func (s *shadow) discard() error {
	defer s.end()
	if err := dropShadows(s.conn); err != nil {
		return s.store.failedShadow(err)
	}
	return nil
}

// dropShadows removes the tables of a rebuild that was left behind.
func dropShadows(c *connection) error {
	rows, err := c.texts("SELECT schema_name, table_name FROM duckdb_tables() WHERE table_name LIKE '% (rebuild)'")
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := c.exec("DROP TABLE " + sqlTable(warehouse.TableName{Schema: row[0], Table: row[1]})); err != nil {
			return err
		}
	}
	return nil
}
