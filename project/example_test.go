package project_test

import (
	"fmt"
	"testing/fstest"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
)

func ExampleLoad() {
	folder := fstest.MapFS{
		"millrace.yaml":    {Data: []byte("name: shop\nlog: {retention: 7 days}\n")},
		"sources/web.yaml": {Data: []byte("kind: http\nwrite_key: web_2026\n")},
	}
	kinds := project.Kinds{"sources": {"http": func() any { return new(collect.HTTPSource) }}}
	_, err := project.Load(folder, kinds, project.Options{})
	fmt.Println(err)
	// Output:
	// millrace.yaml:2:18: log.retention: "7 days" is not a duration: write a number with a unit, such as 30s, 15m, 24h or 7d
	// sources/web.yaml:2:1: write_key: unknown field; did you mean write_keys?
}

func ExampleEdit() {
	file := []byte("# The website.\nkind: http\nwrite_keys: [web_2026] # public\n")
	edited, err := project.Edit(file,
		project.Change{Op: "append", Path: []any{"write_keys"}, Value: "web_2027"},
		project.Change{Op: "set", Path: []any{"limits", "rate"}, Value: 50})
	fmt.Println(string(edited), err)
	// Output:
	// # The website.
	// kind: http
	// write_keys: [web_2026, web_2027] # public
	// limits:
	//   rate: 50
	//  <nil>
}
