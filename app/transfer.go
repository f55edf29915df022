package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/transfer"
)

// Export writes everything of a data folder that no server uses, in formats that
// any program reads: records, the project's files, metadata without secrets.
func Export(ctx context.Context, o Options, to string, progress func(records int64)) (about transfer.About, err error) {
	bucket, _, err := openPlace(ctx, to, true)
	if err != nil {
		return about, err
	}
	defer bucket.Close()
	a, err := openFolder(ctx, o)
	if err != nil {
		return about, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	w, err := transfer.NewWriter(ctx, bucket)
	if err != nil {
		return about, err
	}
	through, err := a.exportRecords(ctx, w, progress)
	if err == nil {
		err = a.exportProject(ctx, w)
	}
	if err == nil {
		err = a.exportMetadata(ctx, w)
	}
	if err == nil {
		err = a.exportAudit(ctx, w)
	}
	if err != nil {
		return about, err
	}
	return w.Finish(ctx, a.o.Now(), through)
}

// exportRecords writes all records, each once, up to the end of the log.
func (a *App) exportRecords(ctx context.Context, w *transfer.Writer, progress func(int64)) (end millrace.Position, err error) {
	_, end, err = a.log.Bounds(ctx)
	if err != nil {
		return end, err
	}
	following, stop := context.WithCancel(ctx)
	judged := make(chan error, 1)
	go func() { judged <- a.follower.Run(following) }()
	defer func() {
		stop()
		err = errors.Join(err, <-judged)
	}()
	in, err := eventlog.History(a.log, a.archive, a.follower).Open(ctx, millrace.Position{}, eventlog.Filter{})
	if err != nil {
		return end, err
	}
	defer in.Close()
	for {
		b, err := in.Next(ctx)
		if err != nil {
			return end, err
		}
		for i := range b.Records {
			if err := w.Add(ctx, &b.Records[i]); err != nil {
				return end, err
			}
		}
		if progress(w.Records()); b.AtEnd || !b.Through.Before(end) {
			return end, nil
		}
	}
}

func (a *App) exportProject(ctx context.Context, w *transfer.Writer) error {
	t, err := tree.FromFolder(a.o.Dir, tree.FolderOptions{Private: []string{a.data.path}})
	if err != nil {
		return fmt.Errorf("the files of the project: %w", err)
	}
	for _, f := range t.Files() {
		data, _ := t.Read(f.Path)
		if err := w.Put(ctx, "project/"+f.Path, bytes.NewReader(data)); err != nil {
			return err
		}
	}
	return nil
}

// exportedMetadata are the columns of the catalog that are exported: nothing that
// lets one in, encrypted or as a hash.
var exportedMetadata = map[string][]string{
	"workspace":       {"id", "name", "title", "state", "since", "main", "quotas", "created"},
	"environment":     {"space", "workspace", "name", "state", "created"},
	"access_person":   {"id", "name", "email", "created_at"},
	"access_member":   {"person", "workspace", "environment", "role", "created_at"},
	"access_key":      {"id", "name", "workspace", "environment", "role", "permissions", "maker", "created_at", "expires_at", "revoked_at", "seen_at"},
	"secret":          {"workspace", "environment", "path", "version", "resources", "hosts", "note", "made", "changed", "deleted"},
	"release_version": {"workspace", "number", "tree", "files", "size", "parent", "source", "origin", "author_kind", "author_id", "author_name", "message", "created"},
	"usage_day":       {"space", "day", "events", "rejected", "bytes", "query_micros", "storage", "log_bytes", "archive_bytes", "warehouse_bytes", "event_tables"},
}

// exportMetadata writes a file of lines of JSON for each table.
func (a *App) exportMetadata(ctx context.Context, w *transfer.Writer) error {
	tables, err := metadataOf(ctx, a.catalog)
	if err != nil {
		return fmt.Errorf("the metadata: %w", err)
	}
	for name, text := range tables {
		if err := w.Put(ctx, "metadata/"+name+".ndjson", bytes.NewReader(text)); err != nil {
			return err
		}
	}
	return nil
}

// exportAudit writes who did what, in both formats.
func (a *App) exportAudit(ctx context.Context, w *transfer.Writer) error {
	for _, format := range []string{"ndjson", "csv"} {
		out, in := io.Pipe()
		go func() { in.CloseWithError(a.audit.Export(ctx, in, audit.Filter{}, format)) }()
		err := w.Put(ctx, "audit."+format, out)
		_ = out.Close() // ends the writer when it is still there
		if err != nil {
			return fmt.Errorf("the audit trail: %w", err)
		}
	}
	return nil
}

// metadataOf reads a backup of the catalog, and keeps what is exported of it.
func metadataOf(ctx context.Context, c catalog.Catalog) (map[string][]byte, error) {
	out, in := io.Pipe()
	defer out.Close()
	go func() { in.CloseWithError(c.Backup(ctx, in)) }()
	lines := bufio.NewReaderSize(out, 1<<20)
	tables := map[string][]byte{}
	var head struct {
		Table   string   `json:"table"`
		Columns []string `json:"columns"`
	}
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return tables, nil
		}
		if err != nil {
			return nil, err
		}
		if !bytes.HasPrefix(text, []byte("[")) {
			head.Table, head.Columns = "", nil
			if err := json.Unmarshal(text, &head); err != nil {
				return nil, err
			}
			continue
		}
		wanted := exportedMetadata[head.Table]
		if wanted == nil {
			continue
		}
		var values []json.RawMessage
		if err := json.Unmarshal(text, &values); err != nil || len(values) != len(head.Columns) {
			return nil, millrace.Errorf(millrace.Internal, "a row of %s cannot be read: %w", head.Table, err)
		}
		var row []string
		for i, column := range head.Columns {
			if slices.Contains(wanted, column) {
				row = append(row, fmt.Sprintf("%q:%s", column, values[i]))
			}
		}
		tables[head.Table] = append(tables[head.Table], "{"+strings.Join(row, ",")+"}\n"...)
	}
}

// An Imported says what an import did.
type Imported struct {
	Records    int64 `json:"records"`
	Duplicates int64 `json:"duplicates"` // of them: they were there already
	LeftOut    int64 `json:"left_out"`   // beside them: those of the source millrace, which every server makes itself
}

// Import appends the records of an export to the log of a data folder that no
// server uses: those of one space of it, as records of the workspace default. See
// transfer.Choose for an empty space.
func Import(ctx context.Context, o Options, from, space string, progress func(records int64)) (out Imported, err error) {
	bucket, _, err := openPlace(ctx, from, false)
	if err != nil {
		return out, err
	}
	defer bucket.Close()
	if space, err = transfer.Choose(ctx, bucket, space); err != nil {
		return out, err
	}
	o.Mode = serve.Dev
	if err := o.complete(); err != nil {
		return out, err
	}
	if _, err := makePrivate(o.Data); err != nil {
		return out, err
	}
	a, err := openFolder(ctx, o)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	i := &importing{app: a}
	_, err = transfer.Read(ctx, bucket, func(r millrace.Record) error {
		switch {
		case r.Workspace != space:
			return nil
		case r.Source == millrace.SourceMillrace:
			i.out.LeftOut++
			return nil
		}
		r.Workspace = millrace.DefaultWorkspace
		if err := i.add(ctx, r); err != nil {
			return err
		}
		progress(i.out.Records)
		return nil
	})
	if err == nil {
		err = i.flush(ctx)
	}
	if err != nil {
		return i.out, fmt.Errorf("%d records were imported before; %s: %w", i.out.Records-int64(len(i.records)), transfer.Again, err)
	}
	if i.out.Records == 0 {
		return i.out, millrace.Errorf(millrace.NotFound, "the export has no records of the workspace %.60q", space)
	}
	return i.judge(ctx)
}

// importing gathers records for one append.
type importing struct {
	app     *App
	records []millrace.Record
	size    int
	out     Imported
	ranges  []dedup.Range
}

// importBatch is how many records are appended at once.
const importBatch = 5000

func (i *importing) add(ctx context.Context, r millrace.Record) error {
	size := eventlog.Size(&r)
	if len(i.records) >= importBatch || i.size+size > eventlog.MaxAppendSizeBytes {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	i.records, i.size = append(i.records, r), i.size+size
	i.out.Records++
	return nil
}

func (i *importing) flush(ctx context.Context) error {
	if len(i.records) == 0 {
		return nil
	}
	last, err := i.app.log.Append(ctx, i.records)
	if err != nil {
		return err
	}
	i.ranges = append(i.ranges, dedup.Range{Last: last, Count: len(i.records)})
	i.records, i.size = i.records[:0], 0
	return nil
}

// judge waits until it is known what was there already.
func (i *importing) judge(ctx context.Context) (Imported, error) {
	following, stop := context.WithCancel(ctx)
	judged := make(chan error, 1)
	go func() { judged <- i.app.follower.Run(following) }()
	_, duplicates, err := i.app.follower.CountDuplicates(ctx, i.ranges)
	stop()
	i.out.Duplicates = duplicates
	return i.out, errors.Join(err, <-judged)
}
