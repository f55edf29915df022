package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

func (p *program) workspaceCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "workspace", GroupID: groupOperate, Short: "Make, change and delete workspaces, the tenants of a server",
		Long: `A workspace is a tenant: it has people, keys, secrets and data of its own, in
one environment or more. Every command that asks a server asks in one of them:
in that of --workspace or MILLRACE_WORKSPACE (acme, or acme@staging for another
environment than its default one), else in that of the API key, else in the
first.`,
		Example: "  millrace workspace create acme --title 'Acme Ltd'\n  millrace --workspace acme status",
	}
	c.AddCommand(p.workspaceList(), p.workspaceCreate(), p.workspaceOwner(), p.workspaceShow(), p.workspaceRename(), p.workspaceSuspend(),
		p.workspaceStep("resume", "End a suspension", "", noted("%s is active again."), (*client.Client).ResumeWorkspace),
		p.workspaceStep("delete", "Delete a workspace", "It stops at once. For 7 days undelete has it back, then it is deleted for good:\nits records, tables, secrets, keys and people's roles, in the log, the archive\nand the warehouse.",
			deletedWorkspace, (*client.Client).DeleteWorkspace),
		p.workspaceStep("undelete", "Have a deleted workspace back", "", noted("%s is back as it was."), (*client.Client).UndeleteWorkspace),
		p.workspaceUsage(), p.workspaceQuota())
	return c
}

func (p *program) workspaceList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List the workspaces", Example: "  millrace workspace list",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			all, _, err := api.Workspaces(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]client.Workspace{}, all...))
			}
			screen := p.screen()
			t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{{Name: "name"}, {Name: "title"}, {Name: "state"}, {Name: "environments", Wrap: true}, {Name: "id", Whole: true}}}
			for _, w := range all {
				var names []string
				for _, e := range w.Environments {
					names = append(names, e.Name)
				}
				t.Rows = append(t.Rows, []string{w.Name, w.Title, stateOf(w), strings.Join(names, " "), w.ID})
			}
			_, err = t.Write(screen.Out())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

// stateOf says how a workspace is.
func stateOf(w client.Workspace) string {
	switch {
	case w.PurgeAfter != nil:
		return "deleted, for good after " + day(*w.PurgeAfter)
	case w.Reason != "":
		return w.State + ": " + w.Reason
	}
	return w.State
}

func (p *program) workspaceCreate() *cobra.Command {
	title, environment, asJSON := "", "", false
	c := &cobra.Command{
		Use: "create NAME", Args: exactly("NAME"), Short: "Make a workspace",
		Long:    "Make a workspace with one environment. Its name has 2 to 40 of a-z, 0-9 and -,\nand begins with a letter.",
		Example: "  millrace workspace create acme --title 'Acme Ltd'",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			w, err := api.CreateWorkspace(c.Context(), args[0], title, environment)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(w)
			}
			p.screen().Note("%s is made. Let its owner in: millrace workspace owner %s EMAIL. Who is a member asks in it with --workspace %s.", w.Name, w.Name, w.Name)
			return nil
		},
	}
	c.Flags().StringVar(&title, "title", "", "its name for people (default NAME)")
	c.Flags().StringVar(&environment, "environment", "", "name of its first environment (default production)")
	c.Flags().BoolVar(&asJSON, "json", false, "the workspace as JSON")
	return c
}

// subject is the workspace that a command is about: the one that is named, else
// the one in which it asks.
func (p *program) subject(ctx context.Context, api *client.Client, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	here, err := api.Here(ctx)
	if err == nil && here == nil {
		err = millrace.Errorf(millrace.NotFound, "say which workspace is meant: millrace workspace list names them")
	}
	if err != nil {
		return "", err
	}
	return here.Workspace, nil
}

func (p *program) workspaceOwner() *cobra.Command {
	var i client.Invite
	asJSON := false
	c := &cobra.Command{
		Use: "owner NAME [EMAIL]", Args: cobra.RangeArgs(1, 2), Short: "Make a link that lets in the first owner of a workspace, once",
		Long: `Make a link for the first owner of a workspace without members, such as one that
was made with a key of the server, and print it. With an e-mail address only who
has that address may follow it; --mail sends it there. Later owners are invited
by who is one: millrace member invite.`,
		Example: "  millrace workspace owner acme ada@acme.example --mail",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				i.Email = args[1]
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			made, err := api.InviteOwner(c.Context(), args[0], i)
			if err != nil {
				return err
			}
			return p.showInvited(made, asJSON)
		},
	}
	f := c.Flags()
	f.IntVar(&i.Days, "days", 0, "how many days it holds, up to 30 (default 7)")
	f.BoolVar(&i.Mail, "mail", false, "send it to that address")
	f.BoolVar(&asJSON, "json", false, "the invitation as JSON")
	return c
}

func (p *program) workspaceShow() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "show [NAME]", Args: atMostOne("name", ""), Short: "Show a workspace with its environments and quotas", Example: "  millrace workspace show acme",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			name, err := p.subject(c.Context(), api, args)
			if err != nil {
				return err
			}
			w, err := api.Workspace(c.Context(), name)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(w)
			}
			return p.showWorkspace(w)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "the workspace as JSON")
	return c
}

func (p *program) showWorkspace(w client.Workspace) error {
	screen := p.screen()
	fmt.Fprintf(screen.Out(), "%s  %s, %s, made %s, %s\n", screen.Colors().Bold(terminal.Sanitize(w.Name)), terminal.Sanitize(w.Title), terminal.Sanitize(stateOf(w)), day(w.Created), w.ID)
	for _, n := range w.OldNames {
		fmt.Fprintf(screen.Out(), "  was %s, which leads here until %s\n", terminal.Sanitize(n.Name), day(n.Until))
	}
	for _, q := range quotaNames {
		if limit, ok := w.Quotas[q.name]; ok {
			fmt.Fprintf(screen.Out(), "  at most %s %s\n", q.show(limit), q.words)
		}
	}
	t := environmentTable(w)
	t.Width, t.Palette = screen.Width(), screen.Colors()
	_, err := t.Write(screen.Out())
	return err
}

func (p *program) workspaceRename() *cobra.Command {
	title := ""
	c := &cobra.Command{
		Use: "rename NAME [NEW]", Short: "Give a workspace another name or title",
		Long:    "The old name goes on leading to it for 90 days, and nobody else can have it in\nthat time.",
		Example: "  millrace workspace rename acme acme-group\n  millrace workspace rename acme --title 'Acme Group'",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 || len(args) == 1 && title == "" {
				return usagef("%q takes NAME and NEW, or NAME and --title", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			next := ""
			if len(args) == 2 {
				next = args[1]
			}
			w, err := api.ChangeWorkspace(c.Context(), args[0], next, title)
			if err != nil {
				return err
			}
			if now := w.Name; w.Title != now {
				p.screen().Note("It is %s, %s, now.", now, w.Title)
			} else {
				p.screen().Note("It is %s now.", now)
			}
			return nil
		},
	}
	c.Flags().StringVar(&title, "title", "", "its name for people")
	return c
}

func (p *program) workspaceSuspend() *cobra.Command {
	reason := ""
	c := &cobra.Command{
		Use: "suspend NAME", Args: exactly("NAME"), Short: "Stop a workspace until it is resumed",
		Long: `Senders are told to keep what they have and come back (429), after a day to give
up (403). Nothing can be asked of it. Nothing is lost of what it has.`,
		Example: "  millrace workspace suspend acme --reason 'unpaid since May'",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			w, err := api.SuspendWorkspace(c.Context(), args[0], reason)
			if err == nil {
				p.screen().Note("%s is suspended.", w.Name)
			}
			return err
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "shown to its people and to senders")
	return c
}

// noted says of a workspace what is done.
func noted(text string) func(client.Workspace) string {
	return func(w client.Workspace) string { return fmt.Sprintf(text, w.Name) }
}

// deletedWorkspace says until when a deleted workspace can be had back.
func deletedWorkspace(w client.Workspace) string {
	return deletedUntil("workspace", w.Name, w.PurgeAfter)
}

// deletedUntil says until when what was deleted can be had back.
func deletedUntil(kind, name string, purge *time.Time) string {
	until := "it is deleted for good"
	if purge != nil {
		until = day(*purge) + " UTC, when it is deleted for good"
	}
	return fmt.Sprintf("%s is deleted: millrace %s undelete %s has it back until %s.", name, kind, name, until)
}

// workspaceStep is a command that does one thing with a workspace.
func (p *program) workspaceStep(verb, short, long string, note func(client.Workspace) string, do func(*client.Client, context.Context, string) (client.Workspace, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Args: exactly("NAME"), Short: short, Long: long, Example: "  millrace workspace " + verb + " acme",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			w, err := do(api, c.Context(), args[0])
			if err == nil {
				p.screen().Note("%s", note(w))
			}
			return err
		},
	}
}

func (p *program) environmentCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "environment", GroupID: groupOperate, Short: "Make, change and delete environments of a workspace",
		Long: `An environment of a workspace (production, staging, e2e …) has data, keys and
secrets of its own. The workspace is that of --workspace or MILLRACE_WORKSPACE,
else that of the API key, else the first.`,
		Example: "  millrace environment create staging --workspace acme\n  millrace --workspace acme@staging status",
	}
	c.AddCommand(p.environmentList(),
		p.environmentStep("create NAME", "Give the workspace another environment", "  millrace environment create staging", func(ctx context.Context, api *client.Client, in string, args []string) (string, error) {
			_, err := api.CreateEnvironment(ctx, in, args[0])
			return args[0] + " is made. Nothing runs in it before a version is deployed there.", err
		}),
		p.environmentStep("rename NAME NEW", "Give an environment another name", "  millrace environment rename staging e2e", func(ctx context.Context, api *client.Client, in string, args []string) (string, error) {
			_, err := api.ChangeEnvironment(ctx, in, args[0], args[1], false)
			return args[0] + " is " + args[1] + " now.", err
		}),
		p.environmentStep("default NAME", "Make an environment the default one, which the workspace's name alone means", "  millrace environment default production", func(ctx context.Context, api *client.Client, in string, args []string) (string, error) {
			_, err := api.ChangeEnvironment(ctx, in, args[0], "", true)
			return args[0] + " is the default one now.", err
		}),
		p.environmentStep("delete NAME", "Delete an environment; for 7 days undelete has it back", "  millrace environment delete staging", func(ctx context.Context, api *client.Client, in string, args []string) (string, error) {
			w, err := api.DeleteEnvironment(ctx, in, args[0])
			return deletedEnvironment(w, args[0]), err
		}),
		p.environmentStep("undelete NAME", "Have a deleted environment back", "  millrace environment undelete staging", func(ctx context.Context, api *client.Client, in string, args []string) (string, error) {
			_, err := api.UndeleteEnvironment(ctx, in, args[0])
			return args[0] + " is back as it was.", err
		}))
	return c
}

// deletedEnvironment says until when a deleted environment can be had back.
func deletedEnvironment(w client.Workspace, name string) string {
	for _, e := range w.Environments {
		if e.Name == name || e.Space == name {
			return deletedUntil("environment", e.Name, e.PurgeAfter)
		}
	}
	return deletedUntil("environment", name, nil)
}

func environmentTable(w client.Workspace) terminal.Table {
	t := terminal.Table{Columns: []terminal.Column{{Name: "environment"}, {Name: "address"}, {Name: "state"}, {Name: "made"}, {Name: "id", Whole: true}}}
	for _, e := range w.Environments {
		state := e.State
		if e.PurgeAfter != nil {
			state = "deleted, for good after " + day(*e.PurgeAfter)
		}
		if e.Problem != "" {
			state += ": " + e.Problem
		}
		name := e.Name
		if e.Main {
			name += " (default)"
		}
		t.Rows = append(t.Rows, []string{name, e.Address, state, day(e.Created), e.Space})
	}
	return t
}

func (p *program) environmentList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List the environments of the workspace", Example: "  millrace environment list --workspace acme",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			name, err := p.subject(c.Context(), api, nil)
			if err != nil {
				return err
			}
			w, err := api.Workspace(c.Context(), name)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(w.Environments)
			}
			screen := p.screen()
			t := environmentTable(w)
			t.Width, t.Palette = screen.Width(), screen.Colors()
			_, err = t.Write(screen.Out())
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

// environmentStep is a command that does one thing with an environment of the
// workspace in which it asks.
func (p *program) environmentStep(use, short, example string, do func(ctx context.Context, api *client.Client, workspace string, args []string) (note string, err error)) *cobra.Command {
	names := strings.Fields(use)[1:]
	return &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != len(names) {
				return usagef("%q takes %s, not %d arguments", c.CommandPath(), strings.Join(names, " and "), len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			workspace, err := p.subject(c.Context(), api, nil)
			if err != nil {
				return err
			}
			note, err := do(c.Context(), api, workspace, args)
			if err == nil {
				p.screen().Note("%s", note)
			}
			return err
		},
	}
}
