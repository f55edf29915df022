package duckdb

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"
	"unsafe"

	duck "github.com/duckdb/duckdb-go-bindings"
)

// A database is one open DuckDB file.
type database struct{ db duck.Database }

// catalog is what the engine calls an open file. It would name it after the
// file, and a source of that name could not be asked about any more: default in
// default.web.tracks and default in default.tracks are one word for two things.
// No source's name begins with an underscore.
const catalog = "_warehouse"

// openDatabase opens a file. No other process may have it open.
func openDatabase(path string, settings map[string]string) (*database, error) {
	var config duck.Config
	if duck.CreateConfig(&config) == duck.StateError {
		return nil, errors.New("DuckDB gave no configuration")
	}
	defer duck.DestroyConfig(&config)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if duck.SetConfig(config, name, settings[name]) == duck.StateError {
			return nil, errors.New("DuckDB does not take the setting " + name + "=" + settings[name])
		}
	}
	var d database
	var message string
	if duck.OpenExt("", &d.db, config, &message) == duck.StateError {
		return nil, errors.New(message)
	}
	if err := d.attach(path); err != nil {
		d.close()
		return nil, err
	}
	return &d, nil
}

// attach opens the file under the name of catalog, and removes the database in
// memory, so that there is nothing else whose name could be a source's.
func (d *database) attach(path string) error {
	var c connection
	if duck.Connect(d.db, &c.conn) == duck.StateError {
		return errors.New("DuckDB gives no connection")
	}
	defer c.close()
	return c.exec("ATTACH " + literal(path) + " AS " + catalog + "; USE " + catalog + "; DETACH memory")
}

// close releases the file. Its connections have been closed before.
func (d *database) close() { duck.Close(&d.db) }

// connect gives a new connection.
func (d *database) connect() (*connection, error) {
	var c connection
	if duck.Connect(d.db, &c.conn) == duck.StateError {
		return nil, errors.New("DuckDB gives no connection")
	}
	if err := c.exec("USE " + catalog); err != nil {
		c.close()
		return nil, err
	}
	return &c, nil
}

// A connection runs one statement at a time; interrupt may be called meanwhile.
type connection struct{ conn duck.Connection }

func (c *connection) close()     { duck.Disconnect(&c.conn) }
func (c *connection) interrupt() { duck.Interrupt(c.conn) }

// exec runs statements that have no result to read.
func (c *connection) exec(sql string) error {
	var res duck.Result
	state := duck.Query(c.conn, sql, &res)
	defer duck.DestroyResult(&res)
	if state == duck.StateError {
		return errors.New(duck.ResultError(&res))
	}
	return nil
}

// change runs one statement and returns how many rows it changed.
func (c *connection) change(sql string) (int64, error) {
	var res duck.Result
	state := duck.Query(c.conn, sql, &res)
	defer duck.DestroyResult(&res)
	if state == duck.StateError {
		return 0, errors.New(duck.ResultError(&res))
	}
	return int64(duck.RowsChanged(&res)), nil
}

// texts runs a query whose columns are all VARCHAR; NULL becomes "".
func (c *connection) texts(sql string, params ...string) ([][]string, error) {
	var stmt duck.PreparedStatement
	defer duck.DestroyPrepare(&stmt)
	if duck.Prepare(c.conn, sql, &stmt) == duck.StateError {
		return nil, errors.New(duck.PrepareError(stmt))
	}
	for i, p := range params {
		if duck.BindVarcharLength(stmt, duck.IdxT(i+1), p, duck.IdxT(len(p))) == duck.StateError {
			return nil, errors.New("DuckDB does not take a parameter")
		}
	}
	var res duck.Result
	state := duck.ExecutePrepared(stmt, &res)
	defer duck.DestroyResult(&res)
	if state == duck.StateError {
		return nil, errors.New(duck.ResultError(&res))
	}
	columns := duck.ColumnCount(&res)
	for i := range columns {
		if t := duck.ColumnType(&res, i); t != duck.TypeVarchar {
			return nil, errors.New("column " + duck.ColumnName(&res, i) + " is not VARCHAR")
		}
	}
	var rows [][]string
	for {
		chunk := duck.FetchChunk(res)
		if chunk.Ptr == nil {
			return rows, nil
		}
		rows = appendTexts(rows, chunk, columns)
		duck.DestroyDataChunk(&chunk)
	}
}

func appendTexts(rows [][]string, chunk duck.DataChunk, columns duck.IdxT) [][]string {
	n := int(duck.DataChunkGetSize(chunk))
	base := len(rows)
	for range n {
		rows = append(rows, make([]string, columns))
	}
	for col := range columns {
		vec := duck.DataChunkGetVector(chunk, col)
		values := unsafe.Slice((*stringT)(duck.VectorGetData(vec)), n)
		validity := duck.VectorGetValidity(vec)
		for row := range n {
			if validity == nil || duck.ValidityMaskValueIsValid(validity, duck.IdxT(row)) {
				rows[base+row][col] = values[row].text()
			}
		}
	}
	return rows
}

// begin, commit and rollback frame a transaction of a loader.
func (c *connection) begin() error  { return c.exec("BEGIN TRANSACTION") }
func (c *connection) commit() error { return c.exec("COMMIT") }

// rollback ends a transaction that failed; when there is none any more, that
// is fine too.
func (c *connection) rollback() { _ = c.exec("ROLLBACK") }

// A stringT is DuckDB's string in a vector: up to 12 bytes inline, or a prefix
// of 4 bytes and a pointer.
type stringT struct {
	length uint32
	inline [12]byte
}

const inlineBytes = 12

func (s *stringT) text() string {
	if s.length <= inlineBytes {
		return string(s.inline[:s.length])
	}
	// The pointer lies in the last 8 bytes, 8-byte aligned.
	p := *(**byte)(unsafe.Pointer(&s.inline[4]))
	return strings.Clone(unsafe.String(p, s.length))
}

// set makes s refer to b, whose memory has to stay where it is as long as s is used.
func (s *stringT) set(b []byte) {
	s.length = uint32(len(b))
	if len(b) <= inlineBytes {
		s.inline = [12]byte{}
		copy(s.inline[:], b)
		return
	}
	copy(s.inline[:4], b)
	binary.NativeEndian.PutUint64(s.inline[4:], uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))))
}

// quote makes an SQL identifier of a name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal makes an SQL string of a text.
func literal(text string) string { return `'` + strings.ReplaceAll(text, `'`, `''`) + `'` }
