package apptest_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// TestAStandbyTakesOver starts two servers on the same data folder, once with the
// metadata in it and once on Postgres, and kills the first one.
func TestAStandbyTakesOver(t *testing.T) {
	t.Parallel()
	for name, catalog := range map[string]string{"sqlite": "", "postgres": testserver.Postgres(t).Database("catalog")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := strings.Repeat("x", 32)
			o := apptest.Options{Command: "serve", Data: filepath.Join(t.TempDir(), "data"), Env: []string{"MILLRACE_ADMIN_TOKEN=" + token},
				Files: map[string]string{"millrace.yaml": "name: test\n", "sources/web.yaml": "kind: http\nwrite_keys: [web_2026]\n"}}
			if catalog != "" {
				o.Files["millrace.yaml"] += "catalog: ${secret:catalog_url}\n"
				o.Env = append(o.Env, "MILLRACE_SECRET_CATALOG_URL="+catalog)
			}
			first, second := apptest.Start(t, o), apptest.New(t, o)
			first.Token, second.Token = token, token
			second.Run()
			standsBy(t, second)
			for i := range 20 {
				track(t, first, fmt.Sprint("before-", i))
			}
			if _, text, _ := first.Do("GET", "/api/v1/status", nil); !strings.Contains(string(text), fmt.Sprintf(`"holder":"process %d on `, first.Pid())) || strings.Contains(string(text), ":postgres@") {
				t.Errorf("the status does not say who holds the lease: %s", text)
			}
			pid := second.Pid()
			began := time.Now()
			first.Kill()
			second.WaitReady(10 * time.Second)
			took := time.Since(began)
			t.Logf("taken over after %v", took.Round(time.Millisecond))
			position := track(t, second, "after")
			_, text, err := second.Do("POST", "/api/v1/query", map[string]string{"sql": "SELECT count(*), count(DISTINCT id) FROM web.tracks", "after": position})
			if err != nil || !strings.Contains(string(text), "[21,21]") {
				t.Errorf("of 21 events are there %s; %v", text, err)
			}
			if _, text, _ := second.Do("GET", "/api/v1/status", nil); !strings.Contains(string(text), fmt.Sprintf(`"holder":"process %d on `, pid)) {
				t.Errorf("the status does not say who holds the lease now: %s", text)
			}
			first.Run() // and the other way round: the first is the standby now
			standsBy(t, first)
			second.Stop()
			first.WaitReady(10 * time.Second)
			track(t, first, "again")
			first.Stop()
			if out := first.Output() + second.Output(); strings.Contains(out, "level=ERROR") || strings.Contains(out, ":postgres@") {
				t.Errorf("output:\n%s", out)
			}
		})
	}
}

// standsBy waits until a server answers as a standby.
func standsBy(t *testing.T, s *apptest.Server) {
	t.Helper()
	apptest.Eventually(t, 15*time.Second, func() error {
		status, text, err := s.Do("GET", "/readyz", nil)
		if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(string(text), "standby") {
			return fmt.Errorf("/readyz: %d %s %w", status, text, err)
		}
		return nil
	})
	if status, text, err := s.Do("GET", "/healthz", nil); err != nil || status != http.StatusOK {
		t.Errorf("/healthz: %d %s %v", status, text, err)
	}
	for _, path := range []string{"/", "/v1/track", "/api/v1/status", "/metrics"} {
		resp, err := http.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s of a standby: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

// track sends one event, and returns its position.
func track(t *testing.T, s *apptest.Server, id string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/v1/track", strings.NewReader(fmt.Sprintf(`{"userId":"u","event":"Seen","messageId":%q}`, id)))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("web_2026", "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("track answers %s", resp.Status)
	}
	return resp.Header.Get("Millrace-Position")
}

// TestACatalogKnowsItsFolder refuses a data folder whose log is another.
func TestACatalogKnowsItsFolder(t *testing.T) {
	t.Parallel()
	url := testserver.Postgres(t).Database("catalog")
	o := apptest.Options{Files: map[string]string{"millrace.yaml": "name: test\ncatalog: ${secret:catalog_url}\n"}, Env: []string{"MILLRACE_SECRET_CATALOG_URL=" + url}}
	apptest.Start(t, o).Stop()
	other := apptest.New(t, o)
	other.Run()
	if !other.Exited(20*time.Second) || !strings.Contains(other.Output(), "belongs to another data folder") || strings.Contains(other.Output(), ":postgres@") {
		t.Errorf("a data folder that is not the catalog's:\n%s", other.Output())
	}
}

// TestASecondDevIsToldSo does not make `millrace dev` a standby: a second one on
// the same folder is a mistake.
func TestASecondDevIsToldSo(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	apptest.Start(t, apptest.Options{Data: data})
	second := apptest.New(t, apptest.Options{Data: data})
	second.Run()
	if !second.Exited(20*time.Second) || !strings.Contains(second.Output(), "another millrace (process ") {
		t.Errorf("a second dev on the same folder:\n%s", second.Output())
	}
}
