package eventlog

import (
	"log/slog"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/millrace/millrace"
)

// A Keyring remembers keys, so that appending and reading ask Keys once for
// each. The nil Keyring has none: sections are not encrypted, and those that
// are cannot be read. It is safe for concurrent use.
type Keyring struct {
	keys    Keys
	logger  *slog.Logger
	asking  singleflight.Group
	passed  *prometheus.CounterVec
	mu      sync.RWMutex
	forgot  uint64 // grows with each Forget: what was asked before is not kept
	sealing map[string]*sealer
	opening map[keyName]*openKey
}

// A keyName is which key of which workspace.
type keyName struct {
	space string
	id    uint32
}

// An openKey is a key, or that it was destroyed.
type openKey struct {
	*sealer
	destroyed error
	said      sync.Once // in the log
}

// maxKeyring is how many keys are remembered; then all are asked for again.
const maxKeyring = 100_000

// KeyringOptions are the parameters of NewKeyring.
type KeyringOptions struct {
	Keys    Keys                  // nil: the Keyring is nil
	Logger  *slog.Logger          // default: discard
	Metrics prometheus.Registerer // nil: none
}

// NewKeyring returns a Keyring of Keys. Close it when it has metrics.
func NewKeyring(o KeyringOptions) (*Keyring, error) {
	if o.Keys == nil {
		return nil, nil
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	k := &Keyring{keys: o.Keys, logger: o.Logger, sealing: map[string]*sealer{}, opening: map[keyName]*openKey{}}
	k.passed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "millrace_log_destroyed_passed_total",
		Help: "What readers passed over because the key of a workspace was destroyed, each time that they did: sections and records.",
	}, []string{"what"})
	if o.Metrics != nil {
		if err := o.Metrics.Register(k.passed); err != nil {
			return nil, millrace.Errorf(millrace.Conflict, "registering the metrics of the log's keys: %w", err)
		}
	}
	return k, nil
}

// Close gives the metrics back.
func (k *Keyring) Close(metrics prometheus.Registerer) {
	if k != nil && metrics != nil {
		metrics.Unregister(k.passed)
	}
}

// Forget is Forgetter.Forget.
func (k *Keyring) Forget(space string) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forgot++
	delete(k.sealing, space)
	for name := range k.opening {
		if name.space == space {
			delete(k.opening, name)
		}
	}
}

// Seals are the keys for the records of one append, by workspace. The zero
// Seals encrypt nothing.
type Seals struct {
	space string
	one   *sealer
	more  map[string]*sealer
}

// of returns the key of a workspace, nil when its sections are not encrypted.
func (s *Seals) of(space string) *sealer {
	if s.more != nil {
		return s.more[space]
	}
	if s.space == space {
		return s.one
	}
	return nil
}

// Seals returns the keys for records that are to be appended. Gone means that
// the key of one of their workspaces was destroyed.
func (k *Keyring) Seals(records []millrace.Record) (s Seals, err error) {
	if k == nil || len(records) == 0 {
		return s, nil
	}
	s.space = records[0].Workspace
	if s.one, err = k.seal(s.space); err != nil {
		return s, err
	}
	last := s.space
	for i := range records {
		space := records[i].Workspace
		if space == last {
			continue
		}
		last = space
		if s.more == nil {
			s.more = map[string]*sealer{s.space: s.one}
		}
		if _, ok := s.more[space]; ok {
			continue
		}
		if s.more[space], err = k.seal(space); err != nil {
			return s, err
		}
	}
	return s, nil
}

// seal returns the key for new sections, nil for none.
func (k *Keyring) seal(space string) (*sealer, error) {
	k.mu.RLock()
	s, ok := k.sealing[space]
	forgot := k.forgot
	k.mu.RUnlock()
	if ok {
		return s, nil
	}
	got, err, _ := k.asking.Do("seal "+strconv.FormatUint(forgot, 10)+" "+space, func() (any, error) {
		id, key, err := k.keys.Seal(space)
		if err != nil || id == 0 {
			return (*sealer)(nil), err
		}
		return newSealer(id, &key), nil
	})
	if err != nil {
		return nil, sealError(space, err)
	}
	s = got.(*sealer)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forgot == forgot {
		if len(k.sealing) >= maxKeyring {
			clear(k.sealing)
		}
		k.sealing[space] = s
	}
	return s, nil
}

func sealError(space string, err error) error {
	switch millrace.KindOf(err) {
	case millrace.Gone:
		return millrace.Errorf(millrace.Gone, "the data of workspace %q was destroyed: nothing is stored for it any more: %w", space, err)
	default:
		return millrace.Errorf(millrace.Unavailable, "the key for the records of workspace %q cannot be had: try again in a moment: %w", space, err)
	}
}

// open returns a key. Gone means that it was destroyed.
func (k *Keyring) open(space string, id uint32) (*sealer, error) {
	o, err := k.find(space, id)
	if err != nil {
		return nil, err
	}
	return o.sealer, o.destroyed
}

func (k *Keyring) find(space string, id uint32) (*openKey, error) {
	if k == nil {
		return nil, millrace.Errorf(millrace.Invalid, "records of workspace %q are encrypted with key %d, and the log was opened without keys: start the server with the master key that it had", space, id)
	}
	name := keyName{space, id}
	k.mu.RLock()
	o, ok := k.opening[name]
	forgot := k.forgot
	k.mu.RUnlock()
	if ok {
		return o, nil
	}
	got, err, _ := k.asking.Do(strconv.FormatUint(uint64(id), 10)+" "+strconv.FormatUint(forgot, 10)+" "+space, func() (any, error) {
		key, err := k.keys.Open(space, id)
		if millrace.KindOf(err) == millrace.Gone {
			return &openKey{destroyed: millrace.Errorf(millrace.Gone, "key %d of workspace %q was destroyed: %w", id, space, err)}, nil
		}
		if err != nil {
			return nil, openError(space, id, err)
		}
		return &openKey{sealer: newSealer(id, &key)}, nil
	})
	if err != nil {
		return nil, err
	}
	o = got.(*openKey)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forgot == forgot {
		if len(k.opening) >= maxKeyring {
			clear(k.opening)
		}
		if known := k.opening[name]; known != nil {
			return known, nil // so that it is said once
		}
		k.opening[name] = o
	}
	return o, nil
}

// openError is of a key that was not destroyed, as far as anybody knows.
func openError(space string, id uint32, err error) error {
	if millrace.KindOf(err) == millrace.NotFound {
		return millrace.Errorf(millrace.Invalid, "key %d of workspace %q is not known, and nobody says that it was destroyed: restore the metadata that belongs to this log: %w", id, space, err)
	}
	return millrace.Errorf(millrace.Unavailable, "key %d of workspace %q cannot be had: try again in a moment: %w", id, space, err)
}

// pass notes that a reader passes over a section whose key was destroyed.
func (k *Keyring) pass(s *section) {
	k.passed.WithLabelValues("sections").Inc()
	k.passed.WithLabelValues("records").Add(float64(s.records))
	o, err := k.find(s.workspace, s.key)
	if err != nil {
		return
	}
	o.said.Do(func() {
		k.logger.Info("records of a workspace whose key was destroyed are in the log and cannot be read: readers pass over them", "workspace", s.workspace, "key", s.key)
	})
}
