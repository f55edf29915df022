package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/archive"
	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/blob/s3"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/nats"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
)

// buckets are the technologies of the archive, by scheme.
var buckets = map[string]func(ctx context.Context, a *App, engine project.Engine) (blob.Bucket, error){
	"file": func(ctx context.Context, a *App, engine project.Engine) (blob.Bucket, error) {
		return local.Open(ctx, a.archiveFolder(engine))
	},
	"s3": func(ctx context.Context, _ *App, engine project.Engine) (blob.Bucket, error) {
		return s3.Open(ctx, engine.Reveal())
	},
}

// archiveFolder is where "file:archive" lies: within the data folder, unless
// the path is absolute.
func (a *App) archiveFolder(engine project.Engine) string {
	path := strings.TrimPrefix(strings.TrimPrefix(engine.Reveal(), "file:"), "//")
	if path == "" {
		path = "archive"
	}
	if filepath.IsAbs(path) {
		return path
	}
	return a.data.sub(path)
}

func (a *App) openBucket(ctx context.Context) error {
	engine := a.config().Archive
	var err error
	if a.bucket, err = buckets[engine.Scheme()](ctx, a, engine); err != nil {
		return fmt.Errorf("cannot open the archive: %w", err)
	}
	a.closers = append(a.closers, a.bucket)
	return nil
}

// logCache is how much of the log's end is kept in memory for its readers, in
// bytes: half a minute at thousands of events a second. Who is further behind
// reads from the disk.
const logCache = 16 << 20

// openLog opens the log and the follower that judges its duplicates.
func (a *App) openLog(ctx context.Context) error {
	known, err := a.knownEpoch(ctx, a.data.sub("log"))
	if err != nil {
		return err
	}
	a.log, err = nats.Open(ctx, nats.Options{
		Dir: a.data.sub("log"), CacheBytes: logCache, CheckBytes: a.o.logCheckBytes, AfterEpoch: known, ReserveBytes: int64(a.config().Log.Reserve),
		Keys: logKeys{a.secrets.keys}, Fence: a.lease.Err,
		Now: a.o.Now, Logger: a.logger("log"), Metrics: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("cannot open the log: %w", err)
	}
	a.closers = append(a.closers, a.log)
	return a.openFollower()
}

// damagedDedup begins the names of folders with verdicts that were set aside. They
// stay to be looked at, until a workspace is deleted for good.
const damagedDedup = "dedup.damaged-"

// openFollower opens what judges the log's duplicates. Verdicts that are
// damaged are set aside and made anew from log and archive: intake does not
// wait for someone to do that.
func (a *App) openFollower() (err error) {
	o := dedup.Options{
		Log: a.log, Dir: a.data.sub("dedup"), Window: a.window,
		Past: func() eventlog.Past { return a.archive },
		Now:  a.o.Now, Logger: a.logger("dedup"), Metrics: a.metrics,
	}
	a.follower, err = dedup.Open(o)
	if errors.Is(err, dedup.ErrDamaged) {
		aside := a.data.sub(fmt.Sprintf("%s%d", damagedDedup, a.o.Now().UnixMilli()))
		a.logger("dedup").Error("the verdicts are damaged: they are set aside and made anew from log and archive", "aside", aside, "error", err)
		if err := os.Rename(o.Dir, aside); err != nil {
			return fmt.Errorf("cannot set damaged verdicts aside: %w", err)
		}
		a.follower, err = dedup.Open(o)
	}
	if err != nil {
		return fmt.Errorf("cannot open the follower: %w", err)
	}
	a.closers = append(a.closers, a.follower)
	return nil
}

// openPatience is how long a start waits for the archive to answer.
const openPatience = 2 * time.Second

func (a *App) openArchive(ctx context.Context) error {
	engine := a.config().Archive
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	var err error
	a.archive, err = archive.Open(ctx, archive.Options{
		Bucket: a.bucket, Log: eventlog.DistinctOpener(a.log, a.follower), Interval: time.Duration(a.config().ArchiveInterval),
		Damaged: true, // intake goes on without it, and status says what is wrong
		Now:     a.o.Now, Logger: a.logger("archive"), Metrics: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("cannot open the archive in %s: %w", engine, err)
	}
	return nil
}

func (a *App) openWarehouse(ctx context.Context) error {
	engine := a.config().Warehouse
	var err error
	if a.warehouse, err = warehouses[engine.Scheme()](ctx, a, engine); err != nil {
		return fmt.Errorf("cannot open the warehouse %s: %w", engine, err)
	}
	a.closers = append(a.closers, a.warehouse)
	return a.home.openLoader(a.metrics)
}

func (a *App) openIntake(ctx context.Context) error {
	if err := a.openMeter(ctx); err != nil {
		return err
	}
	settings := a.config().Collect
	var err error
	if a.proxies, err = proxies(settings.TrustedProxies); err != nil {
		return err
	}
	a.collect, err = collect.New(collect.Options{
		Log: a.log, Limits: limits(settings.Limits), AllowDevKeys: a.o.Mode == serve.Dev,
		TrustedProxies: a.proxies, PublicURL: settings.PublicURL, Gate: gate{a.workspaces.meter, a}, FindSpace: a.findAddress, Unread: a.spaces.unread,
		Now: a.o.Now, Logger: a.logger("collect"), Metrics: a.metrics,
	})
	if err != nil {
		return err
	}
	return a.serveSources(a.home, a.home.project.Load().Project)
}
