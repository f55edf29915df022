package dedup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace"
)

// copyTries bounds how often Copy begins again because files went meanwhile.
const copyTries = 20

// Copy makes a copy of a follower's folder in another, which it makes, while
// the follower works: as hard links where that can be, since files do not change
// but for the newest segment of verdicts, which grows. It is what a crash would
// leave: an index whose verdicts are all there. The log has to be kept from the
// returned position on until the copy has been read.
func Copy(dir, to string) (checkpoint millrace.Position, err error) {
	for try := range copyTries {
		if try > 0 {
			if err := os.RemoveAll(to); err != nil {
				return checkpoint, err
			}
		}
		if checkpoint, err = copyOnce(dir, to); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return checkpoint, fmt.Errorf("copying the state of dedup: %w", err)
	}
	return checkpoint, nil
}

func copyOnce(dir, to string) (checkpoint millrace.Position, err error) {
	for _, sub := range []string{"index", "verdicts"} {
		if err := os.MkdirAll(filepath.Join(to, sub), 0o700); err != nil {
			return checkpoint, err
		}
	}
	index := filepath.Join(to, "index")
	for _, name := range []string{manifestName, "key"} {
		err := linkFile(filepath.Join(dir, "index", name), filepath.Join(index, name))
		if errors.Is(err, fs.ErrNotExist) { // a follower that has not run
			return checkpoint, copyVerdicts(dir, to)
		}
		if err != nil {
			return checkpoint, err
		}
	}
	m, err := loadManifest(index)
	if err != nil {
		return checkpoint, err
	}
	for i := range m.Runs {
		if err := linkFile(filepath.Join(dir, "index", m.Runs[i].File), filepath.Join(index, m.Runs[i].File)); err != nil {
			return checkpoint, err
		}
	}
	return m.Through, copyVerdicts(dir, to)
}

// copyVerdicts copies the segments after the index, which never knows more than
// they say.
func copyVerdicts(dir, to string) error {
	names, err := os.ReadDir(filepath.Join(dir, "verdicts"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) { // the newest first: the oldest may go
		if filepath.Ext(name.Name()) != verdictsExtension {
			continue
		}
		if err := linkFile(filepath.Join(dir, "verdicts", name.Name()), filepath.Join(to, "verdicts", name.Name())); err != nil {
			return err
		}
	}
	return nil
}

// linkFile makes a hard link, or a copy where there are none.
func linkFile(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
