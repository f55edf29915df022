package project

import (
	"testing"
	"testing/fstest"
)

// TestSavedQueries shows that the folder of saved queries is no mistake, and that
// nothing of it is read.
func TestSavedQueries(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"millrace.yaml":             {Data: []byte("name: shop\n")},
		"queries/daily revenue.sql": {Data: []byte("SELECT 1\n")},
		"queries/team/a.sql":        {Data: []byte("no SQL at all {{")},
	}
	p, err := Load(files, Kinds{"sources": {}}, Options{})
	if err != nil || len(p.Resources) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}
