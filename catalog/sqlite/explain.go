package sqlite

import (
	"errors"
	"io/fs"

	"github.com/mattn/go-sqlite3"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

// explain says what went wrong, to the program by its kind.
func (c *Catalog) explain(doing string, err error) error {
	var own *millrace.Error
	var e sqlite3.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case catalog.IsCanceled(err):
		return millrace.Errorf(millrace.Canceled, "the catalog had no time to %s: %w", doing, err)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return millrace.Errorf(millrace.Invalid, "the catalog cannot %s: %w: look whether the folder is there and belongs to who runs Millrace", doing, err)
	case !errors.As(err, &e):
		return millrace.Errorf(millrace.Unavailable, "the catalog cannot %s: %w", doing, err)
	}
	switch e.Code {
	case sqlite3.ErrConstraint:
		return constraint(e)
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return millrace.Errorf(millrace.Unavailable, "the catalog %s is busy: another process uses it: %w", c.o.File, err)
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return c.damaged(err.Error())
	case sqlite3.ErrInterrupt:
		return millrace.Errorf(millrace.Canceled, "the catalog had no time to %s: %w", doing, err)
	case sqlite3.ErrReadonly:
		if e.ExtendedCode == sqlite3.ErrNoExtended(sqlite3.ErrReadonly) {
			return catalog.ErrReadOnly
		}
		return millrace.Errorf(millrace.Unavailable, "the catalog %s cannot be written: %w: look at the rights of the file and its folder", c.o.File, err)
	case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrNomem, sqlite3.ErrProtocol:
		return millrace.Errorf(millrace.Unavailable, "the catalog %s cannot %s: %w: look whether the disk is full or fails", c.o.File, doing, err)
	case sqlite3.ErrTooBig:
		return millrace.Errorf(millrace.TooLarge, "the catalog cannot %s: %w", doing, err)
	}
	return millrace.Errorf(millrace.Invalid, "the catalog cannot %s: %w", doing, err)
}

func constraint(e sqlite3.Error) error {
	switch e.ExtendedCode {
	case sqlite3.ErrConstraintUnique, sqlite3.ErrConstraintPrimaryKey, sqlite3.ErrConstraintRowID:
		return millrace.Errorf(millrace.Conflict, "it is in the catalog already: %w", e)
	case sqlite3.ErrConstraintForeignKey:
		return millrace.Errorf(millrace.Conflict, "it refers to what is not in the catalog, or others refer to it: %w", e)
	}
	return millrace.Errorf(millrace.Invalid, "the catalog does not take this value: %w", e)
}

// damaged remembers it for Status.
func (c *Catalog) damaged(what string) error {
	err := millrace.Errorf(millrace.Internal, "the catalog %s is damaged (%s): stop the server, keep a copy of the file with its -wal, and restore the newest backup; look at the disk and the memory of this machine", c.o.File, what)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.damage = err.Error()
	return err
}

func isBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
}
