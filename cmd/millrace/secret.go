package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/secret"
	"github.com/millrace/millrace/terminal"
)

func (p *program) secretCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "secret", GroupID: groupOperate, Short: "Keep secrets, and say who may use them",
		Long: `The server keeps secrets encrypted, in versions. Files of the project refer to
them as ${secret:PATH}, or ${secret:PATH#VERSION} for a certain version. A
secret names the resources and the hosts that may use it, and nobody else gets
its value, whatever the project's files say.

Values are read from the standard input, or asked for: never given as arguments,
which others on the machine can see.`,
		Example: "  millrace secret set github_webhook --resource sources/github\n  millrace secret list",
	}
	named := []*cobra.Command{p.secretSet(), p.secretRotate(), p.secretGet(), p.secretHistory(), p.secretRollback(), p.secretAllow(), p.secretDelete(), p.secretRestore(), p.secretDestroy()}
	for _, sub := range named {
		sub.ValidArgsFunction = p.completeSecrets
	}
	c.AddCommand(named...)
	c.AddCommand(p.secretList(), p.secretRekey())
	return c
}

// allFlag is for secrets of all environments.
func allFlag(c *cobra.Command, n *client.SecretName) {
	c.Flags().BoolVar(&n.AllEnvironments, "all-environments", false, "the one of all environments that have none of their own")
}

// readSecret reads a value from the standard input, or asks for it.
func (p *program) readSecret(path string) (string, error) {
	if isTerminal(p.stdin) {
		fmt.Fprintf(p.stderr, "Value of %s (it is not shown): ", terminal.Sanitize(path))
		typed, err := term.ReadPassword(int(p.stdin.Fd()))
		fmt.Fprintln(p.stderr)
		return string(typed), err
	}
	data, err := io.ReadAll(io.LimitReader(p.stdin, secret.MaxValueBytes+3))
	value := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case err != nil:
		return "", err
	case len(value) > secret.MaxValueBytes:
		return "", millrace.Errorf(millrace.TooLarge, "the value on the standard input is larger than 64KiB")
	case value == "":
		return "", usagef("there is no value on the standard input: printf %%s \"$VALUE\" | millrace secret set %s", terminal.Sanitize(path))
	}
	return value, nil
}

func (p *program) secretSet() *cobra.Command {
	var s client.NewSecret
	var resources, hosts []string
	note := ""
	c := &cobra.Command{
		Use: "set PATH", Args: exactly("PATH"), Short: "Set a secret: its value is read from the standard input",
		Long: `Set a secret. The value is read from the standard input, without a newline at
its end, or asked for in a terminal. It is the current version at once, and what
runs uses it.

Who may use it: a webhook's signature needs --resource sources/NAME; the address
of the warehouse needs --resource warehouse and --host HOST.`,
		Example: `  millrace secret set github_webhook --resource sources/github < secret.txt
  millrace secret set warehouse_url --resource warehouse --host db.example.com:5432`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := secret.CheckPath(args[0]); err != nil {
				return err
			}
			s.Path = args[0]
			if c.Flags().Changed("resource") {
				s.Resources = &resources
			}
			if c.Flags().Changed("host") {
				s.Hosts = &hosts
			}
			if c.Flags().Changed("note") {
				s.Note = &note
			}
			return p.setSecret(c, s, "")
		},
	}
	f := c.Flags()
	f.StringArrayVar(&resources, "resource", nil, "who may use it from now on, such as sources/github, sources/* or warehouse; may be given again")
	f.StringArrayVar(&hosts, "host", nil, "where it may be sent to from now on, such as db.example.com:5432; may be given again")
	f.StringVar(&note, "note", "", "a note for people")
	allFlag(c, &s.SecretName)
	return c
}

// setSecret reads the value when there is none, and sets it.
func (p *program) setSecret(c *cobra.Command, s client.NewSecret, note string) (err error) {
	api, err := p.client()
	if err != nil {
		return err
	}
	if s.Value == "" {
		if s.Value, err = p.readSecret(s.Path); err != nil {
			return err
		}
	}
	version, err := api.SetSecret(c.Context(), s)
	if err != nil {
		return err
	}
	p.screen().Note("%s has version %d.%s", terminal.Sanitize(s.Path), version, note)
	return nil
}

func (p *program) secretRotate() *cobra.Command {
	var s client.NewSecret
	generate := false
	c := &cobra.Command{
		Use: "rotate PATH", Args: exactly("PATH"), Short: "Give a secret that is there a new value",
		Long: `Give a secret that is there a new value, from the standard input or a random
one, and leave who may use it as it is. The version before can be had back with
millrace secret rollback; destroy it when nobody takes it any more.`,
		Example: "  millrace secret rotate github_webhook --generate",
		RunE: func(c *cobra.Command, args []string) error {
			s.Path, s.Existing = args[0], true
			if generate {
				s.Value = rand.Text() + rand.Text()
			}
			return p.setSecret(c, s, " The one before is kept: millrace secret history "+terminal.Sanitize(args[0]))
		},
	}
	c.Flags().BoolVar(&generate, "generate", false, "a random value of 260 bits, which millrace secret get shows")
	allFlag(c, &s.SecretName)
	return c
}

func (p *program) secretGet() *cobra.Command {
	var n client.SecretName
	version := int64(0)
	c := &cobra.Command{
		Use: "get PATH", Args: exactly("PATH"), Short: "Print the value of a secret, which is audited",
		Example: "  millrace secret get github_webhook --version 1",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			n.Path = args[0]
			value, err := api.RevealSecret(c.Context(), n, version)
			if err != nil {
				return err
			}
			if p.screen().OutIsTerminal() {
				value = terminal.Sanitize(value) + "\n"
			}
			_, err = io.WriteString(p.stdout, value)
			return err
		},
	}
	c.Flags().Int64Var(&version, "version", 0, "this version (default: the current one)")
	allFlag(c, &n)
	return c
}

func (p *program) secretList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List the secrets and who may use them, without values",
		Example: "  millrace secret list",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			all, err := api.Secrets(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]client.Secret{}, all...))
			}
			screen := p.screen()
			if len(all) == 0 {
				screen.Note("There is no secret yet: set one with millrace secret set.")
				return nil
			}
			t := terminal.Table{Columns: []terminal.Column{{Name: "path", Whole: true}, {Name: "version"}, {Name: "resources", Wrap: true}, {Name: "hosts", Wrap: true}, {Name: "changed"}, {Name: "of"}}}
			for _, s := range all {
				of, changed := "this environment", day(s.Changed)
				if s.AllEnvironments {
					of = "all environments"
				}
				if s.Deleted != nil {
					changed = "deleted " + day(*s.Deleted)
				}
				t.Rows = append(t.Rows, []string{s.Path, strconv.FormatInt(s.Version, 10), strings.Join(s.Resources, " "), strings.Join(s.Hosts, " "), changed, of})
			}
			t.Width, t.Palette = screen.Width(), screen.Colors()
			_, err = t.Write(screen.Out())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}
