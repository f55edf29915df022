package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) personCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "person", GroupID: groupOperate, Short: "List, suspend and remove the accounts of a server",
		Long: `All accounts of the server, for who runs it. What someone may do in a workspace
is up to its members: see millrace member. A person is named by e-mail address
or by id.`,
		Example: "  millrace person list\n  millrace person suspend ada@example.com",
	}
	c.AddCommand(p.personList(),
		p.personChange("suspend PERSON", "Keep someone from signing in", "Their sessions end, and their keys do nothing, until they are resumed.", "%s cannot sign in any more.",
			func(ctx context.Context, api *client.Client, who string) error {
				return api.SuspendPerson(ctx, who, true)
			}),
		p.personChange("resume PERSON", "Let someone sign in again", "Their keys work again, too.", "%s can sign in again.",
			func(ctx context.Context, api *client.Client, who string) error {
				return api.SuspendPerson(ctx, who, false)
			}),
		p.personDelete())
	return c
}

func (p *program) personList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List all accounts of the server", Example: "  millrace person list",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			all, err := api.People(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]client.Person{}, all...))
			}
			screen := p.screen()
			if len(all) == 0 {
				screen.Note("There is no account yet: the link that the server prints at its start makes the first one.")
				return nil
			}
			t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{
				{Name: "name", Wrap: true}, {Name: "e-mail"}, {Name: "since"}, {Name: "state"}, {Name: "id", Whole: true}}}
			for _, one := range all {
				state := "may sign in"
				if one.Suspended != nil {
					state = "suspended " + day(*one.Suspended)
				}
				t.Rows = append(t.Rows, []string{one.Name, one.Email, one.Created.UTC().Format(time.DateOnly), state, one.ID})
			}
			_, err = t.Write(screen.Out())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

// personChange is a command that does one thing with an account, and says so.
func (p *program) personChange(use, short, long, done string, do func(ctx context.Context, api *client.Client, who string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Args: exactly("PERSON"), Short: short, Long: long,
		Example: "  millrace person " + use[:len(use)-len("PERSON")] + "ada@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			if err := do(c.Context(), api, args[0]); err != nil {
				return err
			}
			p.screen().Note(done, terminal.Sanitize(args[0]))
			return nil
		},
	}
}

func (p *program) personDelete() *cobra.Command {
	yes := false
	c := p.personChange("delete PERSON", "Remove an account", "Its sessions end and its keys are revoked, for good. What was done with it stays\nin the audit trail.", "%s has no account any more.",
		func(ctx context.Context, api *client.Client, who string) error {
			if !yes {
				return usagef("%s would have no account any more, for good: say --yes if that is meant, or keep them from signing in with millrace person suspend", who)
			}
			return api.DeletePerson(ctx, who)
		})
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}
