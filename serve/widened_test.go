package serve

import (
	"slices"
	"strings"
)

// widened asks what made a column wider, how large its table is, and what an
// editor completes.
func (p *town) widened() {
	p.Helper()
	p.send(record("web", "track:Widened", "w1", `{"type":"track","event":"Widened","userId":"w","messageId":"w1","properties":{"n":1}}`),
		record("web", "track:Widened", "w2", `{"type":"track","event":"Widened","messageId":"w2","properties":{"n":1.5}}`))
	why := get[Why](p, "/api/v1/tables/web/widened/why")
	i := slices.IndexFunc(why.Reasons, func(r WhyReason) bool { return r.Category == "widened" })
	if i < 0 || why.Reasons[i].Column != "n" || why.Reasons[i].Count != 1 || why.Reasons[i].Position == nil || !strings.Contains(why.Reasons[i].Reason, "when 1.5 came") {
		p.Errorf("widened %+v", why)
	}
	table := get[TableDetail](p, "/api/v1/tables/web/widened")
	if table.SizeBytes < 0 {
		p.Errorf("size %+v", table)
	}
	var functions struct{ Functions []string }
	_, text := call(p.T, "GET", p.url+"/api/v1/catalog", "")
	if functions.Functions = decode[struct {
		Functions []string
		Tables    any
	}](p.T, text).Functions; !slices.Contains(functions.Functions, "date_trunc") || !slices.Contains(functions.Functions, "count") {
		p.Errorf("functions %v", functions)
	}
	for _, name := range functions.Functions {
		for _, hidden := range []string{"icu_", "duckdb_", "pg_", "pragma_", "int4", "hash", "btint", "lo_", "internal"} {
			if strings.HasPrefix(name, hidden) && !slices.Contains([]string{"hash", "pg_typeof", "pg_column_size", "pg_size_pretty", "pg_size_bytes"}, name) {
				p.Errorf("the function %s is offered", name)
			}
		}
	}
}
