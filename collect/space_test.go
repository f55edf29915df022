package collect

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/unit"
)

func site(name string, keys ...string) Source {
	return Source{Name: name, HTTP: &HTTPSource{WriteKeys: keys}}
}

func form(name string, keys ...string) Source {
	return Source{Name: name, Webhook: &WebhookSource{WriteKeys: keys}}
}

func signed(name, secret string) Source {
	return Source{Name: name, Webhook: &WebhookSource{Signature: &Signature{Header: "X-Signature", Secret: unit.Secret("s-" + secret)}}}
}

func setSpace(t *testing.T, h *Handler, space string, sources ...Source) {
	t.Helper()
	if err := h.SetSpace(space, sources); err != nil {
		t.Fatal(err)
	}
}

// What one space changes is not felt in another.
func TestSpaces(t *testing.T) {
	t.Parallel()
	h, k := start(t) // the default one has web with web_2026
	setSpace(t, h, "acme", site("web", "acme_2026", "acme_2025"), site("app", "acme_app"))
	setSpace(t, h, "beta", site("web", "beta_2026"))
	for key, space := range map[string]string{"web_2026": "default", "acme_2026": "acme", "acme_app": "acme", "beta_2026": "beta"} {
		want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer "+key), 200)
		if rs := k.take(); len(rs) != 1 || rs[0].Workspace != space {
			t.Errorf("%s: %+v", key, rs)
		}
	}
	setSpace(t, h, "acme", site("web", "acme_2026", "acme_2027"))
	for key, status := range map[string]int{"acme_2025": 401, "acme_app": 401, "acme_2027": 200, "beta_2026": 200, "web_2026": 200} {
		want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer "+key), status)
	}
	if list := h.ActivityOf("acme"); len(list) != 1 || list[0].Accepted != 2 || list[0].Keys["acme_2026"].IsZero() || list[0].LastReceived.IsZero() {
		t.Errorf("%+v", list)
	}
	if err := h.SetSpace("acme", []Source{site("web", "acme_2028"), {Name: "nothing"}}); err == nil || !strings.Contains(err.Error(), "source nothing") {
		t.Error(err)
	}
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer acme_2028"), 401)
	h.RemoveSpace("acme")
	h.RemoveSpace("acme")
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer acme_2026"), 401)
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer beta_2026"), 200)
	if len(h.ActivityOf("acme")) != 0 || len(h.RefusalsOf("acme")) != 0 || len(h.Activity()) != 2 {
		t.Errorf("%+v", h.Activity())
	}
	setSpace(t, h, "beta", site("site", "acme_2026")) // a key is free again
	// All at once, a key that goes from one to another among them.
	acme := site("web", "acme_2026")
	acme.Workspace = "acme"
	if err := h.SetSources([]Source{acme}); err != nil {
		t.Fatal(err)
	}
	k.take()
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer acme_2026"), 200)
	if rs := k.take(); rs[0].Workspace != "acme" {
		t.Errorf("%+v", rs)
	}
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer web_2026"), 401)
}

// A key belongs to one space, and who has it is not told.
func TestKeysOfOtherSpaces(t *testing.T) {
	t.Parallel()
	h, _ := start(t)
	setSpace(t, h, "victim", site("secretproject", "victim_1"), form("billing", "victim_2"))
	for name, s := range map[string]Source{"http": site("web", "victim_1"), "webhook": form("web", "victim_1"), "http of a webhook": site("web", "victim_2"), "webhook of a webhook": form("web", "own_1", "victim_2")} {
		err := h.SetSpace("thief", []Source{s})
		if millrace.KindOf(err) != millrace.Conflict && err == nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, told := range []string{"victim", "secretproject", "billing"} {
			if strings.Contains(fmt.Sprint(err), told) {
				t.Errorf("%s: tells %s: %v", name, told, err)
			}
		}
	}
	for _, workspace := range []string{"", "victim", "x"} {
		other := site("y", "new_key_1")
		other.Workspace = "y"
		s := site("x", "new_key_1")
		s.Workspace = workspace
		if err := h.SetSources([]Source{other, s}); err == nil || strings.Contains(err.Error(), "source y is") {
			t.Errorf("%q: %v", workspace, err)
		}
	}
	// Webhooks of one space may share a key, and one of http may have it too.
	setSpace(t, h, "victim", form("a", "victim_2"), form("b", "victim_2"), site("c", "victim_2"))
	setSpace(t, h, "victim", form("b", "victim_2"))
	want(t, post(h, "/v1/webhook/b", "{}", "Authorization", "Bearer victim_2"), 200)
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer victim_2"), 401)
	h.RemoveSpace("victim")
	setSpace(t, h, "thief", site("web", "victim_1", "victim_2"))
}

// Webhooks of the same name are told apart by their keys, or by their space in the path.
func TestWebhooksOfSpaces(t *testing.T) {
	t.Parallel()
	h, k := start(t, func(o *Options, _ *HTTPSource) {
		o.FindSpace = func(address string) (string, bool) {
			space, ok := map[string]string{"acme": "1acme", "1acme": "1acme", "acme@staging": "1staging", "beta": "beta"}[address]
			return space, ok
		}
	})
	setSpace(t, h, "default", form("form", "home_form"), signed("stripe", "home"))
	setSpace(t, h, "1acme", form("form", "acme_form"), signed("stripe", "acme"), form("mail", "acme_mail"))
	setSpace(t, h, "1staging", signed("stripe", "staging"))
	sign := func(space string) []string {
		header := http.Header{}
		if err := h.Sign(space, "stripe", header, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		return []string{"Authorization", "", "X-Signature", header.Get("X-Signature")}
	}
	bearer := func(key string) []string { return []string{"Authorization", "Bearer " + key} }
	for name, c := range map[string]struct {
		path   string
		header []string
		space  string
		status int
	}{
		"key of default":          {"/v1/webhook/form", bearer("home_form"), "default", 200},
		"key of another":          {"/v1/webhook/form", bearer("acme_form"), "1acme", 200},
		"name of another":         {"/v1/webhook/mail", bearer("acme_mail"), "1acme", 200},
		"key and another name":    {"/v1/webhook/form", bearer("acme_mail"), "", 401},
		"key, unknown name":       {"/v1/webhook/nothing", bearer("acme_mail"), "", 404},
		"name of another, no key": {"/v1/webhook/mail", []string{"Authorization", ""}, "", 404},
		"signature of default":    {"/v1/webhook/stripe", sign("default"), "default", 200},
		"signature of another":    {"/v1/webhook/stripe", sign("1acme"), "", 401},
		"by name":                 {"/v1/w/acme/webhook/stripe", sign("1acme"), "1acme", 200},
		"by id":                   {"/v1/w/1acme/webhook/stripe/", sign("1acme"), "1acme", 200},
		"by address":              {"/v1/w/acme@staging/webhook/stripe", sign("1staging"), "1staging", 200},
		"wrong space":             {"/v1/w/acme@staging/webhook/stripe", sign("1acme"), "", 401},
		"key by name":             {"/v1/w/acme/webhook/form", bearer("acme_form"), "1acme", 200},
		"key of another by name":  {"/v1/w/acme/webhook/form", bearer("home_form"), "", 401},
		"unknown address":         {"/v1/w/gamma/webhook/form", bearer("acme_form"), "", 404},
		"no such space":           {"/v1/w/beta/webhook/form", bearer("acme_form"), "", 404},
		"no webhook":              {"/v1/w/acme/batch", bearer("acme_form"), "", 404},
		"nothing":                 {"/v1/w/", bearer("acme_form"), "", 404},
	} {
		w := post(h, c.path, "{}", c.header...)
		if rs := k.take(); w.Code != c.status || c.space != "" && (len(rs) != 1 || rs[0].Workspace != c.space) {
			t.Errorf("%s: %d %s %+v", name, w.Code, w.Body, rs)
		}
	}
}

// A tally is a Gate with room for so many events.
type tally struct {
	mu     sync.Mutex
	sums   map[string]amount
	room   int
	wait   time.Duration
	reason string
	asked  int
}

func (g *tally) Admit(space string, _ time.Time, events, bytes int) (bool, time.Duration, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	if a := g.sums[space]; a.events >= g.room {
		return false, g.wait, g.reason
	}
	g.sums[space] = amount{g.sums[space].events + events, g.sums[space].bytes + bytes}
	return true, 0, ""
}

func (g *tally) Correct(space string, _ time.Time, events, bytes int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sums[space] = amount{g.sums[space].events + events, g.sums[space].bytes + bytes}
}

// The gate is asked once a request, and knows in the end what is on disk.
func TestGate(t *testing.T) {
	t.Parallel()
	g := &tally{sums: map[string]amount{}, room: 1 << 30}
	h, k := start(t, func(o *Options, _ *HTTPSource) { o.Gate = g })
	setSpace(t, h, "default", site("web", "web_2026"), form("form", "form_2026"))
	stored := func() (a amount) {
		for _, r := range k.take() {
			if r.Stream != millrace.StreamResent {
				a.bytes += len(r.Body)
			}
			if r.Stream != millrace.StreamResent && r.Stream != millrace.StreamRejected {
				a.events++
			}
		}
		return a
	}
	rejected := `{"batch":[{"type":"page","userId":"u"},{"type":"nothing"},{"type":"page","userId":"v"}]}`
	for name, send := range map[string]func() int{
		"one":     func() int { return post(h, "/v1/page", pageEvent).Code },
		"partly":  func() int { return post(h, "/v1/batch", rejected).Code },
		"broken":  func() int { return 200 + post(h, "/v1/page", "{").Code - 400 },
		"empty":   func() int { return post(h, "/v1/batch", `{"batch":[]}`).Code },
		"lines":   func() int { return post(h, "/v1/stream/x", "{}\n{}\n{}\n").Code },
		"webhook": func() int { return post(h, "/v1/webhook/form", "{}", "Authorization", "Bearer form_2026").Code },
		"pixel": func() int {
			return send(h, httptest.NewRequest(http.MethodGet, "/v1/pixel/page?writeKey=web_2026&data=e30", nil)).Code
		},
		"resubmit": func() int {
			if _, err := h.Resubmit(t.Context(), Resubmission{Source: "web", Type: "page", Raw: []byte(pageEvent), RejectedID: "r"}); err != nil {
				return 500
			}
			return 200
		},
		"log is out": func() int {
			k.fail(millrace.Errorf(millrace.Limited, "x"))
			defer k.fail(nil)
			return post(h, "/v1/page", pageEvent).Code - 229
		},
	} {
		g.sums["default"], g.asked = amount{}, 0
		if status := send(); status != 200 {
			t.Errorf("%s: %d", name, status)
		}
		if got, want := g.sums["default"], stored(); got != want || g.asked != 1 {
			t.Errorf("%s: counted %+v, stored %+v, asked %d times", name, got, want, g.asked)
		}
	}
	g.room, g.wait, g.reason = 0, 90*time.Minute, "acme has sent all that it may today"
	w := post(h, "/v1/page", pageEvent)
	if got := want(t, w, 429); got["message"] != g.reason || w.Header().Get("Retry-After") != "5400" ||
		w.Header().Get("X-Ratelimit-Reset") != strconv.FormatInt(testNow.Add(90*time.Minute).Unix(), 10) {
		t.Errorf("%v %v", got, w.Header())
	}
	if w := send(h, httptest.NewRequest(http.MethodGet, "/v1/pixel/page?writeKey=web_2026&data="+strings.ReplaceAll(pageEvent, " ", "%20"), nil)); w.Code != 200 {
		t.Errorf("pixel: %d", w.Code)
	}
	if _, err := h.Resubmit(t.Context(), Resubmission{Source: "web", Type: "page", Raw: []byte(pageEvent), RejectedID: "r"}); millrace.KindOf(err) != millrace.Limited {
		t.Error(err)
	}
	g.wait = 0
	if w := post(h, "/v1/page", pageEvent); w.Code != 403 || w.Header().Get("Retry-After") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if rs := k.take(); len(rs) != 0 {
		t.Errorf("%d records are kept", len(rs))
	}
}

// Metrics have as many labels as was said, and none of a space that is gone.
func TestLabels(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	h, _ := start(t, func(o *Options, _ *HTTPSource) { o.Metrics, o.MaxLabelledSpaces = reg, 2 })
	series := func() map[string]float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				labels := map[string]string{}
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				if labels["workspace"] != "" && labels["workspace"] != "default" && (labels["result"] == "accepted" || labels["reason"] != "") {
					all[labels["workspace"]+" "+labels["source"]+" "+labels["result"]+labels["reason"]] = m.GetCounter().GetValue()
				}
			}
		}
		return all
	}
	for i := range 4 {
		setSpace(t, h, fmt.Sprintf("s%d", i), site("web", fmt.Sprintf("web_%d", i)), site("app", fmt.Sprintf("app_%d", i)), form("form", fmt.Sprintf("form_%d", i)))
	}
	if got := series(); len(got) != 0 {
		t.Errorf("what receives nothing is counted: %v", got)
	}
	for i := range 3 {
		for _, key := range []string{"web", "app"} {
			want(t, post(h, "/v1/page", pageEvent, "Authorization", fmt.Sprintf("Bearer %s_%d", key, i)), 200)
		}
		want(t, post(h, fmt.Sprintf("/v1/w/s%d/webhook/form", i), "{}", "Authorization", ""), 401)
	}
	expect := map[string]float64{"s0 web accepted": 1, "s0 app accepted": 1, "s0 form accepted": 0, "s0 form no_key": 1, "s1 * accepted": 2, "s1 * no_key": 1, "s2 * accepted": 2, "s2 * no_key": 1}
	if got := series(); !maps.Equal(got, expect) {
		t.Errorf("%v", got)
	}
	old := h.source("s0", "web")
	h.RemoveSpace("s0")
	h.RemoveSpace("s1")
	old.seen.Store(nil)
	old.active(h).counters.add(1, 1, 1, 1) // by a request that began before
	old.active(h).counters.refuse("rate")
	want(t, post(h, "/v1/page", pageEvent, "Authorization", "Bearer web_3"), 200)
	expect = map[string]float64{"s2 * accepted": 2, "s2 * no_key": 1, "s3 web accepted": 1}
	if got := series(); !maps.Equal(got, expect) {
		t.Errorf("%v", got)
	}
}

// Spaces change while others send: nothing of those is refused.
func TestSpacesRace(t *testing.T) {
	t.Parallel()
	h, _ := start(t, func(o *Options, _ *HTTPSource) { o.Log = &instant{} })
	setSpace(t, h, "steady", site("web", "steady_1"), form("form", "steady_2"))
	stop := make(chan struct{})
	var senders, changers sync.WaitGroup
	for range 2 {
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if w := post(h, "/v1/page", pageEvent, "Authorization", "Bearer steady_1"); w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				if w := post(h, "/v1/webhook/form", "{}", "Authorization", "Bearer steady_2"); w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				post(h, "/v1/page", pageEvent, "Authorization", "Bearer c0_1")
			}
		})
	}
	for c := range 3 {
		changers.Go(func() {
			for i := range 100 {
				space := fmt.Sprintf("c%d", c)
				setSpace(t, h, space, site("web", fmt.Sprintf("c%d_%d", c, i%3)), form("form", space+"_form"))
				setSpace(t, h, "steady", site("web", "steady_1"), form("form", "steady_2"))
				if i%5 == 4 {
					h.RemoveSpace(space)
				}
				h.Activity()
				h.Refusals()
			}
		})
	}
	changers.Wait()
	close(stop)
	senders.Wait()
	accepted := int64(0)
	for _, a := range h.ActivityOf("steady") {
		accepted += a.Accepted
	}
	if accepted == 0 {
		t.Error("nothing was counted over the changes")
	}
}

// An index is a map.
func TestIndex(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, model := newIndex[int](), map[string]int{}
		name := rapid.StringMatching(`[a-c]{0,4}`)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				n, v := name.Draw(t, "name"), rapid.Int().Draw(t, "value")
				x.set(n, v)
				model[n] = v
			},
			"drop": func(t *rapid.T) { n := name.Draw(t, "name"); x.drop(n); delete(model, n) },
			"": func(t *rapid.T) {
				if got := maps.Collect(x.all); !maps.Equal(got, model) || x.size != len(model) {
					t.Fatalf("%v, want %v", got, model)
				}
				n := name.Draw(t, "name")
				v, ok := x.find(n)
				w, same := x.findBytes([]byte(n))
				if m, there := model[n]; v != m || ok != there || w != m || same != there {
					t.Fatalf("%s: %d %t %d %t, want %d %t", n, v, ok, w, same, m, there)
				}
			},
		})
	})
}
