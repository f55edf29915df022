package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) secretHistory() *cobra.Command {
	var n client.SecretName
	asJSON := false
	c := &cobra.Command{
		Use: "history PATH", Args: exactly("PATH"), Short: "The versions of a secret, and who has used it, without values",
		Example: "  millrace secret history github_webhook",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			n.Path = args[0]
			h, err := api.SecretHistory(c.Context(), n)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(h)
			}
			screen := p.screen()
			versions := terminal.Table{Columns: []terminal.Column{{Name: "version"}, {Name: "made"}, {Name: "by"}, {Name: ""}}, Width: screen.Width(), Palette: screen.Colors()}
			for _, v := range h.Versions {
				state := ""
				switch {
				case v.Current:
					state = "current"
				case v.Destroyed:
					state = "destroyed"
				}
				versions.Rows = append(versions.Rows, []string{strconv.FormatInt(v.Version, 10), day(v.Created), strings.TrimSpace(v.ActorKind + " " + v.Actor), state})
			}
			if _, err = versions.Write(screen.Out()); err != nil || len(h.Uses) == 0 {
				return err
			}
			used := terminal.Table{Columns: []terminal.Column{{Name: "used by"}, {Name: "sent to"}, {Name: "times"}, {Name: "last"}}, Width: screen.Width(), Palette: screen.Colors()}
			for _, u := range h.Uses {
				used.Rows = append(used.Rows, []string{u.Resource, u.Host, strconv.FormatInt(u.Uses, 10), day(u.Last)})
			}
			_, err = used.Write(screen.Out())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	allFlag(c, &n)
	return c
}

func (p *program) secretAllow() *cobra.Command {
	var u client.SecretUses
	only := false
	c := &cobra.Command{
		Use: "allow PATH", Args: exactly("PATH"), Short: "Let resources and hosts use a secret",
		Long: `Let resources and hosts use a secret besides those that may, or with --only in
their place. What could not use it before needs the permission secret:use.`,
		Example: `  millrace secret allow github_webhook --resource sources/github
  millrace secret allow warehouse_url --only --resource warehouse --host db.example.com`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(u.Resources)+len(u.Hosts) == 0 && !only {
				return usagef("say who may use the secret: --resource, --host, or --only for nobody")
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			u.Path, u.Add = args[0], !only
			u.Resources, u.Hosts = append([]string{}, u.Resources...), append([]string{}, u.Hosts...)
			if err := api.AllowSecret(c.Context(), u); err != nil {
				return err
			}
			p.screen().Note("%s may be used so: millrace secret list shows by whom.", terminal.Sanitize(args[0]))
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVar(&u.Resources, "resource", nil, "who may use it, such as sources/github, sources/* or warehouse; may be given again")
	f.StringArrayVar(&u.Hosts, "host", nil, "where it may be sent to, such as db.example.com:5432 or *.example.com; may be given again")
	f.BoolVar(&only, "only", false, "these and no others")
	allFlag(c, &u.SecretName)
	return c
}

// secretStep is a command that does one thing to a secret.
func (p *program) secretStep(c *cobra.Command, note string, do func(context.Context, *client.Client, client.SecretName) error) *cobra.Command {
	var n client.SecretName
	c.Args = exactly("PATH")
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := p.client()
		if err != nil {
			return err
		}
		n.Path = args[0]
		if err := do(c.Context(), api, n); err != nil {
			return err
		}
		p.screen().Note("%s %s", terminal.Sanitize(args[0]), note)
		return nil
	}
	allFlag(c, &n)
	return c
}

func (p *program) secretRollback() *cobra.Command {
	to := int64(0)
	c := p.secretStep(&cobra.Command{Use: "rollback PATH", Short: "Make an earlier version of a secret the current one", Example: "  millrace secret rollback github_webhook --to 1"},
		"was rolled back.", func(ctx context.Context, api *client.Client, n client.SecretName) error {
			if to < 1 {
				return usagef("say which version is to be the current one: --to VERSION")
			}
			return api.ChangeSecret(ctx, "rollback", n, to)
		})
	c.Flags().Int64Var(&to, "to", 0, "the version")
	return c
}

func (p *program) secretDestroy() *cobra.Command {
	version := int64(0)
	c := p.secretStep(&cobra.Command{Use: "destroy PATH", Short: "Destroy the value of an old version of a secret for good", Example: "  millrace secret destroy github_webhook --version 1"},
		"has lost that version for good.", func(ctx context.Context, api *client.Client, n client.SecretName) error {
			if version < 1 {
				return usagef("say which version is destroyed: --version VERSION")
			}
			return api.ChangeSecret(ctx, "destroy-version", n, version)
		})
	c.Flags().Int64Var(&version, "version", 0, "the version")
	return c
}

func (p *program) secretDelete() *cobra.Command {
	return p.secretStep(&cobra.Command{Use: "delete PATH", Short: "Delete a secret, which can be restored for 30 days", Example: "  millrace secret delete github_webhook"},
		"was deleted. For 30 days, millrace secret restore takes that back.", func(ctx context.Context, api *client.Client, n client.SecretName) error {
			return api.DeleteSecret(ctx, n)
		})
}

func (p *program) secretRestore() *cobra.Command {
	return p.secretStep(&cobra.Command{Use: "restore PATH", Short: "Take back that a secret was deleted", Example: "  millrace secret restore github_webhook"},
		"is there again.", func(ctx context.Context, api *client.Client, n client.SecretName) error {
			return api.RestoreSecret(ctx, n)
		})
}

func (p *program) secretRekey() *cobra.Command {
	values, asJSON := false, false
	c := &cobra.Command{
		Use: "rekey", Args: nothing, Short: "Change the master key while the server runs",
		Long: `Change the master key, under which all other keys are encrypted: a new one is
made in its file, wraps all keys, and the one before is taken out. Keep a copy
of the new file apart from the data; backups from before need the old one. Ended
at any moment, the next call finishes it.

With --values it is the key of the workspace's secrets that changes: every value
is encrypted anew, and the key before is destroyed.`,
		Example: "  millrace secret rekey\n  millrace secret rekey --values",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			if values {
				n, err := api.RekeySecrets(c.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return p.writeJSON(map[string]int64{"values": n})
				}
				p.screen().Note("%s encrypted with a new key.", terminal.Plural(n, "value was", "values were"))
				return nil
			}
			done, err := api.RekeyServer(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(done)
			}
			screen := p.screen()
			screen.Note("The master key is %s, and wraps %s anew.", terminal.Sanitize(done.Master), terminal.Plural(done.Keys, "key", "keys"))
			if done.File != "" {
				screen.Note("Keep a copy of %s apart from the data. Backups from before need the key from before.", terminal.Sanitize(done.File))
			}
			if len(done.Unneeded) > 0 {
				screen.Note("Take out of the server's environment, they wrap nothing any more: %s.", terminal.Sanitize(strings.Join(done.Unneeded, ", ")))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&values, "values", false, "the key of the workspace's secrets instead")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}
