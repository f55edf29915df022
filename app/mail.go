package app

import (
	"context"

	"github.com/millrace/millrace/mail"
	"github.com/millrace/millrace/serve"
)

// A mailer sends the API's mail by the server that the project names now.
type mailer struct {
	app *App
	out *mail.Outbox
}

var _ serve.Mailer = (*mailer)(nil)

// openMail makes what sends mail.
func (a *App) openMail(context.Context) error {
	a.mail = &mailer{app: a}
	a.mail.out = mail.NewOutbox(mail.OutboxOptions{Send: a.mail.now, Now: a.o.Now, Logger: a.logger("mail")})
	return nil
}

// On says whether the project names a server, and where links are to lead.
func (m *mailer) On() bool {
	c := m.app.config()
	return c.SMTP.Address != "" && c.Collect.PublicURL != ""
}

// Send has a mail wait for its turn.
func (m *mailer) Send(x serve.Mail) error {
	return m.out.Add(mail.Message{To: x.To, Name: x.Name, Subject: x.Subject, Text: x.Text})
}

func (m *mailer) now(ctx context.Context, x mail.Message) error {
	server := m.app.config().SMTP.Server()
	server.Now = m.app.o.Now
	return server.Send(ctx, x)
}
