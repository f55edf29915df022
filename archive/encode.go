package archive

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"unsafe"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/millrace/millrace/eventlog"
)

// maxRowGroup is the most rows of a row group: what DuckDB gives one thread.
const maxRowGroup = 122_880

// entryOverhead is about what an Entry takes in memory beside its strings.
const entryOverhead = 232

// sizeOf returns about how much memory a record takes.
func sizeOf(e *eventlog.Entry) int64 {
	return int64(len(e.ID)+len(e.Stream)+len(e.Key)+len(e.Body)+len(e.Meta)) + entryOverhead
}

// stringBytes returns the bytes of s without a copy; nobody writes to them.
// It is never nil.
func stringBytes(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// An encoder makes Parquet files. It keeps its memory between files and is not
// safe for concurrent use.
type encoder struct {
	rows  []row
	bytes []parquet.ByteArray
	longs []int64
	ints  []int32
	defs  []int16
}

// encode returns the file of entries in the given order and its description.
func (w *encoder) encode(entries []*eventlog.Entry, s *span) ([]byte, fileInfo, error) {
	info := fileInfo{Workspace: entries[0].Workspace, Rows: int64(len(entries))}
	if err := useSmallZstd(); err != nil {
		return nil, info, err
	}
	var sources, streams nameSet
	for _, e := range entries {
		info.Raw += sizeOf(e)
		sources.add(e.Source)
		streams.add(e.Stream)
	}
	info.Streams = streams.list()
	if s.Fresh {
		info.Sources = sources.list()
	} else {
		info.Source = entries[0].Source
	}
	var out bytes.Buffer
	out.Grow(int(info.Raw / 6))
	meta := metadata.NewKeyValueMetadata()
	for _, kv := range [][2]string{
		{"millrace.format", formatName}, {"millrace.version", strconv.Itoa(Version)},
		{"millrace.after", s.After.Numbers()}, {"millrace.through", s.Through.Numbers()},
	} {
		if err := meta.Append(kv[0], kv[1]); err != nil {
			return nil, info, err
		}
	}
	fw, err := file.NewParquetWriterWithError(&out, fileSchema(), file.WithWriterProps(properties(!s.Fresh, min(len(entries), maxRowGroup))), file.WithWriteMetadata(meta))
	if err != nil {
		return nil, info, err
	}
	for group := range slices.Chunk(entries, maxRowGroup) {
		rows, err := fw.AppendRowGroupChecked()
		if err != nil {
			return nil, info, err
		}
		if err := w.rowGroup(rows, group); err != nil {
			return nil, info, err
		}
	}
	if err := fw.Close(); err != nil {
		return nil, info, err
	}
	w.forget()
	info.Bytes = int64(out.Len())
	info.CRC32C = crc32.Checksum(out.Bytes(), castagnoli)
	return out.Bytes(), info, nil
}

// forget lets go of the records.
func (w *encoder) forget() {
	clear(w.rows[:cap(w.rows)])
	clear(w.bytes[:cap(w.bytes)])
}

func (w *encoder) rowGroup(rg file.SerialRowGroupWriter, entries []*eventlog.Entry) error {
	w.rows = slices.Grow(w.rows[:0], len(entries))[:len(entries)]
	for i, e := range entries {
		w.rows[i].fill(e)
	}
	for i := range columns {
		cw, err := rg.NextColumn()
		if err != nil {
			return err
		}
		if err := w.column(cw, &columns[i]); err != nil {
			return fmt.Errorf("column %s: %w", columns[i].name, err)
		}
		if err := cw.Close(); err != nil {
			return fmt.Errorf("column %s: %w", columns[i].name, err)
		}
	}
	return rg.Close()
}

func (w *encoder) column(cw file.ColumnChunkWriter, c *column) error {
	var err error
	switch cw := cw.(type) {
	case *file.ByteArrayColumnChunkWriter:
		w.bytes, w.defs = w.bytes[:0], w.defs[:0]
		for i := range w.rows {
			v := c.bytes(&w.rows[i])
			if !c.optional || v != nil {
				w.bytes = append(w.bytes, v)
			}
			if c.optional {
				def := int16(0)
				if v != nil {
					def = 1
				}
				w.defs = append(w.defs, def)
			}
		}
		defs := w.defs
		if !c.optional {
			defs = nil
		}
		_, err = cw.WriteBatch(w.bytes, defs, nil)
	case *file.Int64ColumnChunkWriter:
		w.longs = w.longs[:0]
		for i := range w.rows {
			w.longs = append(w.longs, c.long(&w.rows[i]))
		}
		_, err = cw.WriteBatch(w.longs, nil, nil)
	case *file.Int32ColumnChunkWriter:
		w.ints = w.ints[:0]
		for i := range w.rows {
			w.ints = append(w.ints, c.int(&w.rows[i]))
		}
		_, err = cw.WriteBatch(w.ints, nil, nil)
	default:
		err = fmt.Errorf("no writer for %T", cw)
	}
	return err
}

// A nameSet collects up to maxNames different names.
type nameSet struct {
	names map[string]bool
	last  string
	many  bool
}

func (n *nameSet) add(name string) {
	if n.many || name == n.last && n.names != nil {
		return
	}
	if n.names == nil {
		n.names = map[string]bool{}
	}
	n.last = name
	n.names[name] = true
	n.many = len(n.names) > maxNames
}

// list returns the names in order, nil when they were too many.
func (n *nameSet) list() []string {
	if n.many {
		return nil
	}
	out := make([]string, 0, len(n.names))
	for name := range n.names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// bytesString returns b as a string without a copy; nobody writes to b again.
func bytesString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
