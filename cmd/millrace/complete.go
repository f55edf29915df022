package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const completePatience = 2 * time.Second

// completeSources completes a flag with the names of the server's sources, or,
// when none answers, with those of the project in this folder.
func (p *program) completeSources(c *cobra.Command, flag string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
		return beginning(p.sourceNames(c.Context()), begin), cobra.ShellCompDirectiveNoFileComp
	})
}

func (p *program) sourceNames(ctx context.Context) (names []string) {
	if api, err := p.client(); err == nil {
		ctx, cancel := context.WithTimeout(ctx, completePatience)
		defer cancel()
		if all, err := api.Sources(ctx); err == nil {
			for _, s := range all {
				names = append(names, s.Name)
			}
			return names
		}
	}
	files, _ := filepath.Glob(filepath.Join("sources", "*.yaml"))
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".yaml"))
	}
	return names
}

// readerNames are the readers that every server has.
var readerNames = []string{"archive", "dedup", "warehouse"}

// completeReaders completes the name of a reader.
func (p *program) completeReaders(c *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := readerNames
	if api, err := p.client(); err == nil {
		ctx, cancel := context.WithTimeout(c.Context(), completePatience)
		defer cancel()
		if all, err := api.Readers(ctx); err == nil {
			names = nil
			for _, r := range all {
				names = append(names, r.Name)
			}
		}
	}
	return beginning(names, begin), cobra.ShellCompDirectiveNoFileComp
}

// completeSecrets completes the path of a secret with those that the server has:
// for restore those that were deleted, else the others.
func (p *program) completeSecrets(c *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	api, err := p.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(c.Context(), completePatience)
	defer cancel()
	all, err := api.Secrets(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ofAll, _ := c.Flags().GetBool("all-environments")
	var names []string
	for _, s := range all {
		if (s.Deleted != nil) == (c.Name() == "restore") && (!ofAll || s.AllEnvironments) && !slices.Contains(names, s.Path) {
			names = append(names, s.Path)
		}
	}
	return beginning(names, begin), cobra.ShellCompDirectiveNoFileComp
}

// beginning are the names that begin so.
func beginning(names []string, begin string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, begin) })
}

// completeWords completes a flag with the words that it takes.
func completeWords(c *cobra.Command, flag string, words ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// explainCompletion says how to install completion.
func explainCompletion(root *cobra.Command) {
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	c.Short = "Make the file that completes commands in your shell"
	c.Example = `  source <(millrace completion bash)
  millrace completion bash > /etc/bash_completion.d/millrace
  millrace completion zsh > "${fpath[1]}/_millrace"
  millrace completion fish > ~/.config/fish/completions/millrace.fish`
}

// standAlone takes the flags that name a server out of commands that ask none.
func standAlone(root *cobra.Command, names ...string) {
	for _, c := range root.Commands() {
		if !slices.Contains(names, c.Name()) {
			continue
		}
		for _, sub := range append(c.Commands(), c) {
			withoutServer(root, sub)
		}
	}
}

// withoutServer hides the flags in the help of a command, and refuses them.
func withoutServer(root, c *cobra.Command) {
	help := root.HelpFunc()
	c.SetHelpFunc(func(c *cobra.Command, args []string) {
		for _, flag := range serverFlagNames {
			_ = root.PersistentFlags().MarkHidden(flag) // the process ends with the help
		}
		help(c, args)
	})
	run := c.RunE
	if run == nil {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		for _, flag := range serverFlagNames {
			if c.Flags().Changed(flag) {
				return usagef("%q asks no server, so --%s means nothing here", c.CommandPath(), flag)
			}
		}
		return run(c, args)
	}
}

// serverFlagNames are the flags that say which server, and who asks.
var serverFlagNames = []string{"server", "token", "workspace"}
