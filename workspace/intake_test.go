package workspace_test

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/workspace"
)

// Intake in front of the gate: what is in the log is what was acknowledged, less
// than one request more than the quota, and refused is told as SDKs need it.
func TestIntake(t *testing.T) {
	t.Parallel()
	w := open(t, onSQLite(t))
	acme := w.create("acme")
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{EventsPerDay: limit(1000)}))
	log := w.log()
	m, stop := w.on(log)
	h, err := collect.New(collect.Options{Log: log, Gate: m, Now: w.time, FindSpace: func(address string) (string, bool) {
		sp, found := w.Spaces().Find(address)
		if !found {
			return "", false
		}
		return sp.ID, true
	}})
	if err != nil {
		t.Fatal(err)
	}
	err = h.SetSpace(acme.Main, []collect.Source{
		{Name: "web", HTTP: &collect.HTTPSource{WriteKeys: []string{"acme_web"}}},
		{Name: "form", Webhook: &collect.WebhookSource{WriteKeys: []string{"acme_form"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, key, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.SetBasicAuth(key, "")
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		return answer
	}
	// 30 events, of which one is rejected.
	batch := `{"batch":[` + strings.Repeat(`{"type":"page","userId":"u"},`, 29) + `{"type":"page"}]}`
	var mu sync.Mutex
	acknowledged := 0
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range 20 {
				answer := post("/v1/batch", "acme_web", batch)
				mu.Lock()
				switch answer.Code {
				case 200:
					acknowledged += 29
				case 429:
				default:
					t.Errorf("%d %s", answer.Code, answer.Body)
				}
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	_, last, err := log.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counted(t, m, last)
	if u := w.sum(acme.ID); u.Events != int64(acknowledged) || u.Events < 1000-30 || u.Events >= 1000+29 || u.Rejected != u.Events/29 {
		t.Errorf("%+v, %d were acknowledged", u, acknowledged)
	}
	for post("/v1/webhook/form", "acme_form", "{}").Code == 200 {
		acknowledged++
	}
	answer := post("/v1/w/acme/webhook/form", "acme_form", "{}")
	wait, _ := strconv.Atoi(answer.Header().Get("Retry-After"))
	reset, _ := strconv.ParseInt(answer.Header().Get("X-Ratelimit-Reset"), 10, 64)
	midnight := workspace.DayStart(workspace.Day(begin) + 1)
	if answer.Code != 429 || time.Duration(wait)*time.Second < midnight.Sub(begin) || reset < midnight.Unix() || reset > midnight.Unix()+61 || acknowledged < 1000 {
		t.Errorf("%d %v %s, %d acknowledged", answer.Code, answer.Header(), answer.Body, acknowledged)
	}
	ok(t)(w.SetQuotas(t.Context(), acme.ID, workspace.Quotas{}))
	if answer := post("/v1/w/acme/webhook/form", "acme_form", "{}"); answer.Code != 200 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	ok(t)(w.Suspend(t.Context(), acme.ID, "unpaid"))
	if answer := post("/v1/w/acme/webhook/form", "acme_form", "{}"); answer.Code != 429 || !strings.Contains(answer.Body.String(), "acme is suspended (unpaid)") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	w.pass(25 * time.Hour)
	if answer := post("/v1/w/acme/webhook/form", "acme_form", "{}"); answer.Code != 403 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if _, last, err = log.Bounds(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted(t, m, last)
	stop()
	if u := w.sum(acme.ID); u.Events != int64(acknowledged)+1 {
		t.Errorf("%+v, %d were acknowledged", u, acknowledged+1)
	}
}
