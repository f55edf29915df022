package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/eventlog"
)

// readBatch is how many values are decoded at a time.
const readBatch = 8192

// readFile returns the records of a file of the archive, in the file's order.
// Invalid means that the file is not what the manifest says.
func readFile(ctx context.Context, bucket blob.Bucket, key string, info *fileInfo) ([]eventlog.Entry, error) {
	data, err := readObject(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != info.Bytes {
		return nil, damaged(key, fmt.Errorf("it has %d bytes, the manifest says %d", len(data), info.Bytes))
	}
	if sum := crc32.Checksum(data, castagnoli); sum != info.CRC32C {
		return nil, damaged(key, fmt.Errorf("its checksum is %08x, the manifest says %08x", sum, info.CRC32C))
	}
	entries, err := decode(data)
	if err != nil {
		return nil, damaged(key, err)
	}
	if int64(len(entries)) != info.Rows {
		return nil, damaged(key, fmt.Errorf("it has %d rows, the manifest says %d", len(entries), info.Rows))
	}
	return entries, nil
}

func damaged(key string, err error) error {
	return millrace.Errorf(millrace.Invalid, "%s of the archive is damaged: restore this file from a backup of the bucket: %w", key, err)
}

// decode reads the bytes of a file.
func decode(data []byte) (entries []eventlog.Entry, err error) {
	defer func() { // the decoder panics on some damaged files
		if r := recover(); r != nil {
			err = fmt.Errorf("it cannot be decoded: %v", r)
		}
	}()
	if err := useSmallZstd(); err != nil {
		return nil, err
	}
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for i, c := range columns {
		if i >= r.MetaData().Schema.NumColumns() || r.MetaData().Schema.Column(i).Name() != c.name {
			return nil, fmt.Errorf("column %d is not %s", i, c.name)
		}
	}
	// Each row takes at least a bit of some column; a footer that claims more is damaged.
	rows := r.NumRows()
	if rows < 0 || rows > int64(len(data))*1024 {
		return nil, fmt.Errorf("it claims %d rows in %d bytes", rows, len(data))
	}
	entries = make([]eventlog.Entry, rows)
	d := &decoder{names: map[string]string{}}
	at := 0
	for i := range r.NumRowGroups() {
		rg := r.RowGroup(i)
		n := int(rg.NumRows())
		if n < 0 || at+n > len(entries) {
			return nil, fmt.Errorf("its row groups have more rows than it has")
		}
		if err := d.rowGroup(rg, entries[at:at+n]); err != nil {
			return nil, err
		}
		at += n
	}
	if at != len(entries) {
		return nil, fmt.Errorf("its row groups have %d rows, it claims %d", at, len(entries))
	}
	return entries, nil
}

// A decoder keeps memory between columns.
type decoder struct {
	names map[string]string // of the values that occur again
	bytes [readBatch]parquet.ByteArray
	longs [readBatch]int64
	ints  [readBatch]int32
	defs  [readBatch]int16
}

func (d *decoder) name(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	if len(d.names) >= 100_000 {
		clear(d.names)
	}
	s := string(b)
	d.names[s] = s
	return s
}

func (d *decoder) rowGroup(rg *file.RowGroupReader, out []eventlog.Entry) error {
	ids := &arena{}
	for _, c := range []struct {
		col int
		set func(e *eventlog.Entry, v []byte) error
	}{
		{colID, func(e *eventlog.Entry, v []byte) error { e.ID = ids.text(v); return nil }},
		{colWorkspace, func(e *eventlog.Entry, v []byte) error { e.Workspace = d.name(v); return nil }},
		{colSource, func(e *eventlog.Entry, v []byte) error { e.Source = d.name(v); return nil }},
		{colStream, func(e *eventlog.Entry, v []byte) error { e.Stream = d.name(v); return nil }},
		{colOp, func(e *eventlog.Entry, v []byte) (err error) { e.Op, err = parseOp(d.name(v)); return err }},
		{colKey, func(e *eventlog.Entry, v []byte) error { e.Key = d.name(v); return nil }},
		{colBody, func(e *eventlog.Entry, v []byte) error { e.Body = ids.copy(v); return nil }},
		{colMeta, func(e *eventlog.Entry, v []byte) error { e.Meta = ids.copy(v); return nil }},
		{colExact, func(e *eventlog.Entry, v []byte) error {
			var x exactNames
			if err := json.Unmarshal(v, &x); err != nil {
				return err
			}
			x.restore(&e.Record)
			return nil
		}},
	} {
		if err := d.texts(rg, c.col, out, c.set); err != nil {
			return fmt.Errorf("column %s: %w", columns[c.col].name, err)
		}
	}
	for _, c := range []struct {
		col int
		set func(e *eventlog.Entry, v int64)
	}{
		{colReceived, func(e *eventlog.Entry, v int64) { e.Received = time.UnixMilli(v).UTC() }},
		{colOccurred, func(e *eventlog.Entry, v int64) { e.Occurred = time.UnixMilli(v).UTC() }},
		{colLogTime, func(e *eventlog.Entry, v int64) { e.Time = time.UnixMilli(v).UTC() }},
		{colEpoch, func(e *eventlog.Entry, v int64) { e.Position.Epoch = uint64(v) }},
		{colSeq, func(e *eventlog.Entry, v int64) { e.Position.Seq = uint64(v) }},
		{colIndex, func(e *eventlog.Entry, v int64) { e.Position.Index = uint32(v) }},
	} {
		if err := d.numbers(rg, c.col, out, c.set); err != nil {
			return fmt.Errorf("column %s: %w", columns[c.col].name, err)
		}
	}
	return nil
}

func (d *decoder) texts(rg *file.RowGroupReader, col int, out []eventlog.Entry, set func(*eventlog.Entry, []byte) error) error {
	cr, err := rg.Column(col)
	if err != nil {
		return err
	}
	r, ok := cr.(*file.ByteArrayColumnChunkReader)
	if !ok {
		return fmt.Errorf("it holds %s", cr.Type())
	}
	defer r.Close()
	optional := columns[col].optional
	for at := 0; at < len(out); {
		n, values, err := r.ReadBatchInPage(int64(min(readBatch, len(out)-at)), d.bytes[:], d.defs[:], nil)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("it ends after %d of %d rows", at, len(out))
		}
		next := 0
		for i := range int(n) {
			if optional && d.defs[i] == 0 {
				continue
			}
			if next >= values {
				return fmt.Errorf("it has too few values")
			}
			if err := set(&out[at+i], d.bytes[next]); err != nil {
				return err
			}
			next++
		}
		at += int(n)
	}
	return nil
}

func (d *decoder) numbers(rg *file.RowGroupReader, col int, out []eventlog.Entry, set func(*eventlog.Entry, int64)) error {
	cr, err := rg.Column(col)
	if err != nil {
		return err
	}
	defer cr.Close()
	for at := 0; at < len(out); {
		want := int64(min(readBatch, len(out)-at))
		var values int
		switch r := cr.(type) {
		case *file.Int64ColumnChunkReader:
			_, values, err = r.ReadBatch(want, d.longs[:], nil, nil)
		case *file.Int32ColumnChunkReader:
			_, values, err = r.ReadBatch(want, d.ints[:], nil, nil)
			for i := range values {
				d.longs[i] = int64(d.ints[i])
			}
		default:
			return fmt.Errorf("it holds %s", cr.Type())
		}
		if err != nil {
			return err
		}
		if values == 0 {
			return fmt.Errorf("it ends after %d of %d rows", at, len(out))
		}
		for i := range values {
			set(&out[at+i], d.longs[i])
		}
		at += values
	}
	return nil
}

// An arena copies many small values into few large pieces of memory.
type arena struct{ free []byte }

const arenaBytes = 256 << 10

// copy returns a copy of v that is never nil.
func (a *arena) copy(v []byte) []byte {
	if len(v) > arenaBytes/8 {
		return append(make([]byte, 0, len(v)), v...)
	}
	if len(v) > len(a.free) {
		a.free = make([]byte, arenaBytes)
	}
	out := a.free[:len(v):len(v)]
	a.free = a.free[len(v):]
	copy(out, v)
	return out
}

// text returns a copy of v as a string.
func (a *arena) text(v []byte) string {
	if len(v) == 0 {
		return ""
	}
	b := a.copy(v)
	return bytesString(b)
}

// describe makes the manifest's description of a fresh file from the file itself.
func describe(ctx context.Context, bucket blob.Bucket, key string) (fileInfo, error) {
	data, err := readObject(ctx, bucket, key)
	if err != nil {
		return fileInfo{}, err
	}
	entries, err := decode(data)
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("it has no rows")
	}
	if err != nil {
		return fileInfo{}, damaged(key, err)
	}
	info := fileInfo{Workspace: entries[0].Workspace, Rows: int64(len(entries)), Bytes: int64(len(data)), CRC32C: crc32.Checksum(data, castagnoli)}
	for i := range entries {
		info.Raw += sizeOf(&entries[i])
	}
	return info, nil
}
