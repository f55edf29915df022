package app

import (
	"context"
	"testing"

	"github.com/millrace/millrace"
)

func TestAReaderThatIsNotThere(t *testing.T) {
	t.Parallel()
	ps, err := openParts(t.TempDir(), &part{name: "dedup"}, &part{name: "archive"}, &part{name: "warehouse"})
	if err != nil {
		t.Fatal(err)
	}
	err = ps.Pause(context.Background(), "wharehouse")
	if want := `there is no reader "wharehouse": there are dedup, archive and warehouse`; millrace.KindOf(err) != millrace.NotFound || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
