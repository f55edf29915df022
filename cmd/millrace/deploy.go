package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/release/plan"
	"github.com/millrace/millrace/terminal"
)

// clientIn is the client of an environment; "" is that of the token.
func (p *program) clientIn(environment string) (*client.Client, error) {
	api, err := p.client()
	if err == nil && environment != "" {
		workspace, _, _ := strings.Cut(cmp.Or(p.workspace, p.getenv("MILLRACE_WORKSPACE")), "@")
		api = api.In(workspace + "@" + environment)
	}
	return api, err
}

func (p *program) environmentFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "env", p.getenv("MILLRACE_ENV"), "the environment of the workspace (MILLRACE_ENV; default that of the token)")
}

func (p *program) planCommand() *cobra.Command {
	environment, asJSON, exitCodes := "", false, false
	c := &cobra.Command{
		Use: "plan [DIR]", GroupID: groupProject, Args: atMostOne("folder", ""), Short: "Say what deploying a folder would change on a server",
		Long: `Compares the project in DIR (default: this folder) with the version that runs on
the server: resources and their fields, tables and columns, keys that stop to
work, data that stops to flow or needs a rebuild. It changes nothing.

With --exit-code it ends with 0 when nothing would change, 10 when something
would, 11 when some of it is breaking; 1 and 2 stay failures.`,
		Example: "  millrace plan\n  millrace plan shop --env staging --json\n  millrace plan --exit-code",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			w, err := p.openDecided(folder(args), api, environment)
			if err != nil {
				return err
			}
			made, err := api.Plan(c.Context(), w.files)
			if err != nil {
				return err
			}
			if w.begun > 0 && made.From > 0 && w.begun != made.From {
				p.screen().Warn("The folder began from version %d, and version %d runs by now: the plan takes back what that changed. millrace pull brings both together.", w.begun, made.From)
			}
			if asJSON {
				err = p.writeJSON(made)
			} else {
				err = made.Write(p.screen().Out(), p.screen().Colors())
			}
			if code := made.Outcome.ExitCode(); err == nil && exitCodes && code != 0 {
				return exitCode(code)
			}
			return err
		},
	}
	p.environmentFlag(c, &environment)
	c.Flags().BoolVar(&asJSON, "json", false, "the plan as JSON")
	c.Flags().BoolVar(&exitCodes, "exit-code", false, "end with 10 when there are changes, 11 when some are breaking")
	return c
}

func (p *program) deployCommand() *cobra.Command {
	environment, message, base, yes, asJSON := "", "", "", false, false
	c := &cobra.Command{
		Use: "deploy [DIR]", GroupID: groupProject, Args: atMostOne("folder", ""), Short: "Make a folder the version that runs on a server",
		Long: `Shows the plan of the project in DIR (default: this folder), and makes it a
numbered version that runs: all of it or nothing. No event is lost or doubled
while the server switches. It is looked at whether the version is healthy; when
it is not, the one before goes on. What is breaking needs --yes.

The folder has to have begun from the version that runs: millrace pull and
millrace deploy remember which one that was, in .millrace in the folder. When
someone else has deployed meanwhile, nothing is deployed and both changes are
shown: millrace pull brings them together.

In CI, where the folder is always that of the branch, say --base last: the
version that the same key deployed last.`,
		Example: "  millrace deploy -m 'Orders have a total'\n  millrace deploy shop --env staging\n  millrace deploy --base last --yes -m \"$COMMIT\"",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			w, err := p.openDecided(folder(args), api, environment)
			if err != nil {
				return err
			}
			if base != "" {
				if n, err := strconv.ParseInt(base, 10, 64); base != "last" && (err != nil || n < 0) {
					return usagef("--base %.40q is neither the number of a version nor last", base)
				}
			}
			return p.deploy(c, w, deployment{base: base, message: message, yes: yes, asJSON: asJSON})
		},
	}
	p.environmentFlag(c, &environment)
	f := c.Flags()
	f.StringVarP(&message, "message", "m", "", "why")
	f.StringVar(&base, "base", "", "the version that the folder began from: its number, or last for the one that the key deployed last")
	f.BoolVar(&yes, "yes", false, "also when some of it is breaking")
	f.BoolVar(&asJSON, "json", false, "the deployment as JSON, without the plan")
	return c
}

// A deployment is what is asked for.
type deployment struct {
	base, message string
	yes, asJSON   bool
}

func (p *program) deploy(c *cobra.Command, w *work, want deployment) error {
	ctx, screen := c.Context(), p.screen()
	base, err := w.base(ctx, want.base)
	if err != nil {
		return err
	}
	made, err := w.api.Plan(ctx, w.files)
	if err != nil {
		return err
	}
	if !want.asJSON && !p.quiet {
		if err := made.Write(screen.Out(), screen.Colors()); err != nil {
			return err
		}
	}
	if made.Outcome == plan.NoChange && made.From > 0 {
		if err := w.remember(made.From); err != nil {
			return err
		}
		if want.asJSON {
			return p.writeJSON(client.Deployment{Version: made.From, Base: made.From, State: "healthy", Done: true, Unchanged: true})
		}
		screen.Note("Version %d runs already.", made.From)
		return nil
	}
	if made.Outcome == plan.WithBreaking && !want.yes && made.From > 0 {
		return millrace.Errorf(millrace.Conflict, "some of it is breaking: look at the plan, and say --yes if that is meant")
	}
	d, err := w.api.Deploy(ctx, w.files, base, want.message)
	var stale *client.Stale
	if errors.As(err, &stale) {
		return p.showStale(stale, "Nothing was deployed. millrace pull brings both together in the folder; look at it, then deploy again.")
	}
	if err != nil {
		return err
	}
	if err := w.remember(d.Version); err != nil {
		return err
	}
	return p.showDeployed(d, want.asJSON)
}

func (p *program) showDeployed(d client.Deployment, asJSON bool) error {
	if asJSON {
		return p.writeJSON(d)
	}
	if d.Unchanged {
		p.screen().Note("Version %d runs already.", d.Version)
		return nil
	}
	if d.Base > 0 {
		p.screen().Note("Version %d runs, in place of %d.", d.Version, d.Base)
		return nil
	}
	p.screen().Note("Version %d runs.", d.Version)
	return nil
}

// showStale says what someone else has changed meanwhile, and what of it goes
// together; and what to do next.
func (p *program) showStale(s *client.Stale, next string) error {
	colors := p.screen().NoteColors()
	fmt.Fprintf(p.stderr, "%s %s\n", colors.Bad("millrace:"), terminal.Sanitize(s.Error()))
	for _, f := range s.Files {
		how := map[string]string{"ours": "you changed it", "theirs": "version " + strconv.FormatInt(s.Running, 10) + " changed it", "both": "both made the same of it",
			"merged": "both changed it, and that goes together", "conflict": "both changed it, in different ways"}[string(f.How)]
		mark := colors.Good("✓")
		if len(f.Conflicts) > 0 {
			mark = colors.Bad("✗")
		}
		fmt.Fprintf(p.stderr, "  %s %s: %s\n", mark, terminal.Sanitize(f.Path), how)
		for _, c := range f.Conflicts {
			place := c.Field
			if place == "" && c.Line > 0 {
				place = "line " + strconv.Itoa(c.Line)
			}
			if place != "" {
				fmt.Fprintf(p.stderr, "      %s: yours %s, theirs %s\n", terminal.Sanitize(place), side(c.Ours), side(c.Theirs))
			}
		}
	}
	fmt.Fprintln(p.stderr, next)
	return errSaid
}

// side is what stands in one version, on one line.
func side(text *string) string {
	if text == nil {
		return "nothing"
	}
	short, cut := terminal.Cut(terminal.Sanitize(*text), 60)
	if cut {
		short += "…"
	}
	return short
}
