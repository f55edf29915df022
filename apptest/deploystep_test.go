package apptest_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // as pgx
	_ "github.com/mattn/go-sqlite3"    // as sqlite3

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/catalog/postgres"
	"github.com/millrace/millrace/testserver"
)

// slowSQLite and slowPostgres make a store that takes a second or more to write a
// state of deployments whose message says "hold STATE", and does not write one
// whose message says "fail STATE". Until it is written, the state before is read.
var slowSQLite = []string{`CREATE TRIGGER slow_fail BEFORE UPDATE OF state ON release_deploy
	WHEN NEW.state <> OLD.state AND instr(NEW.message, 'fail ' || NEW.state) > 0
	BEGIN SELECT RAISE(ABORT, 'the disk fails'); END`,
	`CREATE TRIGGER slow_hold BEFORE UPDATE OF state ON release_deploy
	WHEN NEW.state <> OLD.state AND instr(NEW.message, 'hold ' || NEW.state) > 0
	BEGIN SELECT count(*) FROM (WITH RECURSIVE step (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step WHERE n < 10000000) SELECT n FROM step); END`}

var slowPostgres = []string{`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS '
	BEGIN
		IF NEW.state <> OLD.state AND strpos(NEW.message, ''fail '' || NEW.state) > 0 THEN RAISE EXCEPTION ''the disk fails''; END IF;
		IF NEW.state <> OLD.state AND strpos(NEW.message, ''hold '' || NEW.state) > 0 THEN PERFORM pg_sleep(2); END IF;
		RETURN NEW;
	END'`, `CREATE TRIGGER slow BEFORE UPDATE ON release_deploy FOR EACH ROW EXECUTE FUNCTION slow()`}

// steps are where a deployment is killed: what is said about it, the state that is
// read at that moment, and what the next start says about it.
var steps = []struct{ message, state, left string }{
	{"hold validated", "proposed", "before its files were read"},
	{"hold switching", "validated", "before it was switched to"},
	{"hold checking", "switching", "while it was applied"},
	{"hold healthy", "checking", "while its health was checked"},
	{"fail healthy, hold rolled_back", "reverting", "while the version before was applied again"},
}

// TestKilledAtEachStep kills the server in each step of deployments and of
// rollbacks while events come: what ran before runs then, all of it and nothing
// else, and every event that was acknowledged is counted once.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"duckdb", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			o := apptest.Options{Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + deployToken}, Args: []string{"--log-level", "error"}, Data: filepath.Join(t.TempDir(), "data"),
				Files: map[string]string{"millrace.yaml": deploySettings, "sources/web.yaml": "kind: http\nwrite_keys: [web_0, key_1]\n"}}
			driver, place, slow := "sqlite3", "file:"+filepath.Join(o.Data, "catalog.db")+"?_busy_timeout=20000", slowSQLite
			settings := deploySettings
			if engine == "postgres" {
				pg := testserver.Postgres(t)
				at := pg.Database("catalog")
				driver, place, slow = "pgx", at+"&search_path="+postgres.DefaultSchema, slowPostgres
				settings += "catalog: ${secret:catalog_url}\nwarehouse: ${secret:warehouse_url}\n"
				o.Env = append(o.Env, "MILLRACE_SECRET_CATALOG_URL="+at, "MILLRACE_SECRET_WAREHOUSE_URL="+pg.Database("shop"))
				o.Files["millrace.yaml"] = settings
			}
			s := apptest.New(t, o)
			s.Token = deployToken
			s.Run()
			s.WaitReady(time.Minute)
			db, err := sql.Open(driver, place)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, text := range slow {
				if _, err := db.Exec(text); err != nil {
					t.Fatal(err)
				}
			}
			killAtSteps(&deployer{T: t, s: s, settings: settings, keys: map[int64]string{1: "key_1"}}, db)
		})
	}
}

func killAtSteps(d *deployer, db *sql.DB) {
	l := startLoad(d.T, d.s, "web_0", 3, 0)
	d.post("/api/v1/releases?base=1", "application/gzip", d.files("key_2"))
	d.keys[2] = "key_2"
	if now := d.running(); now != 2 {
		d.Fatalf("version %d runs, want 2", now)
	}
	for round := range 3 {
		for i, step := range steps {
			key, ask := fmt.Sprintf("next_%d_%d", round, i), func(key string) {
				d.post("/api/v1/releases?base=2&message="+strings.ReplaceAll(step.message, " ", "+"), "application/gzip", d.files(key))
			}
			if round == 2 {
				key, ask = "key_1", func(string) {
					d.post("/api/v1/releases/rollback", "application/json", []byte(fmt.Sprintf(`{"to":1,"message":%q}`, step.message)))
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				ask(key)
			}()
			seen := ""
			apptest.Eventually(d.T, time.Minute, func() error {
				for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
					if err := db.QueryRow("SELECT state FROM release_deploy WHERE ended = 0").Scan(&seen); err == nil && seen == step.state {
						return nil
					}
				}
				return fmt.Errorf("the state is %q, want %q", seen, step.state)
			})
			if step.state != "proposed" && step.state != "validated" {
				d.track(key) // where it is taken already, it counts
			}
			d.s.Kill()
			<-done
			d.s.Run()
			d.s.WaitReady(time.Minute)
			if left := d.check(2, key); !strings.Contains(left, "rolled_back") || !strings.Contains(left, step.left) {
				d.Errorf("killed in %s: the next start says %q", step.state, left)
			}
			l.more(1)
		}
	}
	d.post("/api/v1/releases?base=2", "application/gzip", d.files("key_last"))
	if now := d.running(); now <= 2 {
		d.Errorf("version %d runs after all kills and a deployment", now)
	}
	l.more(1)
	l.stop()
	checkWarehouse(d.T, d.s, l.last(d.T), l.clients)
	d.counted()
}
