package project

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/millrace/millrace/unit"
)

// BackupSettings are `backup:`.
type BackupSettings struct {
	To      Engine        `yaml:"to" doc:"Where backups go: file:/FOLDER on another disk, or s3://bucket/prefix; a place of its own. Empty: there are none."`
	KeyFile string        `yaml:"key_file" doc:"The file with the key that backups are encrypted with; millrace backup key makes one. Empty: MILLRACE_BACKUP_KEY has the key."`
	Every   unit.Duration `yaml:"every" doc:"How often the server takes one by itself. 0s: only when it is asked."`
	Keep    KeepSettings  `yaml:"keep" doc:"Which backups stay when a new one is taken; without any of these all do."`
}

// KeepSettings are `backup.keep:`.
type KeepSettings struct {
	Last    int `yaml:"last" doc:"The newest, as many."`
	Daily   int `yaml:"daily" doc:"The newest of each day, of as many days."`
	Weekly  int `yaml:"weekly" doc:"The newest of each week, of as many weeks."`
	Monthly int `yaml:"monthly" doc:"The newest of each month, of as many months."`
}

const (
	minBackupEvery = time.Minute
	maxKept        = 10_000
)

// validate tells wrong what is out of range.
func (b *BackupSettings) validate(wrong func(bad bool, format string, args ...any)) {
	every := time.Duration(b.Every)
	wrong(every != 0 && every < minBackupEvery, "backup.every: %s is too short: it is at least 1m", b.Every)
	wrong(every != 0 && b.To == "", "backup.to: is missing: name where backups go, such as s3://bucket/prefix")
	if b.To != "" {
		scheme := b.To.Scheme()
		wrong(scheme != "file" && scheme != "s3", "backup.to: %s: write file:/FOLDER or s3://bucket/prefix", b.To)
		path := strings.TrimPrefix(strings.TrimPrefix(b.To.Reveal(), "file:"), "//")
		wrong(scheme == "file" && !filepath.IsAbs(path), "backup.to: %s: name the folder from the root, such as file:/mnt/backup", b.To)
	}
	for _, k := range []struct {
		field string
		n     int
	}{{"last", b.Keep.Last}, {"daily", b.Keep.Daily}, {"weekly", b.Keep.Weekly}, {"monthly", b.Keep.Monthly}} {
		wrong(k.n < 0 || k.n > maxKept, "backup.keep.%s: %d is out of range: 0 to %d", k.field, k.n, maxKept)
	}
}
