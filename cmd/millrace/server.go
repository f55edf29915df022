package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/secret"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/terminal"
	"github.com/millrace/millrace/warehouse"
)

// serverFlags are what dev and serve have in common.
type serverFlags struct {
	options   app.Options
	token     string // how a shell gets at the admin token
	where     string // how a person does
	logLevel  string
	logFormat string
}

func (p *program) serverFlags(c *cobra.Command, f *serverFlags) {
	flags := c.Flags()
	flags.StringVar(&f.options.Listen, "listen", "127.0.0.1:8080", "address to listen on")
	flags.StringVar(&f.options.Data, "data", "", "data folder (default .millrace in the project)")
	flags.StringVar(&f.options.Environment, "env", p.getenv("MILLRACE_ENV"), "whose settings apply (MILLRACE_ENV)")
	flags.StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error (default warn in dev, info in serve)")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	completeWords(c, "log-level", "debug", "info", "warn", "error")
	completeWords(c, "log-format", "text", "json")
	_ = c.MarkFlagDirname("data")
}

// logger writes to standard error.
func (p *program) logger(f *serverFlags, level slog.Level) (*slog.Logger, error) {
	if f.logLevel != "" {
		if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
			return nil, usagef("--log-level %q is none of debug, info, warn, error", f.logLevel)
		}
	}
	o := &slog.HandlerOptions{Level: level}
	switch f.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(p.stderr, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(terminal.NewJSONWriter(p.stderr), o)), nil
	}
	return nil, usagef("--log-format %q is neither text nor json", f.logFormat)
}

func folder(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return "."
}

func (p *program) devCommand() *cobra.Command {
	f := &serverFlags{}
	c := &cobra.Command{
		Use: "dev [DIR]", Short: "Run a project and reload it on save", GroupID: groupProject, Args: atMostOne("folder", ""),
		Long: `Runs the project in DIR (default: this folder) on this machine. Saved files are
served at once; a version with a mistake is told, and the last good one goes on.
Requests from this machine need no login; write keys that begin with dev_ work.`,
		Example: "  millrace dev shop\n  millrace dev --listen 127.0.0.1:9000 --data /tmp/try",
		RunE: func(c *cobra.Command, args []string) error {
			f.options.Dir, f.options.Mode = folder(args), serve.Dev
			if err := checkAddress(f.options.Listen); err != nil {
				return err
			}
			if token := p.getenv("MILLRACE_ADMIN_TOKEN"); token != "" {
				f.options.AdminToken = token
			} else if err := checkListen(f.options.Listen); err != nil {
				return err
			}
			return p.serve(c.Context(), f, slog.LevelWarn)
		},
	}
	p.serverFlags(c, f)
	return c
}

func (p *program) serveCommand() *cobra.Command {
	f := &serverFlags{}
	tokenFile := ""
	c := &cobra.Command{
		Use: "serve [DIR]", Short: "Run a project in production", GroupID: groupProject, Args: atMostOne("folder", ""),
		Long: `Runs the project in DIR (default: this folder) for production: write keys that
begin with dev_ are refused, and everything but collect and health needs someone
who is signed in, or an API key (--token or MILLRACE_TOKEN).

As long as nobody owns the server, it prints a link at each start: open it in a
browser to become the owner. Without a browser: millrace owner create.

An admin token, from MILLRACE_ADMIN_TOKEN or --admin-token-file, may do
everything too. Give programs API keys instead, which say who did what: millrace
key create.

What runs is a numbered version of the project. The folder becomes one when the
server starts, unless others were deployed since it last did: those go on then,
and the server says so. It never writes into the folder.

With --tls-cert and --tls-key it speaks https. Without, put a proxy that does in
front of it, name the proxy in collect.trusted_proxies and the public address in
collect.public_url of millrace.yaml.

With MILLRACE_PPROF=127.0.0.1:6060 it gives profiles of itself there, under
/debug/pprof, to this machine only.`,
		Example: "  millrace serve shop\n" +
			"  millrace serve shop --listen :443 --tls-cert cert.pem --tls-key key.pem",
		RunE: func(c *cobra.Command, args []string) error {
			if (f.options.TLSCert == "") != (f.options.TLSKey == "") {
				return usagef("https needs both files: --tls-cert and --tls-key")
			}
			if err := checkAddress(f.options.Listen); err != nil {
				return err
			}
			f.options.Dir, f.options.Mode = folder(args), serve.Production
			if f.options.AdminToken = p.getenv("MILLRACE_ADMIN_TOKEN"); f.options.AdminToken != "" {
				f.token, f.where = "$MILLRACE_ADMIN_TOKEN", "$MILLRACE_ADMIN_TOKEN"
			}
			if tokenFile != "" {
				f.token, f.where = "$(cat "+shellWord(tokenFile)+")", "in the file "+terminal.Sanitize(tokenFile)
				text, err := os.ReadFile(tokenFile)
				if err != nil {
					return cannotRead("the admin token", tokenFile, err)
				}
				f.options.AdminToken = strings.TrimSpace(string(text))
			}
			for _, file := range []string{tokenFile, f.options.TLSCert, f.options.TLSKey} {
				if absolute, err := filepath.Abs(file); err == nil && file != "" {
					f.options.Private = append(f.options.Private, absolute)
				}
			}
			return p.serve(c.Context(), f, slog.LevelInfo)
		},
	}
	p.serverFlags(c, f)
	flags := c.Flags()
	flags.StringVar(&tokenFile, "admin-token-file", "", "file with an admin token (default MILLRACE_ADMIN_TOKEN, or none)")
	flags.StringVar(&f.options.TLSCert, "tls-cert", "", "certificate file, for https")
	flags.StringVar(&f.options.TLSKey, "tls-key", "", "key file of the certificate")
	durationFlag(flags, &f.options.Drain, "drain", 15*time.Second, "when the server stops: how long requests under way, and then archive and warehouse to store what the log holds, may take")
	return c
}

// serve runs a server until ctx ends.
func (p *program) serve(ctx context.Context, f *serverFlags, level slog.Level) error {
	logger, err := p.logger(f, level)
	if err != nil {
		return err
	}
	if p.getenv("GOGC") == "" {
		go keepHeapSmall(ctx)
	}
	f.options.Logger, f.options.Version = logger, p.versionText()
	f.options.Profile = p.getenv("MILLRACE_PPROF")
	if !p.quiet {
		f.options.Stdout = p.stdout
	}
	a, err := app.Open(ctx, f.options)
	if app.Stopped(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !p.quiet {
		p.greet(a, f)
	}
	err = a.Run(ctx)
	if closed := a.Close(); err == nil {
		err = closed
	}
	return err
}

// greet says what runs, where, and what to try.
func (p *program) greet(a *app.App, f *serverFlags) {
	out := terminal.NewSafeWriter(p.stdout) // what is named in project files is printed
	project := a.Project()
	address, everywhere, beyond := reachable(a.URL())
	fmt.Fprintf(out, "%s is running at %s", terminal.Sanitize(project.Config.Name), address)
	if everywhere {
		fmt.Fprint(out, ", and on every other address of this machine")
	}
	fmt.Fprintln(out)
	if beyond && f.options.TLSCert == "" && len(project.Config.Collect.TrustedProxies) == 0 {
		fmt.Fprintln(out, "  Keys and events travel in the clear: give --tls-cert and --tls-key, or listen on\n  127.0.0.1 behind a proxy that speaks https (docs/operate.md).")
	}
	fmt.Fprintf(out, "  log        %s, %s\n", "embedded NATS JetStream", "fsynced before each answer")
	fmt.Fprintf(out, "  archive    %s\n  warehouse  %s\n  data       %s\n", project.Config.Archive, project.Config.Warehouse, a.Data())
	if setup := a.SetupURL(); setup != "" {
		fmt.Fprintf(out, "\nNobody owns this server yet. Open this link in a browser, once, to become its owner:\n  %s\n", strings.Replace(setup, a.URL(), address, 1))
	}
	fmt.Fprintf(out, "\nOpen %s in a browser%s.\n", cmp.Or(project.Config.Collect.PublicURL, address), f.login())
	key, source := firstKey(project, f.options.Mode == serve.Dev)
	if key == "" {
		fmt.Fprintln(out, "No source has a write key that works here yet: add one to a file in sources/.")
		return
	}
	fmt.Fprintf(out, "\nSend an event:\n  curl -u %s: %s/v1/track -d '{\"userId\":\"u1\",\"event\":\"Hello\",\"properties\":{\"n\":1}}'\n", key, address)
	query := "millrace query"
	if address != "http://127.0.0.1:8080" {
		query += " --server " + address
	}
	if f.options.Mode == serve.Production {
		query = "MILLRACE_TOKEN=" + cmp.Or(f.token, "KEY") + " " + query
	}
	fmt.Fprintf(out, "Ask about it:\n  %s 'SELECT * FROM %s.tracks'\n\n", query, warehouse.Identifier(source))
}

// login says how a browser gets in.
func (f *serverFlags) login() string {
	switch {
	case f.options.Mode == serve.Production && f.options.AdminToken == "":
		return ", and sign in"
	case f.options.Mode == serve.Production:
		return ", and sign in, or log in with the admin token (" + f.where + ")"
	case f.options.AdminToken != "":
		return ": from this machine it asks for no login; from elsewhere, log in with the admin token ($MILLRACE_ADMIN_TOKEN)"
	}
	return ": it asks for no login, and answers this machine only"
}

// reachable is an address that a client on this machine can use, whether the
// server listens on all addresses, and whether others reach it.
func reachable(address string) (_ string, everywhere, beyond bool) {
	u, err := url.Parse(address)
	if err != nil {
		return address, false, false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err == nil && ip.IsUnspecified() {
		return u.Scheme + "://localhost:" + u.Port(), true, true
	}
	return address, false, err == nil && !ip.IsLoopback()
}

// firstKey is a write key that works.
func firstKey(p *project.Project, dev bool) (key, source string) {
	for _, r := range p.In("sources") {
		s, ok := r.Config.(*collect.HTTPSource)
		if !ok {
			continue
		}
		for _, k := range s.WriteKeys {
			if dev || !strings.HasPrefix(k, "dev_") {
				return k, r.Name
			}
		}
	}
	return "", ""
}

func (p *program) checkCommand() *cobra.Command {
	environment := ""
	c := &cobra.Command{
		Use: "check [DIR]", Short: "Say what is wrong with a project, without running it", GroupID: groupProject, Args: atMostOne("folder", ""),
		Example: "  millrace check\n  millrace check shop --env production",
		RunE: func(_ *cobra.Command, args []string) error {
			loaded, err := app.Load(folder(args), environment)
			if err != nil {
				return err
			}
			if !p.quiet {
				fmt.Fprintf(p.stdout, "%s: %s, no mistakes\n", terminal.Sanitize(loaded.Config.Name),
					terminal.Plural(int64(len(loaded.In("sources"))), "source", "sources"))
			}
			var elsewhere []string
			for _, use := range loaded.Secrets {
				if use.Missing && !slices.Contains(elsewhere, use.Path) {
					elsewhere = append(elsewhere, use.Path)
				}
			}
			if len(elsewhere) > 0 {
				p.screen().Note("Without a value here, so that what they are for was not checked: %s. The server has to have them: millrace secret set PATH, or the environment variable %s.",
					terminal.Sanitize(strings.Join(elsewhere, ", ")), secret.Variable(elsewhere[0]))
			}
			return nil
		},
	}
	c.Flags().StringVar(&environment, "env", p.getenv("MILLRACE_ENV"), "whose settings apply (MILLRACE_ENV)")
	return c
}

func (p *program) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [DIR]", Short: "Make a new project that runs as it is", GroupID: groupProject, Args: atMostOne("folder", ""),
		Example: "  millrace init shop && millrace dev shop",
		RunE: func(_ *cobra.Command, args []string) error {
			dir := folder(args)
			if file := fileInTheWay(dir); file != "" {
				return millrace.Errorf(millrace.Conflict, "%s is a file: name a folder for the project", file)
			}
			files, err := project.Init(dir, "")
			if err != nil {
				return err
			}
			if err := project.WriteSchemas(dir, app.Kinds(), project.SourceDocs()); err != nil {
				return err
			}
			if p.quiet {
				return nil
			}
			for _, file := range files {
				fmt.Fprintln(p.stdout, "made", file)
			}
			fmt.Fprintf(p.stdout, "Run it:\n  millrace dev %s\n", shellWord(dir))
			return nil
		},
	}
}

// fileInTheWay is what is no folder on the way to dir, or "".
func fileInTheWay(dir string) string {
	for path := filepath.Clean(dir); ; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil {
			if info.IsDir() {
				return ""
			}
			return path
		}
		if path == filepath.Dir(path) {
			return ""
		}
	}
}

// shellWord quotes a word for a shell if it has to be.
func shellWord(s string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._/-+@:,", c)
	}
	if s != "" && strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// checkAddress refuses what is no address to listen on.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return usagef("--listen %q is no address: write host:port, such as 127.0.0.1:8080", address)
	}
	return nil
}

// checkListen refuses an address that would open a dev server to the network.
func checkListen(address string) error {
	host, _, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usagef("millrace dev asks no login, so it listens on this machine only, not on %s: use millrace serve, or set MILLRACE_ADMIN_TOKEN for those who come from elsewhere", address)
}
