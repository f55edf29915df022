package catalogtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

func hold(t *testing.T, c catalog.Catalog, holder string, o catalog.LeaseOptions) *catalog.Held {
	t.Helper()
	h, err := catalog.Hold(t.Context(), c, "log", holder, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// testLeaseIsExclusive has several take turns.
func testLeaseIsExclusive(t *testing.T, p Place) {
	catalogs := []catalog.Catalog{open(t, p, nil), open(t, p, nil)}
	var holding, turns atomic.Int64
	var last atomic.Int64
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 3 {
				h, err := catalog.Hold(t.Context(), catalogs[i%2], "log", fmt.Sprint("server ", i), catalog.LeaseOptions{TTL: 5 * time.Second, Renew: 50 * time.Millisecond})
				if err != nil {
					t.Error(err)
					return
				}
				if n := holding.Add(1); n != 1 || h.Err() != nil || last.Swap(h.Token()) >= h.Token() {
					t.Errorf("%d hold it, token %d, %v", n, h.Token(), h.Err())
				}
				time.Sleep(60 * time.Millisecond)
				if holding.Add(-1) != 0 || h.Err() != nil {
					t.Error("it was not kept", h.Err())
				}
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
				<-h.Lost()
				if h.Err() == nil {
					t.Error("it is held after its release")
				}
				turns.Add(1)
			}
		})
	}
	all.Wait()
	var leases []catalog.Lease
	err := catalogs[0].View(t.Context(), func(tx catalog.Tx) (err error) {
		leases, err = catalog.Leases(t.Context(), tx)
		return err
	})
	if err != nil || len(leases) != 1 || leases[0].Name != "log" || leases[0].Holder != "" || leases[0].Token != 12 || time.Until(leases[0].Until).Abs() > time.Minute {
		t.Errorf("%+v, %v after %d turns", leases, err, turns.Load())
	}
}

// testLeaseIsTakenOver has a holder vanish, whose clock is a day off.
func testLeaseIsTakenOver(t *testing.T, p Place) {
	c := open(t, p, nil)
	const ttl = time.Second
	away := &gate{Catalog: c}
	first := hold(t, away, "first", catalog.LeaseOptions{TTL: ttl, Now: func() time.Time { return time.Now().Add(24 * time.Hour) }})
	time.Sleep(2 * ttl) // it is renewed
	if first.Err() != nil {
		t.Fatal(first.Err())
	}
	away.shut.Store(true)
	begun := time.Now()
	second := hold(t, c, "second", catalog.LeaseOptions{TTL: ttl, Now: func() time.Time { return time.Now().Add(-24 * time.Hour) }})
	if first.Err() == nil || second.Err() != nil || second.Token() != first.Token()+1 {
		t.Errorf("%v, %v, tokens %d and %d", first.Err(), second.Err(), first.Token(), second.Token())
	}
	if took := time.Since(begun); took > 4*ttl+time.Second {
		t.Errorf("taken over after %v", took)
	}
	select {
	case <-first.Lost():
	case <-time.After(time.Second):
		t.Error("the first was not told")
	}
	if err := first.Err(); !strings.Contains(err.Error(), "could not be asked") {
		t.Error(err)
	}
	away.shut.Store(false)
	for h, want := range map[*catalog.Held]bool{first: false, second: true} {
		err := c.Update(t.Context(), func(tx catalog.Tx) error { return h.Check(t.Context(), tx) })
		if (err == nil) != want || !want && millrace.KindOf(err) != millrace.Conflict {
			t.Errorf("check of token %d: %v", h.Token(), err)
		}
	}
	if err := first.Release(t.Context()); err != nil || second.Err() != nil {
		t.Error(err, second.Err())
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// testLeaseOutlivesTrouble has the store away for less than the lease's time.
func testLeaseOutlivesTrouble(t *testing.T, p Place) {
	c := open(t, p, nil)
	away := &gate{Catalog: c}
	h := hold(t, away, "first", catalog.LeaseOptions{TTL: 3 * time.Second, Renew: 100 * time.Millisecond})
	defer h.Release(context.WithoutCancel(t.Context()))
	waiting, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	gone := make(chan error, 1)
	go func() {
		_, err := catalog.Hold(waiting, away, "log", "second", catalog.LeaseOptions{TTL: 3 * time.Second})
		gone <- err
	}()
	for range 2 {
		away.shut.Store(true)
		time.Sleep(500 * time.Millisecond)
		away.shut.Store(false)
		time.Sleep(200 * time.Millisecond)
	}
	wantKind(t, <-gone, millrace.Canceled)
	if h.Err() != nil {
		t.Error(h.Err())
	}
}

func testLeaseTaken(t *testing.T, p Place) {
	c := open(t, p, nil)
	h := hold(t, c, "first", catalog.LeaseOptions{TTL: 3 * time.Second, Renew: 50 * time.Millisecond})
	dead := hold(t, c, "second", catalog.LeaseOptions{Dead: func(holder string) bool { return holder == "first" }}) // and is not
	select {
	case <-h.Lost():
		wantKind(t, h.Err(), millrace.Conflict)
	case <-time.After(2 * time.Second):
		t.Error("the first does not know it")
	}
	if err := dead.Release(t.Context()); err != nil {
		t.Error(err)
	}
	for _, o := range []catalog.LeaseOptions{{TTL: -1}, {TTL: time.Second, Renew: time.Second}} {
		_, err := catalog.Hold(t.Context(), c, "x", "y", o)
		wantKind(t, err, millrace.Invalid)
	}
	_, err := catalog.Hold(t.Context(), c, "", "y", catalog.LeaseOptions{})
	wantKind(t, err, millrace.Invalid)
	c.Close()
	_, err = catalog.Hold(t.Context(), c, "x", "y", catalog.LeaseOptions{})
	wantKind(t, err, millrace.Unavailable)
}

// A gate is a catalog that is away while it is shut.
type gate struct {
	catalog.Catalog
	shut atomic.Bool
}

var errShut = millrace.Errorf(millrace.Unavailable, "the store is away")

func (g *gate) View(ctx context.Context, f func(catalog.Tx) error) error {
	if g.shut.Load() {
		return errShut
	}
	return g.Catalog.View(ctx, f)
}

func (g *gate) Update(ctx context.Context, f func(catalog.Tx) error) error {
	if g.shut.Load() {
		return errShut
	}
	return g.Catalog.Update(ctx, f)
}
