// Package password hashes passwords with argon2id and refuses those that are
// easy to guess.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/millrace/millrace"
)

// A Cost is how much work one hash is.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultCost is what OWASP recommends at least: 19 MiB, two passes, one lane.
var DefaultCost = Cost{MemoryKiB: 19 * 1024, Passes: 2, Lanes: 1}

// Limits of a cost, so that a stored text cannot ask for all the memory there is.
const (
	minMemoryKiB = 8
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
	maxLanes     = 16
	saltBytes    = 16
	sumBytes     = 32
)

// String returns the cost as it stands in a PHC string: m=19456,t=2,p=1.
func (c Cost) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", c.MemoryKiB, c.Passes, c.Lanes)
}

func (c Cost) valid() bool {
	return c.MemoryKiB >= minMemoryKiB*uint32(c.Lanes) && c.MemoryKiB <= maxMemoryKiB &&
		c.Passes >= 1 && c.Passes <= maxPasses && c.Lanes >= 1 && c.Lanes <= maxLanes
}

// ParseCost reads what Cost.String wrote.
func ParseCost(text string) (Cost, error) {
	var c Cost
	if _, err := fmt.Sscanf(text, "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Passes, &c.Lanes); err != nil || c.String() != text || !c.valid() {
		return Cost{}, millrace.Errorf(millrace.Internal, "a stored password has a cost that cannot be read")
	}
	return c, nil
}

// Options are those of a Hasher.
type Options struct {
	Cost Cost // default DefaultCost
	// Parallel is how many hashes are computed at once; default half the
	// processors, at least 1, at most 8. Each takes Cost.MemoryKiB.
	Parallel int
	// Waiting is how many more may wait for their turn before others are
	// refused; default 32 for each of Parallel.
	Waiting int
}

// A Hasher computes password hashes, few at a time, so that a flood of sign-ins
// takes neither the machine's memory nor all its processors. It is safe for
// concurrent use.
type Hasher struct {
	cost    Cost
	slots   chan struct{}
	waiting atomic.Int64
	most    int64
	work    atomic.Uint64
}

// New returns a Hasher.
func New(o Options) (*Hasher, error) {
	if o.Cost == (Cost{}) {
		o.Cost = DefaultCost
	}
	if !o.Cost.valid() {
		return nil, millrace.Errorf(millrace.Invalid, "the cost %s of password hashes is out of range", o.Cost)
	}
	if o.Parallel <= 0 {
		o.Parallel = min(max(runtime.GOMAXPROCS(0)/2, 1), 8)
	}
	if o.Waiting <= 0 {
		o.Waiting = 32 * o.Parallel
	}
	return &Hasher{cost: o.Cost, slots: make(chan struct{}, o.Parallel), most: int64(o.Parallel + o.Waiting)}, nil
}

// Cost returns what new hashes cost.
func (h *Hasher) Cost() Cost { return h.cost }

// Work returns how much was computed so far, in KiB filled: the sum over all
// hashes of memory and passes. Tests prove with it that two ways take the same work.
func (h *Hasher) Work() uint64 { return h.work.Load() }

// Normal returns the form of a password that is hashed, counted and compared:
// Unicode NFKC, so that the same keys pressed elsewhere give the same password.
func Normal(password string) string { return norm.NFKC.String(password) }

// Hash returns the PHC string of a password: $argon2id$v=19$m=…,t=…,p=…$salt$sum.
// Unavailable means that too many wait already.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // it never fails
	sum, err := h.compute(ctx, password, salt, h.cost, sumBytes)
	if err != nil {
		return "", err
	}
	return encode(h.cost, salt, sum), nil
}

// Verify says whether a password is the one of a PHC string.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (bool, error) {
	cost, salt, want, err := decode(stored)
	if err != nil {
		return false, err
	}
	sum, err := h.compute(ctx, password, salt, cost, uint32(len(want)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, want) == 1, nil
}

// Decoy returns a PHC string of that cost that no password has: verifying it is
// the work of verifying a real one.
func Decoy(cost Cost) string {
	return encode(cost, make([]byte, saltBytes), make([]byte, sumBytes))
}

// CostOf returns what a stored hash cost.
func CostOf(stored string) (Cost, error) {
	cost, _, _, err := decode(stored)
	return cost, err
}

func (h *Hasher) compute(ctx context.Context, password string, salt []byte, cost Cost, length uint32) ([]byte, error) {
	if h.waiting.Add(1) > h.most {
		h.waiting.Add(-1)
		return nil, &millrace.Error{Kind: millrace.Unavailable, RetryAfter: 2e9,
			Message: "too many people are signing in at this moment: try again in a few seconds"}
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, millrace.Errorf(millrace.Canceled, "checking the password was given up: %w", ctx.Err())
	}
	defer func() { <-h.slots }()
	sum := argon2.IDKey([]byte(Normal(password)), salt, cost.Passes, cost.MemoryKiB, cost.Lanes, length)
	h.work.Add(uint64(cost.MemoryKiB) * uint64(cost.Passes))
	return sum, nil
}

var encoding = base64.RawStdEncoding.Strict()

func encode(cost Cost, salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$%s$%s$%s", argon2.Version, cost, encoding.EncodeToString(salt), encoding.EncodeToString(sum))
}

func decode(stored string) (cost Cost, salt, sum []byte, err error) {
	unreadable := millrace.Errorf(millrace.Internal, "a stored password cannot be read: set a new one with a reset link")
	parts := strings.Split(stored, "$")
	if len(stored) > 1000 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return cost, nil, nil, unreadable
	}
	if cost, err = ParseCost(parts[3]); err != nil {
		return cost, nil, nil, unreadable
	}
	salt, err1 := encoding.DecodeString(parts[4])
	sum, err2 := encoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(sum) < 16 || len(sum) > math.MaxUint8 {
		return cost, nil, nil, unreadable
	}
	return cost, salt, sum, nil
}
