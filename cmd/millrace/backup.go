package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/app"
	"github.com/millrace/millrace/backup"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/terminal"
)

// backupFlags say where backups are.
type backupFlags struct {
	at, keyFile string
}

func (p *program) backupFlags(c *cobra.Command, f *backupFlags, name, usage string) {
	c.Flags().StringVar(&f.at, name, "", usage)
	c.Flags().StringVar(&f.keyFile, "key-file", "", "file with the key of the backups (or "+app.BackupKeyVariable+" has it)")
	_ = c.MarkFlagFilename("key-file")
}

// open opens the store of backups itself, without a server.
func (p *program) openBackups(ctx context.Context, f backupFlags) (*app.BackupStore, error) {
	key, err := app.BackupKey(f.keyFile, p.getenv)
	if err != nil {
		return nil, err
	}
	return app.OpenBackups(ctx, app.BackupTarget{To: f.at, Key: key}, false, p.warnings())
}

// warnings is a logger of what a person should see.
func (p *program) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (p *program) backupCommand() *cobra.Command {
	f, o := backupFlags{}, app.Options{}
	keep, asJSON := "", false
	c := &cobra.Command{
		Use: "backup [DIR]", GroupID: groupOperate, Short: "Copy everything to another place, while the server runs", Args: atMostOne("project folder", ""),
		Long: `Copies everything that it takes to begin again elsewhere: the metadata, the log,
what duplicates are known by, the archive when it is a folder, charts, and the
files of the project. It is encrypted, stores only what is new, and is taken
while the server goes on. One that was cut off is begun again, and stores only
what is missing.

A server that runs is asked to take it, for the project in DIR (default: this
folder) and its data folder on this machine, or at --server; else it is taken
from the data folder itself. Without --to it goes where backup.to in
millrace.yaml says.

Tables are not in it: they are made anew from archive and log after a restore.
Nor are the master keys of secrets, and the key of the backups: keep copies of
both apart.`,
		Example: `  millrace backup key /etc/millrace/backup.key
  millrace backup shop --to /mnt/backup --key-file /etc/millrace/backup.key
  millrace backup --to 's3://backups/shop?region=eu-west-2' --keep last=3,daily=7,weekly=4`,
		RunE: func(c *cobra.Command, args []string) error {
			o.Dir, o.Version, o.Logger = folder(args), p.versionText(), p.warnings()
			t, err := p.backupTarget(c, f, keep)
			if err != nil {
				return err
			}
			if o.Data == "" {
				o.Data = filepath.Join(o.Dir, ".millrace")
			}
			show := func(result json.RawMessage) error { return p.backedUp(result, asJSON) }
			remote := p.server != "" || p.getenv("MILLRACE_SERVER") != ""
			if app.FolderInUse(o.Data) || remote && t == nil {
				return p.backUpServer(c.Context(), o.Data, t, show)
			}
			return p.backUpFolder(c.Context(), o, t, show)
		},
	}
	p.backupFlags(c, &f, "to", "where the backup goes: a folder, or s3://bucket/prefix")
	flags := c.Flags()
	flags.StringVar(&o.Data, "data", "", "data folder (default .millrace in the project)")
	flags.StringVar(&o.Environment, "env", p.getenv("MILLRACE_ENV"), "whose settings apply (MILLRACE_ENV)")
	flags.StringVar(&keep, "keep", "", "which backups stay, such as last=3,daily=7,weekly=4,monthly=12 (default: all)")
	flags.BoolVar(&asJSON, "json", false, "what was stored as JSON")
	_ = c.MarkFlagDirname("data")
	c.AddCommand(p.backupKey(), p.backupList(), p.backupVerify(), p.backupDelete())
	return c
}

// backupTarget is what flags say; nil when they do not.
func (p *program) backupTarget(c *cobra.Command, f backupFlags, keep string) (*app.BackupTarget, error) {
	if f.at == "" {
		for _, name := range []string{"keep", "key-file"} {
			if c.Flags().Changed(name) {
				return nil, usagef("--%s goes with --to", name)
			}
		}
		return nil, nil
	}
	t := &app.BackupTarget{To: f.at}
	var err error
	if keep != "" {
		if t.Keep, err = backup.ParseKeep(keep); err != nil {
			return nil, usageError{err}
		}
	}
	if !strings.HasPrefix(f.at, "s3:") && !strings.HasPrefix(f.at, "file:") && !strings.Contains(f.at, "://") { // the server is in another folder
		if t.To, err = filepath.Abs(f.at); err != nil {
			return nil, err
		}
	}
	t.Key, err = app.BackupKey(f.keyFile, p.getenv)
	return t, err
}

// backUpServer asks the server that has the data folder.
func (p *program) backUpServer(ctx context.Context, data string, t *app.BackupTarget, show func(json.RawMessage) error) error {
	return p.runJob(ctx, "backup", func(ctx context.Context, api *client.Client) (client.Job, error) {
		request := ""
		if t != nil {
			request = strings.ToLower(rand.Text())
			if err := app.AskBackup(data, request, *t); err != nil {
				return client.Job{}, fmt.Errorf("cannot ask the server that uses the data folder: %w", err)
			}
		}
		return api.StartBackup(ctx, request)
	}, show)
}

// backUpFolder takes the backup in this process.
func (p *program) backUpFolder(ctx context.Context, o app.Options, t *app.BackupTarget, show func(json.RawMessage) error) error {
	bar := p.screen().Progress(terminal.ProgressOptions{Label: "backup", Unit: "bytes"})
	defer bar.Finish()
	o.Mode = serve.Dev
	out, err := app.BackUpFolder(ctx, o, t, func(j job.Progress) {
		bar.SetTotal(j.Total, j.Unit)
		bar.Set(j.Done, 0)
		bar.Message(j.Message)
	})
	bar.Finish()
	if err != nil {
		return err
	}
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return show(text)
}

func (p *program) backedUp(result json.RawMessage, asJSON bool) error {
	if asJSON {
		return p.writeJSON(result)
	}
	var b struct {
		client.Backup
		Deleted []string `json:"deleted"`
	}
	if err := json.Unmarshal(result, &b); err != nil {
		return millrace.Errorf(millrace.Internal, "what the server says of the backup cannot be read: %w", err)
	}
	for _, id := range b.Deleted {
		p.screen().Note("Deleted the older backup %s.", terminal.Sanitize(id))
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %s, %s in %s, taken in %s; it added %s to the store, compressed\n", terminal.Sanitize(b.ID), terminal.Plural(b.Accepted, "record", "records"),
		terminal.Size(b.SizeBytes), terminal.Plural(b.Files, "file", "files"), terminal.Duration(time.Duration(b.Seconds*float64(time.Second))), terminal.Size(b.StoredBytes))
	return err
}

func (p *program) backupKey() *cobra.Command {
	return &cobra.Command{
		Use: "key FILE", Args: exactly("file"), Short: "Make a key that backups are encrypted with",
		Long: `Makes a key in a new file that only its owner may read. Everybody who has the
key reads all backups, and nobody reads them without: keep a copy apart from
this machine, on paper too; letters and digits are all there is to it.`,
		Example: "  millrace backup key /etc/millrace/backup.key",
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := backup.WriteKeyFile(args[0]); err != nil {
				return err
			}
			p.screen().Note("Made %s. Keep a copy of it apart from this machine: without it nobody can read the backups.", args[0])
			return nil
		},
	}
}

func (p *program) backupList() *cobra.Command {
	f, asJSON := backupFlags{}, false
	c := &cobra.Command{
		Use: "list", Args: nothing, Short: "List the backups, the newest first",
		Long: "Lists the backups at --from, or those that the server at --server takes.",
		Example: `  millrace backup list --from /mnt/backup --key-file /etc/millrace/backup.key
  millrace backup list --server https://events.example.com`,
		RunE: func(c *cobra.Command, _ []string) error {
			all, raw, err := p.backups(c.Context(), f)
			if err != nil {
				return err
			}
			if asJSON {
				return p.writeJSON(raw)
			}
			screen := p.screen()
			if len(all) == 0 {
				screen.Note("There is no backup yet.")
				return nil
			}
			t := terminal.Table{Width: screen.Width(), Palette: screen.Colors(), Columns: []terminal.Column{
				{Name: "backup", Whole: true}, {Name: "taken"}, {Name: "records", Right: true}, {Name: "size", Right: true}, {Name: "added", Right: true}, {Name: "", Wrap: true}}}
			for _, b := range all {
				t.Rows = append(t.Rows, []string{b.ID, day(b.Taken), terminal.Count(b.Accepted), terminal.Size(b.SizeBytes), terminal.Size(b.StoredBytes), b.Problem})
			}
			_, err = t.Write(screen.Out())
			return err
		},
	}
	p.backupFlags(c, &f, "from", "where the backups are: a folder, or s3://bucket/prefix")
	c.Flags().BoolVar(&asJSON, "json", false, "all that is known of them as JSON")
	return c
}

func (p *program) backups(ctx context.Context, f backupFlags) (all []client.Backup, raw any, err error) {
	if f.at == "" {
		api, err := p.client()
		if err != nil {
			return nil, nil, err
		}
		text, all, err := api.Backups(ctx)
		return all, text, err
	}
	store, err := p.openBackups(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	defer store.Close()
	listed, err := app.ListBackups(ctx, store)
	if err != nil {
		return nil, nil, err
	}
	for _, b := range listed {
		all = append(all, client.Backup{ID: b.ID, Taken: b.Taken, Version: b.Version, Files: b.Files, SizeBytes: b.SizeBytes, StoredBytes: b.StoredBytes, Accepted: b.Accepted, Problem: b.Problem})
	}
	return all, listed, nil
}

func (p *program) backupVerify() *cobra.Command {
	f, asJSON := backupFlags{}, false
	c := &cobra.Command{
		Use: "verify [BACKUP]", Args: atMostOne("backup", ""), Short: "Read all of a backup and compare it with what was stored",
		Long: `Reads all of a backup (default: the newest) at --from, or at the place where the
server at --server has them, and compares it with what was stored. Exits with 1
when anything is wrong, and says which backups need what is damaged. A damaged
file of the store that is removed is stored again by the next backup, when what
it held is still there.`,
		Example: "  millrace backup verify --from /mnt/backup --key-file /etc/millrace/backup.key",
		RunE: func(c *cobra.Command, args []string) error {
			id := strings.Join(args, "")
			show := func(result json.RawMessage) error { return p.verifiedBackup(result, asJSON) }
			if f.at != "" {
				return p.verifyBackup(c.Context(), f, id, show)
			}
			return p.runJob(c.Context(), "backup verify", func(ctx context.Context, api *client.Client) (client.Job, error) {
				if id == "" {
					_, all, err := api.Backups(ctx)
					if err != nil {
						return client.Job{}, err
					}
					if len(all) == 0 {
						return client.Job{}, millrace.Errorf(millrace.NotFound, "there is no backup yet")
					}
					id = all[0].ID
				}
				return api.StartBackupVerification(ctx, id)
			}, show)
		},
	}
	p.backupFlags(c, &f, "from", "where the backups are: a folder, or s3://bucket/prefix")
	c.Flags().BoolVar(&asJSON, "json", false, "what was found as JSON")
	return c
}

func (p *program) verifyBackup(ctx context.Context, f backupFlags, id string, show func(json.RawMessage) error) error {
	store, err := p.openBackups(ctx, f)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := store.Find(ctx, id, time.Time{})
	if err != nil {
		return err
	}
	bar := p.screen().Progress(terminal.ProgressOptions{Label: "backup verify", Unit: "bytes", Total: m.Bytes})
	defer bar.Finish()
	report, err := store.Verify(ctx, m, func(done, _ int64) { bar.Set(done, 0) })
	bar.Finish()
	if err != nil {
		return err
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	return show(text)
}

func (p *program) verifiedBackup(result json.RawMessage, asJSON bool) error {
	var r backup.Report
	if err := json.Unmarshal(result, &r); err != nil {
		return millrace.Errorf(millrace.Internal, "what the server says of the verification cannot be read: %w", err)
	}
	ok := len(r.Problems) == 0
	if asJSON {
		if err := p.writeJSON(r); err != nil {
			return err
		}
	} else {
		p.found(ok, r.Problems, nil, fmt.Sprintf("backup %s, %s, %s", terminal.Sanitize(r.Backup), terminal.Plural(r.Files, "file", "files"), terminal.Size(r.Bytes)))
		for _, text := range r.Advice {
			fmt.Fprintln(p.stdout, terminal.Sanitize(text))
		}
	}
	if !ok {
		return errSaid
	}
	return nil
}

func (p *program) backupDelete() *cobra.Command {
	f, keep := backupFlags{}, ""
	c := &cobra.Command{
		Use: "delete [BACKUP]", Args: atMostOne("backup", ""), Short: "Delete backups, and what only they had",
		Example: `  millrace backup delete 20261121T193000Z-k3v9qd
  millrace backup delete --keep last=3,daily=7 --from /mnt/backup --key-file /etc/millrace/backup.key`,
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == (keep != "") {
				return usagef("name a backup, or say with --keep which stay")
			}
			if f.at == "" {
				if keep != "" {
					return usagef("--keep goes with --from; a server keeps what backup.keep in millrace.yaml says")
				}
				api, err := p.client()
				if err != nil {
					return err
				}
				return api.DeleteBackup(c.Context(), args[0])
			}
			return p.deleteBackups(c.Context(), f, strings.Join(args, ""), keep)
		},
	}
	p.backupFlags(c, &f, "from", "where the backups are: a folder, or s3://bucket/prefix")
	c.Flags().StringVar(&keep, "keep", "", "which stay, such as last=3,daily=7,weekly=4,monthly=12")
	return c
}

func (p *program) deleteBackups(ctx context.Context, f backupFlags, id, keep string) error {
	store, err := p.openBackups(ctx, f)
	if err != nil {
		return err
	}
	defer store.Close()
	if keep == "" {
		if _, err := store.Find(ctx, id, time.Time{}); err != nil && millrace.KindOf(err) == millrace.NotFound {
			return err
		}
		return store.Delete(ctx, id)
	}
	k, err := backup.ParseKeep(keep)
	if err != nil {
		return usageError{err}
	}
	deleted, err := store.Thin(ctx, k)
	for _, id := range deleted {
		fmt.Fprintln(p.stdout, id)
	}
	return err
}
