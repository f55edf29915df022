package client

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/millrace/millrace"
)

// ExportOptions say which records are exported. Both are empty, or what an export
// that broke off said.
type ExportOptions struct {
	After string // the position of the last line that came
	Until string // up to where it goes
}

// maxExportLine bounds a line, which is a record of at most 4 MiB.
const maxExportLine = 32 << 20

// ExportRecords gives every record of the environment as a line with its end, and
// begins with up to where they go. Moved tells how far it is where there are no
// records. Unavailable means that it broke off: go on with After.
func (c *Client) ExportRecords(ctx context.Context, o ExportOptions, begin func(until string), line func(text []byte) error, moved func(through string)) error {
	q := url.Values{}
	for name, value := range map[string]string{"after": o.After, "until": o.Until} {
		if value != "" {
			q.Set(name, value)
		}
	}
	resp, err := c.open(ctx, request{method: http.MethodGet, path: "/api/v1/export/records", query: q, safe: true})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	begin(resp.Header.Get("Millrace-Position"))
	lines := bufio.NewReaderSize(resp.Body, 256<<10)
	var long []byte
	for {
		text, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) && len(long) < maxExportLine {
			long = append(long, text...)
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				err = millrace.Errorf(millrace.Unavailable, "%s broke the export off: %w", c.Server(), err)
			}
			return err
		}
		if len(long) > 0 {
			text, long = append(long, text...), long[:0]
		}
		if bytes.HasPrefix(text, []byte(`{"id":`)) {
			if err := line(text); err != nil {
				return err
			}
			continue
		}
		var other struct {
			Through string          `json:"through"`
			End     json.RawMessage `json:"end"`
			Error   *problem        `json:"error"`
		}
		switch err := json.Unmarshal(text, &other); {
		case err != nil:
			return millrace.Errorf(millrace.Internal, "a line of the export cannot be read: %w", err)
		case other.Error != nil:
			return &millrace.Error{Kind: kinds[other.Error.Kind], Message: other.Error.text()}
		case other.End != nil:
			return nil
		case other.Through != "":
			moved(other.Through)
		}
	}
}

// ExportFiles gives the files of the project, as project/…, and what the server
// knows of the workspace, as metadata/….
func (c *Client) ExportFiles(ctx context.Context, file func(name string, r io.Reader) error) error {
	resp, err := c.open(ctx, request{method: http.MethodGet, path: "/api/v1/export/files", safe: true})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		return millrace.Errorf(millrace.Unavailable, "the files of %s cannot be read: %w", c.Server(), err)
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return millrace.Errorf(millrace.Unavailable, "%s broke the export off: %w", c.Server(), err)
		}
		if h.Typeflag != tar.TypeReg {
			return millrace.Errorf(millrace.Invalid, "the export of %s has %.100q, which is no file", c.Server(), h.Name)
		}
		if err := file(h.Name, files); err != nil {
			return err
		}
	}
}

// ExportTrail writes who did what in the workspace, as "ndjson" or "csv".
func (c *Client) ExportTrail(ctx context.Context, format string, w io.Writer) error {
	resp, err := c.open(ctx, request{method: http.MethodGet, path: "/api/v1/export/audit", query: url.Values{"format": {format}}, safe: true})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err = io.Copy(w, resp.Body); err != nil {
		return millrace.Errorf(millrace.Unavailable, "%s broke the export off: %w", c.Server(), err)
	}
	return nil
}

// Imported is what became of the records of one request.
type Imported struct {
	Records    int64  `json:"records"`
	Duplicates *int64 `json:"duplicates"` // nil: not known yet
	Position   string `json:"position"`
}

// ImportRecords sends lines of an export, as gzip, and may be repeated: what is
// there already counts as a duplicate.
func (c *Client) ImportRecords(ctx context.Context, packed []byte) (out Imported, err error) {
	err = c.call(ctx, request{method: http.MethodPost, path: "/api/v1/import/records", safe: true, body: &rawBody{packed, "application/x-ndjson", ""}}, &out)
	return out, err
}

// Later is how long a server asks to wait before the request is sent again; 0 when
// it does not say.
func Later(err error) time.Duration {
	var e *millrace.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
