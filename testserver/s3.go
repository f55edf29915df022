package testserver

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// An S3Server is an S3-compatible store that keeps its objects in memory while
// it is down.
type S3Server struct {
	// URL opens an empty bucket; the keys it needs are in the environment.
	URL string

	t       testing.TB
	address string
	store   http.Handler
	mu      sync.Mutex
	server  *httptest.Server
}

// S3 starts a store with one bucket and sets the access keys in the test's
// environment, so the test cannot be parallel.
func S3(t *testing.T) *S3Server {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("millrace"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
	s := &S3Server{t: t, address: FreeAddress(t), store: gofakes3.New(backend).Server()}
	s.URL = fmt.Sprintf("s3://millrace?endpoint=http://%s&region=eu-west-1&s3ForcePathStyle=true", s.address)
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start lets the store answer again after Stop.
func (s *S3Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	ln, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(s.store)
	_ = s.server.Listener.Close()
	s.server.Listener = ln
	s.server.Start()
}

// Stop cuts all connections and refuses new ones.
func (s *S3Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return
	}
	s.server.CloseClientConnections()
	s.server.Close()
	s.server = nil
}
