package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "key", GroupID: groupOperate, Short: "Make, rotate and revoke API keys",
		Long: `API keys are what programs ask a server with: give them as --token or
MILLRACE_TOKEN, or send them as Authorization: Bearer. Each may do what its role
or its permissions say, and no more than who made it. A server keeps only what
it takes to know a key again: its token is shown once.

Write keys, which senders of events have, are something else: they stand in the
project's files, and may only write.`,
		Example: "  millrace key create 'reports' --role analyst\n  millrace key list",
	}
	c.AddCommand(p.keyCreate(), p.keyList(), p.keyRotate(), p.keyRevoke())
	return c
}

func (p *program) keyCreate() *cobra.Command {
	var k client.NewKey
	var expires time.Duration
	asJSON := false
	c := &cobra.Command{
		Use: "create NAME", Args: exactly("NAME"), Short: "Make an API key",
		Long: `Make an API key, and print its token: this once, on a line of its own.

Roles are owner, admin, editor, analyst and viewer: what each may do is in
docs/reference/permissions.md. A key of the server (--of-server) is about no
workspace: it is for the metrics, the server's log and its audit trail.`,
		Example: `  millrace key create 'reports' --role analyst --expires 90d
  millrace key create 'deploy from CI' --permission release:read --permission release:deploy
  millrace key create prometheus --of-server --permission server:read`,
		RunE: func(c *cobra.Command, args []string) error {
			if (k.Role == "") == (len(k.Permissions) == 0) {
				return usagef("say what the key may do: either --role or one --permission or more")
			}
			k.Name = args[0]
			if expires > 0 {
				at := time.Now().Add(expires).UTC()
				k.Expires = &at
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			made, err := api.CreateKey(c.Context(), k)
			if err != nil {
				return err
			}
			return p.showKey(made, asJSON, "Keep the token now: it is shown this once. The key's id is "+made.Key.ID+".")
		},
	}
	f := c.Flags()
	f.StringVar(&k.Role, "role", "", "what it may do, as a role")
	f.StringArrayVar(&k.Permissions, "permission", nil, "what it may do, such as query:run; may be given again")
	durationFlag(f, &expires, "expires", 0, "how long it works (default: until it is revoked)")
	f.BoolVar(&k.AllEnvironments, "all-environments", false, "it works in all environments of the workspace")
	f.BoolVar(&k.Server, "of-server", false, "it is about the server, not about a workspace")
	f.BoolVar(&asJSON, "json", false, "the key and its token as JSON")
	return c
}

func (p *program) showKey(made client.MadeKey, asJSON bool, note string) error {
	if asJSON {
		return p.writeJSON(made)
	}
	p.screen().Note("%s", note)
	_, err := fmt.Fprintln(p.stdout, terminal.Sanitize(made.Token))
	return err
}

func (p *program) keyList() *cobra.Command {
	server, asJSON := false, false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List the API keys, and when each was last used",
		Example: "  millrace key list",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			all, err := api.Keys(c.Context(), server)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]client.Key{}, all...))
			}
			screen := p.screen()
			if len(all) == 0 {
				screen.Note("There is no key yet: make one with millrace key create.")
				return nil
			}
			t := keyTable(all)
			t.Width, t.Palette = screen.Width(), screen.Colors()
			_, err = t.Write(screen.Out())
			return err
		},
	}
	c.Flags().BoolVar(&server, "of-server", false, "the server's own keys")
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

func keyTable(all []client.Key) terminal.Table {
	t := terminal.Table{Columns: []terminal.Column{{Name: "name"}, {Name: "in"}, {Name: "may", Wrap: true}, {Name: "begins"}, {Name: "last used"}, {Name: "works until"}, {Name: "id", Whole: true}}}
	for _, k := range all {
		may := k.Role
		if may == "" {
			may = strings.Join(k.Permissions, " ")
		}
		begins := ""
		if len(k.Tokens) > 0 {
			begins = k.Tokens[0].Begins
		}
		until := "no end"
		switch {
		case k.Revoked != nil:
			until = "revoked " + day(*k.Revoked)
		case k.Expires != nil:
			until = day(*k.Expires)
		}
		used := "never"
		if k.LastUsed != nil {
			used = day(*k.LastUsed)
			if k.LastAddress != "" {
				used += " from " + k.LastAddress
			}
		}
		in := cmp.Or(k.EnvironmentName, k.Environment)
		switch {
		case k.Server:
			in = "the server"
		case k.AllEnvironments:
			in = "all environments"
		}
		t.Rows = append(t.Rows, []string{k.Name, in, may, begins, used, until, k.ID})
	}
	return t
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

func (p *program) keyRotate() *cobra.Command {
	server, asJSON, now := false, false, false
	var overlap time.Duration
	c := &cobra.Command{
		Use: "rotate ID", Args: exactly("ID"), Short: "Give an API key a new token",
		Long: `Give an API key a new token, and print it: this once. The old one works on for
the overlap, so that programs can be given the new one without an outage.`,
		Example: "  millrace key rotate k_5ws2q7a4rgmjnxlbtb3e6kcvfu --overlap 2h",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			note := "Keep the token now: it is shown this once. The old one works on for " + terminal.Duration(overlap) + "."
			if now {
				overlap, note = 0, "Keep the token now: it is shown this once. The old one works no longer."
			}
			made, err := api.RotateKey(c.Context(), args[0], server, overlap)
			if err != nil {
				return err
			}
			return p.showKey(made, asJSON, note)
		},
	}
	durationFlag(c.Flags(), &overlap, "overlap", 24*time.Hour, "how long the old token works on")
	c.Flags().BoolVar(&now, "now", false, "the old token works no longer")
	c.Flags().BoolVar(&server, "of-server", false, "it is one of the server's own keys")
	c.Flags().BoolVar(&asJSON, "json", false, "the key and its token as JSON")
	c.MarkFlagsMutuallyExclusive("now", "overlap")
	return c
}

func (p *program) keyRevoke() *cobra.Command {
	server, itsKeys := false, false
	c := &cobra.Command{
		Use: "revoke ID", Args: exactly("ID"), Short: "End an API key at once and for good",
		Long: `End an API key at once and for good. Keys that were made or rotated with it go
on, and are named: when it was stolen, whoever has it may have those too. Then
end them with --with-its-keys, also when the key itself is revoked already.`,
		Example: "  millrace key revoke k_5ws2q7a4rgmjnxlbtb3e6kcvfu\n  millrace key revoke k_5ws2q7a4rgmjnxlbtb3e6kcvfu --with-its-keys",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			done, err := api.RevokeKey(c.Context(), args[0], server, itsKeys)
			if err != nil {
				return err
			}
			p.screen().Note("%s works no longer.", args[0])
			if len(done.Revoked) > 0 {
				p.screen().Note("Nor do the keys that were made or rotated with it: %s.", strings.Join(done.Revoked, ", "))
			}
			if len(done.GoOn) > 0 {
				p.screen().Note("Keys that were made or rotated with it go on: %s. When it was stolen, end them too: revoke it again with --with-its-keys.", strings.Join(done.GoOn, ", "))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&server, "of-server", false, "it is one of the server's own keys")
	c.Flags().BoolVar(&itsKeys, "with-its-keys", false, "end the keys too that were made or rotated with it")
	return c
}
