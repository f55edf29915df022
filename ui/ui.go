// Package ui holds the web page and serves it. Its files are built into dist by
// `make build`; without that, dist holds a placeholder only, and Handler serves
// a small page that says how to build the real one.
package ui

import (
	"bytes"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed all:dist
var files embed.FS

// policy allows what the page consists of and nothing else: no inline script or
// style, no other host.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Assets under this folder have a hash of their content in their names.
const hashed = "assets/"

const index = "index.html"

// Built says whether the page has been built into the binary.
func Built() bool { return built(dist()) }

// Handler serves the page: its files, and index.html for any other path, so
// that every view can be linked. It answers GET and HEAD. Its answers hold
// nothing of the server's data and may be given to anyone.
func Handler() http.Handler { return handler(dist()) }

func dist() fs.FS {
	sub, err := fs.Sub(files, "dist")
	if err != nil { // dist is embedded: it is there
		panic(err)
	}
	return sub
}

func built(page fs.FS) bool {
	_, err := fs.Stat(page, index)
	return err == nil
}

func handler(page fs.FS) http.Handler {
	ready := built(page)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page takes GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		if !ready {
			serve(w, r, "text/html; charset=utf-8", []byte(unbuilt))
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if !isFile(page, name) {
			if strings.HasPrefix(name, hashed) {
				// Of an older build: a page instead of a script would only confuse.
				w.Header().Set("Cache-Control", "no-store")
				http.Error(w, "this file is of another version: reload the page", http.StatusNotFound)
				return
			}
			name = index
		}
		file(w, r, page, name)
	})
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// isFile says whether name may be asked for: the compressed forms may not, they
// are how their originals are sent.
func isFile(page fs.FS, name string) bool {
	if strings.HasSuffix(name, ".br") || strings.HasSuffix(name, ".gz") {
		return false
	}
	info, err := fs.Stat(page, name)
	return err == nil && info.Mode().IsRegular()
}

func file(w http.ResponseWriter, r *http.Request, page fs.FS, name string) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, hashed) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Add("Vary", "Accept-Encoding")
	for _, c := range []struct{ encoding, ending string }{{"br", ".br"}, {"gzip", ".gz"}} {
		if !accepts(r, c.encoding) {
			continue
		}
		if data, err := fs.ReadFile(page, name+c.ending); err == nil {
			h.Set("Content-Encoding", c.encoding)
			serve(w, r, contentType(name), data)
			return
		}
	}
	data, err := fs.ReadFile(page, name)
	if err != nil {
		http.Error(w, "the page could not be read", http.StatusInternalServerError)
		return
	}
	serve(w, r, contentType(name), data)
}

// serve writes data, or that it has not changed.
func serve(w http.ResponseWriter, r *http.Request, kind string, data []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("ETag", etag(data))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// etag is a hash of the content (FNV-1a in 64 bits): it tells versions apart
// and protects nothing.
func etag(data []byte) string {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for _, b := range data {
		sum = (sum ^ uint64(b)) * prime
	}
	return `"` + strconv.FormatUint(sum, 36) + "-" + strconv.Itoa(len(data)) + `"`
}

// accepts says whether the request takes the encoding, by name or by *, and
// does not refuse it with q=0.
func accepts(r *http.Request, encoding string) bool {
	taken := false
	for _, item := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		name = strings.TrimSpace(name)
		if !strings.EqualFold(name, encoding) && name != "*" {
			continue
		}
		taken = true
		if q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			if weight, err := strconv.ParseFloat(q, 64); err != nil || weight == 0 {
				taken = false
			}
		}
		if name != "*" {
			return taken // by name counts more than *
		}
	}
	return taken
}

func contentType(name string) string {
	switch ending := path.Ext(name); ending {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".webmanifest":
		return "application/manifest+json"
	case ".txt":
		return "text/plain; charset=utf-8"
	default:
		if kind := mime.TypeByExtension(ending); kind != "" {
			return kind
		}
		return "application/octet-stream"
	}
}

// unbuilt stands in for the page in a binary that was built without it.
const unbuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Millrace</title>
<h1>Millrace is running</h1>
<p>This binary was built without its web page. To have it, build with <code>make build</code>
(it fetches Node by itself where there is none) and start bin/millrace.</p>
<p>Everything that the page does is in the API: <a href="/api/openapi.json">/api/openapi.json</a>.
On the command line: <code>millrace status</code>, <code>millrace query</code>, <code>millrace tail</code>.</p>
</html>
`
