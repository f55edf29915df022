package app

import (
	"context"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/secret"
)

// keyPatience bounds asking the catalog for a key of the log.
const keyPatience = 10 * time.Second

// logKeys are the keys of each space that its records in the log are encrypted
// with: destroying a space's key destroys its records in every copy of the log.
type logKeys struct{ ring *secret.KeyRing }

var _ eventlog.Keys = logKeys{}

// sectionKeys tells what a key derived from a space's data key is for.
const sectionKeys = "millrace log sections 1"

// Seal returns the key that new records of a space are encrypted with.
func (k logKeys) Seal(space string) (id uint32, key eventlog.Key, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyPatience)
	defer cancel()
	data, err := k.ring.Data(ctx, space)
	if err != nil {
		return 0, key, awayFor(err)
	}
	return data.ID(), eventlog.Key(data.Derive(sectionKeys)), nil
}

// Open returns the key of a space with that number.
func (k logKeys) Open(space string, id uint32) (key eventlog.Key, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyPatience)
	defer cancel()
	data, err := k.ring.Key(ctx, space, id)
	if err != nil {
		return key, awayFor(err)
	}
	return eventlog.Key(data.Derive(sectionKeys)), nil
}

// awayFor makes of a catalog that does not answer in time a key that cannot be had
// for a moment.
func awayFor(err error) error {
	if millrace.KindOf(err) == millrace.Canceled {
		return millrace.Errorf(millrace.Unavailable, "the catalog does not give the key in time: %w", err)
	}
	return err
}
