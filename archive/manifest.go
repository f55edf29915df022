package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/millrace/millrace"
)

// Version is the newest version of the format that this package writes. It
// reads this one and all before. An object of the manifest has the least that
// can say what it holds: 2 when it speaks of workspaces that were purged.
const Version = 2

const versionPlain = 1

const formatName = "millrace-archive"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxNames bounds the lists of sources and streams of a file in the manifest;
// a file with more has none and is always read.
const maxNames = 64

// A fileInfo is a Parquet file in the manifest.
type fileInfo struct {
	Workspace string   `json:"workspace"`
	Source    string   `json:"source,omitempty"`  // published files
	Sources   []string `json:"sources,omitempty"` // fresh files; none: any
	Streams   []string `json:"streams,omitempty"` // none: any
	Rows      int64    `json:"rows"`
	Bytes     int64    `json:"bytes"`
	Raw       int64    `json:"raw"` // memory of its records
	CRC32C    uint32   `json:"crc32c"`
}

// A span is a range of positions, in whole frames, and the files that hold all
// of its records. Spans follow each other without gaps.
type span struct {
	After   millrace.Position `json:"after"`
	Through millrace.Position `json:"through"`
	Hour    int64             `json:"hour"` // since 1970
	Time    int64             `json:"time"` // log time of the last record, ms
	Fresh   bool              `json:"fresh,omitempty"`
	Files   []fileInfo        `json:"files"`
}

func (s *span) raw() (n int64) {
	for i := range s.Files {
		n += s.Files[i].Raw
	}
	return n
}

// A dayRef points to the manifest of the published files of one UTC day.
type dayRef struct {
	Date    string            `json:"date"`
	Key     string            `json:"key"`
	CRC32C  uint32            `json:"crc32c"`
	After   millrace.Position `json:"after"`
	Through millrace.Position `json:"through"`
	Files   int64             `json:"files"`
	Rows    int64             `json:"rows"`
	Bytes   int64             `json:"bytes"`
	Raw     int64             `json:"raw"`
}

// garbage is an object that the manifest has stopped naming, and when, in ms.
type garbage struct {
	Key string `json:"key"`
	At  int64  `json:"at"`
}

// An intent is recorded before fresh files are written.
type intent struct {
	From millrace.Position `json:"from"` // read the log after this
	Span span              `json:"span"` // without files
}

// A publication is recorded before published files are written.
type publication struct {
	Hour     int64 `json:"hour"`
	MaxSlice int64 `json:"max_slice"`
}

// A state is everything the archive knows: the content of a base. It is never
// changed once others see it.
type state struct {
	Generation  uint64            `json:"generation"`
	Session     string            `json:"session"`
	Through     millrace.Position `json:"through"`
	Time        int64             `json:"time"`  // log time of Through, ms
	Floor       int64             `json:"floor"` // no record goes to an hour before this
	Epochs      []uint64          `json:"epochs"`
	Days        []dayRef          `json:"days"`
	Fresh       []span            `json:"fresh"`
	Garbage     []garbage         `json:"garbage,omitempty"`
	Intent      *intent           `json:"intent,omitempty"`
	Publication *publication      `json:"publication,omitempty"`
	Purging     []string          `json:"purging,omitempty"` // workspaces that are about to be destroyed
	Purged      []string          `json:"purged,omitempty"`  // and that have been
}

// A delta takes a state to the next generation. One of its parts is set.
type delta struct {
	Generation uint64       `json:"generation"`
	Session    string       `json:"session"`
	Begin      *intent      `json:"begin,omitempty"`     // about to write fresh files
	Cut        *span        `json:"cut,omitempty"`       // fresh files are written
	Advance    *advance     `json:"advance,omitempty"`   // nothing to write up to here
	Publish    *publication `json:"publish,omitempty"`   // about to publish
	Published  *published   `json:"published,omitempty"` // an hour is published
	Dropped    []string     `json:"dropped,omitempty"`   // garbage that is deleted
	Purge      string       `json:"purge,omitempty"`     // about to destroy a workspace
	Purged     *purged      `json:"purged,omitempty"`    // nothing of it is named any more
}

type advance struct {
	Through millrace.Position `json:"through"`
	Time    int64             `json:"time"`
}

type published struct {
	Hour int64  `json:"hour"`
	Day  dayRef `json:"day"`
	At   int64  `json:"at"`
}

// apply returns the state after d, or an error when d does not follow s.
func (s *state) apply(d *delta) (*state, error) {
	if d.Generation != s.Generation+1 || d.Session != s.Session {
		return nil, fmt.Errorf("generation %d of session %s does not follow %d of %s", d.Generation, d.Session, s.Generation, s.Session)
	}
	n := *s
	n.Generation = d.Generation
	switch {
	case d.Begin != nil:
		n.Intent = d.Begin
	case d.Cut != nil:
		if n.Intent == nil || n.Intent.Span.Through != d.Cut.Through {
			return nil, fmt.Errorf("generation %d stores a range that was not announced", d.Generation)
		}
		n.Intent = nil
		n.Fresh = append(slices.Clip(s.Fresh), *d.Cut)
		n.Floor = max(n.Floor, d.Cut.Hour)
		n.reach(d.Cut.Through, d.Cut.Time)
	case d.Advance != nil:
		n.reach(d.Advance.Through, d.Advance.Time)
	case d.Publish != nil:
		n.Publication = d.Publish
		n.Floor = max(n.Floor, d.Publish.Hour+1)
	case d.Published != nil:
		n.publish(d.Published)
	case d.Dropped != nil:
		n.Garbage = slices.DeleteFunc(slices.Clone(s.Garbage), func(g garbage) bool { return slices.Contains(d.Dropped, g.Key) })
	case d.Purge != "":
		n.Purging = append(slices.Clip(s.Purging), d.Purge)
	case d.Purged != nil:
		n.without(d.Purged)
	default:
		return nil, fmt.Errorf("generation %d says nothing this version knows", d.Generation)
	}
	return &n, nil
}

func (s *state) reach(through millrace.Position, time int64) {
	s.Through = through
	s.Time = max(s.Time, time)
	if !slices.Contains(s.Epochs, through.Epoch) {
		s.Epochs = append(slices.Clip(s.Epochs), through.Epoch)
	}
}

func (s *state) publish(p *published) {
	s.Publication = nil
	old := s.Fresh
	s.Fresh = nil
	s.Garbage = slices.Clip(s.Garbage)
	for i := range old {
		if old[i].Hour != p.Hour {
			s.Fresh = append(s.Fresh, old[i])
			continue
		}
		for j := range old[i].Files {
			s.Garbage = append(s.Garbage, garbage{Key: old[i].key(&old[i].Files[j]), At: p.At})
		}
	}
	s.Days = slices.Clone(s.Days)
	if last := len(s.Days) - 1; last >= 0 && s.Days[last].Date == p.Day.Date {
		s.Garbage = append(s.Garbage, garbage{Key: s.Days[last].Key, At: p.At})
		s.Days[last] = p.Day
	} else {
		s.Days = append(s.Days, p.Day)
	}
}

// spanEnd returns where the next span begins: the end of the last one.
func (s *state) spanEnd() millrace.Position {
	if n := len(s.Fresh); n > 0 {
		return s.Fresh[n-1].Through
	}
	if n := len(s.Days); n > 0 {
		return s.Days[n-1].Through
	}
	return millrace.Position{}
}

// A header is the first line of every object of the manifest; the second line
// is its content, whose checksum it carries.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	CRC32C  uint32 `json:"crc32c"`
}

// encodeManifest returns the bytes of an object of the manifest and the
// checksum of its content.
func encodeManifest(content any) ([]byte, uint32, error) {
	body, err := json.Marshal(content)
	if err != nil {
		return nil, 0, err
	}
	sum := crc32.Checksum(body, castagnoli)
	head, err := json.Marshal(header{Format: formatName, Version: versionOf(content), CRC32C: sum})
	if err != nil {
		return nil, 0, err
	}
	return slices.Concat(head, []byte{'\n'}, body, []byte{'\n'}), sum, nil
}

// versionOf returns the least version that can say what an object holds.
func versionOf(content any) int {
	switch c := content.(type) {
	case *state:
		if len(c.Purging)+len(c.Purged) > 0 {
			return Version
		}
	case *delta:
		if c.Purge != "" || c.Purged != nil {
			return Version
		}
	}
	return versionPlain
}

// decodeManifest reads what encodeManifest wrote.
func decodeManifest(key string, data []byte, content any) (uint32, error) {
	first, body, _ := bytes.Cut(data, []byte{'\n'})
	var h header
	if err := json.Unmarshal(first, &h); err != nil || h.Format != formatName {
		return 0, millrace.Errorf(millrace.Invalid, "%s in the archive is not a manifest of an archive: choose another folder or bucket for the archive, or restore this object", key)
	}
	if h.Version > Version {
		return 0, millrace.Errorf(millrace.Invalid, "%s in the archive has version %d, this program reads up to %d: run a newer version", key, h.Version, Version)
	}
	body = bytes.TrimSuffix(body, []byte{'\n'})
	if got := crc32.Checksum(body, castagnoli); got != h.CRC32C {
		return 0, millrace.Errorf(millrace.Invalid, "%s in the archive is damaged (checksum %08x, not %08x): restore this object from a backup of the bucket", key, got, h.CRC32C)
	}
	if err := json.Unmarshal(body, content); err != nil {
		return 0, millrace.Errorf(millrace.Invalid, "%s in the archive is damaged: restore this object from a backup of the bucket: %w", key, err)
	}
	return h.CRC32C, nil
}
