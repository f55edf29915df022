package serve

import (
	"net/http"
	"strings"

	"github.com/millrace/millrace"
)

// isPage says whether a path is the web page's: what no program asks for. The
// page shows the description of the API too.
func isPage(path string) bool {
	switch path {
	case "/api", "/healthz", "/readyz", "/metrics":
		return false
	case "/api/docs":
		return true
	}
	return !strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/api/docs/")
}

// page serves the web page. Its files hold nothing that is anyone's, so that
// they need no token; what they ask the API for does.
func (s *server) page(page http.Handler) http.Handler {
	return s.observed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeProblem(w, r, &Problem{Status: http.StatusMethodNotAllowed, Title: "Method Not Allowed", Kind: millrace.Invalid.String(),
				Detail: "this is a page: it takes GET, HEAD", RequestID: requestID(r.Context())})
			return
		}
		page.ServeHTTP(w, r)
	}))
}
