package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/terminal"
	"github.com/millrace/millrace/transfer"
)

func (p *program) importCommand() *cobra.Command {
	o, from, of, asJSON := app.Options{}, "", "", false
	c := &cobra.Command{
		Use: "import [DIR]", GroupID: groupOperate, Short: "Take in the records of an export", Args: atMostOne("project folder", ""),
		Long: `Takes in the records of an export. An ID that came in within the dedup window of
its source before (24h where the source sets none) is a duplicate: importing
twice within it, or again after it broke off, does not count twice. Later it
does. To import again later, or where the same events came in longer ago, set
dedup of the sources to more before, such as forever; docs/backup.md says what
to do when IDs are forgotten already. Records keep when they were received and
when they occurred; the log's own time is that of the import. Records of the
source millrace are left out: they tell what another server did, and a server
writes its own.

Into a server that runs: with --server, into the environment that --workspace
names, with an API key that has workspace:import. Its project has to have the
sources; they are in project/ of the export.

Into a data folder that no server uses: with DIR (the project) and --data, which
is made when it is not there. Tables and archive have the records when a server
runs on the folder.`,
		Example: "  millrace import --server https://events.example.com --workspace acme --from /mnt/export\n  millrace import shop --from /mnt/export --data shop/.millrace",
		RunE: func(c *cobra.Command, args []string) error {
			if from == "" {
				return usagef("say where the export is: --from FOLDER")
			}
			remote, err := p.asksServer(c, args)
			if err != nil {
				return err
			}
			o.Dir, o.Version, o.Logger = folder(args), p.versionText(), p.warnings()
			bar := p.screen().Progress(terminal.ProgressOptions{Label: "import", Unit: "records"})
			defer bar.Finish()
			var out app.Imported
			if remote {
				out, err = p.importServer(c.Context(), from, of, bar)
			} else if err = usedByServer(o, "import"); err == nil {
				out, err = app.Import(c.Context(), o, from, of, func(n int64) { bar.Set(n, 0) })
			}
			bar.Finish()
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(out)
			}
			fmt.Fprintf(p.stdout, "imported %s, %d of them duplicates\n", terminal.Plural(out.Records, "record", "records"), out.Duplicates)
			if out.LeftOut > 0 {
				fmt.Fprintf(p.stdout, "left out %s of the source millrace: a server writes its own\n", terminal.Plural(out.LeftOut, "record", "records"))
			}
			return nil
		},
	}
	p.folderFlags(c, &o)
	c.Flags().StringVar(&from, "from", "", "where the export is: a folder, or s3://bucket/prefix")
	c.Flags().StringVar(&of, "records-of", "", "whose records of the export, by the id in it (default: the only one's, or those of default)")
	c.Flags().BoolVar(&asJSON, "json", false, "what was imported as JSON")
	return c
}

// importServer imports records into an environment of a server.
func (p *program) importServer(ctx context.Context, from, of string, bar *terminal.Progress) (out app.Imported, err error) {
	api, err := p.client()
	if err != nil {
		return out, err
	}
	bucket, err := app.OpenPlace(ctx, from, false)
	if err != nil {
		return out, err
	}
	defer bucket.Close()
	if of, err = transfer.Choose(ctx, bucket, of); err != nil {
		return out, err
	}
	i := &importing{api: api, program: p, show: func(n int64) { bar.Set(n, 0) }}
	i.reset()
	_, err = transfer.Read(ctx, bucket, func(r millrace.Record) error {
		switch {
		case r.Workspace != of:
			return nil
		case r.Source == millrace.SourceMillrace:
			i.out.LeftOut++
			return nil
		}
		return i.add(ctx, r)
	})
	if err == nil {
		err = i.flush(ctx)
	}
	if err != nil {
		return i.out, fmt.Errorf("%s were imported, and are on the server's disk; %s: %w", terminal.Plural(i.out.Records, "record", "records"), transfer.Again, err)
	}
	if i.out.Records == 0 {
		return i.out, millrace.Errorf(millrace.NotFound, "the export has no records of the workspace %.60q but those that a server makes itself", of)
	}
	return i.out, nil
}

// importing gathers lines for one request.
type importing struct {
	*program
	api     *client.Client
	show    func(records int64)
	packed  bytes.Buffer
	z       *gzip.Writer
	line    []byte
	size    int // of what is packed, plain
	records int
	out     app.Imported
}

// What one request has at most.
const (
	importLines = 5000
	importSize  = 3 << 20
)

func (i *importing) reset() {
	i.packed.Reset()
	i.size, i.records = 0, 0
	i.z, _ = gzip.NewWriterLevel(&i.packed, gzip.BestSpeed) // there is that level
}

func (i *importing) add(ctx context.Context, r millrace.Record) error {
	i.line = transfer.AppendLine(i.line[:0], &eventlog.Entry{Record: r})
	if i.records == importLines || i.records > 0 && i.size+len(i.line) > importSize {
		if err := i.flush(ctx); err != nil {
			return err
		}
	}
	i.size, i.records = i.size+len(i.line), i.records+1
	_, err := i.z.Write(i.line)
	return err
}

// importPatience is how long the server may be away, or take nothing, until an
// import is given up.
const importPatience = time.Minute

// flush sends what is there until it is taken.
func (i *importing) flush(ctx context.Context) error {
	if i.records == 0 {
		return nil
	}
	if err := i.z.Close(); err != nil {
		return err
	}
	for until := time.Now().Add(importPatience); ; {
		done, err := i.api.ImportRecords(ctx, i.packed.Bytes())
		if err == nil {
			i.out.Records += done.Records
			if done.Duplicates != nil {
				i.out.Duplicates += *done.Duplicates
			}
			i.show(i.out.Records)
			i.reset()
			return nil
		}
		if k := millrace.KindOf(err); k != millrace.Unavailable && k != millrace.Limited || time.Now().After(until) || client.Later(err) > importPatience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(time.Second, client.Later(err))):
		}
	}
}
