package access_test

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/access/token"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/sqlite"
)

// crowd makes 10,000 keys and 10,000 sessions, of 100 people in 100 workspaces each.
func crowd(b *testing.B) (w *world, keys, sessions []string) {
	b.Helper()
	const people, each = 100, 100
	c, err := sqlite.Open(context.Background(), sqlite.Options{File: filepath.Join(b.TempDir(), "catalog.db")})
	ok(b, err)
	b.Cleanup(func() { _ = c.Close() })
	w = newWorld(b, c)
	w.o.Catalog = c // without counting
	w.o.Record = func(context.Context, catalog.Tx, access.Change) error { return nil }
	w.restart()
	w.setUp()
	now := w.clock().UnixMicro()
	ok(b, c.Update(b.Context(), func(tx catalog.Tx) error {
		for p := range people {
			id := fmt.Sprintf("p_%d", p)
			if _, err := tx.Exec(b.Context(), `INSERT INTO access_person (id, name, email, email_key, password, cost, rights, suspended_at, created_at, password_at) VALUES ($1, $1, $1, $1, '', '', 1, 0, $2, $2)`, id, now); err != nil {
				return err
			}
			for i := range each {
				if _, err := tx.Exec(b.Context(), `INSERT INTO access_member (person, workspace, environment, role, created_at) VALUES ($1, $2, '', 'admin', $3)`, id, fmt.Sprintf("w_%d", i), now); err != nil {
					return err
				}
				k, s := token.New(token.Key, "prod"), token.New(token.Session, "")
				ks, ss, key := k.Sum(), s.Sum(), fmt.Sprintf("k_%d_%d", p, i)
				if _, err := tx.Exec(b.Context(), `INSERT INTO access_key (id, name, workspace, environment, hint, role, permissions, holder, maker, maker_key, created_at, expires_at, revoked_at, seen_at, address)
					VALUES ($1, $1, $2, '', 'prod', 'editor', '', $3, '', '', $4, 0, 0, 0, '')`, key, fmt.Sprintf("w_%d", i), id, now); err != nil {
					return err
				}
				if _, err := tx.Exec(b.Context(), `INSERT INTO access_secret (id, key_id, hash, created_at, until_at) VALUES ($1, $2, $3, $4, 0)`, k.ID(), key, ks[:], now); err != nil {
					return err
				}
				if _, err := tx.Exec(b.Context(), `INSERT INTO access_session (id, person, hash, old_hash, old_until, rights, created_at, expires_at, seen_at, address, agent)
					VALUES ($1, $2, $3, $4, 0, 1, $5, $6, $5, '', '')`, s.ID(), id, ss[:], []byte{}, now, now+1e12); err != nil {
					return err
				}
				keys, sessions = append(keys, k.Reveal()), append(sessions, s.Reveal())
			}
		}
		return nil
	}))
	return w, keys, sessions
}

// BenchmarkKey is what the authorisation of a request with a key costs: who it is, and
// whether they may. First is when the key is not in memory yet.
func BenchmarkKey(b *testing.B) {
	w, keys, _ := crowd(b)
	from := access.From{Address: home}
	workspaces := make([]string, 100)
	for i := range workspaces {
		workspaces[i] = fmt.Sprintf("w_%d", i)
	}
	one := func(b *testing.B, i int) {
		p, err := w.AuthenticateKey(b.Context(), keys[i%len(keys)], from)
		if err == nil {
			err = p.Allow(access.QueryRun, workspaces[i%100], "e")
		}
		ok(b, err)
	}
	b.Run("first", func(b *testing.B) {
		used := processor()
		for i := 0; b.Loop(); i++ {
			if i%len(keys) == 0 {
				w.restart()
			}
			one(b, i)
		}
		perRequest(b, used)
	})
	for i := range keys {
		one(b, i)
	}
	b.Run("again", func(b *testing.B) {
		used := processor()
		for i := 0; b.Loop(); i++ {
			one(b, i)
		}
		perRequest(b, used)
	})
	b.Run("parallel", func(b *testing.B) {
		used := processor()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				one(b, i)
			}
		})
		perRequest(b, used)
	})
	b.Run("unknown", func(b *testing.B) {
		used := processor()
		text := token.New(token.Key, "").Reveal()
		for b.Loop() {
			_, _ = w.AuthenticateKey(b.Context(), text, from)
		}
		perRequest(b, used)
	})
	b.Run("mistyped", func(b *testing.B) {
		used := processor()
		text := keys[0][:len(keys[0])-1] + "_"
		for b.Loop() {
			_, _ = w.AuthenticateKey(b.Context(), text, from)
		}
		perRequest(b, used)
	})
}

// BenchmarkSession is what the authorisation of a request with a session costs.
func BenchmarkSession(b *testing.B) {
	w, _, sessions := crowd(b)
	from := access.From{Address: home, Agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"}
	one := func(b *testing.B, i int) {
		s, err := w.Authenticate(b.Context(), sessions[i%len(sessions)], from)
		if err == nil {
			err = s.Allow(access.QueryRun, "w_7", "e")
		}
		ok(b, err)
	}
	for i := range sessions {
		one(b, i)
	}
	b.Run("again", func(b *testing.B) {
		used := processor()
		for i := 0; b.Loop(); i++ {
			one(b, i)
		}
		perRequest(b, used)
	})
	b.Run("csrf", func(b *testing.B) {
		used := processor()
		s, err := w.Authenticate(b.Context(), sessions[0], from)
		ok(b, err)
		text := s.CSRF()
		for b.Loop() {
			ok(b, s.CheckCSRF(text))
		}
		perRequest(b, used)
	})
	b.Run("flush", func(b *testing.B) {
		for b.Loop() {
			w.pass(1e9)
			for i := range sessions {
				one(b, i)
			}
			ok(b, w.Flush(b.Context()))
		}
		b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/10000-sessions")
	})
}

// processor is the time that this process has had processors for: others are at work too.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func perRequest(b *testing.B, since time.Duration) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/float64(b.N), "µs/request")
	b.ReportMetric(float64((processor()-since).Nanoseconds())/1e3/float64(b.N), "cpu-µs/request")
}
