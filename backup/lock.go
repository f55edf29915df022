package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/blob"
)

// One at a time stores or deletes. Who wants to writes an object into lock/ and
// then looks at what else is there: of two that do so at once at least one sees
// the other. It renews the object as long as it works.
const (
	lockRenew = 3 * time.Minute
	lockStale = 20 * time.Minute // by the bucket's clock
)

type lockText struct {
	Holder string    `json:"holder"`
	What   string    `json:"what"`
	At     time.Time `json:"at"` // by the holder's clock: for people
}

// A held is the right to change the store.
type held struct {
	store *Store
	key   string
	text  []byte
	stop  context.CancelFunc
	done  chan struct{}

	mu      sync.Mutex
	renewed time.Time
}

// hold takes the right to change the store, for what is told to others.
func (s *Store) hold(ctx context.Context, what string) (*held, error) {
	text, err := json.Marshal(lockText{s.o.Holder, what, s.o.Now().UTC()})
	if err != nil {
		return nil, err
	}
	h := &held{store: s, key: lockPrefix + randomName(16), text: text, done: make(chan struct{}), renewed: time.Now()}
	if err := s.o.Bucket.Put(ctx, h.key, bytes.NewReader(text)); err != nil {
		return nil, err
	}
	if err := h.alone(ctx); err != nil {
		return nil, errors.Join(err, h.remove())
	}
	renewing, stop := context.WithCancel(context.Background())
	h.stop = stop
	go h.renew(renewing)
	return h, nil
}

// alone fails with Conflict while another holds the store.
func (h *held) alone(ctx context.Context) error {
	b := h.store.o.Bucket
	var others []blob.Info
	var own blob.Info
	for info, err := range b.List(ctx, lockPrefix) {
		if err != nil {
			return err
		}
		if info.Key == h.key {
			own = info
		} else {
			others = append(others, info)
		}
	}
	for _, info := range others {
		var l lockText
		text, err := h.store.read(ctx, info.Key, 1<<16)
		if millrace.KindOf(err) == millrace.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		_ = json.Unmarshal(text, &l) // one that is damaged ends by its age
		if own.Modified.Sub(info.Modified) > lockStale || l.Holder != "" && h.store.o.Ended(l.Holder) {
			if err := b.Delete(ctx, info.Key); err != nil {
				return err
			}
			continue
		}
		return millrace.Errorf(millrace.Conflict, "%s is under way there (%s, since %s): wait until it has ended; one that was cut off lets go after %s, or delete %s",
			l.What, l.Holder, l.At.Format(time.RFC3339), lockStale, info.Key)
	}
	return nil
}

func (h *held) renew(ctx context.Context) {
	defer close(h.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lockRenew):
		}
		began := time.Now()
		putting, cancel := context.WithTimeout(ctx, lockRenew)
		err := h.store.o.Bucket.Put(putting, h.key, bytes.NewReader(h.text))
		cancel()
		if err != nil {
			h.store.o.Logger.Warn("the lock of the backups could not be renewed", "error", err)
			continue
		}
		h.mu.Lock()
		h.renewed = began
		h.mu.Unlock()
	}
}

// err says why the store is surely held no longer.
func (h *held) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ago := time.Since(h.renewed); ago > lockStale-lockRenew {
		return millrace.Errorf(millrace.Conflict, "the lock of the backups could not be renewed for %s, and another may have it: nothing is changed any more; try again", ago.Truncate(time.Second))
	}
	return nil
}

func (h *held) release() {
	h.stop()
	<-h.done
	if err := h.remove(); err != nil {
		h.store.o.Logger.Warn("the lock of the backups could not be removed: it ends by itself", "lock", strings.TrimPrefix(h.key, lockPrefix), "error", err)
	}
}

func (h *held) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return h.store.o.Bucket.Delete(ctx, h.key)
}
