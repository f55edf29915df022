package serve

import (
	"context"
	"net/http"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
)

// A Person has an account.
type Person struct {
	ID          string     `json:"id" example:"p_5ws2q7a4rgmjnxlbtb3e6kcvfu"`
	Name        string     `json:"name" example:"Ada"`
	Email       string     `json:"email" example:"ada@example.com"`
	Created     time.Time  `json:"created"`
	PasswordSet *time.Time `json:"password_set,omitempty" doc:"When the password was set."`
	Suspended   *time.Time `json:"suspended,omitempty" doc:"Since when they may not sign in."`
}

func personOf(p access.Person) Person {
	return Person{ID: p.ID, Name: p.Name, Email: p.Email, Created: p.Created, PasswordSet: moment(p.PasswordSet), Suspended: moment(p.Suspended)}
}

// A ProfileSession is one of a person's sessions.
type ProfileSession struct {
	ID      string    `json:"id" example:"4fJ2kQ9sLm0a" doc:"Of the session; it is no secret."`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen" doc:"When it was used last."`
	Expires time.Time `json:"expires" doc:"At the latest; earlier when it is not used."`
	Address string    `json:"address,omitempty" doc:"From where it was used last."`
	Agent   string    `json:"agent,omitempty" doc:"What the browser calls itself."`
	Current bool      `json:"current,omitempty" doc:"It is the one that asks."`
}

// A ResetLink sets a password.
type ResetLink struct {
	Link    string    `json:"link" doc:"To be given to the person: it is told this once, and works once."`
	Expires time.Time `json:"expires"`
}

// PersonPath names a person in a path.
type PersonPath struct {
	Person string `path:"person" maxLength:"100" doc:"By id."`
}

// nameBody is what is changed of one's own account.
type nameBody struct {
	Name string `json:"name" minLength:"1" maxLength:"200"`
}

// emailBody is a new e-mail address of one's own.
type emailBody struct {
	Email    string `json:"email" minLength:"1" maxLength:"1000"`
	Password string `json:"password" minLength:"1" maxLength:"9000" doc:"The one that the account has."`
}

// removalBody is what it takes to remove one's own account.
type removalBody struct {
	Password string `json:"password" minLength:"1" maxLength:"9000" doc:"The one that the account has."`
}

// passwordBody is a new password of one's own.
type passwordBody struct {
	Current string `json:"current" minLength:"1" maxLength:"9000" doc:"The one that the account has."`
	New     string `json:"new" minLength:"1" maxLength:"9000" doc:"At least 15 characters."`
}

func (s *server) registerAccount() {
	register(s, operation{id: "get-profile", method: http.MethodGet, path: "/api/v1/profile", tag: "profile", person: true,
		summary: "See one's own account"},
		func(ctx context.Context, _ *struct{}) (*bodyOf[Person], error) {
			p, err := s.o.Access.Profile(ctx, s.caller(ctx))
			return &bodyOf[Person]{Body: personOf(p)}, err
		})
	register(s, operation{id: "change-profile", method: http.MethodPatch, path: "/api/v1/profile", tag: "profile", person: true,
		summary: "Change one's own name", errors: []int{http.StatusBadRequest}},
		func(ctx context.Context, in *struct{ Body nameBody }) (*bodyOf[Person], error) {
			by := s.caller(ctx)
			if err := s.o.Access.Rename(ctx, by, by.Person, in.Body.Name); err != nil {
				return nil, err
			}
			p, err := s.o.Access.Profile(ctx, by)
			return &bodyOf[Person]{Body: personOf(p)}, err
		})
	register(s, operation{id: "change-email", method: http.MethodPost, path: "/api/v1/profile/email", tag: "profile", person: true, status: http.StatusAccepted,
		summary: "Change one's own e-mail address", description: "A link is sent to the new address; following it changes the address.", errors: []int{http.StatusBadRequest, http.StatusConflict}},
		func(ctx context.Context, in *struct{ Body emailBody }) (*struct{}, error) {
			if !s.mails() {
				return nil, errNoMail
			}
			m, err := s.o.Access.RequestEmail(ctx, s.caller(ctx), in.Body.Password, in.Body.Email)
			if err == nil {
				s.send(ctx, emailMail(m, LinkURL(s.o.PublicURL, EmailPage, m.Link.Token)))
			}
			return nil, err
		})
	register(s, operation{id: "change-password", method: http.MethodPost, path: "/api/v1/profile/password", tag: "profile", person: true,
		summary: "Change one's own password", description: "All other sessions end, and this one gets a new token.", errors: []int{http.StatusBadRequest, http.StatusConflict}},
		func(ctx context.Context, in *struct{ Body passwordBody }) (*sessionAnswer, error) {
			who := identityOf(ctx)
			out, err := s.o.Access.ChangePassword(ctx, s.caller(ctx), in.Body.Current, in.Body.New)
			if err != nil {
				return nil, err
			}
			s.send(ctx, passwordChangedMail(who.signed.Email, who.Name, s.o.PublicURL))
			return s.signedIn(ctx, out)
		})
	register(s, operation{id: "delete-account", method: http.MethodPost, path: "/api/v1/profile/removal", tag: "profile", person: true, status: http.StatusOK,
		summary:     "Remove one's own account",
		description: "For good: its sessions end, its keys are revoked, its roles are gone. What was done with it stays in the audit trail. The last owner of a workspace or of the server cannot: make someone else one first.",
		errors:      []int{http.StatusBadRequest, http.StatusConflict}},
		func(ctx context.Context, in *struct{ Body removalBody }) (*sessionAnswer, error) {
			if err := s.o.Access.DeleteOwn(ctx, s.caller(ctx), in.Body.Password); err != nil {
				return nil, err
			}
			who := &identity{reason: millrace.Errorf(millrace.Unauthorized, "your account is removed")}
			return &sessionAnswer{SetCookie: s.noCookie(requestOf(ctx)), Body: s.session(ctx, who)}, nil
		})
	s.registerSessions()
}

func (s *server) registerSessions() {
	type sessions struct {
		Sessions []ProfileSession `json:"sessions" doc:"The one seen last first."`
	}
	register(s, operation{id: "list-sessions", method: http.MethodGet, path: "/api/v1/profile/sessions", tag: "profile", person: true,
		summary: "List where one is signed in"},
		func(ctx context.Context, _ *struct{}) (*bodyOf[sessions], error) {
			found, err := s.o.Access.Sessions(ctx, s.caller(ctx))
			out := sessions{Sessions: []ProfileSession{}}
			for _, i := range found {
				out.Sessions = append(out.Sessions, ProfileSession{ID: i.ID, Created: i.Created, Seen: i.Seen, Expires: i.Expires, Address: i.Address, Agent: i.Agent, Current: i.Current})
			}
			return &bodyOf[sessions]{Body: out}, err
		})
	register(s, operation{id: "end-other-sessions", method: http.MethodDelete, path: "/api/v1/profile/sessions", tag: "profile", person: true, status: http.StatusNoContent,
		summary: "Sign out everywhere else", description: "All sessions end but the one that asks."},
		func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			return nil, s.o.Access.EndOtherSessions(ctx, s.caller(ctx))
		})
	register(s, operation{id: "end-one-session", method: http.MethodDelete, path: "/api/v1/profile/sessions/{id}", tag: "profile", person: true, status: http.StatusNoContent,
		summary: "Sign out somewhere", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"100" doc:"Of the session."`
		}) (*struct{}, error) {
			return nil, s.o.Access.EndSession(ctx, s.caller(ctx), in.ID)
		})
}

func (s *server) registerPeople() {
	type people struct {
		People []Person `json:"people" doc:"By e-mail address."`
		Next   string   `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
	}
	register(s, operation{id: "list-people", method: http.MethodGet, path: "/api/v1/people", tag: "people", needs: access.PersonRead, apart: true,
		summary: "List all accounts of the server", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"Most people of a page."`
			Cursor string `query:"cursor" maxLength:"300" doc:"From the page before."`
		}) (*bodyOf[people], error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			found, next, err := s.o.Access.People(ctx, s.caller(ctx), access.Page{Limit: in.Limit, Cursor: in.Cursor})
			out := people{People: []Person{}, Next: next}
			for _, p := range found {
				out.People = append(out.People, personOf(p))
			}
			return &bodyOf[people]{Body: out}, err
		})
	s.registerPeopleChanges()
}

// accountBody is what is changed of an account.
type accountBody struct {
	Name      *string `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Email     *string `json:"email,omitempty" minLength:"1" maxLength:"1000" doc:"Their sessions end."`
	Suspended *bool   `json:"suspended,omitempty" doc:"Whether they may not sign in. Their sessions end, and their keys do nothing meanwhile."`
}

func (s *server) registerPeopleChanges() {
	failures := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}
	register(s, operation{id: "change-person", method: http.MethodPatch, path: "/api/v1/people/{person}", tag: "people", needs: access.PersonManage, apart: true, status: http.StatusNoContent,
		summary: "Change, suspend or resume an account", description: "What is not named stays. The last owner cannot be suspended.", errors: failures},
		func(ctx context.Context, in *struct {
			PersonPath
			Body accountBody
		}) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			return nil, s.changePerson(ctx, in.Person, in.Body)
		})
	register(s, operation{id: "delete-person", method: http.MethodDelete, path: "/api/v1/people/{person}", tag: "people", needs: access.PersonManage, apart: true, status: http.StatusNoContent,
		summary: "Remove an account", description: "Its sessions end, its keys are revoked. The last owner cannot be removed.", errors: failures},
		func(ctx context.Context, in *PersonPath) (*struct{}, error) {
			if s.o.Access == nil {
				return nil, errNoAccess
			}
			return nil, s.o.Access.DeletePerson(ctx, s.caller(ctx), in.Person)
		})
	register(s, operation{id: "create-person-reset", method: http.MethodPost, path: "/api/v1/people/{person}/reset", tag: "people", needs: access.PersonManage, apart: true, status: http.StatusCreated,
		summary: "Make a link that sets someone's password", errors: failures},
		func(ctx context.Context, in *PersonPath) (*bodyOf[ResetLink], error) {
			return s.resetLink(ctx, in.Person)
		})
}

func (s *server) changePerson(ctx context.Context, person string, body accountBody) error {
	by := s.caller(ctx)
	if body.Name != nil {
		if err := s.o.Access.Rename(ctx, by, person, *body.Name); err != nil {
			return err
		}
	}
	if body.Email != nil {
		if err := s.o.Access.SetEmail(ctx, by, person, *body.Email); err != nil {
			return err
		}
	}
	switch {
	case body.Suspended == nil:
		return nil
	case *body.Suspended:
		return s.o.Access.Suspend(ctx, by, person)
	}
	return s.o.Access.Resume(ctx, by, person)
}

func (s *server) resetLink(ctx context.Context, person string) (*bodyOf[ResetLink], error) {
	if s.o.Access == nil {
		return nil, errNoAccess
	}
	l, err := s.o.Access.CreateReset(ctx, s.caller(ctx), person)
	if err != nil {
		return nil, err
	}
	return &bodyOf[ResetLink]{Body: ResetLink{Link: LinkURL(s.base(requestOf(ctx)), ResetPage, l.Token), Expires: l.Expires}}, nil
}
