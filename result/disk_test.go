package result

import (
	"context"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

type noEngine struct{}

func (noEngine) ReadResult(context.Context, string, warehouse.Query) (warehouse.Rows, error) {
	return nil, millrace.Errorf(millrace.Internal, "there is no engine")
}

// A disk near its reserve has no results: they go, and new ones are refused.
func TestReserve(t *testing.T) {
	t.Parallel()
	free := int64(100 << 20)
	o := Options{Dir: t.TempDir(), Engine: noEngine{}, disk: func(string) (int64, int64, error) { return free, 100 << 30, nil }}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if s.o.ReserveBytes != 100<<30/16 {
		t.Errorf("the reserve is %d", s.o.ReserveBytes)
	}
	s.o.ReserveBytes = 50 << 20
	s.results["aaaaaaaaaaaaaaaaaaaaaaaaaa"] = &entry{Result: Result{ID: "aaaaaaaaaaaaaaaaaaaaaaaaaa", Bytes: 1}}
	if err := s.makeRoom(10 << 20); err != nil || len(s.results) != 1 {
		t.Errorf("%v, %d results", err, len(s.results))
	}
	free = 55 << 20
	if err := s.makeRoom(10 << 20); millrace.KindOf(err) != millrace.Limited || len(s.results) != 0 {
		t.Errorf("%v, %d results", err, len(s.results))
	}
}
