package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// writePair writes a self-signed certificate with a serial number, and its key.
func writePair(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(serial) * time.Second) // another time for each, however coarse the file system's is
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCertificate is refused before anything is opened when it is none, and
// taken over again when it is renewed.
func TestCertificate(t *testing.T) {
	t.Parallel()
	dir, files := project(t, small), t.TempDir()
	cert, key := filepath.Join(files, "cert.pem"), filepath.Join(files, "key.pem")
	clock := &clock{}
	o := app.Options{Dir: dir, Data: filepath.Join(files, "data"), Listen: "127.0.0.1:0", Mode: serve.Production, AdminToken: "a long enough admin token", TLSCert: cert, TLSKey: key, Now: clock.now}
	if _, err := app.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--tls-cert: cannot read "+cert+": no such file") {
		t.Errorf("Open without the file: %v", err)
	}
	writePair(t, cert, key, 1)
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "are not a certificate and its key in PEM") {
		t.Errorf("Open with a broken key: %v", err)
	}
	if _, err := os.Stat(o.Data); err == nil {
		t.Error("the data folder was made before the certificate was read")
	}

	writePair(t, cert, key, 2)
	a, err := app.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	serial := func() int64 {
		c, err := tls.Dial("tcp", strings.TrimPrefix(a.URL(), "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if n := serial(); n != 2 {
		t.Errorf("the server shows certificate %d, want 2", n)
	}
	writePair(t, cert, key, 3)
	if n := serial(); n != 2 {
		t.Errorf("at once after the renewal the server shows certificate %d, want 2", n)
	}
	clock.move(2 * time.Minute)
	if n := serial(); n != 3 {
		t.Errorf("after the renewal the server shows certificate %d, want 3", n)
	}
	if err := os.WriteFile(cert, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	clock.move(2 * time.Minute)
	if n := serial(); n != 3 {
		t.Errorf("with a broken file the server shows certificate %d, want 3 still", n)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
