package collect

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// A library is the published browser library, to be served with every address
// in it replaced by this server's.
type library struct {
	standalone []byte // nil: not built in
	bundles    map[string]*file

	mu       sync.Mutex
	rendered map[renderedFor]*file
}

// renderedFor is what a script differs by.
type renderedFor struct{ key, base string }

// maxRendered bounds the scripts kept; the base comes from requests.
const maxRendered = 64

// A file is a script in both forms.
type file struct{ plain, gzipped []byte }

func newFile(b []byte) *file {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(b)
	if errors.Join(err, z.Close()) != nil { // a buffer takes everything
		return &file{plain: b}
	}
	return &file{plain: b, gzipped: packed.Bytes()}
}

func openLibrary(files fs.FS) (*library, error) {
	l := &library{bundles: map[string]*file{}, rendered: map[renderedFor]*file{}}
	names, err := fs.Glob(files, "*.js")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("browser library: %w", err)
		}
		if name == "standalone.js" {
			l.standalone = b
			continue
		}
		l.bundles[name] = newFile(b)
	}
	return l, nil
}

var (
	headerScript    = []string{"text/javascript; charset=utf-8"}
	headerGzip      = []string{"gzip"}
	headerNoSniff   = []string{"nosniff"}
	headerShort     = []string{"private, max-age=300"}
	headerImmutable = []string{"public, max-age=31536000, immutable"}
	headerEncoding  = []string{"Origin, Accept-Encoding"}
)

const notBuilt = "the browser library is not in this build of Millrace: run npm ci and node build.mjs in collect/browser, and build again; everything else works without it"

// serveLibrary answers GET /analytics.js/v1/{writeKey}/analytics.min.js and
// /analytics-next/bundles/{name}.
func (h *Handler) serveLibrary(a *answer, r *http.Request, path string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.refuse(http.StatusMethodNotAllowed, "ask for this with GET")
		return
	}
	if h.library.standalone == nil {
		a.refuse(http.StatusNotFound, notBuilt)
		return
	}
	if name, ok := strings.CutPrefix(path, "/analytics-next/bundles/"); ok {
		if f := h.library.bundles[name]; f != nil {
			a.script(r, f, headerImmutable)
			return
		}
		a.refuse(http.StatusNotFound, "the browser library has no such part: pages that were loaded before an update have to be loaded again")
		return
	}
	key, ok := strings.CutPrefix(path, "/analytics.js/v1/")
	if ok {
		for _, name := range []string{"/platform/analytics.min.js", "/platform/analytics.js", "/analytics.min.js", "/analytics.js"} {
			if key, ok = strings.CutSuffix(key, name); ok {
				break
			}
		}
	}
	base, valid := h.base(r)
	switch _, known := h.keys.find(key); {
	case !ok:
		a.refuse(http.StatusNotFound, "the browser library is at /analytics.js/v1/{writeKey}/analytics.min.js")
	case !known && validKey(key) && h.unread(""):
		a.unknowable()
	case !known || !validKey(key):
		a.refuse(http.StatusNotFound, "this write key is not known here")
	case !valid:
		a.refuse(http.StatusBadRequest, "the Host of the request is not a host name")
	default:
		a.script(r, h.library.render(key, base), headerShort)
	}
}

// script answers with a script.
func (a *answer) script(r *http.Request, f *file, cache []string) {
	tag := fmt.Sprintf(`"%08x-%x"`, crc32.ChecksumIEEE(f.plain), len(f.plain))
	a.header["Content-Type"] = headerScript
	a.header["X-Content-Type-Options"] = headerNoSniff
	a.header["Cache-Control"] = cache
	a.header["Vary"] = headerEncoding
	a.header["Etag"] = []string{tag}
	if r.Header.Get("If-None-Match") == tag {
		a.w.WriteHeader(http.StatusNotModified)
		a.h.metrics.request(a.route, http.StatusNotModified)
		return
	}
	body := f.plain
	if f.gzipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		a.header["Content-Encoding"] = headerGzip
		body = f.gzipped
	}
	_, _ = a.w.Write(body) // the client left: there is nobody to tell
	a.h.metrics.request(a.route, http.StatusOK)
}

// bootstrap tells the library where it came from, as the page sees it: behind
// a proxy that is more than the server knows.
const bootstrap = `(function(){try{var s=document.currentScript,m=s&&/^(https?:\/\/.*)\/analytics\.js\/v1\//.exec(s.src),` +
	`k=s&&s.getAttribute("data-global-segment-analytics-key")||"analytics",a=window[k]=window[k]||[];` +
	`if(!a._cdn)a._cdn=m?m[1]:"%s"}catch(e){}})();` + "\n"

// render returns the library for a key and a base; both have been validated
// and are safe in a script. The library's own fallbacks to other services
// become this one.
func (l *library) render(key, base string) *file {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := renderedFor{key, base}
	if f := l.rendered[id]; f != nil {
		return f
	}
	_, host, _ := strings.Cut(base, "://")
	script := strings.NewReplacer(
		"__WRITE_KEY__", key,
		"https://cdn.segment.com", base,
		"api.segment.io/v1", host+"/v1",
		"https://cdnjs.cloudflare.com/ajax/libs/babel-polyfill/7.7.0/", base+"/analytics-next/bundles/",
	).Replace(string(l.standalone))
	f := newFile([]byte(fmt.Sprintf(bootstrap, base) + script))
	if len(l.rendered) >= maxRendered {
		clear(l.rendered)
	}
	l.rendered[id] = f
	return f
}

// publicBase returns scheme and host of a URL, and whether both are plain.
func publicBase(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !plainHost(u.Host) || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", false
	}
	path := strings.TrimRight(u.Path, "/")
	for i := 0; i < len(path); i++ {
		if c := path[i]; !digit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune("/-_.", rune(c)) {
			return "", false
		}
	}
	return u.Scheme + "://" + u.Host + path, true
}

// plainHost says whether host is a name or an address, with or without a port,
// and so safe in a script.
func plainHost(host string) bool {
	if host == "" || len(host) > 260 {
		return false
	}
	for i := 0; i < len(host); i++ {
		if c := host[i]; !digit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && !strings.ContainsRune(".-:[]", rune(c)) {
			return false
		}
	}
	return true
}

// base returns where the browser that asks reaches this server.
func (h *Handler) base(r *http.Request) (string, bool) {
	if h.publicURL != "" {
		return h.publicURL, true
	}
	scheme := "http"
	// What the header says changes only the answer to whoever sent it, and a
	// page on https could not use http in any case.
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") || strings.HasPrefix(r.Header.Get("Referer"), "https://") {
		scheme = "https"
	}
	return scheme + "://" + r.Host, plainHost(r.Host)
}

// serveSettings answers GET /v1/projects/{writeKey}/settings: what the library
// asks for before it sends.
func (h *Handler) serveSettings(a *answer, r *http.Request, tail string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a.refuse(http.StatusMethodNotAllowed, "ask for this with GET")
		return
	}
	key, ok := strings.CutSuffix(tail, "/settings")
	_, known := h.keys.find(key)
	base, valid := h.base(r)
	switch {
	case ok && !known && validKey(key) && h.unread(""):
		a.unknowable()
		return
	case !ok || !known || !validKey(key):
		a.refuse(http.StatusNotFound, "this write key is not known here: settings are at /v1/projects/{writeKey}/settings")
		return
	case !valid:
		a.refuse(http.StatusBadRequest, "the Host of the request is not a host name")
		return
	}
	protocol, host, _ := strings.Cut(base, "://")
	a.header["Cache-Control"] = headerShort
	a.header["X-Content-Type-Options"] = headerNoSniff
	// The library sends its own metrics over https whatever the protocol is
	// here, so it is told to sample none; their host is ours all the same.
	a.write(http.StatusOK, fmt.Appendf(nil, `{"integrations":{"Segment.io":{"apiKey":"%[1]s","apiHost":"%[2]s/v1","protocol":"%[3]s",`+
		`"addBundledMetadata":true,"unbundledIntegrations":[],"versionSettings":{"version":"4.4.7","componentTypes":["browser"]}}},`+
		`"plan":{"track":{"__default":{"enabled":true,"integrations":{}}},"identify":{"__default":{"enabled":true}},"group":{"__default":{"enabled":true}}},`+
		`"edgeFunction":{},"analyticsNextEnabled":true,"middlewareSettings":{},"enabledMiddleware":{},"legacyVideoPluginsEnabled":false,"remotePlugins":[],`+
		`"metrics":{"sampleRate":0,"host":"%[2]s/v1","protocol":"%[3]s"}}`, key, host, protocol))
}
