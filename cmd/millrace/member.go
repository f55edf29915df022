package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) memberCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "member", GroupID: groupOperate, Short: "Invite people to a workspace, and say what they may do",
		Long: `People are members of a workspace with a role: owner, admin, editor, analyst or
viewer; what each may do is in docs/reference/permissions.md. Nobody gives or
takes a role that may do more than their own. A person is named by e-mail
address or by id.`,
		Example: "  millrace member invite ada@example.com --role analyst\n  millrace member role ada@example.com editor",
	}
	c.AddCommand(p.memberList(), p.memberInvite(), p.memberRole(), p.memberRemove())
	return c
}

func (p *program) memberList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List who may do what", Example: "  millrace member list",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			all, err := api.Members(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]client.Member{}, all...))
			}
			screen := p.screen()
			if len(all) == 0 {
				screen.Note("Nobody is a member yet: invite someone with millrace member invite.")
				return nil
			}
			t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{
				{Name: "name", Wrap: true}, {Name: "e-mail"}, {Name: "role"}, {Name: "where"}, {Name: "since"}, {Name: "id", Whole: true}}}
			for _, m := range all {
				role, where := m.Role, m.Environment
				if m.Suspended {
					role += ", suspended"
				}
				if where == "" {
					where = "everywhere"
				}
				t.Rows = append(t.Rows, []string{m.Name, m.Email, role, where, m.Since.UTC().Format(time.DateOnly), m.Person})
			}
			_, err = t.Write(screen.Out())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

func (p *program) memberInvite() *cobra.Command {
	var i client.Invite
	asJSON := false
	c := &cobra.Command{
		Use: "invite [EMAIL]", Args: atMostOne("e-mail address", ""), Short: "Make a link that lets someone in, once",
		Long: `Make a link that lets someone into the workspace, once, and print it. With an
e-mail address only who has that address may follow it; --mail sends it there.`,
		Example: "  millrace member invite ada@example.com --role analyst --mail\n  millrace member invite --role viewer --days 1",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				i.Email = args[0]
			}
			if i.Role == "" {
				return usagef("say what they may do: --role owner, admin, editor, analyst or viewer")
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			made, err := api.InviteMember(c.Context(), i)
			if err != nil {
				return err
			}
			return p.showInvited(made, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&i.Role, "role", "", "owner, admin, editor, analyst or viewer")
	f.IntVar(&i.Days, "days", 0, "how many days it holds, up to 30 (default 7)")
	f.BoolVar(&i.Mail, "mail", false, "send it to that address")
	f.BoolVar(&i.ThisEnvironment, "this-environment", false, "in this environment alone, not in all of the workspace")
	f.BoolVar(&asJSON, "json", false, "the invitation as JSON")
	completeWords(c, "role", "owner", "admin", "editor", "analyst", "viewer")
	return c
}

// showInvited prints the link of an invitation.
func (p *program) showInvited(made client.Invited, asJSON bool) error {
	if asJSON {
		return p.writeJSON(made)
	}
	note := "Pass the link on: it is shown this once, and holds until " + made.Expires.UTC().Format(time.RFC3339) + "."
	if made.Sent {
		note = "It is sent to them, too; it holds until " + made.Expires.UTC().Format(time.RFC3339) + "."
	}
	p.screen().Note("%s", note)
	_, err := fmt.Fprintln(p.stdout, terminal.Sanitize(made.Link))
	return err
}

func (p *program) memberRole() *cobra.Command {
	thisOne := false
	c := &cobra.Command{
		Use: "role PERSON ROLE", Args: personAndRole, Short: "Give a member another role",
		Example: "  millrace member role ada@example.com editor",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			if err := api.SetRole(c.Context(), args[0], args[1], thisOne); err != nil {
				return err
			}
			p.screen().Note("%s is %s now.", terminal.Sanitize(args[0]), terminal.Sanitize(args[1]))
			return nil
		},
	}
	c.Flags().BoolVar(&thisOne, "this-environment", false, "in this environment alone, besides what they may do in all of them")
	return c
}

func (p *program) memberRemove() *cobra.Command {
	thisOne := false
	c := &cobra.Command{
		Use: "remove PERSON", Args: exactly("PERSON"), Short: "Take all roles of a member",
		Example: "  millrace member remove ada@example.com",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			keys, err := api.RemoveMember(c.Context(), args[0], thisOne)
			if err != nil {
				return err
			}
			p.screen().Note("%s is no member any more.", terminal.Sanitize(args[0]))
			if len(keys) > 0 {
				p.screen().Note("Nobody answers for these keys now, so they do nothing until someone rotates them: %s", terminal.Sanitize(strings.Join(keys, ", ")))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&thisOne, "this-environment", false, "only the role in this environment")
	return c
}

// personAndRole wants both.
func personAndRole(c *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usagef("%q takes a person and a role, not %d words", c.CommandPath(), len(args))
	}
	return nil
}
