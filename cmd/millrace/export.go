package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/terminal"
	"github.com/millrace/millrace/transfer"
)

// folderFlags say which data folder a command works on.
func (p *program) folderFlags(c *cobra.Command, o *app.Options) {
	c.Flags().StringVar(&o.Data, "data", "", "data folder that no server uses (default .millrace in the project)")
	c.Flags().StringVar(&o.Environment, "env", p.getenv("MILLRACE_ENV"), "whose settings apply (MILLRACE_ENV)")
	_ = c.MarkFlagDirname("data")
}

// asksServer says whether a command that can do both is about a server, or about a
// data folder that no server uses.
func (p *program) asksServer(c *cobra.Command, args []string) (bool, error) {
	named := p.server != "" || p.workspace != ""
	folder := len(args) > 0 || c.Flags().Changed("data")
	if named && folder {
		return false, usagef("name a server (--server, --workspace), or a project folder and --data that no server uses, not both")
	}
	return named || !folder && (p.getenv("MILLRACE_SERVER") != "" || p.getenv("MILLRACE_WORKSPACE") != ""), nil
}

// usedByServer says how to do what cannot be done with a folder that a server uses.
func usedByServer(o app.Options, what string) error {
	data := o.Data
	if data == "" {
		data = o.Dir + "/.millrace"
	}
	if !app.FolderInUse(data) {
		return nil
	}
	return millrace.Errorf(millrace.Conflict, "a server uses the data folder %s: ask it instead, while it runs, with millrace %s --server %s and without the folder", data, what, client.DefaultServer)
}

func (p *program) exportCommand() *cobra.Command {
	o, to, asJSON := app.Options{}, "", false
	c := &cobra.Command{
		Use: "export [DIR]", GroupID: groupOperate, Short: "Write everything in formats that any program reads", Args: atMostOne("project folder", ""),
		Long: `Writes every record, each once, as lines of JSON (gzip, by workspace, source and
day), the files of the project, the audit trail, and what is known of people,
keys, versions and usage, without anything secret. The place has to be empty, a
folder or s3://bucket/prefix.

From a server that runs: with --server, the environment that --workspace names,
with an API key that has workspace:export. When the connection breaks off it
goes on where it was.

From a data folder that no server uses: with DIR or --data, all workspaces.

The archive is Parquet already, and single tables are: millrace query --format
parquet.`,
		Example: "  millrace export --server https://events.example.com --workspace acme@staging --to /mnt/export\n  millrace export shop --data restored --to 's3://exports/shop?region=eu-west-2'",
		RunE: func(c *cobra.Command, args []string) error {
			if to == "" {
				return usagef("say where the export goes: --to FOLDER")
			}
			remote, err := p.asksServer(c, args)
			if err != nil {
				return err
			}
			o.Dir, o.Version, o.Logger = folder(args), p.versionText(), p.warnings()
			bar := p.screen().Progress(terminal.ProgressOptions{Label: "export", Unit: "records"})
			defer bar.Finish()
			var about transfer.About
			if remote {
				about, err = p.exportServer(c.Context(), to, func(n int64) { bar.Set(n, 0) })
			} else if err = usedByServer(o, "export"); err == nil {
				about, err = app.Export(c.Context(), o, to, func(n int64) { bar.Set(n, 0) })
			}
			bar.Finish()
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(about)
			}
			_, err = fmt.Fprintf(p.stdout, "exported %s in %s\n", terminal.Plural(about.Records, "record", "records"), terminal.Plural(about.Files, "file", "files"))
			return err
		},
	}
	p.folderFlags(c, &o)
	c.Flags().StringVar(&to, "to", "", "where the export goes: an empty folder, or s3://bucket/prefix")
	c.Flags().BoolVar(&asJSON, "json", false, "what was exported as JSON")
	return c
}

// exportServer exports an environment from a server.
func (p *program) exportServer(ctx context.Context, to string, progress func(int64)) (about transfer.About, err error) {
	api, err := p.client()
	if err != nil {
		return about, err
	}
	bucket, err := app.OpenPlace(ctx, to, true)
	if err != nil {
		return about, err
	}
	defer func() { err = errors.Join(err, bucket.Close()) }()
	w, err := transfer.NewWriter(ctx, bucket)
	if err != nil {
		return about, err
	}
	until, err := p.exportRecords(ctx, api, w, progress)
	if err == nil {
		err = api.ExportFiles(ctx, func(name string, r io.Reader) error { return putExported(ctx, w, name, r) })
	}
	for _, format := range []string{"ndjson", "csv"} {
		if err == nil {
			err = exportTrail(ctx, api, w, format)
		}
	}
	if err != nil {
		return about, fmt.Errorf("the export in %s is not whole, it has %s: begin again in an empty place: %w", to, terminal.Plural(w.Records(), "record", "records"), err)
	}
	return w.Finish(ctx, time.Now(), until)
}

// How often an export goes on without a record that came meanwhile, and how long it
// waits before.
const (
	exportAttempts = 60
	exportPause    = time.Second
)

// exportRecords writes all records up to what was the end when it began, however
// often the connection breaks off.
func (p *program) exportRecords(ctx context.Context, api *client.Client, w *transfer.Writer, progress func(int64)) (until millrace.Position, err error) {
	var o client.ExportOptions
	for attempt := 0; ; attempt++ {
		begin := func(text string) { o.Until = text }
		line := func(text []byte) error {
			h, err := transfer.ReadHead(text)
			if err == nil {
				err = w.AddLine(ctx, h, text)
			}
			if err != nil {
				return err
			}
			o.After, attempt = h.Position, 0
			if w.Records()%1000 == 0 {
				progress(w.Records())
			}
			return nil
		}
		err = api.ExportRecords(ctx, o, begin, line, func(through string) { o.After, attempt = through, 0 })
		if err == nil {
			progress(w.Records())
			if o.Until == "" {
				return until, nil
			}
			return millrace.ParsePosition(o.Until)
		}
		if k := millrace.KindOf(err); k != millrace.Unavailable && k != millrace.Limited || o.Until == "" || attempt >= exportAttempts {
			return until, err
		}
		if attempt == 0 {
			p.screen().Note("%v; going on behind %s", err, o.After)
		}
		select {
		case <-ctx.Done():
			return until, ctx.Err()
		case <-time.After(exportPause):
		}
	}
}

// exportedTable is how metadata is called.
var exportedTable = regexp.MustCompile(`^metadata/[a-z_]+\.ndjson$`)

// putExported writes a file of a server, wherever that may be, into the export and
// nowhere else.
func putExported(ctx context.Context, w *transfer.Writer, name string, r io.Reader) error {
	file, ok := strings.CutPrefix(name, "project/")
	if !exportedTable.MatchString(name) && (!ok || tree.CheckPath(file) != nil) {
		return millrace.Errorf(millrace.Invalid, "the server sends a file called %.100q, which no export has", name)
	}
	return w.Put(ctx, name, r)
}

func exportTrail(ctx context.Context, api *client.Client, w *transfer.Writer, format string) error {
	out, in := io.Pipe()
	go func() { in.CloseWithError(api.ExportTrail(ctx, format, in)) }()
	err := w.Put(ctx, "audit."+format, out)
	_ = out.Close() // ends the request when it still runs
	return err
}
