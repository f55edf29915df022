package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// certificateLook is how often a certificate's files are looked at.
const certificateLook = time.Minute

// A certificate is a TLS certificate from files. It is taken from them again
// when they change, so that a renewal needs no restart.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	pair    *tls.Certificate
	changed [2]time.Time // of the files that pair is from
	looked  time.Time
}

// openCertificate reads the files. It returns nil when there are none to read.
func openCertificate(o Options) (*certificate, error) {
	if o.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{certFile: o.TLSCert, keyFile: o.TLSKey, logger: o.Logger, now: o.Now}
	changed, err := c.times()
	if err != nil {
		return nil, err
	}
	return c, c.load(changed)
}

// times returns when the files were last written.
func (c *certificate) times() (changed [2]time.Time, err error) {
	for i, f := range []struct{ flag, name string }{{"--tls-cert", c.certFile}, {"--tls-key", c.keyFile}} {
		info, err := os.Stat(f.name)
		if err != nil {
			return changed, millrace.Errorf(millrace.Invalid, "%s: cannot read %s: %w: name a PEM file that this user may read", f.flag, f.name, reason(err))
		}
		changed[i] = info.ModTime()
	}
	return changed, nil
}

// reason is an error without the path that the message names already.
func reason(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// load takes the pair from the files.
func (c *certificate) load(changed [2]time.Time) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return millrace.Errorf(millrace.Invalid, "--tls-cert %s and --tls-key %s are not a certificate and its key in PEM: %w", c.certFile, c.keyFile, reason(err))
	}
	c.pair, c.changed = &pair, changed
	if leaf := pair.Leaf; leaf != nil && c.now().After(leaf.NotAfter) {
		c.logger.Warn("the TLS certificate has expired: clients will refuse it, renew it", "file", c.certFile, "since", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// get is tls.Config.GetCertificate. When the files do not hold a pair any more,
// as in the middle of a renewal, the one before goes on.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked).Abs() >= certificateLook {
		c.looked = now
		changed, err := c.times()
		if err == nil && changed != c.changed {
			if err = c.load(changed); err == nil {
				c.logger.Info("the TLS certificate was renewed", "file", c.certFile)
			}
		}
		if err != nil {
			c.logger.Warn("the TLS certificate could not be read again, the one before goes on", "error", err)
		}
	}
	if c.pair == nil {
		return nil, fmt.Errorf("there is no certificate")
	}
	return c.pair, nil
}

// config is what the server speaks TLS with.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}
