package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/serve/job"
	"github.com/millrace/millrace/serve/logring"
)

// FolderInUse says whether a process has the data folder of these options.
func FolderInUse(data string) bool {
	f, err := os.Open(filepath.Join(data, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	return errors.Is(err, unix.EWOULDBLOCK)
}

// BackUpFolder takes a backup of a data folder that no server uses. It is what
// the server would take.
func BackUpFolder(ctx context.Context, o Options, t *BackupTarget, progress func(job.Progress)) (_ *serve.TakenBackup, err error) {
	a, err := openFolder(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if t == nil {
		want, err := a.backups.target("")
		if err != nil {
			return nil, err
		}
		t = &want
	}
	return a.backups.take(ctx, *t, progress)
}

// openFolder opens what a data folder holds, without serving it. Close it.
func openFolder(ctx context.Context, o Options) (_ *App, err error) {
	o.Mode = serve.Dev // it does not wait for who has the folder
	if err := o.complete(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.Data); err != nil {
		return nil, millrace.Errorf(millrace.NotFound, "there is no data folder %s: name it with --data", o.Data)
	}
	p, err := readFolder(o)
	if err != nil {
		return nil, err
	}
	a := &App{o: o, started: o.Now(), metrics: prometheus.NewRegistry(), stopping: make(chan struct{}), opening: make(chan struct{}, openingAtOnce), logs: logring.New(0)}
	a.o.Logger = slog.New(a.secrets.redactors.All().Handler(o.Logger.Handler()))
	a.home = a.newSpace(millrace.DefaultWorkspace, p)
	a.spaces = &spaces{served: map[string]*space{a.home.id: a.home}, open: map[string]*space{a.home.id: a.home}}
	a.backups = &backups{app: a}
	for _, open := range []func(context.Context) error{a.openData, a.openControl, a.openSecrets, a.openWorkspaces, a.openRunning, a.openBucket, a.openLog, a.openArchive, a.renewFolder, a.openCharts} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	return a, nil
}

// openRunning takes the settings of the version that runs on the folder when a
// server does, or of the project's folder when there is none.
func (a *App) openRunning(ctx context.Context) (err error) {
	a.versions, err = release.New(release.Options{Catalog: a.catalog, Record: a.audit.Append, Now: a.o.Now, Logger: a.logger("release")})
	if err != nil {
		return err
	}
	now, runs, err := a.versions.Running(ctx, a.home.target())
	if err != nil || !runs {
		return errors.Join(err, a.openProject(ctx))
	}
	files, err := a.versions.Tree(ctx, a.home.tenant(), now.Version)
	if err != nil {
		return err
	}
	p, err := project.Load(files.FS(), Kinds(), a.home.projectOptions())
	if err != nil {
		return fmt.Errorf("version %d of the project, which runs on this data folder: %w", now.Version, err)
	}
	a.home.project.Store(&served{Project: p, loaded: a.o.Now()})
	return nil
}

// renewFolder begins a new epoch when others have read more than the log has.
func (a *App) renewFolder(ctx context.Context) error {
	through, err := a.archive.Through(ctx)
	if err != nil {
		return fmt.Errorf("the archive does not say how far it is: %w", err)
	}
	return a.log.Renew(a.follower.Through(), through)
}

// openCharts opens the numbers over time, when there are any.
func (a *App) openCharts(context.Context) error {
	file := a.data.sub(backupHistory)
	if _, err := os.Stat(file); err != nil {
		return nil // there are none
	}
	h, err := history.Open(history.Options{File: file, Now: a.o.Now, Logger: a.logger("history")})
	if err != nil {
		a.logger("history").Warn("the charts are not in the backup", "error", err)
		return nil
	}
	a.history = h
	a.closers = append(a.closers, h)
	return nil
}
