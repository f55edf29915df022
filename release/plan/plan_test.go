package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/tree"
	"github.com/millrace/millrace/terminal"
)

var update = flag.Bool("update", false, "write the golden files")

var kinds = project.Kinds{"sources": {
	"http":    func() any { return new(collect.HTTPSource) },
	"webhook": func() any { return new(collect.WebhookSource) },
}}

const (
	config = `name: shop
warehouse: duckdb
collect: {limits: {properties: 500}}
environments:
  production:
    log: {retention: 30d}
  staging: {}
`
	web = `kind: http
write_keys: [web_2026, web_old] # public
dedup: 7d
types:
  orders.total: text
limits: {event_size: 64KiB}
`
	hook = `kind: webhook
write_keys: ["${secret:hook_key}"]
event: body.type
`
	stripe = `kind: webhook
signature: {header: X-Sig, secret: "${secret:hook}"}
`
)

func files(texts map[string]string) map[string]string {
	out := map[string]string{"millrace.yaml": config, "sources/web.yaml": web, "sources/hook.yaml": hook, "sources/stripe.yaml": stripe}
	for path, text := range texts {
		if out[path] = text; text == "" {
			delete(out, path)
		}
	}
	return out
}

func of(t testing.TB, texts map[string]string) *tree.Tree {
	t.Helper()
	made, err := tree.Of(texts)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func options(environment string) project.Options {
	return project.Options{Environment: environment, Secrets: project.Secrets{Getenv: func(name string) (string, bool) {
		switch name {
		case "MILLRACE_SECRET_SHORT":
			return "17d", true
		case "MILLRACE_SECRET_LONG":
			return "23d", true
		case "MILLRACE_SECRET_SMALL":
			return "17KiB", true
		case "MILLRACE_SECRET_LARGE":
			return "23KiB", true
		}
		return strings.ToLower(name) + "_CANARY", strings.HasPrefix(name, "MILLRACE_SECRET_HOOK")
	}}}
}

// facts are what a server may know.
type facts struct {
	tables   map[string][]Table
	received map[string]Received
	retype   Retype
	away     bool
}

var errAway = errors.New("away")

func (f facts) Tables(_ context.Context, source string) ([]Table, error) {
	if f.away {
		return nil, errAway
	}
	return f.tables[source], nil
}

func (f facts) Received(_ context.Context, source string) (Received, error) {
	if f.away {
		return Received{}, errAway
	}
	return f.received[source], nil
}

func (f facts) Retype(context.Context, string, string, string, string) (Retype, error) {
	if f.away {
		return Retype{}, errAway
	}
	return f.retype, nil
}

var busy = facts{
	tables: map[string][]Table{"web": {{Name: "orders", Columns: map[string]string{"total": "text", "n": "bigint"}, Rows: 1234}, {Name: "tracks", Rows: 5000}}, "old_shop": {{Name: "tracks", Rows: 7}}},
	received: map[string]Received{
		"web": {Days: []Day{{"2026-11-19", 700}, {"2026-11-20", 1300}}, Last: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
			Keys:    map[string]KeyUse{"web_2026": {time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), 2000}, "web_old": {time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), -1}},
			Largest: map[string]float64{"event_size": 40 << 10, "properties": 120, "columns": 90, "rate": 20}},
		"hook": {Days: []Day{{"2026-11-20", 0}}},
	},
	retype: Retype{Kept: 1200, Lost: 34, Regained: 2, Examples: []string{"n/a", "none"}},
}

func makePlan(t *testing.T, old, next map[string]string, environment string, f Facts) *Plan {
	t.Helper()
	o := Options{New: of(t, next), Kinds: kinds, Project: options(environment), Facts: f, From: 41}
	if old != nil {
		o.Old = of(t, old)
	}
	p, err := Make(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEffects(t *testing.T) {
	t.Parallel()
	replaced := func(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	for name, c := range map[string]struct {
		next        map[string]string
		environment string
		facts       Facts
		outcome     Outcome
		effects     []string // "severity kind resource field", and a piece of the message behind |
	}{
		"nothing":        {outcome: NoChange},
		"a comment":      {next: map[string]string{"sources/web.yaml": web + "# more\n"}, outcome: WithChanges},
		"a readme":       {next: map[string]string{"README.md": "x"}, outcome: WithChanges},
		"a new source":   {next: map[string]string{"sources/ios.yaml": "kind: http\nwrite_keys: [ios_1]\n"}, outcome: WithChanges, effects: []string{"info table_created sources/ios "}},
		"a known name":   {next: map[string]string{"sources/old_shop.yaml": "kind: http\nwrite_keys: [shop]\n"}, outcome: WithChanges, effects: []string{"careful tables_reused sources/old_shop |1 table with 7 rows"}},
		"a busy source":  {next: map[string]string{"sources/web.yaml": ""}, outcome: WithBreaking, effects: []string{"breaking flow_stops sources/web |2,000 events on the last 2 days, 1,000 a day", "info tables_stay sources/web |2 tables with 6,234 rows"}},
		"a quiet source": {next: map[string]string{"sources/hook.yaml": ""}, outcome: WithChanges, effects: []string{"info flow_stops sources/hook |nothing on the last day"}},
		"a source of unknown flow": {next: map[string]string{"sources/web.yaml": ""}, facts: facts{away: true}, outcome: WithChanges,
			effects: []string{"careful flow_stops sources/web |not known"}},
		"a renamed source": {next: map[string]string{"sources/web.yaml": "", "sources/site.yaml": web}, outcome: WithChanges,
			effects: []string{"careful key_moved sources/site write_keys|web_2026", "careful key_moved sources/site write_keys|web_old", "info table_created sources/site ", "info tables_stay sources/web "}},
		"a key in use": {next: map[string]string{"sources/web.yaml": replaced(web, "[web_2026, web_old]", "[web_old, web_2027]")}, outcome: WithBreaking,
			effects: []string{"breaking key_removed sources/web write_keys|web_2026 stops working: what is sent with it is refused. It brought 2,000 events lately", "info key_added sources/web write_keys|web_2027"}},
		"a key of which only the time is known": {next: map[string]string{"sources/web.yaml": replaced(web, ", web_old", "")}, outcome: WithBreaking, effects: []string{"breaking key_removed sources/web write_keys|last used at 2026-11-01 09:00 UTC"}},
		"a key from a secret": {next: map[string]string{"sources/hook.yaml": replaced(hook, "hook_key", "hook_other")}, outcome: WithChanges,
			effects: []string{"careful key_removed sources/hook write_keys|Key ${secret:hook_key} stops", "info key_added sources/hook write_keys|Key ${secret:hook_other} works"}},
		"a shorter window": {next: map[string]string{"sources/web.yaml": replaced(web, "7d", "24h")}, outcome: WithChanges, effects: []string{"careful window sources/web dedup|for 1d instead of 7d"}},
		"a longer window":  {next: map[string]string{"sources/web.yaml": replaced(web, "7d", "forever")}, outcome: WithChanges, effects: []string{"info window sources/web dedup|forever"}},
		"a type": {next: map[string]string{"sources/web.yaml": replaced(web, "total: text", "total: double")}, outcome: WithChanges,
			effects: []string{"careful rebuild sources/web types.orders.total|keeps 1,200 values and puts 34 into discards (such as n/a, none), and takes 2 back"}},
		"a type that widens":   {next: map[string]string{"sources/web.yaml": replaced(web, "total: text", "total: text\n  orders.n: double")}, outcome: WithChanges, effects: []string{"info column_type sources/web types.orders.n|with its next value"}},
		"a type of no column":  {next: map[string]string{"sources/web.yaml": replaced(web, "total: text", "total: text\n  orders.tax: double")}, outcome: WithChanges, effects: []string{"info column_type sources/web types.orders.tax|with its first value"}},
		"a type that is":       {next: map[string]string{"sources/web.yaml": replaced(web, "total: text", "total: text\n  orders.n: bigint")}, outcome: WithChanges, effects: []string{"info column_type sources/web types.orders.n|already"}},
		"a type not fixed":     {next: map[string]string{"sources/web.yaml": replaced(web, "types:\n  orders.total: text\n", "")}, outcome: WithChanges, effects: []string{"info column_type sources/web types.orders.total|not fixed"}},
		"a type of who knows":  {next: map[string]string{"sources/web.yaml": replaced(web, "total: text", "total: double")}, facts: facts{away: true}, outcome: WithChanges, effects: []string{"careful column_type sources/web types.orders.total|not known"}},
		"a limit too tight":    {next: map[string]string{"sources/web.yaml": replaced(web, "limits: {event_size: 64KiB}", "limits: {rate: 5}")}, outcome: WithBreaking, effects: []string{"breaking limit sources/web limits.event_size|is 32KiB instead of 64KiB. Lately came events of up to 40KiB", "breaking limit sources/web limits.rate|is 5 instead of no limit. Lately came 20 events a second"}},
		"a limit that fits":    {next: map[string]string{"sources/web.yaml": replaced(web, "64KiB", "48KiB")}, outcome: WithChanges, effects: []string{"info limit sources/web limits.event_size|fits"}},
		"a limit of who knows": {next: map[string]string{"sources/web.yaml": replaced(web, "64KiB", "64KiB, depth: 8")}, outcome: WithChanges, effects: []string{"careful limit sources/web limits.depth|not known"}},
		"columns":              {next: map[string]string{"sources/web.yaml": replaced(web, "64KiB", "64KiB, columns: 50")}, outcome: WithChanges, effects: []string{"careful limit sources/web limits.columns|no more are made"}},
		"an inherited limit": {next: map[string]string{"millrace.yaml": replaced(config, "properties: 500", "properties: 100")}, outcome: WithBreaking,
			effects: []string{"breaking limit sources/web collect.limits.properties|120 properties", "careful restart  collect.limits.properties", "careful limit sources/hook collect.limits.properties", "careful limit sources/stripe collect.limits.properties"}},
		"another kind": {next: map[string]string{"sources/web.yaml": "kind: webhook\nwrite_keys: [web_2026, web_old]\ndedup: 7d\ntypes: {orders.total: text}\nlimits: {event_size: 64KiB}\n"}, outcome: WithBreaking,
			effects: []string{"breaking flow_stops sources/web kind|webhook instead of http"}},
		"origins":       {next: map[string]string{"sources/web.yaml": web + "cors_origins: [https://a.example]\n"}, outcome: WithBreaking, effects: []string{"breaking origins sources/web cors_origins"}},
		"a signature":   {next: map[string]string{"sources/stripe.yaml": replaced(stripe, "X-Sig", "X-Other")}, outcome: WithChanges, effects: []string{"careful signature sources/stripe signature.header"}},
		"an expression": {next: map[string]string{"sources/hook.yaml": replaced(hook, "body.type", "body.kind") + "id: body.id\n"}, outcome: WithChanges, effects: []string{"careful expression sources/hook event|other tables", "careful expression sources/hook id|twice"}},
		"engines": {next: map[string]string{"millrace.yaml": replaced(config, "warehouse: duckdb", "warehouse: postgres://a@b/c\narchive: s3://x/y")}, outcome: WithBreaking,
			effects: []string{"breaking engine  warehouse", "breaking engine  archive", "careful restart  warehouse|warehouse, archive"}},
		"a default that is written":      {next: map[string]string{"millrace.yaml": replaced(config, "warehouse: duckdb\n", "archive: file:archive\narchive_interval: 60s\n")}, outcome: WithChanges},
		"a setting within a new mapping": {next: map[string]string{"millrace.yaml": config + "log: {reserve: 5GiB}\n"}, outcome: WithChanges, effects: []string{"careful restart  log.reserve"}},
		"an engine by a secret": {next: map[string]string{"millrace.yaml": replaced(config, "warehouse: duckdb", "warehouse: ${secret:hook_url}")}, outcome: WithBreaking,
			effects: []string{"breaking engine  warehouse", "careful restart  warehouse"}},
		"an override of this environment": {next: map[string]string{"millrace.yaml": replaced(config, "30d", "60d")}, environment: "production", outcome: WithChanges, effects: []string{"info retention  log.retention"}},
		"an override of another":          {next: map[string]string{"millrace.yaml": replaced(config, "30d", "60d")}, environment: "staging", outcome: WithChanges, effects: []string{"info other  environments|What millrace.yaml says for production changes: log.retention."}},
		"a key of another environment": {next: map[string]string{"sources/web.yaml": web + "environments:\n  staging:\n    write_keys: [stg_1]\n"}, environment: "production", outcome: WithChanges,
			effects: []string{"info other sources/web environments|What the file says for staging changes: write_keys."}},
		"a key of this environment": {next: map[string]string{"sources/web.yaml": web + "environments:\n  staging:\n    write_keys: [web_2026, stg_1]\n"}, environment: "staging", outcome: WithBreaking,
			effects: []string{"breaking key_removed sources/web write_keys|web_old stops", "info key_added sources/web write_keys|stg_1"}},
		"a field within an override": {next: map[string]string{"sources/stripe.yaml": stripe + "environments: {staging: {signature: {header: X-Other}}}\n"}, environment: "staging", outcome: WithChanges,
			effects: []string{"careful signature sources/stripe signature.header"}},
		"a setting that is overridden here": {next: map[string]string{"millrace.yaml": config + "log: {retention: 5d}\n"}, environment: "production", outcome: WithChanges,
			effects: []string{"careful hidden  log.retention|log.retention is changed in the file, but not in production: what stands there under environments.production holds instead."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.facts == nil {
				c.facts = busy
			}
			p := makePlan(t, files(nil), files(c.next), c.environment, c.facts)
			var got, rest []string
			for _, e := range p.Effects {
				got = append(got, fmt.Sprintf("%s %s %s %s|%s", e.Severity, e.Kind, e.Resource, e.Field, e.Message))
				if e.Do == "" || !strings.HasSuffix(e.Message, ".") {
					t.Errorf("%+v does not say what to do in a sentence", e)
				}
			}
			for _, want := range c.effects {
				head, piece, _ := strings.Cut(want, "|")
				found := false
				for i, g := range got {
					if strings.HasPrefix(g, head) && strings.Contains(g, piece) {
						got, found = append(append([]string{}, got[:i]...), got[i+1:]...), true
						break
					}
				}
				if !found {
					rest = append(rest, "missing: "+want)
				}
			}
			if rest = append(rest, got...); len(rest) > 0 || p.Outcome != c.outcome {
				t.Errorf("%s, want %s\n%s", p.Outcome, c.outcome, strings.Join(rest, "\n"))
			}
			noSecrets(t, p)
		})
	}
}

func noSecrets(t *testing.T, p *Plan) {
	t.Helper()
	var text bytes.Buffer
	if err := p.Write(&text, terminal.Palette{}); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String()+string(asJSON), "CANARY") {
		t.Errorf("a secret is shown:\n%s\n%s", &text, asJSON)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	next := files(map[string]string{
		"millrace.yaml":     strings.Replace(config, "30d", "60d", 1) + "archive_interval: 30s\n",
		"sources/web.yaml":  strings.NewReplacer("web_2026, ", "", "total: text", "total: double", "7d", "24h").Replace(web),
		"sources/hook.yaml": "", "sources/ios.yaml": "kind: http\nwrite_keys: [ios_1]\nlimits: {rate: 10}\n", "README.md": "x\n", "models/a.sql": "select 1\n",
	})
	p := makePlan(t, files(nil), next, "production", busy)
	var text bytes.Buffer
	if err := p.Write(&text, terminal.Palette{}); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for file, got := range map[string][]byte{"testdata/plan.txt": text.Bytes(), "testdata/plan.json": append(asJSON, '\n')} {
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is otherwise (%v): -update writes it\n%s", file, err, got)
		}
	}
}

func TestPlanOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	var problems project.Problems
	_, err := Make(t.Context(), Options{New: of(t, files(map[string]string{"sources/web.yaml": "kind: htp\n"})), Kinds: kinds, Project: options("")})
	if !errors.As(err, &problems) || problems[0].File != "sources/web.yaml" {
		t.Errorf("%v", err)
	}
	// What runs cannot be read any more: what differs is told all the same.
	p := makePlan(t, files(map[string]string{"sources/web.yaml": "kind: http\nwrite_keys: [aaaa]\ngone: 1\n"}), files(nil), "", busy)
	if p.Outcome != WithChanges || len(p.Effects) != 1 || p.Effects[0].Kind != "unknown" || len(p.Resources) != 1 || len(p.Resources[0].Fields) < 3 {
		t.Errorf("%+v", p)
	}
	// The first version.
	if p := makePlan(t, nil, files(nil), "", nil); p.Outcome != WithChanges || len(p.Resources) != 4 {
		t.Errorf("%+v", p)
	}
	// A bomb is refused, and soon.
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e]\n"
	begun := time.Now()
	for _, file := range []string{"sources/web.yaml", "millrace.yaml"} {
		_, err = Make(t.Context(), Options{Old: of(t, files(nil)), New: of(t, files(map[string]string{file: bomb})), Kinds: kinds, Project: options("")})
		if !errors.As(err, &problems) || time.Since(begun) > time.Minute {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	if NoChange.ExitCode() != 0 || WithChanges.ExitCode() != 10 || WithBreaking.ExitCode() != 11 {
		t.Error("exit codes are for ever")
	}
}

func many(n int, suffix string) map[string]string {
	texts := files(nil)
	for i := range n {
		texts[fmt.Sprintf("sources/s%d.yaml", i)] = fmt.Sprintf("# Source %d.\nkind: http\nwrite_keys: [key_%d]\ndedup: 7d\ntypes:\n  orders.total: double\n  orders.name: text\nlimits: {event_size: 64KiB, rate: 100}\n%s", i, i, suffix)
	}
	return texts
}

func BenchmarkPlan(b *testing.B) {
	for name, next := range map[string]map[string]string{"one changed": many(300, ""), "all changed": many(300, "browser: true\n")} {
		next["sources/s7.yaml"] = strings.Replace(next["sources/s7.yaml"], "7d", "30d", 1)
		o := Options{Old: of(b, many(300, "")), New: of(b, next), Kinds: kinds, Project: options(""), Facts: busy}
		o.Project.Cache = &project.Cache{} // as a server has it
		if _, err := Make(b.Context(), o); err != nil {
			b.Fatal(err)
		}
		b.Run("300 resources, "+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Make(b.Context(), o); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/plan")
		})
	}
}
