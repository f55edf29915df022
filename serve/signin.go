package serve

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
)

// Paths of what is done with a link. Who has it needs nothing else, so they are open.
const (
	setupPath        = "/api/v1/setup"
	invitationPath   = "/api/v1/invitations/open"
	acceptPath       = "/api/v1/invitations/accept"
	resetRequestPath = "/api/v1/password/reset-requests"
	resetPath        = "/api/v1/password/reset"
	confirmEmailPath = "/api/v1/email/confirm"
)

// Where the page takes links: the token stands behind the #, which browsers send
// to no server.
const (
	SetupPage      = "/setup"
	InvitationPage = "/invitation"
	ResetPage      = "/reset"
	EmailPage      = "/email"
)

// LinkURL is the address of a link on a server.
func LinkURL(base, page string, t token.Token) string {
	return strings.TrimSuffix(base, "/") + page + "#" + t.Reveal()
}

// A Mail is a plain text to someone.
type Mail struct {
	To, Name      string // address and name
	Subject, Text string
}

// A Mailer sends mail, later than the answer, and tries again when it cannot. It
// is safe for concurrent use.
type Mailer interface {
	// On says whether mail can be sent: whether a server for it is set.
	On() bool
	// Send takes a mail. It fails with Unavailable when too many wait.
	Send(Mail) error
}

var errNoMail = millrace.Errorf(millrace.Conflict, "this server sends no mail: set smtp in its millrace.yaml, or ask who manages people for a link")

// mails says whether mail can be sent. Links in mails lead to the public address
// only, never to where a request says that it came.
func (s *server) mails() bool { return s.o.Mail != nil && s.o.Mail.On() && s.o.PublicURL != "" }

// send hands a mail over. What fails is told in the log: who asked is told the
// same, whether there was anyone to write to.
func (s *server) send(ctx context.Context, m Mail) bool {
	if m.To == "" || !s.mails() {
		return false
	}
	if err := s.o.Mail.Send(m); err != nil {
		s.o.Logger.Warn("a mail could not be sent", "request", requestID(ctx), "error", err)
		return false
	}
	return true
}

// base is where the page is for who makes a request.
func (s *server) base(r *http.Request) string {
	if s.o.PublicURL != "" {
		return s.o.PublicURL
	}
	scheme := "http"
	if s.o.Secure(r) {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: r.Host}).String()
}

// LinkBody is the token of a link: what stands behind the # of its address.
type LinkBody struct {
	Token string `json:"token" minLength:"1" maxLength:"200" doc:"What stands behind the # of the link."`
}

// PersonBody is what someone says of themselves.
type PersonBody struct {
	Name     string `json:"name,omitempty" maxLength:"200" example:"Ada"`
	Email    string `json:"email,omitempty" maxLength:"1000" example:"ada@example.com"`
	Password string `json:"password,omitempty" maxLength:"9000" doc:"At least 15 characters."`
}

// linkedPerson is what someone says of themselves who has a link.
type linkedPerson struct {
	LinkBody
	PersonBody
}

// resetRequest says who forgot their password.
type resetRequest struct {
	Email string `json:"email" minLength:"1" maxLength:"1000"`
}

// newPassword is the password that a link sets.
type newPassword struct {
	LinkBody
	Password string `json:"password" minLength:"1" maxLength:"9000" doc:"At least 15 characters."`
}

func (b PersonBody) person() access.NewPerson {
	return access.NewPerson{Name: b.Name, Email: b.Email, Password: b.Password}
}

// withLink are the errors of what is done with a link.
var withLink = []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusGone, http.StatusTooManyRequests}

func (s *server) registerSignIn() {
	register(s, operation{id: "complete-setup", method: http.MethodPost, path: setupPath, tag: "session", open: true, errors: withLink,
		summary: "Make the first owner", description: "With the link that the server printed when it started: an account that owns the server and its first workspace. Signs in."},
		func(ctx context.Context, in *struct{ Body linkedPerson }) (*sessionAnswer, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			out, err := s.o.Access.CompleteSetup(ctx, s.caller(ctx), in.Body.Token, in.Body.person(), s.o.Space.Workspace)
			if err != nil {
				return nil, err
			}
			return s.signedIn(ctx, out)
		})
	s.registerInvited()
	s.registerReset()
	register(s, operation{id: "confirm-email", method: http.MethodPost, path: confirmEmailPath, tag: "session", open: true, errors: withLink, status: http.StatusNoContent,
		summary: "Confirm a new e-mail address", description: "With the link that was sent to it. Other sessions of the account end; the address before is told."},
		func(ctx context.Context, in *struct{ Body LinkBody }) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			before, err := s.o.Access.ConfirmEmail(ctx, s.caller(ctx), in.Body.Token)
			if err == nil {
				s.send(ctx, emailChangedMail(before, s.o.PublicURL))
			}
			return nil, err
		})
}

// An OpenInvitation is what an invitation is for.
type OpenInvitation struct {
	Server          bool      `json:"server,omitempty" doc:"To run the server, not to a workspace."`
	Workspace       string    `json:"workspace,omitempty" doc:"By id."`
	WorkspaceName   string    `json:"workspace_name,omitempty" example:"acme"`
	WorkspaceTitle  string    `json:"workspace_title,omitempty" example:"Acme Ltd" doc:"For people."`
	Environment     string    `json:"environment,omitempty" doc:"By id; absent: all of them."`
	EnvironmentName string    `json:"environment_name,omitempty" example:"staging"`
	Role            string    `json:"role" example:"analyst"`
	Email           string    `json:"email,omitempty" doc:"Whom it is for; absent: whoever has the link."`
	Account         bool      `json:"account" doc:"There is an account with that address: sign in, then accept."`
	Expires         time.Time `json:"expires"`
}

func (s *server) registerInvited() {
	register(s, operation{id: "open-invitation", method: http.MethodPost, path: invitationPath, tag: "session", open: true, errors: withLink,
		summary: "See what an invitation is for", description: "For who has its link."},
		func(ctx context.Context, in *struct{ Body LinkBody }) (*bodyOf[OpenInvitation], error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			i, account, err := s.o.Access.OpenInvitation(ctx, s.caller(ctx), in.Body.Token)
			if err != nil {
				return nil, err
			}
			out := OpenInvitation{Server: i.Workspace == access.Installation, Workspace: i.Workspace, WorkspaceName: s.workspaceName(i.Workspace), WorkspaceTitle: s.workspaceTitle(i.Workspace),
				Environment: i.Environment, EnvironmentName: s.environmentName(i.Environment), Role: string(i.Role), Email: i.Email, Account: account, Expires: i.Expires}
			if out.Server {
				out.Workspace = ""
			}
			return &bodyOf[OpenInvitation]{Body: out}, nil
		})
	register(s, operation{id: "accept-invitation", method: http.MethodPost, path: acceptPath, tag: "session", open: true, errors: withLink,
		summary: "Accept an invitation", description: "Who is signed in gets the role; who is not says name, address and password, for an account of their own. The session gets a new token."},
		func(ctx context.Context, in *struct{ Body linkedPerson }) (*sessionAnswer, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			by := s.caller(ctx)
			if by.Kind == access.LocalKind {
				by.Principal = access.Principal{} // at this machine, but as nobody in particular
			}
			out, err := s.o.Access.Accept(ctx, by, in.Body.Token, in.Body.person())
			if err != nil {
				return nil, err
			}
			return s.signedIn(ctx, out)
		})
}

func (s *server) registerReset() {
	register(s, operation{id: "request-password-reset", method: http.MethodPost, path: resetRequestPath, tag: "session", open: true, status: http.StatusAccepted,
		errors:  []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests},
		summary: "Have a link sent that sets a new password", description: "The answer is the same whether there is an account with that address or not."},
		func(ctx context.Context, in *struct{ Body resetRequest }) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			if !s.mails() {
				return nil, errNoMail
			}
			m, err := s.o.Access.RequestReset(ctx, s.caller(ctx), in.Body.Email)
			if err == nil && m.To != "" {
				s.send(ctx, resetMail(m, LinkURL(s.o.PublicURL, ResetPage, m.Link.Token)))
			}
			return nil, err
		})
	register(s, operation{id: "reset-password", method: http.MethodPost, path: resetPath, tag: "session", open: true, errors: withLink,
		summary: "Set a new password by a link", description: "All sessions of the account end, and one begins."},
		func(ctx context.Context, in *struct{ Body newPassword }) (*sessionAnswer, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			out, err := s.o.Access.CompleteReset(ctx, s.caller(ctx), in.Body.Token, in.Body.Password)
			if err != nil {
				return nil, err
			}
			return s.signedIn(ctx, out)
		})
}
