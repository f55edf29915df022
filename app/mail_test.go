package app_test

import (
	"bufio"
	"encoding/json"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
)

// A letter is what a mail server was given.
type letter struct{ to, text string }

// mailServer takes mail on an address of this machine.
func mailServer(t *testing.T) (address string, letters <-chan letter) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	got := make(chan letter, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go takeMail(c, got)
		}
	}()
	return l.Addr().String(), got
}

func takeMail(c net.Conn, got chan<- letter) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
	say("220 hello")
	var one letter
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch word, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " "); word {
		case "RCPT":
			one.to = strings.TrimSpace(line)
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text.WriteString(line)
			}
			plain, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(text.String())))
			one.text = string(plain)
			got <- one
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// TestMail invites someone and resets their password by what the mail server gets
// from the whole program: the links lead where the project says, and work.
func TestMail(t *testing.T) {
	t.Parallel()
	address, letters := mailServer(t)
	dir := project(t, map[string]string{
		"millrace.yaml":    "name: small\ncollect: {public_url: \"https://events.example.com\"}\nsmtp: {address: \"" + address + "\", from: \"Millrace <millrace@example.com>\", encryption: none}\n",
		"sources/web.yaml": small["sources/web.yaml"],
	})
	r := startWith(t, app.Options{Dir: dir, Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Mode: serve.Dev})
	next := func(subject, path string) (token string) {
		t.Helper()
		select {
		case l := <-letters:
			link := regexp.MustCompile(`https://events\.example\.com` + path + `#(\S+)`).FindStringSubmatch(l.text)
			if link == nil || !strings.Contains(l.to, "ada@example.com") || !strings.Contains(l.text, subject) || !strings.Contains(l.text, "From: \"Millrace\" <millrace@example.com>") {
				t.Fatalf("the mail to %s lacks %q or a link to %s:\n%s", l.to, subject, path, l.text)
			}
			return link[1]
		case <-time.After(20 * time.Second):
			t.Fatalf("no mail about %s comes", subject)
		}
		return ""
	}
	must := func(want int, method, path string, body any) string {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		status, answer, _ := r.in("", "", method, path, string(text))
		if status != want {
			t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
		return answer
	}
	invited := must(http.StatusCreated, "POST", "/api/v1/members/invitations", map[string]any{"email": "ada@example.com", "role": "viewer", "mail": true})
	if !strings.Contains(invited, `"sent":true`) {
		t.Errorf("the answer does not say that it is sent: %s", invited)
	}
	token := next("You are invited to Millrace", serve.InvitationPage)
	if opened := must(http.StatusOK, "POST", "/api/v1/invitations/open", map[string]any{"token": token}); !strings.Contains(opened, `"workspace_name":"default","workspace_title":"Default"`) {
		t.Errorf("the invitation does not say to what: %s", opened)
	}
	must(http.StatusOK, "POST", "/api/v1/invitations/accept", map[string]any{"token": token, "name": "Ada", "email": "ada@example.com", "password": "correct horse battery staple"})
	must(http.StatusAccepted, "POST", "/api/v1/password/reset-requests", map[string]any{"email": "ada@example.com"})
	token = next("Set a new password for Millrace", serve.ResetPage)
	must(http.StatusOK, "POST", "/api/v1/password/reset", map[string]any{"token": token, "password": "seven purple lakes in winter"})
	must(http.StatusOK, "POST", "/api/v1/session", map[string]any{"email": "ada@example.com", "password": "seven purple lakes in winter"})
	must(http.StatusAccepted, "POST", "/api/v1/password/reset-requests", map[string]any{"email": "nobody@example.com"})
	select {
	case l := <-letters:
		t.Errorf("someone without an account is sent %s: %s", l.to, l.text)
	case <-time.After(500 * time.Millisecond):
	}
}
