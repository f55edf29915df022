package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/millrace/millrace"
)

// readList reads the list of a backup's files.
func (s *Store) readList(ctx context.Context, m *Manifest) error {
	if m.entries != nil {
		return nil
	}
	r := s.reader()
	var text bytes.Buffer
	for _, ref := range m.list {
		content, err := r.chunk(ctx, ref)
		if err != nil {
			return fmt.Errorf("the list of files of backup %s: %w", m.ID, err)
		}
		if text.Write(content); text.Len() > maxListBytes {
			return millrace.Errorf(millrace.Invalid, "the list of files of backup %s is longer than it can be", m.ID)
		}
	}
	entries := make([]entry, 0, m.Files)
	for lines := json.NewDecoder(&text); ; {
		var e entry
		err := lines.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !fsValid(e.Path) {
			return millrace.Errorf(millrace.Invalid, "the list of files of backup %s is damaged", m.ID)
		}
		entries = append(entries, e)
	}
	if int64(len(entries)) != m.Files {
		return millrace.Errorf(millrace.Invalid, "the list of files of backup %s has %d of %d files", m.ID, len(entries), m.Files)
	}
	m.entries = entries
	return nil
}

// A Content is a file of a backup that is being read.
type Content struct {
	File
	read func(w io.Writer) error
}

// WriteTo writes the content, and says in the end whether it is what was stored:
// after an error, which does not name the file, nothing of it is to be used.
func (c Content) WriteTo(w io.Writer) (int64, error) {
	counted := &counter{w: w}
	err := c.read(counted)
	return counted.n, err
}

type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Files gives the files of a backup in the order of their paths, one after the
// other. An error of give ends it.
func (s *Store) Files(ctx context.Context, m *Manifest, give func(Content) error) error {
	if err := s.readList(ctx, m); err != nil {
		return s.explained(ctx, err)
	}
	r := s.reader()
	for i := range m.entries {
		e := &m.entries[i]
		c := Content{File: File{Path: e.Path, Mode: e.Mode, Stamp: e.Stamp, SizeBytes: e.Size, Lasting: e.Lasting}, read: func(w io.Writer) error { return r.entry(ctx, e, w) }}
		if err := give(c); err != nil {
			return s.explained(ctx, err)
		}
	}
	return nil
}

// entry writes a file's content.
func (r *reader) entry(ctx context.Context, e *entry, w io.Writer) error {
	sum, size := sha256.New(), int64(0)
	for _, ref := range e.Chunks {
		if err := ctx.Err(); err != nil {
			return err
		}
		content, err := r.chunk(ctx, ref)
		if err != nil {
			return err
		}
		sum.Write(content)
		size += int64(len(content))
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	if size != e.Size || hex.EncodeToString(sum.Sum(nil)) != e.SHA256 {
		return millrace.Errorf(millrace.Invalid, "its content is not what was stored")
	}
	return nil
}

// A Report is what Verify found.
type Report struct {
	Backup   string   `json:"backup"`
	Files    int64    `json:"files"`
	Bytes    int64    `json:"bytes"` // of files that are as they were stored
	Problems []string `json:"problems"`
	Advice   []string `json:"advice"` // which backups need what is damaged, and what to do
}

// maxProblems bounds a Report.
const maxProblems = 100

// Verify reads everything of a backup and compares it with what was stored.
// What is damaged is in the Report; the error is of the bucket or ctx.
// progress, which may be nil, gets bytes.
func (s *Store) Verify(ctx context.Context, m *Manifest, progress func(done, total int64)) (Report, error) {
	report := Report{Backup: m.ID, Problems: []string{}, Advice: []string{}}
	var packs []*damagedPack
	problem := func(path string, err error) error {
		if millrace.KindOf(err) != millrace.Invalid {
			return err
		}
		if len(report.Problems) == maxProblems {
			return nil
		}
		report.Problems = append(report.Problems, path+err.Error())
		var d *damagedPack
		if errors.As(err, &d) && !slices.ContainsFunc(packs, func(p *damagedPack) bool { return p.key == d.key }) {
			packs = append(packs, d)
		}
		return nil
	}
	done := int64(0)
	err := s.readList(ctx, m)
	if err != nil {
		err = problem("", err)
	} else {
		err = s.Files(ctx, m, func(c Content) error {
			if _, err := c.WriteTo(io.Discard); err != nil {
				return problem(c.Path+": ", err)
			}
			report.Files++
			report.Bytes += c.SizeBytes
			if done += c.SizeBytes; progress != nil {
				progress(done, m.Bytes)
			}
			return nil
		})
	}
	if err != nil || len(packs) == 0 {
		return report, err
	}
	advice, err := s.advise(ctx, packs...)
	for i, text := range advice {
		report.Advice = append(report.Advice, packs[i].key+" "+text)
	}
	return report, err
}
