package result_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/result"
	"github.com/millrace/millrace/warehouse"
)

// slowRows never end by themselves.
type slowRows struct {
	warehouse.Rows
	begun chan struct{}
}

func (r slowRows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	select {
	case r.begun <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestPurge(t *testing.T) {
	t.Parallel()
	f := open(t)
	const sql = "SELECT 'canary-value' || i AS canary_column FROM range(10) t(i)"
	of := func(workspace string) result.Question { return result.Question{Workspace: workspace, SQL: sql} }
	var gone, kept []string
	for range 3 {
		for workspace, ids := range map[string]*[]string{"gone": &gone, "kept": &kept} {
			r, err := f.Create(t.Context(), of(workspace), f.ask(t, sql), nil)
			if err != nil {
				t.Fatal(err)
			}
			*ids = append(*ids, r.ID)
		}
	}
	read, err := f.Page(t.Context(), gone[0], result.View{Limit: 5}) // which keeps its files when it is only deleted
	if err != nil {
		t.Fatal(err)
	}
	defer read.Rows.Close()
	slow := slowRows{f.ask(t, sql), make(chan struct{}, 1)}
	failed := make(chan error, 1)
	go func() {
		_, err := f.Create(context.Background(), of("gone"), slow, nil)
		failed <- err
	}()
	<-slow.begun
	for range 2 {
		if err := f.Purge(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("a result was created while its workspace was purged")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a result is still being written")
	}
	_, err = f.Create(t.Context(), of("gone"), f.ask(t, sql), nil)
	kindIs(t, "create for a purged workspace", err, millrace.Gone)
	for _, id := range gone {
		_, err := f.Get(id)
		kindIs(t, "a purged result", err, millrace.NotFound)
	}
	for _, id := range kept {
		if rows, _ := f.page(t, id, result.View{Limit: 100}); len(rows) != 10 {
			t.Errorf("%d rows are kept", len(rows))
		}
	}
	files, err := filepath.Glob(filepath.Join(f.dir, "*"))
	if err != nil || len(files) != 2*len(kept) {
		t.Errorf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err != nil || bytes.Contains(data, []byte(`"workspace":"gone"`)) {
			t.Error(file, err)
		}
	}
}
