package apptest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/archive"
	"github.com/millrace/millrace/blob/local"
	"github.com/millrace/millrace/eventlog"
)

// kills is how often the crash test kills the server.
const kills = 24

// A sender sends numbered events one after the other, each until it is
// acknowledged, as an SDK with a queue does.
type sender struct {
	name   string
	acked  atomic.Int64 // 1 … acked are acknowledged
	errors []error
}

func (c *sender) run(ctx context.Context, s *apptest.Server) {
	for n := int64(1); ctx.Err() == nil; n++ {
		body := fmt.Sprintf(`{"messageId":"%s-%d","userId":"%s","event":"Counted %d","properties":{"n":%d}}`, c.name, n, c.name, n%7, n)
		path := "/v1/track"
		if n%5 == 0 { // a batch with two: the second is of another stream
			body = fmt.Sprintf(`{"batch":[{"type":"track",%s,{"type":"identify","messageId":"%s-i%d","userId":"%s","traits":{"n":%d}}]}`, body[1:], c.name, n, c.name, n)
			path = "/v1/batch"
		}
		if _, err := s.Post(path, "dev_web", body, time.Minute); err != nil {
			c.errors = append(c.errors, fmt.Errorf("%s %d: %w", c.name, n, err))
			return
		}
		c.acked.Store(n)
	}
}

// TestKill sends from several clients while the server is killed again and
// again, and then counts: everything acknowledged is in log, archive and
// warehouse exactly once, in order for each client.
func TestKill(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{
		Files: map[string]string{
			"millrace.yaml":    "name: test\narchive_interval: 1s\n",
			"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\ndedup: forever\n",
		},
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	clients := make([]*sender, 6)
	for i := range clients {
		clients[i] = &sender{name: fmt.Sprintf("client%d", i)}
		wg.Go(func() { clients[i].run(ctx, s) })
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range kills {
		time.Sleep(time.Duration(50+random.IntN(1500)) * time.Millisecond)
		if i%6 == 3 { // in the middle of a rebuild too
			_, _, _ = s.Do("POST", "/api/v1/warehouse/rebuilds", map[string]any{})
			time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
		}
		s.Kill()
		s.Run()
	}
	s.WaitReady(time.Minute)
	time.Sleep(500 * time.Millisecond)
	stop()
	wg.Wait()
	var acked int64
	for _, c := range clients {
		for _, err := range c.errors {
			t.Error(err)
		}
		if c.acked.Load() < kills {
			t.Errorf("%s sent only %d events", c.name, c.acked.Load())
		}
		acked += c.acked.Load()
	}
	t.Logf("%d acknowledged through %d kills", acked, kills)
	checkWarehouse(t, s, clients)
	checkLog(t, s, clients)
	s.Stop()
	checkArchive(t, s, clients)
}

// numbered are the events of each client in the order in which they were found.
type numbered map[string][]int64

// check wants each client's events from 1 to at least what was acknowledged,
// each once, in order. The one behind the last acknowledged may be there.
func (found numbered) check(t *testing.T, where string, clients []*sender) {
	t.Helper()
	for _, c := range clients {
		list := found[c.name]
		for i, n := range list {
			if n != int64(i)+1 {
				t.Errorf("%s: %s's event %d stands at place %d of %d", where, c.name, n, i+1, len(list))
				break
			}
		}
		if n, acked := int64(len(list)), c.acked.Load(); n < acked || n > acked+1 {
			t.Errorf("%s has %d events of %s, %d were acknowledged", where, n, c.name, acked)
		}
	}
}

func checkWarehouse(t *testing.T, s *apptest.Server, clients []*sender) {
	t.Helper()
	last, err := s.Post("/v1/track", "dev_web", `{"messageId":"last","userId":"last","event":"Last"}`, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	tracks := numbered{}
	var union []string
	for i := range 7 {
		union = append(union, fmt.Sprintf("SELECT id, user_id, n, _epoch, _seq, _index FROM web.counted_%d", i))
	}
	for _, row := range s.Query("SELECT user_id, n FROM ("+strings.Join(union, " UNION ALL ")+") ORDER BY _epoch, _seq, _index", last).Rows {
		n, _ := row[1].(json.Number).Int64()
		tracks[fmt.Sprint(row[0])] = append(tracks[fmt.Sprint(row[0])], n)
	}
	tracks.check(t, "the warehouse's event tables", clients)
	inTracks := numbered{}
	for _, row := range s.Query("SELECT id, user_id FROM web.tracks WHERE user_id <> 'last' ORDER BY _epoch, _seq, _index", last).Rows {
		inTracks.add(fmt.Sprint(row[0]))
	}
	inTracks.check(t, "the warehouse's tracks", clients)
	for _, c := range clients {
		want := fmt.Sprint(int64(len(tracks[c.name])) / 5)
		if got := s.Value(fmt.Sprintf("SELECT count(*) FROM web.identifies WHERE user_id = '%s'", c.name), last); got != want {
			t.Errorf("identifies has %s rows of %s, want %s", got, c.name, want)
		}
	}
}

// add counts an ID such as client3-17.
func (found numbered) add(id string) {
	name, number, ok := strings.Cut(id, "-")
	var n int64
	if _, err := fmt.Sscanf(number, "%d", &n); ok && err == nil {
		found[name] = append(found[name], n)
	}
}

// checkLog reads the whole log through the tail.
func checkLog(t *testing.T, s *apptest.Server, clients []*sender) {
	t.Helper()
	found := numbered{}
	for _, record := range s.Tail("after=0-0-0", "last") {
		if record.Result == "accepted" {
			found.add(record.ID)
		}
	}
	found.check(t, "the log", clients)
}

// checkArchive reads the archive of a stopped server.
func checkArchive(t *testing.T, s *apptest.Server, clients []*sender) {
	t.Helper()
	ctx := context.Background()
	bucket, err := local.Open(ctx, filepath.Join(s.Data, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	a, err := archive.Open(ctx, archive.Options{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := a.Verify(ctx, nil); err != nil || len(report.Problems) > 0 {
		t.Errorf("archive verify: %v, %v", report.Problems, err)
	}
	reader, err := a.Open(ctx, millrace.Position{}, eventlog.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	found := numbered{}
	for {
		b, err := reader.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Records {
			found.add(e.ID)
		}
		if b.AtEnd {
			break
		}
	}
	found.check(t, "the archive", clients)
}

// TestChildEndsWithItsParent kills the parent and looks for children left.
func TestChildEndsWithItsParent(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	s.Value("SELECT 1", "")
	children := descendants(t, s.Pid())
	if len(children) == 0 {
		t.Fatal("the server has no child process: where does DuckDB live?")
	}
	s.Kill()
	apptest.Eventually(t, 5*time.Second, func() error {
		for _, pid := range children {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(text), ") Z ") {
				return fmt.Errorf("process %d outlives its parent", pid)
			}
		}
		return nil
	})
}

func descendants(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(stats)
	var all []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended
		}
		var child, parent int
		var state string
		rest := string(text[strings.LastIndexByte(string(text), ')')+1:])
		if _, err := fmt.Sscanf(rest, "%s %d", &state, &parent); err == nil && parent == pid {
			if _, err := fmt.Sscanf(string(text), "%d", &child); err == nil {
				all = append(all, child)
			}
		}
	}
	return all
}
