package app_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// lags are what the API and the metrics say of how far readers are behind.
func (r *running) lags(name string) (api, metric float64) {
	r.t.Helper()
	for _, reader := range r.status(r.t).Readers {
		if reader.Name == name {
			api = reader.LagSeconds
		}
	}
	resp, err := http.Get(r.URL() + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^millrace_reader_lag_seconds\{reader="` + name + `",workspace="default"\} (\S+)$`).FindSubmatch(text)
	if m == nil {
		r.t.Fatalf("there is no lag of %s in the metrics", name)
	}
	metric, err = strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return api, metric
}

// TestLagGrowsWhileAReaderStandsStill and is nothing when it has caught up.
func TestLagGrowsWhileAReaderStandsStill(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	r := start(t, project(t, small), filepath.Join(t.TempDir(), "data"), clock)
	r.track("a")
	for _, name := range []string{"dedup", "archive", "warehouse"} {
		eventually(t, 20*time.Second, name+" has everything", func() bool { api, metric := r.lags(name); return api == 0 && metric == 0 })
	}
	for _, name := range []string{"archive", "warehouse"} {
		r.reader("pause", name)
	}
	r.track("b")
	clock.move(90 * time.Second)
	r.track("c")
	for _, name := range []string{"archive", "warehouse"} {
		if api, metric := r.lags(name); api < 90 || api > 120 || metric < api {
			t.Errorf("%s stood still for 90 s and is %v s behind, the metric says %v", name, api, metric)
		}
		r.reader("resume", name)
		eventually(t, 20*time.Second, name+" has everything again", func() bool { api, _ := r.lags(name); return api == 0 })
	}
}

// TestLagOfAReaderThatCannotBegin counts from the oldest record of the log.
func TestLagOfAReaderThatCannotBegin(t *testing.T) {
	t.Parallel()
	clock := &clock{}
	dir, data := project(t, small), filepath.Join(t.TempDir(), "data")
	r := start(t, dir, data, clock)
	r.ask("SELECT 1", r.track("a"))
	r.stop()
	files, err := filepath.Glob(filepath.Join(data, "warehouse", "*.duckdb"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the warehouse's files are %v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock.move(time.Minute)
	r = start(t, dir, data, clock)
	if api, metric := r.lags("warehouse"); api < 60 || metric < 60 {
		t.Errorf("the warehouse cannot begin and is %v s behind, the metric says %v", api, metric)
	}
}
