package project

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/unit"
)

type httpSource struct {
	Kind      string            `yaml:"kind" required:"true"`
	WriteKeys []string          `yaml:"write_keys" doc:"Public keys of the senders."`
	Dedup     unit.Duration     `yaml:"dedup" default:"24h"`
	Types     map[string]string `yaml:"types"`
	Limits    httpLimits        `yaml:"limits"`
	Browser   bool              `yaml:"browser"`
	Addresses *bool             `yaml:"addresses"`
	Secret    string            `yaml:"secret"`
	Token     unit.Secret       `yaml:"token"`
}

type httpLimits struct {
	EventSize unit.Bytes    `yaml:"event_size" doc:"Largest event." default:"32KiB"`
	Depth     int           `yaml:"depth"`
	Rate      float64       `yaml:"rate"`
	Wait      time.Duration `yaml:"wait"`
}

func (s *httpSource) Validate() error {
	var errs []error
	if len(s.WriteKeys) == 0 {
		errs = append(errs, errors.New("write_keys: is missing: add a key, such as [web_2026]"))
	}
	if s.Limits.EventSize > 1<<20 {
		errs = append(errs, fmt.Errorf("limits.event_size: %s is too large: at most 1MiB", s.Limits.EventSize))
	}
	for column, typ := range s.Types {
		if typ != "double" {
			errs = append(errs, fmt.Errorf("types.%s: %q is no type", column, typ))
		}
	}
	if s.Secret != "" && len(s.Secret) < 8 {
		errs = append(errs, fmt.Errorf("secret: %q is too short", s.Secret))
	}
	return errors.Join(errs...)
}

type hook struct {
	From []string `yaml:"from" ref:"sources"`
}

var testKinds = Kinds{
	"sources": {
		"http":    func() any { return &httpSource{Dedup: unit.Duration(24 * time.Hour)} },
		"webhook": func() any { return &hook{} },
	},
}

func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

const plain = "name: shop\n"

var environment = map[string]string{
	"MILLRACE_SECRET_WAREHOUSE_URL": "postgres://ada:hunter2hunter2@db.example/shop?sslmode=require",
	"MILLRACE_SECRET_SHORT":         "pass77",
	"MILLRACE_SECRET_EMPTY":         "",
}

func testOptions() Options {
	return Options{
		Secrets: Secrets{Getenv: func(name string) (string, bool) { v, ok := environment[name]; return v, ok }},
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	options := testOptions()
	options.Environment = "production"
	p, err := Load(files(
		"millrace.yaml", "name: shop\nlog: {retention: 14d, size: 100GiB}\nquery: &q {rows: 5}\nenvironments:\n"+
			"  production: {warehouse: \"${secret:warehouse_url}\", log: {retention: 30d}}\n  staging: {warehouse: '${secret:nobody_set_this}'}\n",
		"sources/web.yaml", "# the shop\nkind: http\nwrite_keys: [web_2026, dev_x]\ntypes: {order_completed.total: double}\nlimits:\n  event_size: 16KiB\n  rate: 10\naddresses: false\ntoken: ${secret:short}\n",
		"sources/ios.yaml", "kind: http\nwrite_keys:\n- ios_2026\n",
		"sources/README.md", "anything",
		"sources/.web.yaml.swp", "\x00",
		"models/orders.yml", "version: 2",
		"seeds/a.yaml", "[",
		"other/x.yaml", "[",
	), testKinds, options)
	if err != nil {
		t.Fatal(err)
	}
	sources := p.In("sources")
	if len(sources) != 2 || sources[0].Name != "ios" || sources[1].Name != "web" || sources[1].Kind != "http" || sources[1].File != "sources/web.yaml" {
		t.Fatalf("sources: %+v", sources)
	}
	web := sources[1].Config.(*httpSource)
	if web.Kind != "http" || len(web.WriteKeys) != 2 || web.Limits.EventSize != 16<<10 || web.Limits.Rate != 10 ||
		web.Addresses == nil || *web.Addresses || time.Duration(web.Dedup) != 24*time.Hour || web.Token.Reveal() != "pass77" {
		t.Errorf("web: %+v", web)
	}
	c := p.Config
	if c.Name != "shop" || c.Log.Size != 100<<30 || time.Duration(c.Log.Retention) != 30*24*time.Hour || c.Query.Rows != 5 ||
		time.Duration(c.Query.Timeout) != time.Minute || c.Archive.Reveal() != "file:archive" {
		t.Errorf("config: %+v", c)
	}
	if c.Warehouse.Reveal() != environment["MILLRACE_SECRET_WAREHOUSE_URL"] {
		t.Errorf("warehouse is %s", c.Warehouse.Reveal())
	}
	for _, shown := range []string{fmt.Sprint(c.Warehouse), fmt.Sprintf("%q %d %#v", c.Warehouse, c.Warehouse, c.Warehouse), fmt.Sprintf("%+v %v %#v", p, web.Token, web.Token)} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, "pass77") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
}

// mistakes are folders with what Load says of them, in order.
var mistakes = map[string]struct {
	files fstest.MapFS
	env   string
	want  string
}{
	"no project":        {files(), "", "millrace.yaml: there is no such file, so this folder is not a project: run millrace init, or name the project's folder"},
	"other ending":      {files("millrace.yml", plain), "", "millrace.yaml: there is no such file: rename millrace.yml to millrace.yaml"},
	"no name":           {files("millrace.yaml", ""), "", "millrace.yaml:1:1: name: is missing: give the project a name, such as shop"},
	"bad name":          {files("millrace.yaml", "log: {}\nname: My Shop\n"), "", `millrace.yaml:2:1: name: "My Shop": use a-z, 0-9, _ and -, beginning with a letter, at most 63`},
	"unknown field":     {files("millrace.yaml", "name: shop\nwarehose: duckdb\n"), "", "millrace.yaml:2:1: warehose: unknown field; did you mean warehouse?"},
	"far field":         {files("millrace.yaml", "name: shop\nlog:\n  zzz: 1\n"), "", "millrace.yaml:3:3: log.zzz: unknown field; known: reserve, retention, size"},
	"bad values":        {files("millrace.yaml", "name: shop\nlog:\n  retention: 7 days\n  size: lots\nquery: {rows: many, concurrency: 1.5}\n"), "", "millrace.yaml:3:14: log.retention: \"7 days\" is not a duration: write a number with a unit, such as 30s, 15m, 24h or 7d\nmillrace.yaml:4:9: log.size: \"lots\" is not a size: write a number with a unit, such as 512KiB, 20MiB or 1GiB\nmillrace.yaml:5:15: query.rows: wants a whole number, not \"many\"\nmillrace.yaml:5:34: query.concurrency: wants a whole number, not \"1.5\""},
	"out of range":      {files("millrace.yaml", "name: shop\nlog: {retention: 1s}\nquery:\n  rows: 0\n"), "", "millrace.yaml:2:7: log.retention: 1s is too short: it is at least 1h\nmillrace.yaml:4:3: query.rows: 0 is out of range: 1 to 10000000"},
	"proxies":           {files("millrace.yaml", "name: shop\ncollect:\n  trusted_proxies:\n    - 10.0.0.0/8\n    - proxy.local\n  public_url: shop.example\n"), "", "millrace.yaml:5:7: collect.trusted_proxies[1]: \"proxy.local\" is neither an address nor a network such as 10.0.0.0/8\nmillrace.yaml:6:3: collect.public_url: \"shop.example\": write scheme and host only, such as https://events.example.com"},
	"tab":               {files("millrace.yaml", "name: shop\nlog:\n\tsize: 1GiB\n"), "", "millrace.yaml:3:1: a tab where YAML wants spaces: indent with spaces"},
	"two documents":     {files("millrace.yaml", "name: shop\n---\nname: b\n"), "", "millrace.yaml:3:1: a second document: a file holds one; put each resource into a file of its own"},
	"syntax":            {files("millrace.yaml", "name: [shop\n"), "", "millrace.yaml:1:7: the list that begins with [ here is not closed: add ] at its end, or put the text in quotes if it is none"},
	"colon":             {files("millrace.yaml", "name: a: b\n"), "", `millrace.yaml:1:7: a second ": " where none can be: check the indentation, and put text that contains ": " in quotes`},
	"open list":         {files("millrace.yaml", "name: shop\ncollect: {trusted_proxies: [10.0.0.1\nlog: {}\n"), "", "millrace.yaml:3:1: the list that begins with [ before this is not closed, or a comma is missing: add the ] or the comma"},
	"open mapping":      {files("millrace.yaml", "name: shop\nlog: {size: 1GiB\n"), "", "millrace.yaml:2:6: the mapping that begins with { here is not closed: add } at its end, or put the text in quotes if it is none"},
	"open quotes":       {files("millrace.yaml", "name: \"shop\n"), "", "millrace.yaml:1:7: the text that begins with \" is not closed: add \" at its end; a \" within it is written as \\\""},
	"more than text":    {files("millrace.yaml", "name: 'b'c'\n"), "", "millrace.yaml:1:10: something follows a value that has ended: put all of the text in quotes, or check the indentation"},
	"no field":          {files("millrace.yaml", "name: shop\nfoo\n"), "", "millrace.yaml:2:1: this line is not a field: write name: value, and check the indentation"},
	"duplicate key":     {files("millrace.yaml", "name: shop\nlog: {}\nname: b\n"), "", "millrace.yaml:3:1: name: is there twice, first in line 1: keep one"},
	"not UTF-8":         {files("millrace.yaml", "name: \xff\n"), "", "millrace.yaml:1:7: a byte that is not UTF-8: save the file as UTF-8 text"},
	"not a mapping":     {files("millrace.yaml", "- a\n"), "", "millrace.yaml:1:1: wants a mapping of names to values, not a list"},
	"unknown env":       {files("millrace.yaml", "name: shop\nenvironments:\n  production: {}\n"), "prodution", "millrace.yaml:2:1: environments: there is no prodution, which --env or MILLRACE_ENV asks for; did you mean production?"},
	"other env":         {files("millrace.yaml", "name: shop\nenvironments:\n  production: {name: x}\n  e2e: {log: {retention: x}}\n"), "production", "millrace.yaml:3:16: environments.production.name: unknown field; known: archive, archive_interval, audit_retention, backup, catalog, collect, log, query, smtp, warehouse\nmillrace.yaml:4:26: environments.e2e.log.retention: \"x\" is not a duration: write a number with a unit, such as 30s, 15m, 24h or 7d"},
	"env out of range":  {files("millrace.yaml", "name: shop\nquery:\n  rows: 10\nenvironments:\n  production:\n    query: {rows: -1}\n"), "production", "millrace.yaml:6:13: query.rows: -1 is out of range: 1 to 10000000"},
	"secret not set":    {files("millrace.yaml", "name: shop\nwarehouse: ${secret:db}\n"), "", "millrace.yaml:2:12: warehouse: secret db is not set: set the environment variable MILLRACE_SECRET_DB, or set MILLRACE_SECRETS_DIR to a folder with a file db"},
	"secret empty":      {files("millrace.yaml", "name: shop\nwarehouse: ${secret:empty}\n"), "", "millrace.yaml:2:12: warehouse: secret empty is empty in the environment variable MILLRACE_SECRET_EMPTY"},
	"secret reference":  {files("millrace.yaml", "name: shop\nwarehouse: ${SECRET_DB}\n"), "", "millrace.yaml:2:12: warehouse: ${SECRET_DB is not a reference: write ${secret:path} or ${secret:path#version} with a path of a-z, 0-9, _ and /, or $${ for a plain ${"},
	"kind misspelled":   {files("millrace.yaml", plain, "sources/web.yaml", "write_keys: [a]\nKidn: http\n"), "", "sources/web.yaml:2:1: Kidn: unknown field; did you mean kind?"},
	"no kind":           {files("millrace.yaml", plain, "sources/web.yaml", "write_keys: [a]\n"), "", "sources/web.yaml:1:1: kind: is missing; known: http, webhook"},
	"unknown kind":      {files("millrace.yaml", plain, "sources/web.yaml", "kind: htp\n"), "", `sources/web.yaml:1:7: kind: "htp" is not known; did you mean http?`},
	"empty":             {files("millrace.yaml", plain, "sources/web.yaml", "# nothing\n"), "", "sources/web.yaml:1:1: kind: is missing; known: http, webhook"},
	"list":              {files("millrace.yaml", plain, "sources/web.yaml", "- kind: http\n"), "", "sources/web.yaml:1:1: wants fields such as kind: …, not a list"},
	"write_key":         {files("millrace.yaml", plain, "sources/web.yaml", "kind: http\n\nlimits:\n  event_sise: 1KiB\n\n\nwrite_key: [a]\n"), "", "sources/web.yaml:4:3: limits.event_sise: unknown field; did you mean event_size?\nsources/web.yaml:7:1: write_key: unknown field; did you mean write_keys?"},
	"missing":           {files("millrace.yaml", plain, "sources/web.yaml", "kind: http\n"), "", "sources/web.yaml:1:1: write_keys: is missing: add a key, such as [web_2026]"},
	"validated":         {files("millrace.yaml", plain, "sources/web.yaml", "kind: http\nwrite_keys: [a]\ntypes:\n  order.total: float\nlimits: {event_size: 20MiB}\n"), "", "sources/web.yaml:4:3: types.order.total: \"float\" is no type\nsources/web.yaml:5:10: limits.event_size: 20MiB is too large: at most 1MiB"},
	"all at once":       {files("millrace.yaml", "name: My Shop\nlog: {retention: x}\n", "sources/web.yaml", "kind: http\ntypes: {a.b: float}\nlimits: {event_size: huge}\n"), "", "millrace.yaml:1:1: name: \"My Shop\": use a-z, 0-9, _ and -, beginning with a letter, at most 63\nmillrace.yaml:2:18: log.retention: \"x\" is not a duration: write a number with a unit, such as 30s, 15m, 24h or 7d\nsources/web.yaml:1:1: write_keys: is missing: add a key, such as [web_2026]\nsources/web.yaml:2:9: types.a.b: \"float\" is no type\nsources/web.yaml:3:22: limits.event_size: \"huge\" is not a size: write a number with a unit, such as 512KiB, 20MiB or 1GiB"},
	"no follow-up":      {files("millrace.yaml", plain, "sources/web.yaml", "kind: http\nwrite_keys: [~]\ntypes: {a.b: [x]}\nsecret: {a: b}\n"), "", "sources/web.yaml:2:14: write_keys[0]: is empty\nsources/web.yaml:3:14: types.a.b: wants text, not a list\nsources/web.yaml:4:9: secret: wants text, not a mapping"},
	"not text":          {files("millrace.yaml", plain, "sources/web.yaml", "kind: http\nwrite_keys: [2026, ~, web]\nbrowser: yes\nlimits: 3\ntypes: [a]\n"), "", "sources/web.yaml:2:14: write_keys[0]: wants text: write '2026' in quotes\nsources/web.yaml:2:20: write_keys[1]: is empty\nsources/web.yaml:3:10: browser: wants true or false, not \"yes\"\nsources/web.yaml:4:9: limits: wants a mapping of names to values, not \"3\"\nsources/web.yaml:5:8: types: wants a mapping of names to values, not a list"},
	"key not list":      {files("millrace.yaml", plain, "sources/web.yaml", "kind: http\nwrite_keys: a\n"), "", "sources/web.yaml:2:13: write_keys: wants a list, such as [a, b], not \"a\""},
	"same key":          {files("millrace.yaml", plain, "sources/a.yaml", "kind: http\nwrite_keys: [k]\n", "sources/b.yaml", "kind: http\nwrite_keys: [j, k]\n"), "", "sources/b.yaml:2:17: write_keys[1]: sources/a.yaml:2 already has this write key: make a new one"},
	"secret in message": {files("millrace.yaml", plain, "sources/a.yaml", "kind: http\nwrite_keys: [k]\nsecret: ${secret:short}\n"), "", `sources/a.yaml:3:1: secret: "[secret]" is too short`},
	"source name":       {files("millrace.yaml", plain, "sources/Web-1.yaml", "kind: http\nwrite_keys: [k]\n", "sources/main.yaml", "kind: http\nwrite_keys: [l]\n"), "", "sources/Web-1.yaml: a file's name is its resource's name, and \"Web-1\" cannot be one: use a-z, 0-9 and _, beginning with a letter, at most 63\nsources/main.yaml: a file's name is its resource's name, and \"main\" cannot be one: that name is reserved; choose another"},
	"ending":            {files("millrace.yaml", plain, "sources/web.yml", "kind: http\n"), "", "sources/web.yml: rename it to end with .yaml"},
	"nested":            {files("millrace.yaml", plain, "sources/more/web.yaml", "kind: http\n"), "", "sources/more: folders within sources are not read: move its files up"},
	"later folder":      {files("millrace.yaml", plain, "destinations/hook.yaml", "kind: webhook\n"), "", "destinations: this version does not know a folder of that name; known: sources"},
	"misspelt folder":   {files("millrace.yaml", plain, "source/web.yaml", "kind: http\n"), "", "source: this version does not know a folder of that name; did you mean sources?"},
	"unknown source":    {files("millrace.yaml", plain, "sources/web.yaml", "kind: http\nwrite_keys: [k]\n", "sources/hook.yaml", "kind: webhook\nfrom: [web, weeb]\n"), "", "sources/hook.yaml:2:13: from[1]: there is no sources/weeb.yaml; did you mean web?"},
	"unknown alias":     {files("millrace.yaml", "name: *x\n"), "", "millrace.yaml:1:7: *x: there is no anchor &x above"},
	"control character": {files("millrace.yaml", `name: "a\u0007"`+"\n"), "", "millrace.yaml:1:7: name: has a control character (U+0007): remove it"},
	"escape in key":     {files("millrace.yaml", "name: shop\n\"\\u001b[31m\": 1\n"), "", "millrace.yaml:2:1: ?[31m: unknown field; known: archive, archive_interval, audit_retention, backup, catalog, collect, environments, log, name, query, smtp, warehouse"},
	"deep":              {files("millrace.yaml", "name: "+strings.Repeat("[", 100_000)), "", "millrace.yaml:1:71: is nested deeper than 64 levels"},
	"deep dashes":       {files("millrace.yaml", strings.Repeat("- ", 100_000)), "", "millrace.yaml:1:129: is nested deeper than 64 levels"},
	"large":             {files("millrace.yaml", "name: "+strings.Repeat("a", 1<<20)), "", "millrace.yaml: is larger than 1MiB: split it, or move what is not configuration elsewhere"},
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, test := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := testOptions()
			options.Environment = test.env
			_, err := Load(test.files, testKinds, options)
			if err == nil {
				t.Fatal("it was loaded")
			}
			if err.Error() != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", err, test.want)
			}
			if millrace.KindOf(err) != millrace.Invalid {
				t.Errorf("kind is %s", millrace.KindOf(err))
			}
		})
	}
}

func TestEngines(t *testing.T) {
	t.Parallel()
	options := testOptions()
	options.Warehouses = []string{"postgres", "duckdb"}
	_, err := Load(files("millrace.yaml", "name: shop\nwarehouse: postgress://ada:hunter2@db/shop\n"), testKinds, options)
	if want := "millrace.yaml:2:1: warehouse: there is no engine of that name; did you mean postgres?"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestBomb loads files that grow when their aliases are expanded.
func TestBomb(t *testing.T) {
	t.Parallel()
	var lists, merges strings.Builder
	lists.WriteString("kind: http\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	merges.WriteString("kind: http\nm0: &m0 {k: v}\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&lists, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	lists.WriteString("types: *a11\nwrite_keys: *a11\n")
	for i := range 3000 {
		fmt.Fprintf(&merges, "n%d: &n%d\n  <<: *%s\n  k%d: v\n", i, i, map[bool]string{true: "m0", false: fmt.Sprintf("n%d", i-1)}[i == 0], i)
	}
	for name, text := range map[string]string{"lists": lists.String(), "merges": merges.String()} {
		start := time.Now()
		_, err := Load(files("millrace.yaml", plain, "sources/web.yaml", text), testKinds, testOptions())
		if err == nil {
			t.Errorf("%s: it was loaded", name)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %s", name, d)
		}
	}
}
