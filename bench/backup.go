package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// backup is what a backup takes, what a restore does, and what intake notices.
func (b *bench) backup(ctx context.Context) (*section, error) {
	n := pick[int64](b, 1_000_000, 50_000)
	out := &section{
		title: fmt.Sprintf("Backup and restore, %s events", count(n)),
		how: "`millrace backup` of a server that runs, to a folder on the same disk: cut, compressed, encrypted, fsynced. *Copy* is the archive's files as they are, read and written one after the other and fsynced. " +
			"*Again* is a second backup right after the first. *Intake* is batches of 100 as fast as they are answered, alone and while one first backup follows the other, in turn.",
	}
	s, err := b.newServer(ctx, shortInterval)
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := s.reader(ctx, "pause", warehouseReader); err != nil {
		return nil, err
	}
	b.say("backup: %s events", count(n))
	if _, _, err := s.measure(ctx, load{connections: 16, batch: 100, names: eventNames, events: n}); err != nil {
		return nil, err
	}
	if err := s.drained(ctx, dedupReader, archiveReader); err != nil {
		return nil, err
	}
	if err := b.backupSpeed(ctx, out, s); err != nil {
		return nil, err
	}
	return out, b.backupBeside(ctx, out, s)
}

// backupSpeed measures a first backup, the next one, and a restore.
func (b *bench) backupSpeed(ctx context.Context, out *section, s *server) error {
	begin := time.Now()
	size, err := copyTree(s.data("archive"), filepath.Join(s.dir, "copy"))
	if err != nil {
		return err
	}
	limit := float64(size) / 1e6 / time.Since(begin).Seconds()
	if err := s.command(ctx, nil, "backup", "key", s.key()); err != nil {
		return err
	}
	b.say("backup: the first one")
	first, err := s.backUp(ctx, "backups")
	if err != nil {
		return err
	}
	out.add("first backup", megabytes(first.SizeBytes, first.Seconds), fmt.Sprintf("%.0f MB/s copied", limit))
	out.add("its size, as stored", fmt.Sprintf("%.0f MB, %.0f MB", float64(first.SizeBytes)/1e6, float64(first.StoredBytes)/1e6), fmt.Sprintf("%.0f MB of archive", float64(size)/1e6))
	again, err := s.backUp(ctx, "backups")
	if err != nil {
		return err
	}
	out.add("again", fmt.Sprintf("%.1f s, %.1f MB new", again.Seconds, float64(again.StoredBytes)/1e6), "")
	begin = time.Now()
	at := []string{"--from", filepath.Join(s.dir, "backups"), "--key-file", s.key()}
	if err := s.command(ctx, nil, append([]string{"backup", "verify"}, at...)...); err != nil {
		return err
	}
	out.add("verify", megabytes(again.SizeBytes, time.Since(begin).Seconds()), "")
	begin = time.Now()
	if err := s.command(ctx, nil, append([]string{"restore", "--data", filepath.Join(s.dir, "restored")}, at...)...); err != nil {
		return err
	}
	out.add("restore", megabytes(again.SizeBytes, time.Since(begin).Seconds()), "")
	return nil
}

// backupBeside measures intake while backups are taken.
func (b *bench) backupBeside(ctx context.Context, out *section, s *server) error {
	l := load{connections: 16, batch: 100, names: eventNames, duration: pick(b, 15*time.Second, 3*time.Second)}
	var alone, beside float64
	for turn := range 2 {
		b.say("intake alone and beside backups, turn %d", turn+1)
		r, _, err := s.measure(ctx, l)
		if err != nil {
			return err
		}
		alone += r.rate() / 2
		inner, cancel := context.WithCancel(ctx)
		failed := make(chan error, 1)
		go func() {
			for i := 0; ; i++ {
				_, err := s.backUp(inner, fmt.Sprintf("beside-%d-%d", turn, i))
				if inner.Err() != nil {
					failed <- nil
					return
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
		r, _, err = s.measure(ctx, l)
		cancel()
		if err := errors.Join(err, <-failed); err != nil {
			return err
		}
		beside += r.rate() / 2
	}
	out.add("intake beside first backups", perSecond(beside), perSecond(alone)+" alone")
	out.note("Intake beside backups reaches %.2f × what it does alone, on cores that the load's client shares; a backup works a third of the time as long as records come in.", beside/alone)
	return nil
}

func megabytes(size int64, seconds float64) string {
	return fmt.Sprintf("%.0f MB/s", float64(size)/1e6/seconds)
}

type backedUp struct {
	SizeBytes   int64   `json:"size_bytes"`
	StoredBytes int64   `json:"stored_bytes"`
	Seconds     float64 `json:"seconds"`
}

func (s *server) key() string { return filepath.Join(s.dir, "backup.key") }

// backUp takes a backup to a folder beside the data.
func (s *server) backUp(ctx context.Context, to string) (b backedUp, err error) {
	err = s.command(ctx, &b, "backup", s.project(""), "--data", s.data(""), "--to", filepath.Join(s.dir, to), "--key-file", s.key(), "--json", "-q")
	return b, err
}

// command runs a command of the binary, which prints JSON when out is not nil.
func (s *server) command(ctx context.Context, out any, args ...string) error {
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Env = append(os.Environ(), "MILLRACE_SERVER=http://"+s.address, "MILLRACE_TOKEN="+adminToken)
	text, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("millrace %s: %w\n%s", args[0], err, exit.Stderr)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// copyTree copies the files of a folder, each synced, and returns their size.
func copyTree(from, to string) (size int64, err error) {
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(from, path) // path is below
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		n, err := copyFile(path, filepath.Join(to, name))
		size += n
		return err
	})
	return size, err
}

func copyFile(from, to string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return n, errors.Join(err, out.Close())
}
