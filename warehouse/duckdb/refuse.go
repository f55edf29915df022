package duckdb

import (
	"strings"

	"github.com/millrace/millrace/warehouse"
)

// notRefusals are errors that no record and no definition is the cause of.
var notRefusals = []string{
	"FATAL", "INTERNAL", "IO", "Out of Memory", "TransactionContext", "TransactionManager", "INTERRUPT", "Connection", "Permission",
}

// isRefusal says whether the engine, which works, did not want what it was given.
func isRefusal(err error) bool {
	for _, not := range notRefusals {
		if isClass(err, not) {
			return false
		}
	}
	return true
}

// isClass says whether the engine gave its error that class. What follows it
// may be words of a record.
func isClass(err error, class string) bool {
	before, _, ok := strings.Cut(err.Error(), " Error: ")
	return ok && (before == class || strings.HasSuffix(before, " "+class))
}

func isOutOfMemory(err error) bool { return isClass(err, "Out of Memory") }

// refuseRows finds by bisection the rows of a buffer that the engine refuses,
// in transactions that are rolled back, and sets them aside.
func refuseRows(c *connection, step *warehouse.Step, b *warehouse.Buffer, to target, cause error) (found bool, err error) {
	var rows []int
	var search func(from, end int) error
	search = func(from, end int) error {
		ok, err := attempt(c, func() error {
			if err := alterTable(c, b, to); err != nil {
				return err
			}
			return writeRows(c, b, to.place(b.TableName), from, end)
		})
		switch {
		case err != nil || ok:
			return err
		case end-from == 1:
			rows = append(rows, from)
			return nil
		}
		middle := (from + end) / 2
		if err := search(from, middle); err != nil {
			return err
		}
		return search(middle, end)
	}
	if err := search(0, b.Rows); err != nil {
		return false, err
	}
	step.Refuse(b, rows, "the warehouse refused the row: "+cleanMessage(cause.Error()))
	return len(rows) > 0, nil
}

// refuseDefinitions finds all tables and columns of a step that the engine does
// not make, and sets aside what was to go there. What cannot be recorded
// either is an error.
func refuseDefinitions(c *connection, step *warehouse.Step, to target) (found bool, err error) {
	for _, b := range step.Buffers[:len(step.Buffers):len(step.Buffers)] {
		if b.Idle() {
			continue
		}
		var refusal error
		whole := func() error { refusal = alterTable(c, b, to); return refusal }
		ok, err := attempt(c, whole)
		switch {
		case err != nil:
			return found, err
		case ok:
			continue
		case b.Schema == warehouse.SystemSchema:
			return found, refusal
		}
		found = true
		before := b.Columns[:len(b.Columns):len(b.Columns)]
		if !b.Create {
			if err := refuseColumns(c, step, b, to); err != nil {
				return found, err
			}
		}
		if len(b.Columns) == len(before) && !b.Idle() { // none by itself
			if ok, err = attempt(c, whole); err != nil {
				return found, err
			}
			if !ok {
				step.RefuseTable(b, cleanMessage(refusal.Error()))
			}
		}
	}
	return found, nil
}

// refuseColumns sets aside the columns that the engine does not make, each tried
// by itself.
func refuseColumns(c *connection, step *warehouse.Step, b *warehouse.Buffer, to target) error {
	for _, v := range append([]*warehouse.Vector(nil), b.Columns...) {
		sql := alterColumn(to.place(b.TableName), v)
		if sql == "" {
			continue
		}
		var refusal error
		ok, err := attempt(c, func() error { refusal = c.exec(sql); return refusal })
		if err != nil {
			return err
		}
		if !ok && !b.Idle() {
			step.RefuseColumn(b, v, cleanMessage(refusal.Error()))
		}
	}
	return nil
}

// attempt says whether the engine takes what do gives it, and undoes it. The
// error is one that is not a refusal.
func attempt(c *connection, do func() error) (ok bool, err error) {
	if err := c.begin(); err != nil {
		return false, err
	}
	defer c.rollback()
	if err := do(); err != nil {
		if !isRefusal(err) {
			return false, err
		}
		return false, nil
	}
	return true, nil
}
