package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/mail"
)

// A postOffice takes mail as a server does.
type postOffice struct {
	address string
	roots   *x509.CertPool

	mu     sync.Mutex
	busy   int // so many mails are refused first
	never  bool
	clear  bool // it speaks no TLS
	got    []string
	logins []string
}

func open(t *testing.T) *postOffice {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &postOffice{address: l.Addr().String(), roots: x509.NewCertPool()}
	p.roots.AddCert(leaf)
	with := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c, with)
		}
	}()
	return p
}

func (p *postOffice) serve(c net.Conn, with *tls.Config) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
	say("220 hello")
	encrypted := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		p.mu.Lock()
		busy, never, plain := p.busy > 0, p.never, p.clear
		p.mu.Unlock()
		switch word, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " "); {
		case word == "EHLO" && encrypted:
			say("250-office\r\n250 AUTH PLAIN")
		case word == "EHLO" && !plain:
			say("250-office\r\n250 STARTTLS")
		case word == "EHLO":
			say("250 office")
		case word == "STARTTLS":
			say("220 go on")
			secure := tls.Server(c, with)
			c, r, encrypted = secure, bufio.NewReader(secure), true
			say = func(text string) { _, _ = io.WriteString(secure, text+"\r\n") }
		case word == "AUTH":
			p.mu.Lock()
			p.logins = append(p.logins, strings.TrimSpace(line))
			p.mu.Unlock()
			say("235 welcome")
		case word == "MAIL" && busy:
			p.mu.Lock()
			p.busy--
			p.mu.Unlock()
			say("451 later")
		case word == "RCPT" && never:
			say("550 no such box\r")
		case word == "DATA":
			say("354 go on")
			var b strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				b.WriteString(line)
			}
			p.mu.Lock()
			p.got = append(p.got, b.String())
			p.mu.Unlock()
			say("250 thanks")
		case word == "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func (p *postOffice) server() mail.Server {
	return mail.Server{Address: p.address, From: "Millrace <millrace@example.com>", User: "millrace", Password: "canary-of-smtp", Roots: &tls.Config{RootCAs: p.roots}}
}

func (p *postOffice) mails() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got
}

func TestSend(t *testing.T) {
	t.Parallel()
	p := open(t)
	text := "Follow this:\n\nhttps://example.com/reset#mr_pwd_x\n.\nÄöü\n"
	if err := p.server().Send(t.Context(), mail.Message{To: "ada@example.com", Name: "Ada Ä", Subject: "Über", Text: text}); err != nil {
		t.Fatal(err)
	}
	m, err := netmail.ReadMessage(strings.NewReader(p.mails()[0]))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(strings.ReplaceAll(readAll(t, m.Body), "\n..", "\n."))))
	if err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != text {
		t.Errorf("the text is %q, %v", body, err)
	}
	to, err := m.Header.AddressList("To")
	if err != nil || len(to) != 1 || to[0].Name != "Ada Ä" || to[0].Address != "ada@example.com" {
		t.Errorf("to %v %v", to, err)
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || subject != "Über" || m.Header.Get("Auto-Submitted") != "auto-generated" || len(p.logins) != 1 {
		t.Errorf("headers %v %v", m.Header, err)
	}
	// Not in the clear, whatever the server says; and not to another's certificate.
	other := p.server()
	other.Roots = nil
	if err := other.Send(t.Context(), mail.Message{To: "ada@example.com"}); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("to another's certificate: %v", err)
	}
	p.mu.Lock()
	p.clear = true
	p.mu.Unlock()
	if err := p.server().Send(t.Context(), mail.Message{To: "ada@example.com"}); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("without TLS: %v", err)
	}
	if len(p.logins) != 1 {
		t.Errorf("the password was said in the clear: %v", p.logins)
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestNothingIsAHeader: no name or subject makes a header, a second mail, or another receiver.
func TestNothingIsAHeader(t *testing.T) {
	t.Parallel()
	s := mail.Server{Address: "smtp.example.com:587", From: "millrace@example.com"}
	for _, evil := range []string{"x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\rBcc: eve@example.com", "x\r\n\r\nhello", "x\x00y", "x\u2028Bcc: y", "\"x\" <eve@example.com>, ", "=?utf-8?q?=0D=0ABcc:_eve?=", "x\r\n.\r\nMAIL FROM:<>", strings.Repeat("ä", 5000)} {
		from, to, data, err := s.Compose(mail.Message{To: "ada@example.com", Name: evil, Subject: evil, Text: "text\r\n.\r\n"})
		if err != nil {
			t.Errorf("%q: %v", evil, err)
			continue
		}
		m, err := netmail.ReadMessage(strings.NewReader(string(data)))
		if err != nil {
			t.Errorf("%q: %v in %s", evil, err, data)
			continue
		}
		list, err := m.Header.AddressList("To")
		if err != nil || len(list) != 1 || list[0].Address != "ada@example.com" || from != "millrace@example.com" || to != "ada@example.com" || len(m.Header) != 10 {
			t.Errorf("%q: to %v (%v), headers %v", evil, list, err, m.Header)
		}
	}
	for _, evil := range []string{"", "ada", "ada@example.com\r\nBcc: eve@example.com", "ada@example.com, eve@example.com", "ada@example.com\x00", "<ada@example.com> x"} {
		if _, _, data, err := s.Compose(mail.Message{To: evil, Subject: "x", Text: "y"}); err == nil {
			t.Errorf("to %q: %s", evil, data)
		}
	}
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.busy = 2
	var said strings.Builder
	box := mail.NewOutbox(mail.OutboxOptions{Send: p.server().Send, Pause: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- box.Run(ctx) }()
	if err := box.Add(mail.Message{To: "ada@example.com", Subject: "hello", Text: "canary-of-text"}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(p.mails()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it is not sent: %s", said.String())
		}
	}
	p.mu.Lock()
	p.never = true
	p.mu.Unlock()
	if err := box.Add(mail.Message{To: "nobody@example.com", Text: "canary-of-text"}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); box.Waiting() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what is refused for good is tried for ever")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if text := said.String(); strings.Contains(text, "canary") || strings.Count(text, "tried again") != 2 || !strings.Contains(text, "given up") {
		t.Errorf("the log says %s", text)
	}
	full := mail.NewOutbox(mail.OutboxOptions{})
	for range 1000 {
		_ = full.Add(mail.Message{})
	}
	if err := full.Add(mail.Message{}); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("a full one: %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		server mail.Server
		says   string
	}{
		"fine":           {mail.Server{Address: "smtp.example.com:587", From: "a@example.com"}, ""},
		"fine, here":     {mail.Server{Address: "127.0.0.1:25", From: "Millrace <a@example.com>", Encryption: mail.None}, ""},
		"no port":        {mail.Server{Address: "smtp.example.com", From: "a@example.com"}, "host:port"},
		"no sender":      {mail.Server{Address: "smtp.example.com:587"}, "from"},
		"two senders":    {mail.Server{Address: "smtp.example.com:587", From: "a@example.com, b@example.com"}, "from"},
		"a line":         {mail.Server{Address: "smtp.example.com:587", From: "a@example.com\r\nBcc: b@example.com"}, "from"},
		"in the clear":   {mail.Server{Address: "smtp.example.com:25", From: "a@example.com", Encryption: mail.None}, "in the clear"},
		"something else": {mail.Server{Address: "smtp.example.com:25", From: "a@example.com", Encryption: "ssl"}, "starttls"},
	} {
		err := test.server.Check()
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
