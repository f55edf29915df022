package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/terminal"
)

func (p *program) releaseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "release", GroupID: groupOperate, Short: "List, compare, go back to and promote versions",
		Long: `Versions of a project are numbered in their workspace, and never change. In each
environment one of them runs.`,
		Example: "  millrace release list\n  millrace release diff 42\n  millrace release rollback",
	}
	c.AddCommand(p.releaseList(), p.releaseDeploys(), p.releaseShow(), p.releaseDiff(), p.releaseRollback(), p.releasePromote())
	return c
}

// number reads the number of a version.
func number(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "v"), 10, 64)
	if err != nil || n < 1 {
		return 0, usagef("%.40q is not the number of a version: millrace release list shows them", text)
	}
	return n, nil
}

func (p *program) releaseList() *cobra.Command {
	environment, limit, asJSON := "", 20, false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List the versions, the newest first, and where each runs",
		Example: "  millrace release list --limit 100",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := atLeast(c, "limit", limit, 1); err != nil {
				return err
			}
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			all, running, err := api.Releases(c.Context(), limit)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]client.Release{}, all...))
			}
			t := terminal.Table{Columns: []terminal.Column{{Name: "version", Whole: true}, {Name: "made"}, {Name: "by"}, {Name: "from"}, {Name: "why", Wrap: true}, {Name: "runs"}}}
			for _, r := range all {
				runs := strings.Join(r.RunsIn, " ")
				if r.Number == running {
					runs = strings.TrimSpace("here " + runs)
				}
				t.Rows = append(t.Rows, []string{strconv.FormatInt(r.Number, 10), day(r.Created), r.Author, r.Origin, r.Message, runs})
			}
			return p.table(t)
		},
	}
	p.environmentFlag(c, &environment)
	c.Flags().IntVar(&limit, "limit", 20, "most versions")
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

func (p *program) table(t terminal.Table) error {
	screen := p.screen()
	t.Width, t.Palette = screen.Width(), screen.Colors()
	_, err := t.Write(screen.Out())
	return err
}

func (p *program) releaseDeploys() *cobra.Command {
	environment, limit, asJSON := "", 20, false
	c := &cobra.Command{
		Use: "deploys", Args: nothing, Short: "List the deployments, those that failed too, and how far each is",
		Example: "  millrace release deploys --env production",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := atLeast(c, "limit", limit, 1); err != nil {
				return err
			}
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			all, err := api.Deploys(c.Context(), limit)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(append([]client.Deployment{}, all...))
			}
			t := terminal.Table{Columns: []terminal.Column{{Name: "begun"}, {Name: "version", Whole: true}, {Name: "state"}, {Name: "by"}, {Name: "why", Wrap: true}, {Name: "problem", Wrap: true}}}
			for _, d := range all {
				version := "-"
				if d.Version > 0 {
					version = strconv.FormatInt(d.Version, 10)
				}
				t.Rows = append(t.Rows, []string{day(d.Begun), version, d.State, d.Author, d.Message, strings.Join(strings.Fields(d.Error), " ")})
			}
			return p.table(t)
		},
	}
	p.environmentFlag(c, &environment)
	c.Flags().IntVar(&limit, "limit", 20, "most deployments")
	c.Flags().BoolVar(&asJSON, "json", false, "a JSON array")
	return c
}

func (p *program) releaseShow() *cobra.Command {
	environment, asJSON := "", false
	c := &cobra.Command{
		Use: "show VERSION", Args: exactly("VERSION"), Short: "Show a version, and what running it would change now",
		Example: "  millrace release show 42",
		RunE: func(c *cobra.Command, args []string) error {
			n, err := number(args[0])
			if err != nil {
				return err
			}
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			r, err := api.Release(c.Context(), n)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(r)
			}
			out := p.screen().SafeOut()
			fmt.Fprintf(out, "version   %d, %s by %s\nfrom      %s", r.Number, day(r.Created), r.Author, r.Origin)
			if r.Source > 0 {
				fmt.Fprintf(out, " of version %d", r.Source)
			}
			if r.Parent > 0 {
				fmt.Fprintf(out, ", made of version %d", r.Parent)
			}
			fmt.Fprintf(out, "\nfiles     %s, %s\nwhy       %s\n", terminal.Plural(r.Files, "file", "files"), terminal.Size(r.SizeBytes), r.Message)
			if len(r.RunsIn) > 0 {
				fmt.Fprintf(out, "runs in   %s\n", strings.Join(r.RunsIn, ", "))
			}
			made, err := api.PlanRelease(c.Context(), n)
			if err != nil {
				return err
			}
			fmt.Fprintln(out)
			return made.Write(p.screen().Out(), p.screen().Colors())
		},
	}
	p.environmentFlag(c, &environment)
	c.Flags().BoolVar(&asJSON, "json", false, "the version as JSON")
	return c
}

func (p *program) releaseDiff() *cobra.Command {
	environment := ""
	c := &cobra.Command{
		Use: "diff VERSION [OTHER]", Short: "Show how the files of a version differ from the one it was made of, or from another",
		Example: "  millrace release diff 42\n  millrace release diff 42 39",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("%q takes a VERSION, and another to compare it with", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			to, err := number(args[0])
			if err != nil {
				return err
			}
			from := int64(-1)
			if len(args) == 2 {
				if from, err = number(args[1]); err != nil {
					return err
				}
			}
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			files, err := api.DiffReleases(c.Context(), from, to)
			if err != nil {
				return err
			}
			if len(files) == 0 {
				p.screen().Note("They have the same files.")
				return nil
			}
			return p.showDiff(files)
		},
	}
	p.environmentFlag(c, &environment)
	return c
}

// showDiff writes a unified diff, which git apply takes where there is no terminal.
func (p *program) showDiff(files []diff.File) error {
	screen := p.screen()
	colors, out := screen.Colors(), screen.Out()
	for line := range strings.Lines(diff.Unified(files)) {
		text := terminal.Sanitize(strings.TrimSuffix(line, "\n"))
		switch {
		case strings.HasPrefix(text, "+++"), strings.HasPrefix(text, "---"):
			text = colors.Bold(text)
		case strings.HasPrefix(text, "+"):
			text = colors.Good(text)
		case strings.HasPrefix(text, "-"):
			text = colors.Bad(text)
		case strings.HasPrefix(text, "@@"):
			text = colors.Accent(text)
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) releaseRollback() *cobra.Command {
	environment, message, asJSON := "", "", false
	c := &cobra.Command{
		Use: "rollback [VERSION]", Args: atMostOne("VERSION", ""), Short: "Go back to an earlier version",
		Long: `Makes a new version with the files of an earlier one (default: the one that ran
before), and deploys it. Numbers only grow, and the list says what happened.`,
		Example: "  millrace release rollback\n  millrace release rollback 39 --env production -m 'Orders were lost'",
		RunE: func(c *cobra.Command, args []string) (err error) {
			to := int64(0)
			if len(args) == 1 {
				if to, err = number(args[0]); err != nil {
					return err
				}
			}
			api, err := p.clientIn(environment)
			if err != nil {
				return err
			}
			d, err := api.Rollback(c.Context(), to, 0, message)
			if err != nil {
				return err
			}
			return p.showDeployed(d, asJSON)
		},
	}
	p.environmentFlag(c, &environment)
	c.Flags().StringVarP(&message, "message", "m", "", "why")
	c.Flags().BoolVar(&asJSON, "json", false, "the deployment as JSON")
	return c
}

func (p *program) releasePromote() *cobra.Command {
	to, message, asJSON := "", "", false
	c := &cobra.Command{
		Use: "promote VERSION --to ENVIRONMENT", Args: exactly("VERSION"), Short: "Run a version in another environment",
		Long: `Runs a version of the workspace in another of its environments, under the number
that it has. When that environment has changes that the version lacks, nothing
is promoted, and both are shown.`,
		Example: "  millrace release promote 41 --to production",
		RunE: func(c *cobra.Command, args []string) error {
			n, err := number(args[0])
			if err != nil {
				return err
			}
			if to == "" {
				return usagef("say where: --to ENVIRONMENT")
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			d, err := api.Promote(c.Context(), n, to, message)
			var stale *client.Stale
			if errors.As(err, &stale) {
				return p.showStale(stale, fmt.Sprintf("Nothing was promoted. In a folder that is version %d, millrace pull --env %s --base %d brings both together; look at it, then millrace deploy --env %s.", n, to, stale.Base, to))
			}
			if err != nil {
				return err
			}
			return p.showDeployed(d, asJSON)
		},
	}
	c.Flags().StringVar(&to, "to", "", "the environment")
	c.Flags().StringVarP(&message, "message", "m", "", "why")
	c.Flags().BoolVar(&asJSON, "json", false, "the deployment as JSON")
	return c
}
