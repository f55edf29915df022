package serve

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/transfer"
)

// A Transfer gives what the log has of a space in open formats, and takes it in.
type Transfer interface {
	// Records reads every record of a space behind after, each once, from archive
	// and log.
	Records(ctx context.Context, space string, after millrace.Position) (eventlog.Reader, error)
	// Project are the files of the project that a space runs.
	Project(ctx context.Context, space string) (*tree.Tree, error)
	// Metadata are what the server knows of a workspace, as lines of JSON by the
	// name of their table, without anything that is secret.
	Metadata(ctx context.Context, workspace string) (map[string][]byte, error)
	// Import appends records to a space, all or none.
	Import(ctx context.Context, space string, records []millrace.Record) (last millrace.Position, err error)
}

// exampleLine is a record of an export.
const exampleLine = `{"id":"m1","workspace":"default","source":"web","stream":"page","op":"event","key":"u1","received_at":"2026-11-21T12:00:00.000Z","occurred_at":"2026-11-21T11:59:59.000Z","log_time":"2026-11-21T12:00:00.001Z","position":"1795300562877-1-0","body":{"type":"page"}}` + "\n"

const (
	transfersAtOnce = 16               // that read or write records; half of them of one workspace
	exportPiece     = 256 << 10        // bytes that are written at once
	exportQuiet     = 5 * time.Second  // without a record, until it is told how far it is
	exportWriting   = 10 * time.Minute // for what is not records
)

// An ExportEnd is the last line of records.
type ExportEnd struct {
	Records int64             `json:"records" doc:"How many lines came before."`
	Through millrace.Position `json:"through" doc:"Every record up to here is there."`
}

var (
	errNoTransfer   = millrace.Errorf(millrace.NotFound, "this server neither exports nor imports")
	errManyTransfer = &millrace.Error{Kind: millrace.Limited, RetryAfter: 10 * time.Second, Message: "many exports and imports run already: wait until one of them is over"}
)

type exportInput struct {
	After  string `query:"after" maxLength:"80" doc:"Begin behind this position: that of the last line that came, when an export broke off."`
	Until  string `query:"until" maxLength:"80" doc:"End with this position; default the end of the log when the export begins. Give what the first one said in Millrace-Position, to go on with one that broke off."`
	Accept string `header:"Accept-Encoding" hidden:"true"`
}

func (s *server) registerTransfer() {
	text := &huma.Schema{Type: huma.TypeString}
	register(s, operation{id: "export-records", method: http.MethodGet, path: "/api/v1/export/records", tag: "transfer", needs: access.WorkspaceExport, apart: true, timeout: -1,
		summary:     "Export every record of the environment",
		description: "Each once, oldest first, as lines of JSON that docs/format/export.md specifies, while the server goes on. Other lines say how far it is, {\"through\":\"…\"}, that it is whole, {\"end\":{…}}, or why it is not, {\"error\":{…}}: without the end, go on with after. The audit trail tells of each. The header Millrace-Position says up to where it goes.",
		errors:      []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone},
		responses:   map[string]*huma.Response{"200": {Description: "The records", Content: map[string]*huma.MediaType{ndjsonMedia: {Schema: text, Example: exampleLine + "{\"end\":{\"records\":1,\"through\":\"1795300562877-1-0\"}}\n"}}}}},
		func(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
			return s.exportRecords(ctx, in)
		})
	register(s, operation{id: "export-files", method: http.MethodGet, path: "/api/v1/export/files", tag: "transfer", needs: access.WorkspaceExport, apart: true, timeout: -1,
		summary: "Export the project and what the server knows of the workspace", description: "A tar.gz: project/… has the files of the project, metadata/… members, keys, names of secrets, versions and usage as lines of JSON. Nothing in it is secret. The audit trail tells of it.", errors: []int{http.StatusNotFound},
		responses: map[string]*huma.Response{"200": {Description: "The files", Content: map[string]*huma.MediaType{archiveMedia: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}},
		func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) { return s.exportFiles(ctx) })
	register(s, operation{id: "export-trail", method: http.MethodGet, path: "/api/v1/export/audit", tag: "transfer", needs: access.WorkspaceExport, apart: true, timeout: -1,
		summary: "Export who did what in the workspace", description: "As export-audit gives it, for who may export everything.", errors: []int{http.StatusNotFound},
		responses: map[string]*huma.Response{"200": {Description: "The entries", Content: map[string]*huma.MediaType{ndjsonMedia: {Schema: text, Example: "{\"audit\":1}\n"}, "text/csv": {Schema: text, Example: "number,time,actor\n"}}}}},
		func(ctx context.Context, in *struct {
			Format string `query:"format" enum:"ndjson,csv" default:"ndjson" doc:"In CSV no text is a formula."`
		}) (*huma.StreamResponse, error) {
			if s.o.Audit == nil {
				return nil, errNoAudit
			}
			s.exported(ctx, "workspace.export_trail", map[string]any{"format": in.Format})
			f := audit.Filter{Workspace: s.space(ctx).Workspace}
			return &huma.StreamResponse{Body: func(hc huma.Context) { s.exportAudit(ctx, hc, f, in.Format) }}, nil
		})
	s.registerImport()
}

// transferring takes one of the places.
func (s *server) transferring(ctx context.Context) (free func(), err error) {
	if s.o.Transfer == nil {
		return nil, errNoTransfer
	}
	free, ok := s.transfers.take(s.space(ctx).Workspace)
	if !ok {
		return nil, errManyTransfer
	}
	return free, nil
}

// exported tells of an export. That which goes on behind a position is told too:
// nobody can say whether it is the rest of another.
func (s *server) exported(ctx context.Context, action string, what map[string]any) {
	s.tell(ctx, action, audit.Object{Kind: "environment", ID: s.space(ctx).ID}, nil, what)
}

func (s *server) exportRecords(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	e := &exporting{server: s}
	var err error
	for text, to := range map[*string]*millrace.Position{&in.After: &e.after, &in.Until: &e.until} {
		if *text == "" {
			continue
		}
		if *to, err = millrace.ParsePosition(*text); err != nil {
			return nil, err
		}
	}
	free, err := s.transferring(ctx)
	if err != nil {
		return nil, err
	}
	if in.Until == "" {
		_, e.until, err = s.o.Log.Bounds(ctx)
	}
	if err == nil {
		e.reader, err = s.o.Transfer.Records(ctx, s.space(ctx).ID, e.after)
	}
	if err != nil {
		free()
		return nil, err
	}
	s.exported(ctx, "workspace.export", map[string]any{"after": e.after.Numbers(), "through": e.until.Numbers()})
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer free()
		defer e.reader.Close() // it only ends
		_, w := humago.Unwrap(hc)
		e.control = http.NewResponseController(w)
		w.Header().Set("Content-Type", ndjsonMedia)
		w.Header().Set("Content-Disposition", `attachment; filename="records.ndjson"`)
		w.Header().Set("Millrace-Position", e.until.Numbers())
		w.Header().Set("Vary", "Accept-Encoding")
		e.w = w
		if strings.Contains(in.Accept, "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // there is that level
			defer z.Close()
			e.w, e.z = z, z
		}
		e.run(ctx)
	}}, nil
}

// An exporting is an export of records that runs.
type exporting struct {
	*server
	reader       eventlog.Reader
	after, until millrace.Position
	control      *http.ResponseController
	w            io.Writer
	z            *gzip.Writer // w, when it is that
	piece        []byte
	records      int64
	written      time.Time
}

func (e *exporting) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopping := millrace.Errorf(millrace.Unavailable, "the server is stopping: go on with after when it is back")
	if e.o.Stopping != nil {
		go func() {
			select {
			case <-e.o.Stopping:
				cancel(stopping)
			case <-ctx.Done():
			}
		}()
	}
	e.written = time.Now()
	err := e.read(ctx)
	cause := endedBy(ctx)
	if err != nil && cause != nil {
		err = cause
	}
	end := map[string]any{"end": ExportEnd{e.records, e.until}}
	switch {
	case err != nil && ctx.Err() != nil && cause == nil:
		return // who asked has left
	case err != nil:
		end = map[string]any{"error": problemOf(ctx, err)}
	}
	line, err := json.Marshal(end)
	if err == nil {
		e.piece = append(append(e.piece, line...), '\n')
		err = e.flush()
	}
	if err != nil {
		e.o.Logger.Debug("an export broke off", "request", requestID(ctx), "error", err)
	}
}

// read writes the records up to the end.
func (e *exporting) read(ctx context.Context) error {
	through := e.after
	for through.Before(e.until) {
		if err := ctx.Err(); err != nil { // a reader that has much in hand need not look
			return err
		}
		b, err := e.reader.Next(ctx)
		if err != nil {
			return err
		}
		for i := range b.Records {
			if b.Records[i].Position.After(e.until) {
				return nil
			}
			e.piece = transfer.AppendLine(e.piece, &b.Records[i])
			e.records++
			if len(e.piece) >= exportPiece {
				if err := e.flush(); err != nil {
					return err
				}
			}
		}
		if through = b.Through; b.AtEnd {
			return nil
		}
		if time.Since(e.written) < exportQuiet {
			continue
		}
		if len(e.piece) == 0 {
			e.piece = append(e.piece, `{"through":"`+through.Numbers()+"\"}\n"...)
		}
		if err := e.flush(); err != nil {
			return err
		}
	}
	return nil
}

// flush sends what is there.
func (e *exporting) flush() error {
	_ = e.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer has one
	_, err := e.w.Write(e.piece)
	if err == nil && e.z != nil {
		err = e.z.Flush()
	}
	if err == nil {
		err = e.control.Flush()
	}
	e.piece, e.written = e.piece[:0], time.Now()
	return err
}

// exportFiles packs the project and the metadata.
func (s *server) exportFiles(ctx context.Context) (*huma.StreamResponse, error) {
	if s.o.Transfer == nil {
		return nil, errNoTransfer
	}
	sp := s.space(ctx)
	project, err := s.o.Transfer.Project(ctx, sp.ID)
	if err != nil {
		return nil, err
	}
	metadata, err := s.o.Transfer.Metadata(ctx, sp.Workspace)
	if err != nil {
		return nil, err
	}
	s.exported(ctx, "workspace.export_files", map[string]any{"files": len(project.Files()), "metadata": slices.Sorted(maps.Keys(metadata))})
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		_, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", archiveMedia)
		w.Header().Set("Content-Disposition", `attachment; filename="export.tar.gz"`)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(exportWriting))
		z := gzip.NewWriter(w)
		a := tar.NewWriter(z)
		put := func(name string, data []byte) error {
			if err := a.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}); err != nil {
				return err
			}
			_, err := a.Write(data)
			return err
		}
		var err error
		for _, f := range project.Files() {
			data, _ := project.Read(f.Path)
			err = errors.Join(err, put(path.Join("project", f.Path), data))
		}
		for name, text := range metadata {
			err = errors.Join(err, put("metadata/"+name+".ndjson", text))
		}
		if err = errors.Join(err, a.Close(), z.Close()); err != nil {
			panic(http.ErrAbortHandler) // so that what is there is not taken for all
		}
	}}, nil
}
