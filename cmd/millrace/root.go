package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for did not happen, or not all of it
	exitUsage  = 2 // the command was not understood
)

// A program is one run of the command with what it has from the outside.
type program struct {
	stdin          *os.File
	stdout, stderr io.Writer
	getenv         func(string) string
	version        string
	notice         string

	// global flags
	server, token string
	workspace     string
	quiet         bool

	understood bool // the command line was: what fails now is no usage error
}

// run executes one command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SuggestionsMinimumDistance = nearness(args)
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var usage usageError
	var code exitCode
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSaid):
		return exitFailed
	case errors.As(err, &code):
		return int(code)
	case !p.understood || errors.As(err, &usage):
		p.complain(err)
		fmt.Fprintf(p.stderr, "Run `%s --help` for how to use it.\n", cmd.CommandPath())
		return exitUsage
	}
	p.complain(err)
	return exitFailed
}

// nearness is how many letters of a command's name may be wrong for it to be
// proposed: one of a short one.
func nearness(args []string) int {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") && len(a) < 4 {
			return 1
		}
	}
	return 2
}

// complain writes an error for the person.
func (p *program) complain(err error) {
	colors := p.screen().NoteColors()
	text := terminal.SanitizeLines(strings.TrimRight(err.Error(), "\n"))
	fmt.Fprintln(p.stderr, colors.Bad("millrace:")+" "+text)
}

// errSaid ends a command that failed and has already said why.
var errSaid = errors.New("said")

// An exitCode ends a command with it; all is said already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// A usageError is a command line that was not understood.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Groups of commands in the help.
const (
	groupProject = "project"
	groupData    = "data"
	groupOperate = "operate"
)

func (p *program) root() *cobra.Command {
	p.understood = false
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Collect events, keep every one, ask about them in SQL",
		Long: `Millrace collects events over HTTP, keeps them in a durable log and an archive,
counts each once, and answers questions about them in SQL two seconds later.

Commands that speak to a server find it at --server or MILLRACE_SERVER, and
prove who they are with --token or MILLRACE_TOKEN; a server that was started
with "millrace dev" on this machine needs neither.

Exit codes: 0 done, 1 failed, 2 the command line was not understood.`,
		Example: `  millrace init shop && millrace dev shop
  millrace send orders.csv --source shop --id invoice_id
  millrace query 'SELECT count(*) FROM shop.tracks'`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableNoDescFlag: true},
	}
	root.AddGroup(
		&cobra.Group{ID: groupProject, Title: "Run a project:"},
		&cobra.Group{ID: groupData, Title: "Data in and out:"},
		&cobra.Group{ID: groupOperate, Title: "Look after a server:"})
	flags := root.PersistentFlags()
	flags.StringVar(&p.server, "server", "", "address of the server (MILLRACE_SERVER; default "+client.DefaultServer+")")
	flags.StringVar(&p.token, "token", "", "API key, or admin token of the server (MILLRACE_TOKEN)")
	flags.StringVar(&p.workspace, "workspace", "", "workspace to ask in, such as acme or acme@staging (MILLRACE_WORKSPACE; default that of the key)")
	flags.BoolVarP(&p.quiet, "quiet", "q", false, "no progress and no notes, only results and errors")
	root.SetFlagErrorFunc(flagError)
	root.Version = p.versionLine()
	root.SetVersionTemplate("{{.Version}}\n")
	root.InitDefaultVersionFlag()
	root.AddCommand(p.commands()...)
	root.SetHelpCommandGroupID("")
	root.SetOut(p.stdout) // completion keeps what it is now
	root.InitDefaultCompletionCmd()
	p.prepare(root)
	explainCompletion(root)
	standAlone(root, "init", "dev", "serve", "check", "owner", "version", "completion")
	return root
}

// commands are all commands but those that cobra brings.
func (p *program) commands() []*cobra.Command {
	return []*cobra.Command{
		p.initCommand(), p.devCommand(), p.serveCommand(), p.checkCommand(), p.planCommand(), p.deployCommand(), p.pullCommand(), p.releaseCommand(),
		p.sendCommand(), p.queryCommand(), p.tailCommand(), p.rejectedCommand(),
		p.statusCommand(), p.readerCommand(), p.warehouseCommand(), p.archiveCommand(), p.logCommand(), p.keyCommand(), p.secretCommand(), p.memberCommand(), p.personCommand(), p.auditCommand(), p.workspaceCommand(), p.environmentCommand(), p.ownerCommand(), p.backupCommand(), p.restoreCommand(), p.exportCommand(), p.importCommand(),
		p.versionCommand(),
	}
}

// prepare makes each command say when the command line was understood, and
// those that only hold others ask for one of them.
func (p *program) prepare(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			p.understood = true
			return run(c, args)
		}
	} else if c.HasSubCommands() && c.HasParent() {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(c *cobra.Command, args []string) error {
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			if len(args) > 0 {
				return usagef("%q has no command %q: %s", c.CommandPath(), args[0], terminal.ThereAre(names))
			}
			return usagef("say what to do: %s %s", c.CommandPath(), strings.Join(names, "|"))
		}
	}
	for _, sub := range c.Commands() {
		p.prepare(sub)
	}
}

func (p *program) screen() *terminal.Screen {
	return terminal.New(terminal.Options{Out: p.stdout, Err: p.stderr, Quiet: p.quiet, Getenv: p.getenv})
}

// client returns the client of the server that flags or environment name.
func (p *program) client() (*client.Client, error) {
	server, token := p.server, p.token
	if server == "" {
		server = p.getenv("MILLRACE_SERVER")
	}
	if token == "" {
		token = p.getenv("MILLRACE_TOKEN")
	}
	workspace := p.workspace
	if workspace == "" {
		workspace = p.getenv("MILLRACE_WORKSPACE")
	}
	c, err := client.New(client.Options{Server: server, Token: token, Workspace: workspace, UserAgent: "millrace/" + p.versionText()})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (p *program) versionText() string {
	if p.version != "" {
		return p.version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

func (p *program) versionLine() string {
	return fmt.Sprintf("millrace %s (%s, %s/%s)", p.versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func (p *program) versionCommand() *cobra.Command {
	licenses := false
	c := &cobra.Command{
		Use: "version", Short: "Print the version, or the licences of what is inside", Args: nothing,
		Example: "  millrace version\n  millrace version --licenses",
		RunE: func(*cobra.Command, []string) error {
			if licenses {
				if p.notice == "" {
					return millrace.Errorf(millrace.NotFound, "this binary was built without its NOTICE: see the file NOTICE in the repository")
				}
				_, err := io.WriteString(p.stdout, p.notice)
				return err
			}
			_, err := fmt.Fprintln(p.stdout, p.versionLine())
			return err
		},
	}
	c.Flags().BoolVar(&licenses, "licenses", false, "print the licences of the software that is built in")
	return c
}
