package apptest_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/apptest"
)

// olderToken is the admin token of the servers in testdata/upgrade.
const olderToken = "fixture-admin-token-0123456789abcdef"

// TestADataFolderOfAnOlderVersion opens data folders that the version before
// workspaces, environments, secrets and backups has left, one that was stopped and
// one that was killed while it took events in (then 100 more are in the log alone):
// every count is as it was, what is sent again is a duplicate, keys work, and from
// then on the folder does all that one of today does.
//
// In testdata/upgrade are tar files, each with project/, data/ and the token of an
// API key of the role analyst. What came in: 2,000 track events web-N with 80
// duplicates and 7 rejected records from web; from shop 450 track events shop-N, 50
// identifies shop-iN where N ends with 0, and 100 records of the stream orders.
func TestADataFolderOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	for name, web := range map[string]int{"stopped": 2000, "killed": 2100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := unpackOlder(t, name)
			s := apptest.New(t, apptest.Options{Dir: filepath.Join(dir, "project"), Data: filepath.Join(dir, "data"), Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + olderToken}})
			s.Token = olderToken
			s.Run()
			s.WaitReady(time.Minute)
			older{s, web}.check(t, dir)
		})
	}
}

// unpackOlder unpacks a data folder with its project.
func unpackOlder(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "upgrade", name+".tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := t.TempDir()
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(files); err == nil {
				err = os.WriteFile(path, data, os.FileMode(h.Mode))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// An older is a server of today on a data folder of before.
type older struct {
	*apptest.Server
	web int // track events of web
}

const olderRows = "SELECT (SELECT count(*) || '/' || count(DISTINCT id) || '/' || count(DISTINCT user_id) FROM web.tracks) || ' ' || (SELECT sum(n) FROM web.page_seen) || ' ' || " +
	"(SELECT count(*) || '/' || count(DISTINCT id) FROM shop.tracks) || ' ' || (SELECT count(*) FROM shop.identifies) || ' ' || (SELECT sum(amount) FROM shop.invoice_paid) || ' ' || " +
	"(SELECT sum(qty) FROM shop.orders) || ' ' || (SELECT count(*) FROM millrace.rejected)"

// rows is what olderRows answers when extra events of web were added, with no n.
func (o older) rows(extra int) string {
	seen, paid := 0, 0
	for n := 0; n < o.web; n += 2 {
		seen += n
	}
	for n := range 500 {
		if n%10 != 0 {
			paid += n
		}
	}
	return fmt.Sprintf("%d/%d/%d %d 450/450 50 %d 4950 7", o.web+extra, o.web+extra, 50+min(extra, 1), seen, paid)
}

// has waits until the tables have what they should.
func (o older) has(t *testing.T, after string, extra int) {
	t.Helper()
	apptest.Eventually(t, 30*time.Second, func() error {
		if got, want := o.Value(olderRows, after), o.rows(extra); got != want {
			return fmt.Errorf("the tables are %s, want %s", got, want)
		}
		return nil
	})
}

func (o older) event(n int) string {
	return fmt.Sprintf(`{"type":"track","messageId":"web-%d","userId":"u%d","event":"%s","properties":{"n":%d}}`, n, n%50, []string{"Page Seen", "Order Completed"}[n%2], n)
}

// send sends events of one source and returns the last position.
func (o older) send(t *testing.T, key string, events []string) string {
	t.Helper()
	last, err := o.Post("/v1/batch", key, `{"batch":[`+strings.Join(events, ",")+`]}`, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// counted waits until the sources have the counts that are wanted.
func (o older) counted(t *testing.T, web, webDuplicates, shop, shopDuplicates int) {
	t.Helper()
	apptest.Eventually(t, 30*time.Second, func() error {
		_, text, err := o.Do("GET", "/api/v1/sources", nil)
		if err != nil {
			return err
		}
		var list struct {
			Sources []struct {
				Name                           string
				Accepted, Duplicates, Rejected int
			}
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		want := fmt.Sprint([]any{"shop", shop, shopDuplicates, 0, "web", web, webDuplicates, 7})
		var got []any
		for _, s := range list.Sources {
			got = append(got, s.Name, s.Accepted, s.Duplicates, s.Rejected)
		}
		if fmt.Sprint(got) != want {
			return fmt.Errorf("sources have %v, want %s", got, want)
		}
		return nil
	})
}

func (o older) check(t *testing.T, dir string) {
	t.Helper()
	o.counted(t, o.web, 80, 600, 0)
	o.has(t, "", 0)
	token, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	o.Token = string(token)
	if got := o.Value("SELECT count(*) FROM shop.tracks", ""); got != "450" {
		t.Errorf("with the API key: %s", got)
	}
	if status, _, _ := o.Do("POST", "/api/v1/keys", map[string]any{"name": "more", "role": "viewer"}); status != 403 {
		t.Errorf("an analyst's key makes keys: %d", status)
	}
	o.Token = olderToken
	o.sendAgain(t)
	o.goesOn(t, dir)
}

// sendAgain sends everything again, and something new.
func (o older) sendAgain(t *testing.T) {
	t.Helper()
	var web, shop []string
	for n := range o.web {
		web = append(web, o.event(n))
	}
	for n := range 500 {
		id := fmt.Sprintf("shop-%d", n)
		if n%10 == 0 {
			id = fmt.Sprintf("shop-i%d", n)
		}
		shop = append(shop, fmt.Sprintf(`{"type":"track","messageId":"%s","userId":"u","event":"Invoice Paid","properties":{"amount":1000000}}`, id))
	}
	o.send(t, "k_web_2026_fixture", web)
	o.send(t, "k_shop_2026_fixture", shop)
	last := o.send(t, "k_web_2026_fixture", []string{`{"type":"track","messageId":"new","userId":"new","event":"New"}`})
	o.has(t, last, 1)
	o.counted(t, o.web+1, 80+o.web, 600, 500)
}

// goesOn does what only today's version can.
func (o older) goesOn(t *testing.T, dir string) {
	t.Helper()
	if v := o.Job("/api/v1/log/verifications", nil); v["ok"] != true {
		t.Errorf("the log: %v", v)
	}
	backups := newStore(t)
	token := []string{"MILLRACE_TOKEN=" + olderToken, "MILLRACE_SERVER=" + o.URL}
	mustRun(t, token, append([]string{"backup", o.Dir, "--data", o.Data, "--to"}, backups.at...)...)
	backups.verify()
	o.Job("/api/v1/warehouse/rebuilds", map[string]any{"yes": true})
	o.has(t, "", 1)
	o.Stop() // the archive takes the rest
	o.Run()
	o.WaitReady(time.Minute)
	if v := o.Job("/api/v1/archive/verifications", nil); v["ok"] != true {
		t.Errorf("the archive: %v", v)
	}
	o.Stop()
	restored := filepath.Join(dir, "restored")
	backups.restore(restored, o.Server)
	r := apptest.New(t, apptest.Options{Dir: o.Dir, Data: restored, Command: "serve", Env: []string{"MILLRACE_ADMIN_TOKEN=" + olderToken}})
	r.Token = olderToken
	r.Run()
	r.WaitReady(time.Minute)
	again := older{r, o.web}
	last := again.send(t, "k_web_2026_fixture", []string{again.event(17)})
	again.has(t, last, 1)
}
