package serve

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
)

// TestSessionFixation: what a browser had before signing in lets nobody in after.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	_, url, ada := inhabited(t)
	planted := token.New(token.Session, "").Reveal() // looks right, and is nobody's
	victim := &browser{t: t, url: url, cookie: planted}
	victim.signIn("ada@example.com", secretOfAda)
	if victim.cookie == planted {
		t.Fatal("the planted cookie is taken on")
	}
	(&browser{t: t, url: url, cookie: planted}).want(401, "GET", "/api/v1/profile", "")
	// One's own session that someone planted in another's browser ends when they sign in.
	mallory := ada.joins("mallory", "viewer")
	own := mallory.cookie
	victim = &browser{t: t, url: url, cookie: own}
	victim.signIn("ada@example.com", secretOfAda)
	(&browser{t: t, url: url, cookie: own}).want(401, "GET", "/api/v1/profile", "")
	if s := decode[Session](t, victim.want(200, "GET", sessionPath, "")); s.Person.Email != "ada@example.com" {
		t.Errorf("signed in as %+v", s)
	}
}

// TestCSRF: another site, and who does not have the page's token, changes nothing.
func TestCSRF(t *testing.T) {
	t.Parallel()
	_, url, ada := inhabited(t)
	grace := ada.joins("grace", "admin")
	cookie := sessionCookie + "=" + ada.cookie
	for name, headers := range map[string][]string{
		"cross-site":             {"Sec-Fetch-Site", "cross-site", csrfHeader, ada.csrf},
		"a sibling":              {"Sec-Fetch-Site", "same-site", csrfHeader, ada.csrf},
		"typed in":               {"Sec-Fetch-Site", "none", csrfHeader, ada.csrf},
		"another origin":         {"Origin", "https://evil.example", csrfHeader, ada.csrf},
		"an opaque origin":       {"Origin", "null", csrfHeader, ada.csrf},
		"says nothing":           {csrfHeader, ada.csrf},
		"without the token":      {"Sec-Fetch-Site", "same-origin"},
		"with another's":         {"Sec-Fetch-Site", "same-origin", csrfHeader, grace.csrf},
		"with the cookie's":      {"Sec-Fetch-Site", "same-origin", csrfHeader, ada.cookie},
		"with an empty one":      {"Sec-Fetch-Site", "same-origin", csrfHeader, ""},
		"as a form":              {"Sec-Fetch-Site", "cross-site", "Content-Type", "application/x-www-form-urlencoded"},
		"as text without origin": {"Content-Type", "text/plain"},
	} {
		for _, op := range [][3]string{{"POST", "/api/v1/readers/warehouse/pause", ""}, {"PATCH", "/api/v1/profile", `{"name":"Owned"}`}, {"DELETE", sessionPath, ""},
			{"POST", "/api/v1/keys", `{"name":"x","role":"owner"}`}, {"POST", "/api/v1/w/default/members/invitations", `{"role":"owner"}`}} {
			if resp, text := call(t, op[0], url+op[1], op[2], append([]string{"Cookie", cookie}, headers...)...); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s %s: %d %s", name, op[0], op[1], resp.StatusCode, text)
			}
		}
	}
	for _, path := range []string{"/api/v1/profile", "/api/v1/tail?limit=1"} { // reading for another site
		if resp, _ := call(t, "GET", url+path, "", "Cookie", cookie, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s for another site: %d", path, resp.StatusCode)
		}
	}
	// Signing someone in as oneself.
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if resp, _ := call(t, "POST", url+sessionPath, jsonOf(map[string]string{"email": "grace@example.com", "password": secretOfGrace}), headers...); resp.StatusCode != 403 || len(resp.Cookies()) != 0 {
			t.Errorf("%s: %d", headers, resp.StatusCode)
		}
	}
	if text := ada.want(200, "GET", "/api/v1/profile", ""); strings.Contains(text, "Owned") {
		t.Error(text)
	}
}

// TestTokensInAddresses: a token in the address is refused, and in no log.
func TestTokensInAddresses(t *testing.T) {
	t.Parallel()
	var said quietLog
	o, url, ada := inhabited(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	_ = o
	made := decode[NewAPIKey](t, ada.want(201, "POST", "/api/v1/keys", `{"name":"x","role":"viewer"}`))
	for _, address := range []string{"status?token=%s", "status?access_token=%s", "status?key=%s", "status?limit=1&x=%s", "status?authorization=Bearer%%20%s",
		"status?x=1;%s", "status?x=%%zz%s", "w/%s/status"} {
		for _, header := range [][]string{nil, {"Authorization", "Bearer " + made.Token}} {
			resp, text := call(t, "GET", url+"/api/v1/"+fmt.Sprintf(address, made.Token), "", header...)
			if resp.StatusCode != http.StatusBadRequest || strings.Contains(text, made.Token) {
				t.Errorf("%s: %d %s", address, resp.StatusCode, text)
			}
		}
	}
	for _, path := range []string{"/api/v1/keys/", "/api/v1/", "/api/v1/w/", "/nothing/"} { // as a part of the path, which the page answers too
		if resp, text := call(t, "GET", url+path+made.Token, ""); resp.StatusCode != http.StatusOK && resp.StatusCode < 400 || strings.Contains(text, made.Token) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	for _, secret := range []string{made.Token, ada.cookie, ada.csrf, secretOfAda} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("the log has a secret: %s", said.String())
		}
	}
}

// quietLog is a log that is written and read at once.
type quietLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *quietLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *quietLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestMassAssignment: fields that an operation does not take are refused, not passed on.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	_, _, ada := inhabited(t)
	grace := ada.joins("grace", "viewer")
	id := decode[Session](t, grace.want(200, "GET", sessionPath, "")).Person.ID
	for path, bodies := range map[string][]string{
		"PATCH /api/v1/profile":              {`{"name":"x","email":"y@example.com"}`, `{"name":"x","suspended":false}`, `{"name":"x","role":"owner"}`, `{"name":"x","id":"p_x"}`},
		"POST /api/v1/session":               {`{"email":"grace@example.com","password":"` + secretOfGrace + `","role":"owner"}`},
		"POST /api/v1/invitations/accept":    {`{"token":"mr_inv_x","role":"owner"}`, `{"token":"mr_inv_x","workspace":"@"}`},
		"POST /api/v1/profile/password":      {`{"current":"x","new":"y","person":"` + id + `"}`},
		"POST /api/v1/members/invitations":   {`{"role":"viewer","workspace":"@"}`, `{"role":"viewer","maker":"p_x"}`},
		"PUT /api/v1/members/" + id:          {`{"role":"viewer","workspace":"@"}`, `{"role":"viewer","person":"p_x"}`},
		"PATCH /api/v1/people/" + id:         {`{"password":"x"}`, `{"rights":9}`},
		"POST /api/v1/keys":                  {`{"name":"x","role":"viewer","workspace":"@"}`, `{"name":"x","role":"viewer","holder":""}`},
		"POST /api/v1/operators/invitations": {`{"role":"viewer","this_environment":true}`},
	} {
		method, path, _ := strings.Cut(path, " ")
		for _, body := range bodies {
			who := ada
			if strings.HasPrefix(path, "/api/v1/profile") {
				who = grace
			}
			if resp, text := who.do(method, path, body); resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "is no field that is known here") {
				t.Errorf("%s %s %s: %d %s", method, path, body, resp.StatusCode, text)
			}
		}
	}
}

// TestWhoIsThere: nobody is told whether there is an account with an address.
func TestWhoIsThere(t *testing.T) {
	t.Parallel()
	box := &postbox{}
	_, url, _ := inhabited(t, func(o *Options) { o.Mail, o.PublicURL = box, "https://millrace.example.com" })
	answer := func(path, body string) string {
		resp, text := call(t, "POST", url+path, body)
		text = strings.ReplaceAll(text, resp.Header.Get("X-Request-Id"), "")
		for _, h := range []string{"X-Request-Id", "Date", "Content-Length"} {
			resp.Header.Del(h)
		}
		return fmt.Sprintln(resp.StatusCode, resp.Header, text)
	}
	for path, body := range map[string]string{sessionPath: `{"email":"%s","password":"wrong wrong wrong wrong"}`, resetRequestPath: `{"email":"%s"}`} {
		there, not := answer(path, fmt.Sprintf(body, "ada@example.com")), answer(path, fmt.Sprintf(body, "bob@example.com"))
		if there != not {
			t.Errorf("%s: %s; without an account %s", path, there, not)
		}
	}
	// Guessing waits, for either.
	for _, who := range []string{"ada@example.com", "bob@example.com"} {
		limited := false
		for range 10 {
			resp, _ := call(t, "POST", url+sessionPath, fmt.Sprintf(`{"email":"%s","password":"wrong wrong wrong wrong"}`, who))
			limited = limited || resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != ""
		}
		if !limited {
			t.Errorf("%s may be guessed for ever", who)
		}
	}
	resp, text := call(t, "POST", url+sessionPath, jsonOf(map[string]string{"email": "ada@example.com", "password": secretOfAda}))
	if resp.StatusCode != http.StatusTooManyRequests || len(resp.Cookies()) != 0 {
		t.Errorf("the right one among guesses: %d %s", resp.StatusCode, text)
	}
}

// payloads are names that would do something where they are taken for more.
var payloads = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `{{7*7}}`, `${secret:x}`, `'; DROP TABLE access_person; --`,
	`%s%n%x`, `../../etc/passwd`, `=cmd|' /C calc'!A0`, `\u0000`, `Ada [31mred`, `level=ERROR msg=fake`, `{"a":1}`, "\u0141ukasz \u540d\u524d \U0001F600", strings.Repeat("ä", 100),
}

// TestNamesAreData: what people call themselves and their keys comes back as it is,
// and makes no line, header or command of its own.
func TestNamesAreData(t *testing.T) {
	t.Parallel()
	var said quietLog
	_, _, ada := inhabited(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	for i, name := range payloads {
		got := decode[Person](t, ada.want(200, "PATCH", "/api/v1/profile", jsonOf(map[string]string{"name": name})))
		if got.Name != name {
			t.Errorf("%q came back as %q", name, got.Name)
		}
		made := decode[NewAPIKey](t, ada.want(201, "POST", "/api/v1/keys", jsonOf(map[string]any{"name": name, "role": "viewer"})))
		if made.Key.Name != name {
			t.Errorf("key %q came back as %q", name, made.Key.Name)
		}
		if resp, text := ada.do("GET", "/api/v1/audit?q=x", "", "User-Agent", strings.ToValidUTF8(strings.Map(printable, name), "")); resp.StatusCode != 200 {
			t.Errorf("payload %d as a client's name: %d %s", i, resp.StatusCode, text)
		}
	}
	for _, bad := range []string{"", "   ", "a\u0000b", "a\u202eb", "a\u200eb", "a\u0007b"} {
		ada.want(map[bool]int{true: 422, false: 400}[bad == ""], "PATCH", "/api/v1/profile", jsonOf(map[string]string{"name": bad}))
	}
	// A line break in a name is a space.
	if got := decode[Person](t, ada.want(200, "PATCH", "/api/v1/profile", jsonOf(map[string]string{"name": "Ada\r\nSet-Cookie: x=y"}))); got.Name != "Ada Set-Cookie: x=y" {
		t.Errorf("name %q", got.Name)
	}
	for line := range strings.Lines(said.String()) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("a line of the log that nobody wrote: %q", line)
		}
	}
	for _, path := range []string{"/api/v1/audit", "/api/v1/members", "/api/v1/keys", "/api/v1/people"} {
		resp, text := ada.do("GET", path, "")
		if resp.StatusCode != 200 || resp.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %d %v %s", path, resp.StatusCode, resp.Header, text)
		}
	}
}

func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return -1
	}
	return c
}

// TestHeadersCannotBeMade: nothing that is sent becomes a header of the answer.
func TestHeadersCannotBeMade(t *testing.T) {
	t.Parallel()
	_, _, ada := inhabited(t)
	for _, path := range []string{"/api/v1/members/%0d%0aSet-Cookie:%20x=y", "/api/v1/profile/sessions/%0d%0aX-Evil:%201", "/api/v1/people/%0aX-Evil:1"} {
		resp, _ := ada.do("DELETE", path, "", "X-Request-Id", "a")
		if resp.Header.Get("X-Evil") != "" || resp.Header.Get("Set-Cookie") != "" || resp.StatusCode < 400 {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

// empty asks for what costs nothing itself, and returns what it took, in µs.
func empty(b *testing.B, h http.Handler, headers ...string) float64 {
	b.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1/api/v1/nothing", nil)
	r.RemoteAddr = "127.0.0.1:5555"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(discard{http.Header{}}, r)
	}
	took := float64(b.Elapsed().Nanoseconds()) / 1e3 / float64(b.N)
	b.ReportMetric(took, "µs/request")
	return took
}

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkAuthorised is what it costs to know who asks and what they may, with
// 10,000 keys there: a handler that does nothing with and without it.
func BenchmarkAuthorised(b *testing.B) {
	o, _, ada := inhabited(b)
	by := access.Caller{Principal: access.System("benchmark")}
	text := ""
	begin := time.Now()
	for i := range 10_000 {
		_, key, err := o.Access.CreateKey(b.Context(), by, access.NewKey{Name: fmt.Sprintf("key %d", i), Workspace: "default", Role: access.Viewer})
		if err != nil {
			b.Fatal(err)
		}
		text = key.Reveal()
	}
	b.Logf("10,000 keys were made in %s", time.Since(begin))
	g := newGuard(o)
	g.clientIP, g.secure = peer, func(*http.Request) bool { return false }
	s := &server{o: o, guard: g}
	nothing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if principal(r.Context()).Allow(access.StatusRead, "default", "default") != nil {
			b.Fatal("it may not")
		}
	})
	without := 0.0
	b.Run("without", func(b *testing.B) { without = empty(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) })
	for name, headers := range map[string][]string{"key": {"Authorization", "Bearer " + text}, "session": {"Cookie", sessionCookie + "=" + ada.cookie}} {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(empty(b, s.guarded(nothing), headers...)-without, "µs-above/request")
		})
	}
}

// TestStreamsEnd: who may not any more is told nothing more, in what they read already.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	_, url, ada := inhabited(t)
	made := decode[NewAPIKey](t, ada.want(201, "POST", "/api/v1/keys", `{"name":"x","role":"analyst"}`))
	r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/api/v1/tail", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+made.Token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, resp.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it ends by itself: %v", err)
	case <-time.After(3 * time.Second):
	}
	ada.want(200, "DELETE", "/api/v1/keys/"+made.Key.ID, "")
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("who has a revoked key still reads along")
	}
}
