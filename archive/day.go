package archive

import (
	"context"
	"sync"
	"time"

	"github.com/millrace/millrace"
)

// A dayManifest lists the published files of a UTC day.
type dayManifest struct {
	Date  string `json:"date"`
	Spans []span `json:"spans"`
}

// dayKey is where the manifest of a day is once its hour is published. Each
// hour makes a new object, so that the one before stays whole for its readers.
func dayKey(hour int64) string {
	return dayPrefix + time.UnixMilli(hour*hourMs).UTC().Format("2006-01-02T15") + ".json"
}

// maxDays bounds the manifests of days that are kept in memory.
const maxDays = 8

// A dayCache keeps the manifests that were read last.
type dayCache struct {
	mu    sync.Mutex
	spans map[string][]span // by the day's key and checksum
}

// clear forgets them.
func (c *dayCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = nil
}

// readDay returns the spans of a day, which nobody changes.
func (a *Archive) readDay(ctx context.Context, d *dayRef) ([]span, error) {
	id := d.id()
	a.days.mu.Lock()
	spans, ok := a.days.spans[id]
	a.days.mu.Unlock()
	if ok {
		return spans, nil
	}
	data, err := readObject(ctx, a.opts.Bucket, d.Key)
	if err != nil {
		return nil, err
	}
	var m dayManifest
	sum, err := decodeManifest(d.Key, data, &m)
	if err != nil {
		return nil, err
	}
	if sum != d.CRC32C {
		return nil, millrace.Errorf(millrace.Invalid, "%s in the archive is not the object that the manifest names: restore it from a backup of the bucket", d.Key)
	}
	a.days.mu.Lock()
	defer a.days.mu.Unlock()
	if len(a.days.spans) >= maxDays || a.days.spans == nil {
		a.days.spans = map[string][]span{}
	}
	a.days.spans[id] = m.Spans
	return m.Spans, nil
}
