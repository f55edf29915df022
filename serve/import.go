package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/transfer"
)

const (
	importBytes    = 16 << 20 // of a request, plain
	importReading  = 2 * time.Minute
	importVerdicts = 10 * time.Second
	importTold     = 10 * time.Minute // after the last one, an import is another
)

// An Imported is what became of the records of one request.
type Imported struct {
	Records    int64             `json:"records" doc:"That were taken, all on disk."`
	Duplicates *int64            `json:"duplicates,omitempty" doc:"Of them: they were there already, within the dedup window of their source, and count once. Absent when that is not known yet."`
	Position   millrace.Position `json:"position" doc:"Of the last one."`
}

// importers are who imports where, and when they last did: an import is told once,
// not for each of its requests.
type importers struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// begins says whether this is the first request of an import.
func (i *importers) begins(who string, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.last == nil {
		i.last = map[string]time.Time{}
	}
	for other, at := range i.last {
		if now.Sub(at) >= importTold {
			delete(i.last, other)
		}
	}
	_, goesOn := i.last[who]
	i.last[who] = now
	return !goesOn
}

func (s *server) registerImport() {
	register(s, operation{id: "import-records", method: http.MethodPost, path: "/api/v1/import/records", tag: "transfer", needs: access.WorkspaceImport, maxBodyBytes: importBytes, readTimeout: importReading, timeout: importReading,
		summary:     "Import records into the environment",
		description: "Takes lines of an export in, plain or as gzip, with the ids, times and bodies that they have. Their sources have to be in the project. What came in within the dedup window of its source before (24 h where the source sets none) counts as a duplicate, so that a request can be repeated in that time; later it counts again. What is answered is on disk.",
		errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge}},
		func(ctx context.Context, in *struct {
			RawBody []byte `contentType:"application/x-ndjson" doc:"Lines of docs/format/export.md, 16 MiB at most when they are plain. The workspace in them does not matter: they are of the one that is asked."`
		}) (*bodyOf[Imported], error) {
			free, err := s.transferring(ctx)
			if err != nil {
				return nil, err
			}
			defer free()
			text, err := unzipped(in.RawBody)
			if err != nil {
				return nil, err
			}
			out, err := s.importLines(ctx, text)
			return &bodyOf[Imported]{Body: out}, err
		})
}

// unzipped unpacks a body that is gzip by its first bytes.
func unzipped(body []byte) ([]byte, error) {
	if !bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(z, importBytes+1))
	}
	switch {
	case err != nil:
		return nil, millrace.Errorf(millrace.Invalid, "the body begins like gzip and cannot be unpacked: %w", err)
	case len(body) > importBytes:
		return nil, millrace.Errorf(millrace.TooLarge, "the lines are more than 16 MiB: send fewer at once")
	}
	return body, nil
}

// importLines reads all lines before it appends the first record.
func (s *server) importLines(ctx context.Context, text []byte) (out Imported, err error) {
	var records []millrace.Record
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		r, err := transfer.ReadLine(line)
		if err == nil && r.Source == millrace.SourceMillrace {
			err = millrace.Errorf(millrace.Invalid, "records of the source millrace are made by the server itself: leave them out")
		}
		if err == nil && eventlog.Size(&r) > eventlog.MaxAppendSizeBytes {
			err = millrace.Errorf(millrace.TooLarge, "the record is larger than the 4 MiB that the log takes")
		}
		if err != nil {
			return out, fmt.Errorf("line %d: %w", number, err)
		}
		r.Workspace = s.space(ctx).ID
		records = append(records, r)
	}
	if len(records) == 0 {
		return out, millrace.Errorf(millrace.Invalid, "there are no records: send lines of an export")
	}
	if by := s.caller(ctx); s.importers.begins(s.space(ctx).ID+" "+by.String(), s.o.Now()) {
		s.tell(ctx, "workspace.import", audit.Object{Kind: "environment", ID: s.space(ctx).ID}, nil, nil)
	}
	var ranges []Range
	for len(records) > 0 {
		n := appendable(records)
		last, err := s.o.Transfer.Import(ctx, s.space(ctx).ID, records[:n])
		if err != nil {
			return out, importError(out.Records, err)
		}
		ranges = append(ranges, Range{Last: last, Count: int64(n)})
		out.Records, out.Position, records = out.Records+int64(n), last, records[n:]
	}
	ctx, cancel := context.WithTimeout(ctx, importVerdicts)
	defer cancel()
	if _, duplicates, err := s.space(ctx).Duplicates.CountDuplicates(ctx, ranges); err == nil {
		out.Duplicates = &duplicates
	}
	return out, nil
}

// importError says how much of a request is on disk all the same.
func importError(taken int64, err error) error {
	if taken == 0 {
		return err
	}
	return fmt.Errorf("the first %d records of this request were taken; %s: %w", taken, transfer.Again, err)
}

// appendable is how many of the records go into one append.
func appendable(records []millrace.Record) int {
	size := 0
	for i := range records {
		if size += eventlog.Size(&records[i]); size > eventlog.MaxAppendSizeBytes || i == eventlog.MaxAppendRecords {
			return i
		}
	}
	return len(records)
}
