package serve

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"github.com/millrace/millrace/access"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/millrace/millrace/serve/job"
)

// A bundleFile is a file of a support bundle.
type bundleFile struct {
	name string
	make func(ctx context.Context) ([]byte, error)
}

func jsonFile[T any](name string, of func(ctx context.Context) (T, error)) bundleFile {
	return bundleFile{name, func(ctx context.Context) ([]byte, error) {
		v, err := of(ctx)
		if err != nil {
			return nil, err
		}
		return json.MarshalIndent(v, "", "  ")
	}}
}

// bundleFiles are what helps to find a fault, and hold neither a secret nor what
// is in a record: names and types of tables, but no row of them.
func (s *server) bundleFiles() []bundleFile {
	return []bundleFile{
		jsonFile("status.json", s.statusWithoutKeys),
		jsonFile("parts.json", func(ctx context.Context) (Health, error) { return s.health(ctx), nil }),
		jsonFile("attention.json", s.attention),
		jsonFile("jobs.json", func(ctx context.Context) (any, error) { return s.jobsWithoutWords(ctx), nil }),
		jsonFile("tables.json", func(ctx context.Context) ([]TableDetail, error) {
			all, err := s.catalog(ctx)
			out := []TableDetail{}
			for _, t := range all.tables("") {
				out = append(out, TableDetail{TableSummary: TableSummary{Schema: t.Schema, Table: t.Table, Kind: all.tableKind(t), Columns: len(all[t])}, ColumnList: all[t]})
			}
			return out, err
		}),
		jsonFile("process.json", func(context.Context) (any, error) {
			var modules []*debug.Module
			if build, ok := debug.ReadBuildInfo(); ok {
				modules = build.Deps
			}
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			return map[string]any{"version": s.o.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "processors": runtime.NumCPU(),
				"goroutines": runtime.NumGoroutine(), "heap_bytes": memory.HeapAlloc, "from_os_bytes": memory.Sys, "collections": memory.NumGC, "modules": modules}, nil
		}),
		{"log.ndjson", func(context.Context) ([]byte, error) {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			if s.o.Logs != nil {
				for _, l := range s.o.Logs.Lines(0) {
					if err := e.Encode(l); err != nil {
						return nil, err
					}
				}
			}
			return b.Bytes(), nil
		}},
		{"metrics.txt", func(ctx context.Context) ([]byte, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil)
			if err != nil {
				return nil, err
			}
			a := &answered{header: http.Header{}}
			promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(a, r)
			return a.body.Bytes(), nil
		}},
		{"goroutines.txt", func(context.Context) ([]byte, error) {
			stacks := make([]byte, 4<<20)
			return stacks[:runtime.Stack(stacks, true)], nil
		}},
	}
}

// statusWithoutKeys is the status without the keys to send with.
func (s *server) statusWithoutKeys(ctx context.Context) (Status, error) {
	st, err := s.space(ctx).System.Status(ctx)
	st.Sources = slices.Clone(st.Sources)
	for i := range st.Sources {
		st.Sources[i].WriteKeys, st.Sources[i].Keys = []string{}, []SourceKey{}
	}
	return st, err
}

// jobsWithoutWords are the jobs without what is said of them, which may quote a
// query or a record.
func (s *server) jobsWithoutWords(ctx context.Context) []job.Job {
	all := s.space(ctx).Jobs.List()
	for i := range all {
		all[i].Message, all[i].Error, all[i].Result = "", "", nil
	}
	return all
}

// filePatience bounds each file: what is asked may be what is ill.
const filePatience = 10 * time.Second

// bundle makes the archive of files. A file that cannot be made says why.
func (s *server) bundle(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	tarball := tar.NewWriter(zip)
	now := s.o.Now().UTC()
	for _, f := range s.bundleFiles() {
		asking, cancel := context.WithTimeout(ctx, filePatience)
		data, err := f.make(asking)
		cancel()
		if err != nil {
			data = fmt.Appendf(data, "\nthis could not be told: %v\n", problemOf(ctx, err).Detail)
		}
		if s.o.Redact != nil {
			data = []byte(s.o.Redact(EveryWorkspace, string(data)))
		}
		h := &tar.Header{Name: "millrace-support/" + f.name, Mode: 0o600, Size: int64(len(data)), ModTime: now, Format: tar.FormatPAX}
		if err := tarball.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := tarball.Write(data); err != nil {
			return nil, err
		}
	}
	if err := tarball.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (s *server) registerBundle() {
	register(s, operation{id: "get-support-bundle", needs: access.ServerSupport, method: http.MethodGet, path: "/api/v1/support-bundle", tag: "status", timeout: 2 * time.Minute,
		summary:     "Files that help to find a fault",
		description: "A tar.gz with status, the log's last lines, metrics, names and types of tables, jobs and stacks. It holds no secret, no key, no query, and nothing of records but names of sources, events and columns.",
		responses: map[string]*huma.Response{"200": {Description: "The files", Content: map[string]*huma.MediaType{
			"application/gzip": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}},
		func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
			data, err := s.bundle(ctx)
			if err != nil {
				return nil, err
			}
			name := "millrace-support-" + s.o.Now().UTC().Format("2006-01-02T150405") + ".tar.gz"
			return &huma.StreamResponse{Body: func(hc huma.Context) {
				_, w := humago.Unwrap(hc)
				w.Header().Set("Content-Type", "application/gzip")
				w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
				_, _ = w.Write(data) // the client is gone
			}}, nil
		})
}
