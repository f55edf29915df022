// Package mail sends plain texts to people over SMTP: later than who asks for it
// gets an answer, and again when it fails.
package mail

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
)

// How the connection to a server is encrypted.
const (
	StartTLS = "starttls" // begins in the clear and has to turn to TLS before anything is said
	TLS      = "tls"      // from the beginning
	None     = "none"     // not at all: for a server on this machine
)

// A Server takes mail.
type Server struct {
	Address        string // host:port
	From           string // address, or Name <address>
	User, Password string // empty: without signing in
	Encryption     string // StartTLS (default), TLS or None
	Roots          *tls.Config
	Timeout        time.Duration // for one mail; default 30 s
	Now            func() time.Time
}

// Format keeps the password out of whatever is printed.
func (s Server) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.Address) }

// A Message is a plain text to one person.
type Message struct {
	To, Name      string // address, and the name of whose it is, or empty
	Subject, Text string
}

// Format keeps what a message says, which may be a link that works once, out of
// whatever is printed.
func (m Message) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[mail]") }

// Check refuses, as Invalid, what no server can be reached with.
func (s Server) Check() error {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil || host == "" || port == "" {
		return millrace.Errorf(millrace.Invalid, "the address %.80q is not host:port, such as smtp.example.com:587", s.Address)
	}
	if _, err := oneAddress("", s.From); err != nil {
		return millrace.Errorf(millrace.Invalid, "from %.80q is no e-mail address: write it as millrace@example.com, or Millrace <millrace@example.com>", s.From)
	}
	switch s.Encryption {
	case "", StartTLS, TLS:
		return nil
	case None:
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return millrace.Errorf(millrace.Invalid, "mail, and the links in it, would go over the network in the clear: none is for a server on this machine; choose starttls or tls")
		}
		return nil
	}
	return millrace.Errorf(millrace.Invalid, "the encryption is %.40q: choose starttls, tls or none", s.Encryption)
}

// oneAddress reads an address, and gives it a name.
func oneAddress(name, text string) (*netmail.Address, error) {
	if strings.ContainsAny(text, "\r\n\x00") {
		return nil, errors.New("it has a line break in it")
	}
	a, err := netmail.ParseAddress(text)
	if err != nil {
		return nil, err
	}
	if name != "" {
		a.Name = name
	}
	return a, nil
}

// Compose writes a message as it is sent. Names and subjects are encoded, so that
// nothing in them can be taken for a header; what is not text is refused.
func (s Server) Compose(m Message) (from, to string, data []byte, err error) {
	sender, err := oneAddress("", s.From)
	if err != nil {
		return "", "", nil, millrace.Errorf(millrace.Invalid, "the sender of mail is no e-mail address: %w", err)
	}
	receiver, err := oneAddress(clean(m.Name), m.To)
	if err != nil {
		return "", "", nil, millrace.Errorf(millrace.Invalid, "a mail has no address to go to: %w", err)
	}
	if !utf8.ValidString(m.Subject) || !utf8.ValidString(m.Text) || strings.Contains(m.Text, "\x00") {
		return "", "", nil, millrace.Errorf(millrace.Invalid, "a mail is no text")
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", sender.String()}, {"To", receiver.String()}, {"Subject", mime.QEncoding.Encode("utf-8", clean(m.Subject))},
		{"Date", now().UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + strings.ToLower(rand.Text()) + "@" + domain + ">"},
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"}, {"X-Auto-Response-Suppress", "All"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, err = io.WriteString(w, strings.ReplaceAll(strings.ReplaceAll(m.Text, "\r\n", "\n"), "\r", "\n"))
	return sender.Address, receiver.Address, b.Bytes(), errors.Join(err, w.Close())
}

// clean makes one line of a text.
func clean(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\u2028' || c == '\u2029' }), " ")
}

// Send sends a message now. It fails with Unavailable when it may go better
// later, with Invalid when the server refuses it for good. No error has the message in it.
func (s Server) Send(ctx context.Context, m Message) error {
	from, to, data, err := s.Compose(m)
	if err != nil {
		return err
	}
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.hand(ctx, from, to, data); err != nil {
		var refused *textproto.Error
		if errors.As(err, &refused) && refused.Code >= 500 {
			return millrace.Errorf(millrace.Invalid, "the mail server %s refuses a mail: %d %.200q", s.Address, refused.Code, clean(refused.Msg))
		}
		return millrace.Errorf(millrace.Unavailable, "the mail server %s: %w", s.Address, err)
	}
	return nil
}

// hand speaks with the server.
func (s Server) hand(ctx context.Context, from, to string, data []byte) (err error) {
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	secure := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if s.Roots != nil {
		secure.RootCAs = s.Roots.RootCAs
	}
	if s.Encryption == TLS {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		_ = conn.Close()
		return err
	}
	defer func() { _ = c.Close() }() // after Quit it is closed already
	if s.Encryption == "" || s.Encryption == StartTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return errors.New("it does not offer STARTTLS, and mail is not sent in the clear")
		}
		if err := c.StartTLS(secure); err != nil {
			return err
		}
	}
	if s.User != "" {
		if err := c.Auth(s.auth(c, host)); err != nil {
			return errors.New("it does not let in the user that smtp.user names, with this password")
		}
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // from here on it is the server's
		return err
	}
	_ = c.Quit() // it has the mail, whatever it says now
	return nil
}

// auth is PLAIN, or LOGIN where a server knows no other. Both are said within TLS
// only, or on this machine.
func (s Server) auth(c *smtp.Client, host string) smtp.Auth {
	if _, ways := c.Extension("AUTH"); !strings.Contains(" "+ways+" ", " PLAIN ") && strings.Contains(" "+ways+" ", " LOGIN ") {
		return login{s.User, s.Password}
	}
	return smtp.PlainAuth("", s.User, s.Password, host)
}

// login is the way LOGIN.
type login struct{ user, password string }

// Start begins it, on a connection that nobody else reads.
func (l login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, errors.New("the connection is not encrypted")
	}
	return "LOGIN", nil, nil
}

// Next answers what the server asks for.
func (l login) Next(asked []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case bytes.HasPrefix(bytes.ToLower(asked), []byte("user")):
		return []byte(l.user), nil
	case bytes.HasPrefix(bytes.ToLower(asked), []byte("pass")):
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks for something else")
}
