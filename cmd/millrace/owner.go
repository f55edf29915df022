package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/terminal"
)

func (p *program) ownerCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "owner", GroupID: groupOperate, Short: "Let the first owner in, or one who cannot get in, on the server's own machine",
		Long: `These commands work on the data folder of a server, as the user that runs it:
who may read that needs no other right. The server may run meanwhile; it sees
within two seconds what was changed.`,
		Example: "  millrace owner create shop --email ada@example.com --name Ada --password-file password\n  millrace owner recover shop --email ada@example.com",
	}
	c.AddCommand(p.ownerCreate(), p.ownerRecover(), p.ownerKey())
	return c
}

// peopleFlags name the data folder whose people are meant.
func (p *program) peopleFlags(c *cobra.Command, o *app.Options, email *string) {
	f := c.Flags()
	f.StringVar(&o.Data, "data", "", "data folder (default .millrace in the project)")
	f.StringVar(&o.Environment, "env", p.getenv("MILLRACE_ENV"), "whose settings apply (MILLRACE_ENV)")
	f.StringVar(email, "email", "", "e-mail address of the account")
	_ = c.MarkFlagDirname("data")
}

// withPeople opens the people of a data folder for a command.
func (p *program) withPeople(ctx context.Context, o app.Options, do func(*app.People) error) error {
	o.Mode, o.Version = serve.Production, p.versionText()
	people, err := app.OpenPeople(ctx, o)
	if err != nil {
		return err
	}
	err = do(people)
	if closed := people.Close(); err == nil {
		err = closed
	}
	return err
}

func (p *program) ownerCreate() *cobra.Command {
	var o app.Options
	var n access.NewPerson
	file := ""
	c := &cobra.Command{
		Use: "create [DIR]", Args: atMostOne("folder", ""), Short: "Make an account that owns the server and its first workspace",
		Long: `Makes an account that owns the server of the project in DIR (default: this
folder) and its first workspace, without a browser. The password has at least 15
characters, and is read from a file, or from standard input with -.`,
		Example: "  millrace owner create shop --email ada@example.com --name Ada --password-file password",
		RunE: func(c *cobra.Command, args []string) error {
			if n.Email == "" || file == "" {
				return usagef("say who, and with which password: --email and --password-file")
			}
			var err error
			if n.Password, err = p.readPassword(file); err != nil {
				return err
			}
			if n.Name == "" {
				n.Name, _, _ = strings.Cut(n.Email, "@")
			}
			o.Dir = folder(args)
			return p.withPeople(c.Context(), o, func(people *app.People) error {
				made, err := people.CreateOwner(c.Context(), access.Caller{Principal: access.System("millrace owner create"), Agent: "millrace/" + p.versionText()}, n, people.Workspace)
				if err != nil {
					return err
				}
				if !p.quiet {
					fmt.Fprintf(p.stdout, "%s owns this server: sign in as %s\n", terminal.Sanitize(made.Name), terminal.Sanitize(made.Email))
				}
				return nil
			})
		},
	}
	p.peopleFlags(c, &o, &n.Email)
	c.Flags().StringVar(&n.Name, "name", "", "what the person is called (default: what stands before the @)")
	c.Flags().StringVar(&file, "password-file", "", "file with the password; - is standard input")
	return c
}

// readPassword reads a password from a file, without the end of its line.
func (p *program) readPassword(file string) (string, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(io.LimitReader(p.stdin, 64<<10))
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return "", cannotRead("the password", file, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

func (p *program) ownerRecover() *cobra.Command {
	var o app.Options
	email := ""
	c := &cobra.Command{
		Use: "recover [DIR]", Args: atMostOne("folder", ""), Short: "Print a link that sets a new password",
		Long: `Prints a link that sets a new password for an account, once, within an hour:
the way back for an owner who can get in by no other. It works while others
guess the account's password, too.`,
		Example: "  millrace owner recover shop --email ada@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			if email == "" {
				return usagef("say whose password: --email")
			}
			o.Dir = folder(args)
			return p.withPeople(c.Context(), o, func(people *app.People) error {
				l, err := people.Recover(c.Context(), email)
				if err != nil {
					return err
				}
				base := people.Base
				if base == "" {
					base = "http://127.0.0.1:8080"
				}
				p.screen().Note("Open it before %s, at the address where the server is:", l.Expires.UTC().Format(time.RFC3339))
				_, err = fmt.Fprintln(p.stdout, serve.LinkURL(base, serve.ResetPage, l.Token))
				return err
			})
		},
	}
	p.peopleFlags(c, &o, &email)
	return c
}

func (p *program) ownerKey() *cobra.Command {
	var o app.Options
	n := access.NewKey{Role: access.Admin}
	server := false
	c := &cobra.Command{
		Use: "key [DIR]", Args: atMostOne("folder", ""), Short: "Make an API key, and print its token",
		Long: `Makes an API key for the first workspace, or with --of-server for the server,
and prints its token: this once. For machines on which nobody opens a browser;
who is signed in, or has a key, uses millrace key create.`,
		Example: "  millrace owner key shop --name 'set up by ansible' --role owner\n  millrace owner key shop --name prometheus --of-server --role viewer",
		RunE: func(c *cobra.Command, args []string) error {
			if n.Name == "" {
				return usagef("say what the key is for: --name")
			}
			o.Dir = folder(args)
			return p.withPeople(c.Context(), o, func(people *app.People) error {
				if n.Workspace = people.Workspace; server {
					n.Workspace = access.Installation
				}
				_, token, err := people.CreateKey(c.Context(), access.Caller{Principal: access.System("millrace owner key"), Agent: "millrace/" + p.versionText()}, n)
				if err != nil {
					return err
				}
				p.screen().Note("Keep the token now: it is shown this once.")
				_, err = fmt.Fprintln(p.stdout, token.Reveal())
				return err
			})
		},
	}
	f := c.Flags()
	f.StringVar(&o.Data, "data", "", "data folder (default .millrace in the project)")
	f.StringVar(&o.Environment, "env", p.getenv("MILLRACE_ENV"), "whose settings apply (MILLRACE_ENV)")
	f.StringVar(&n.Name, "name", "", "what the key is for")
	f.StringVar((*string)(&n.Role), "role", string(access.Admin), "what it may do: owner, admin, editor, analyst or viewer")
	f.BoolVar(&server, "of-server", false, "it is about the server, not about a workspace")
	_ = c.MarkFlagDirname("data")
	return c
}
