package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/terminal"
)

func (p *program) restoreCommand() *cobra.Command {
	f, o := backupFlags{}, app.RestoreOptions{}
	id, until, asJSON := "", "", false
	c := &cobra.Command{
		Use: "restore", GroupID: groupOperate, Short: "Make a data folder from a backup", Args: nothing,
		Long: `Makes a data folder from the newest backup at --from, from the newest that was
taken until --until, or from --backup. There is nothing between two backups:
what came in after the one that is taken is not in the folder. Everything is
compared with its checksums. Until it is done the folder says that it is not
whole, and no server uses it; restoring into it again begins anew.

The server goes on in the folder in a new epoch of the log, so that nothing that
came after the backup is taken for something else. Tables are made anew when it
starts. Stop the server that the backup is of before you start the restored one.`,
		Example: `  millrace restore --from /mnt/backup --key-file backup.key --data shop/.millrace
  millrace restore --from 's3://backups/shop?region=eu-west-2' --key-file backup.key --data .millrace --project shop
  millrace restore --from /mnt/backup --key-file backup.key --data try --until 2026-11-20`,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.at == "" || o.Data == "" {
				return usagef("say where the backups are (--from) and which folder to make (--data)")
			}
			if id != "" && until != "" {
				return usagef("--backup and --until exclude each other")
			}
			at, err := instant("--until", until)
			if err != nil {
				return err
			}
			store, err := p.openBackups(c.Context(), f)
			if err != nil {
				return err
			}
			defer store.Close()
			before := time.Time{}
			if at != nil {
				before = *at
			}
			if o.Manifest, err = store.Find(c.Context(), id, before); err != nil {
				return err
			}
			bar := p.screen().Progress(terminal.ProgressOptions{Label: "restore", Unit: "bytes", Total: o.Manifest.Bytes})
			defer bar.Finish()
			o.Store, o.Version, o.Logger, o.Progress = store.Store, p.versionText(), p.warnings(), func(done, _ int64) { bar.Set(done, 0) }
			state, err := app.Restore(c.Context(), o)
			bar.Finish()
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(map[string]any{"backup": o.Manifest, "state": state, "data": o.Data})
			}
			return p.restored(o.Manifest, state, o, at)
		},
	}
	p.backupFlags(c, &f, "from", "where the backups are: a folder, or s3://bucket/prefix")
	flags := c.Flags()
	flags.StringVar(&o.Data, "data", "", "the data folder to make; missing or empty")
	flags.StringVar(&o.Project, "project", "", "also the files of the project, into this folder; missing or empty")
	flags.StringVar(&o.Catalog, "catalog", "", "postgres://…: where the metadata go, an empty schema (default: a file in the data folder)")
	flags.StringVar(&id, "backup", "", "this backup, by its id")
	flags.StringVar(&until, "until", "", "the newest that was taken until this time (RFC 3339, or a date in UTC)")
	flags.BoolVar(&asJSON, "json", false, "what was restored as JSON")
	_ = c.MarkFlagDirname("data")
	_ = c.MarkFlagDirname("project")
	return c
}

// restored says what was restored, and what is still needed.
func (p *program) restored(m *backup.Manifest, s app.BackupState, o app.RestoreOptions, until *time.Time) error {
	records := int64(0)
	for _, c := range s.Dedup {
		records += c.Distinct
	}
	fmt.Fprintf(p.stdout, "restored backup %s, taken %s: %s, %s; every checksum is right\n", m.ID, day(m.Taken), terminal.Plural(records, "record", "records"), terminal.Size(m.Bytes))
	screen := p.screen()
	if until != nil {
		screen.Note("Until: this is the newest backup that was taken until %s; what came in during the %s between them is not in it.", day(*until), terminal.Duration(until.Sub(m.Taken)))
	}
	if len(s.MasterKeys) > 0 {
		screen.Note("Secrets: they need the master key %s, which is not in a backup. Put it into %s/master.key (chmod 600), or set MILLRACE_MASTER_KEY, before you start the server.",
			strings.Join(s.MasterKeys, " and "), terminal.Sanitize(o.Data))
	}
	switch {
	case !s.Archive.Included:
		screen.Note("Archive: it is in %s, and not in the backup. Two servers must not write to it: stop the one that this backup is of. To try a restore, write another archive into millrace.yaml first; tables then have what the log has.", s.Archive.Location)
	case s.Archive.Location != "file:archive":
		screen.Note("Archive: it was in %s, and is restored into %s/archive. Write archive: file:archive into millrace.yaml, or move it.", s.Archive.Location, terminal.Sanitize(o.Data))
	}
	if s.Warehouse != "duckdb" {
		screen.Note("Warehouse: it is outside the data folder, and is as it is. What it has beyond the backup stays in it.")
	} else {
		screen.Note("Tables: they are made anew from archive and log when the server starts; status shows how far they are.")
	}
	if o.Project == "" {
		screen.Note("Project: its files are in the backup too; --project restores them.")
	}
	return nil
}
