package apptest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
)

// certificate writes a certificate for 127.0.0.1 and returns a client that
// trusts it.
func certificate(t *testing.T, dir string) (cert, key string, client *http.Client) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for path, text := range map[string][]byte{cert: certPEM, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

// TestServeTLS speaks https with certificate files, and drains: a request that
// is under way when the server is told to stop is answered.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, client := certificate(t, dir)
	s := apptest.New(t, apptest.Options{
		Files:   map[string]string{"millrace.yaml": "name: test\n", "sources/web.yaml": "kind: http\nwrite_keys: [live_web]\n"},
		Command: "serve", Args: []string{"--tls-cert", cert, "--tls-key", key},
		Env: []string{"MILLRACE_ADMIN_TOKEN=" + strings.Repeat("x", 32)},
	})
	s.Run()
	url := strings.Replace(s.URL, "http://", "https://", 1)
	apptest.Eventually(t, 30*time.Second, func() error {
		resp, err := client.Get(url + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", resp.Status)
		}
		return nil
	})
	// A body that is still on its way when the server is told to stop.
	event := `{"userId":"u","event":"Late"}`
	first, second := make(chan struct{}), make(chan struct{})
	body := &slowBody{parts: []string{event[:10], event[10:]}, wait: []chan struct{}{nil, second}, read: first}
	req, err := http.NewRequest("POST", url+"/v1/track", body)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("live_web", "")
	req.ContentLength = int64(len(event))
	status := make(chan string, 1)
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			status <- err.Error()
			return
		}
		defer resp.Body.Close()
		var text bytes.Buffer
		_, _ = text.ReadFrom(resp.Body)
		status <- resp.Status + " " + text.String()
	}()
	<-first
	time.Sleep(200 * time.Millisecond) // the first part is on its way
	stopped := make(chan struct{})
	go func() { s.Stop(); close(stopped) }()
	time.Sleep(300 * time.Millisecond)
	close(second)
	if got := <-status; !strings.HasPrefix(got, "200 ") {
		t.Errorf("a request under way while the server stops is answered %s, want 200", got)
	}
	<-stopped
}

// A slowBody gives its parts when their channels are closed.
type slowBody struct {
	parts []string
	wait  []chan struct{}
	read  chan struct{} // closed with the first part
}

func (b *slowBody) Read(p []byte) (int, error) {
	if len(b.parts) == 0 {
		return 0, io.EOF
	}
	if b.wait[0] != nil {
		<-b.wait[0]
	}
	n := copy(p, b.parts[0])
	if b.parts, b.wait = b.parts[1:], b.wait[1:]; b.read != nil {
		close(b.read)
		b.read = nil
	}
	return n, nil
}
