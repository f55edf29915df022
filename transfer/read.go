package transfer

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// maxLineBytes is the longest line that is read.
const maxLineBytes = 32 << 20

// Choose says whose records are meant: those of space, when the export has them.
// When space is empty they are of the only one that there is, or of the first
// workspace of the server.
func Choose(ctx context.Context, bucket blob.Bucket, space string) (string, error) {
	if _, err := readAbout(ctx, bucket); err != nil {
		return "", err
	}
	all, err := spaces(ctx, bucket)
	switch {
	case err != nil:
		return "", err
	case len(all) == 0:
		return "", millrace.Errorf(millrace.NotFound, "the export has no records")
	case space == "" && len(all) == 1:
		return all[0], nil
	case space == "" && slices.Contains(all, millrace.DefaultWorkspace):
		return millrace.DefaultWorkspace, nil
	case !slices.Contains(all, space):
		return "", millrace.Errorf(millrace.NotFound, "the export has no records of %.60q: name one of %s with --records-of", space, strings.Join(all[:min(len(all), 20)], ", "))
	}
	return space, nil
}

// spaces are the ids of the spaces that an export has records of.
func spaces(ctx context.Context, bucket blob.Bucket) (all []string, err error) {
	for info, err := range bucket.List(ctx, recordsPrefix) {
		if err != nil {
			return nil, err
		}
		space, _, _ := strings.Cut(strings.TrimPrefix(info.Key, recordsPrefix), "/")
		if space, err = url.PathUnescape(space); err == nil && !slices.Contains(all, space) {
			all = append(all, space)
		}
	}
	return all, nil
}

// Read gives the records of an export, day by day; those of a source are in the
// order that they had. An error of give ends it.
func Read(ctx context.Context, bucket blob.Bucket, give func(millrace.Record) error) (About, error) {
	about, err := readAbout(ctx, bucket)
	if err != nil {
		return about, err
	}
	var keys []string
	for info, err := range bucket.List(ctx, recordsPrefix) {
		if err != nil {
			return about, err
		}
		if strings.HasSuffix(info.Key, recordsSuffix) {
			keys = append(keys, info.Key)
		}
	}
	if int64(len(keys)) != about.Files {
		return about, millrace.Errorf(millrace.Invalid, "the export has %d of %d files with records: copy it again", len(keys), about.Files)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(path.Base(a), path.Base(b)), cmp.Compare(a, b)) })
	var n int64
	for _, key := range keys {
		if err := readFile(ctx, bucket, key, func(r millrace.Record) error { n++; return give(r) }); err != nil {
			return about, fmt.Errorf("%s: %w", key, err)
		}
	}
	if n != about.Records {
		return about, millrace.Errorf(millrace.Invalid, "the export has %d of %d records: files in it were changed", n, about.Records)
	}
	return about, nil
}

func readAbout(ctx context.Context, bucket blob.Bucket) (about About, err error) {
	o, err := bucket.Open(ctx, AboutKey)
	if millrace.KindOf(err) == millrace.NotFound {
		return about, millrace.Errorf(millrace.NotFound, "there is no export there, or it is not whole: %s is missing", AboutKey)
	}
	if err != nil {
		return about, err
	}
	defer o.Close()
	err = json.NewDecoder(io.NewSectionReader(o, 0, min(o.Size(), 1<<20))).Decode(&about)
	if err != nil || about.Format != FormatName {
		return about, millrace.Errorf(millrace.Invalid, "%s does not say what the export is", AboutKey)
	}
	if about.Version > Version {
		return about, millrace.Errorf(millrace.Conflict, "the export has version %d, and this program knows %d: run a newer version of Millrace", about.Version, Version)
	}
	return about, nil
}

func readFile(ctx context.Context, bucket blob.Bucket, key string, give func(millrace.Record) error) error {
	o, err := bucket.Open(ctx, key)
	if err != nil {
		return err
	}
	defer o.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(io.NewSectionReader(o, 0, o.Size()), 1<<20))
	if err != nil {
		return millrace.Errorf(millrace.Invalid, "it is not compressed with gzip: %w", err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 64<<10), maxLineBytes)
	number := 0
	for lines.Scan() {
		number++
		r, err := ReadLine(lines.Bytes())
		if err == nil {
			err = give(r)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return millrace.Errorf(millrace.Invalid, "behind line %d: %w", number, err)
	}
	return errors.Join(z.Close())
}
