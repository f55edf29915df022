package serve

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
)

const (
	secretOfAda   = "correct horse battery staple"
	secretOfGrace = "seven purple lakes in winter"
)

// A browser is signed in as someone, or as nobody.
type browser struct {
	t      testing.TB
	url    string
	cookie string
	csrf   string
}

// do asks as the server's own page does.
func (b *browser) do(method, path, body string, headers ...string) (*http.Response, string) {
	b.t.Helper()
	all := []string{"Sec-Fetch-Site", "same-origin", "Origin", b.url}
	if b.cookie != "" {
		all = append(all, "Cookie", sessionCookie+"="+b.cookie)
	}
	if b.csrf != "" {
		all = append(all, csrfHeader, b.csrf)
	}
	resp, text := call(b.t, method, b.url+path, body, append(all, headers...)...)
	for _, c := range resp.Cookies() {
		if b.cookie = c.Value; c.MaxAge < 0 {
			b.cookie = ""
		}
	}
	if csrf := resp.Header.Get(csrfHeader); csrf != "" {
		b.csrf = csrf
	}
	return resp, text
}

// want asks, and fails on another status.
func (b *browser) want(status int, method, path, body string, headers ...string) string {
	b.t.Helper()
	resp, text := b.do(method, path, body, headers...)
	if resp.StatusCode != status {
		b.t.Fatalf("%s %s %s: %d %s; want %d", method, path, body, resp.StatusCode, text, status)
	}
	return text
}

// enters takes what signing in answered.
func (b *browser) enters(text string) Session {
	b.t.Helper()
	s := decode[Session](b.t, text)
	if !s.Authenticated || s.CSRF == "" || b.cookie == "" {
		b.t.Fatalf("not signed in: %s", text)
	}
	b.csrf = s.CSRF
	return s
}

func (b *browser) signIn(email, password string) Session {
	b.t.Helper()
	return b.enters(b.want(200, "POST", sessionPath, jsonOf(map[string]string{"email": email, "password": password})))
}

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// tokenOf is the token behind the # of a link.
func tokenOf(t testing.TB, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || u.Fragment == "" || u.RawQuery != "" {
		t.Fatalf("link %q: %v", link, err)
	}
	return u.Fragment
}

// A postbox is a Mailer that keeps what it is given.
type postbox struct {
	mu   sync.Mutex
	full bool
	sent []Mail
}

func (p *postbox) On() bool { return true }
func (p *postbox) Send(m Mail) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		return millrace.Errorf(millrace.Unavailable, "too many wait")
	}
	p.sent = append(p.sent, m)
	return nil
}

func (p *postbox) all() []Mail {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// inhabited is a server in production whose owner is Ada.
func inhabited(t testing.TB, set ...func(*Options)) (o Options, url string, ada *browser) {
	t.Helper()
	o = newWorld().guarded(t)
	o.Mode = Production
	for _, f := range set {
		f(&o)
	}
	s := start(t, o)
	l, needed, err := o.Access.Setup(t.Context())
	if err != nil || !needed {
		t.Fatal(needed, err)
	}
	ada = &browser{t: t, url: s.URL}
	ada.enters(ada.want(200, "POST", setupPath, jsonOf(map[string]string{"token": l.Token.Reveal(), "name": "Ada", "email": "ada@example.com", "password": secretOfAda})))
	return o, s.URL, ada
}

// joins invites someone with a role, who accepts.
func (b *browser) joins(name, role string) *browser {
	b.t.Helper()
	made := decode[NewInvitation](b.t, b.want(201, "POST", "/api/v1/members/invitations", jsonOf(map[string]any{"role": role, "email": name + "@example.com"})))
	other := &browser{t: b.t, url: b.url}
	other.enters(other.want(200, "POST", acceptPath, jsonOf(map[string]string{"token": tokenOf(b.t, made.Link), "name": name, "email": name + "@example.com", "password": secretOfGrace})))
	return other
}

func TestSetup(t *testing.T) {
	t.Parallel()
	o := newWorld().guarded(t)
	o.Mode = Production
	s := start(t, o)
	nobody := &browser{t: t, url: s.URL}
	if v := decode[Session](t, nobody.want(200, "GET", sessionPath, "")); v.Authenticated || !v.SetupNeeded || v.Login != "password" || v.Mode != "serve" || v.Mail {
		t.Errorf("before the set-up: %+v", v)
	}
	old, _, err := o.Access.Setup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := o.Access.Setup(t.Context()) // the server was started again
	if err != nil {
		t.Fatal(err)
	}
	person := func(token, password string) string {
		return jsonOf(map[string]string{"token": token, "name": "Ada", "email": "ada@example.com", "password": password})
	}
	nobody.want(410, "POST", setupPath, person(old.Token.Reveal(), secretOfAda))
	nobody.want(401, "POST", setupPath, person("mr_own_nonsense", secretOfAda))
	nobody.want(400, "POST", setupPath, person(l.Token.Reveal(), "passwordpassword"))
	nobody.want(403, "POST", setupPath, person(l.Token.Reveal(), secretOfAda), "Sec-Fetch-Site", "cross-site")
	ada := &browser{t: t, url: s.URL}
	v := ada.enters(ada.want(200, "POST", setupPath, person(l.Token.Reveal(), secretOfAda)))
	if v.SetupNeeded || v.Kind != "person" || v.Person == nil || v.Person.Email != "ada@example.com" || len(v.Roles) != 2 || len(v.Permissions) == 0 || len(v.Server) == 0 {
		t.Errorf("the owner is %+v", v)
	}
	for _, p := range access.Permissions() {
		have := v.Permissions
		if p.Level == access.OfServer {
			have = v.Server
		}
		if !strings.Contains(strings.Join(have, " ")+" ", string(p.Name)+" ") {
			t.Errorf("the owner may not %s", p.Name)
		}
	}
	nobody.want(410, "POST", setupPath, person(l.Token.Reveal(), secretOfAda))
	ada.want(200, "GET", "/api/v1/status", "")
	ada.want(200, "POST", "/api/v1/readers/warehouse/pause", "")
	ada.want(200, "DELETE", sessionPath, "")
	if ada.cookie != "" {
		t.Error("the cookie stays")
	}
	ada.want(401, "GET", "/api/v1/status", "")
	ada.signIn("ADA@example.com", secretOfAda)
	ada.want(200, "GET", "/api/v1/status", "")
}

func TestProfile(t *testing.T) {
	t.Parallel()
	box := &postbox{}
	_, _, ada := inhabited(t, func(o *Options) { o.Mail, o.PublicURL = box, "https://millrace.example.com" })
	elsewhere := &browser{t: t, url: ada.url}
	elsewhere.signIn("ada@example.com", secretOfAda)
	if p := decode[Person](t, ada.want(200, "PATCH", "/api/v1/profile", `{"name":"Ada  Lovelace"}`)); p.Name != "Ada Lovelace" || p.Email != "ada@example.com" || p.PasswordSet == nil {
		t.Errorf("profile %+v", p)
	}
	type sessions struct{ Sessions []ProfileSession }
	all := decode[sessions](t, ada.want(200, "GET", "/api/v1/profile/sessions", ""))
	if len(all.Sessions) != 2 {
		t.Fatalf("sessions %+v", all)
	}
	for _, s := range all.Sessions {
		if !s.Current {
			ada.want(204, "DELETE", "/api/v1/profile/sessions/"+s.ID, "")
		}
	}
	elsewhere.want(401, "GET", "/api/v1/profile", "")
	elsewhere.cookie = ""
	elsewhere.signIn("ada@example.com", secretOfAda)
	ada.want(204, "DELETE", "/api/v1/profile/sessions", "")
	elsewhere.want(401, "GET", "/api/v1/profile", "")
	elsewhere.cookie = ""
	elsewhere.signIn("ada@example.com", secretOfAda)

	ada.want(403, "POST", "/api/v1/profile/password", jsonOf(map[string]string{"current": "wrong wrong wrong wrong", "new": secretOfGrace}))
	before := ada.cookie
	ada.enters(ada.want(200, "POST", "/api/v1/profile/password", jsonOf(map[string]string{"current": secretOfAda, "new": secretOfGrace})))
	if ada.cookie == before {
		t.Error("the session keeps its token when the password changes")
	}
	elsewhere.want(401, "GET", "/api/v1/profile", "")
	if resp, _ := (&browser{t: t, url: ada.url, cookie: before}).do("GET", "/api/v1/profile", ""); resp.StatusCode != 401 {
		t.Errorf("the token before is answered %d", resp.StatusCode)
	}

	ada.want(202, "POST", "/api/v1/profile/email", jsonOf(map[string]string{"email": "ada@example.org", "password": secretOfGrace}))
	mails := box.all()
	last := mails[len(mails)-1]
	if last.To != "ada@example.org" || !strings.Contains(last.Text, "https://millrace.example.com/email#mr_eml_") {
		t.Fatalf("mail %+v", last)
	}
	token := tokenOf(t, "https://millrace.example.com/email#"+between(last.Text, "/email#", "\n"))
	ada.want(204, "POST", confirmEmailPath, jsonOf(map[string]string{"token": token}))
	ada.want(410, "POST", confirmEmailPath, jsonOf(map[string]string{"token": token}))
	if p := decode[Person](t, ada.want(200, "GET", "/api/v1/profile", "")); p.Email != "ada@example.org" {
		t.Errorf("profile %+v", p)
	}
	if mails = box.all(); mails[len(mails)-1].To != "ada@example.com" {
		t.Errorf("the address before is not told: %+v", mails)
	}
}

func between(text, begin, end string) string {
	_, text, _ = strings.Cut(text, begin)
	text, _, _ = strings.Cut(text, end)
	return text
}

func TestMembers(t *testing.T) {
	t.Parallel()
	_, url, ada := inhabited(t)
	grace := ada.joins("grace", "analyst")
	s := decode[Session](t, grace.want(200, "GET", sessionPath, ""))
	if len(s.Roles) != 1 || s.Roles[0].Role != "analyst" || s.Roles[0].Workspace != "default" || len(s.Server) != 0 {
		t.Errorf("grace is %+v", s)
	}
	grace.want(200, "GET", "/api/v1/members", "")
	for path, needs := range map[string]string{"/api/v1/members/invitations": "member:manage", "/api/v1/people": "person:read", "/api/v1/operators": "operator:read"} {
		if text := grace.want(403, "GET", path, ""); !strings.Contains(text, needs) {
			t.Errorf("%s: %s", path, text)
		}
	}
	ada.want(204, "PUT", "/api/v1/members/"+s.Person.ID, `{"role":"admin"}`)
	before := grace.cookie
	grace.want(200, "GET", "/api/v1/members/invitations", "") // with another token now
	if grace.cookie == before {
		t.Error("the session keeps its token when rights change")
	}
	grace.want(403, "POST", "/api/v1/members/invitations", `{"role":"owner"}`)
	grace.want(403, "PUT", "/api/v1/members/"+s.Person.ID, `{"role":"owner"}`)
	made := decode[NewInvitation](t, grace.want(201, "POST", "/api/v1/members/invitations", `{"role":"viewer","email":"eve@example.com"}`))
	if !strings.HasPrefix(made.Link, url+"/invitation#mr_inv_") || made.Sent {
		t.Errorf("invited %+v", made)
	}
	grace.want(409, "POST", "/api/v1/members/invitations", `{"role":"viewer","email":"eve@example.com","mail":true}`)
	nobody := &browser{t: t, url: url}
	if i := decode[OpenInvitation](t, nobody.want(200, "POST", invitationPath, jsonOf(map[string]string{"token": tokenOf(t, made.Link)}))); i.Role != "viewer" || i.Email != "eve@example.com" || i.Account || i.WorkspaceTitle != "" {
		t.Errorf("opened %+v", i)
	}
	// Only the address that it is for.
	nobody.want(403, "POST", acceptPath, jsonOf(map[string]string{"token": tokenOf(t, made.Link), "name": "Mallory", "email": "mallory@example.com", "password": secretOfGrace}))
	grace.want(204, "DELETE", "/api/v1/members/invitations/"+made.ID, "")
	nobody.want(410, "POST", invitationPath, jsonOf(map[string]string{"token": tokenOf(t, made.Link)}))

	eve := ada.joins("eve", "viewer")
	id := decode[Session](t, eve.want(200, "GET", sessionPath, "")).Person.ID
	eve.want(403, "DELETE", "/api/v1/members/"+s.Person.ID, "")
	reset := decode[ResetLink](t, grace.want(201, "POST", "/api/v1/members/"+id+"/reset", ""))
	eve.enters(eve.want(200, "POST", resetPath, jsonOf(map[string]string{"token": tokenOf(t, reset.Link), "password": secretOfAda})))
	eve.want(200, "DELETE", "/api/v1/members/"+id, "") // everyone may leave
	if s := decode[Session](t, eve.want(200, "GET", sessionPath, "")); len(s.Roles) != 0 || len(s.Permissions) != 0 {
		t.Errorf("eve has left, and is %+v", s)
	}
	eve.want(404, "GET", "/api/v1/status", "")
	owner := decode[Session](t, ada.want(200, "GET", sessionPath, "")).Person.ID
	ada.want(409, "DELETE", "/api/v1/members/"+owner, "")
	ada.want(409, "DELETE", "/api/v1/operators/"+owner, "")

	// The server.
	ada.want(204, "PUT", "/api/v1/operators/"+s.Person.ID, `{"role":"viewer"}`)
	grace.want(200, "GET", "/api/v1/operators", "")
	grace.want(403, "PUT", "/api/v1/operators/"+s.Person.ID, `{"role":"owner"}`)
	ada.want(201, "POST", "/api/v1/operators/invitations", `{"role":"viewer"}`)
	if text := ada.want(200, "GET", "/api/v1/operators/invitations", ""); !strings.Contains(text, `"open"`) {
		t.Errorf("invitations to run the server: %s", text)
	}
	if text := ada.want(200, "GET", "/api/v1/people", ""); strings.Count(text, "@example.com") != 3 {
		t.Errorf("people: %s", text)
	}
	ada.want(204, "PATCH", "/api/v1/people/"+id, `{"suspended":true,"name":"Eve S."}`)
	nobody.want(403, "POST", sessionPath, jsonOf(map[string]string{"email": "eve@example.com", "password": secretOfAda}))
	ada.want(204, "PATCH", "/api/v1/people/"+id, `{"suspended":false,"email":"eve@example.net"}`)
	eve.cookie = ""
	eve.signIn("eve@example.net", secretOfAda)
	ada.want(204, "DELETE", "/api/v1/people/"+id, "")
	eve.want(401, "GET", "/api/v1/profile", "")
}

func TestResetByMail(t *testing.T) {
	t.Parallel()
	box := &postbox{}
	_, url, ada := inhabited(t, func(o *Options) { o.Mail, o.PublicURL = box, "https://millrace.example.com" })
	nobody := &browser{t: t, url: url}
	for _, who := range []string{"ada@example.com", "nobody@example.com", "not an address"} {
		if resp, text := call(t, "POST", url+resetRequestPath, jsonOf(map[string]string{"email": who}), "Host", "evil.example"); resp.StatusCode != 202 || text != "" {
			t.Errorf("%s: %d %s", who, resp.StatusCode, text)
		}
	}
	mails := box.all()
	if len(mails) != 1 || mails[0].To != "ada@example.com" || strings.Contains(mails[0].Text, "evil") {
		t.Fatalf("mails %+v", mails)
	}
	token := between(mails[0].Text, "https://millrace.example.com/reset#", "\n")
	nobody.enters(nobody.want(200, "POST", resetPath, jsonOf(map[string]string{"token": token, "password": secretOfGrace})))
	ada.want(401, "GET", "/api/v1/profile", "")
	nobody.want(410, "POST", resetPath, jsonOf(map[string]string{"token": token, "password": secretOfGrace}))
	// Links are not sent to where nobody said that the server is.
	_, url, _ = inhabited(t, func(o *Options) { o.Mail = box })
	(&browser{t: t, url: url}).want(409, "POST", resetRequestPath, `{"email":"ada@example.com"}`)
}
