package archive

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace"
)

// The folders of the archive in its bucket, beside the workspaces' own.
const (
	freshPrefix    = "_fresh/"
	manifestPrefix = "_manifest/"
	logPrefix      = manifestPrefix + "log/"
	dayPrefix      = manifestPrefix + "day/"
)

// hourMs is an hour in the unit of log time.
const hourMs = int64(time.Hour / time.Millisecond)

// namePart makes a workspace or source a part of a key: what is not a letter,
// digit, hyphen, underscore or dot is written as %XX, and so is an underscore
// or dot at the beginning, which readers of Parquet folders take for hidden.
func namePart(name string) string {
	var out strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || (c == '_' || c == '.') && i > 0
		if plain {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	if out.Len() == 0 {
		return "%"
	}
	return out.String()
}

// rangeName is the name of a file that covers the frames in (after, through].
func rangeName(after, through millrace.Position) string {
	return fmt.Sprintf("%d-%d_%d-%d.parquet", after.Epoch, after.Seq, through.Epoch, through.Seq)
}

// hourPrefix is the folder of the published files of a source for an hour,
// counted from 1970.
func hourPrefix(workspace, source string, hour int64) string {
	t := time.UnixMilli(hour * hourMs).UTC()
	return fmt.Sprintf("%s/%s/date=%s/hour=%02d/", namePart(workspace), namePart(source), t.Format(time.DateOnly), t.Hour())
}

// dateOf is the UTC day of an hour counted from 1970.
func dateOf(hour int64) string { return time.UnixMilli(hour * hourMs).UTC().Format(time.DateOnly) }

// key returns where the file f of s is.
func (s *span) key(f *fileInfo) string {
	if s.Fresh {
		return freshPrefix + namePart(f.Workspace) + "/" + rangeName(s.After, s.Through)
	}
	return hourPrefix(f.Workspace, f.Source, s.Hour) + rangeName(s.After, s.Through)
}

// frameEnd returns the position that covers the whole frame of p.
func frameEnd(p millrace.Position) millrace.Position {
	return millrace.Position{Epoch: p.Epoch, Seq: p.Seq, Index: millrace.EndOfFrame}
}

// beforeFrame returns the position that covers everything before the frame of p.
func beforeFrame(p millrace.Position) millrace.Position {
	if p.Seq == 0 {
		return millrace.Position{Epoch: p.Epoch}
	}
	return millrace.Position{Epoch: p.Epoch, Seq: p.Seq - 1, Index: millrace.EndOfFrame}
}
