package job

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

func await(t *testing.T, r *Registry, id string) Job {
	t.Helper()
	for range 1000 {
		j, err := r.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State != Running {
			return j
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the job does not end")
	return Job{}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Options{})
	for state, work := range map[string]Work{
		Done: func(_ context.Context, progress func(Progress)) (any, error) {
			progress(Progress{Done: 3, Total: 4, Unit: "files", Message: "reading"})
			return 42, nil
		},
		Failed: func(context.Context, func(Progress)) (any, error) { return nil, errors.New("disk gone") },
	} {
		j, err := r.Start(state, work)
		if err != nil || j.State != Running || j.ID == "" {
			t.Fatalf("%+v, %v", j, err)
		}
		j = await(t, r, j.ID)
		if j.State != state || j.Finished == nil || j.Message != "" {
			t.Errorf("%+v", j)
		}
		if state == Done && (j.Result != 42 || j.Done != 3 || j.Total != 4 || j.Unit != "files") || state == Failed && j.Error != "disk gone" {
			t.Errorf("%+v", j)
		}
	}
	j, err := r.Start("bug", func(context.Context, func(Progress)) (any, error) { panic("oh") })
	if err != nil {
		t.Fatal(err)
	}
	if j = await(t, r, j.ID); j.State != Failed || !strings.Contains(j.Error, "a bug ended the job") {
		t.Errorf("%+v", j)
	}
	if _, err := r.Get("none"); millrace.KindOf(err) != millrace.NotFound {
		t.Errorf("an unknown job: %v", err)
	}
}

func TestCancelAndClose(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Options{})
	forever := func(ctx context.Context, _ func(Progress)) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	a, err := r.Start("a", forever)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Start("a", forever); millrace.KindOf(err) != millrace.Conflict {
		t.Errorf("a second one: %v", err)
	}
	b, err := r.Start("b", forever)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Cancel(a.ID); err != nil {
		t.Fatal(err)
	}
	if j := await(t, r, a.ID); j.State != Canceled || j.Error != "it was canceled" {
		t.Errorf("%+v", j)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if j := await(t, r, b.ID); j.State != Canceled || !strings.Contains(j.Error, "server stopped") {
		t.Errorf("%+v", j)
	}
	if _, err := r.Start("c", forever); millrace.KindOf(err) != millrace.Unavailable {
		t.Errorf("after Close: %v", err)
	}
	stuck := NewRegistry(Options{})
	let := make(chan struct{})
	if _, err := stuck.Start("x", func(context.Context, func(Progress)) (any, error) { <-let; return nil, nil }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := stuck.Close(ctx); millrace.KindOf(err) != millrace.Canceled {
		t.Errorf("closing over a stuck job: %v", err)
	}
	close(let)
}

func TestForget(t *testing.T) {
	t.Parallel()
	r := NewRegistry(Options{})
	stay := make(chan struct{})
	first, err := r.Start("stays", func(context.Context, func(Progress)) (any, error) { <-stay; return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * maxEnded {
		j, err := r.Start("quick", func(context.Context, func(Progress)) (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		await(t, r, j.ID)
	}
	if n := len(r.List()); n > maxEnded+1 {
		t.Errorf("%d jobs are remembered", n)
	}
	if _, err := r.Get(first.ID); err != nil {
		t.Errorf("a running job is forgotten: %v", err)
	}
	close(stay)
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCloseWithoutJobs: what has nothing that runs is closed, also when there is no
// time left.
func TestCloseWithoutJobs(t *testing.T) {
	t.Parallel()
	late, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 {
		r := NewRegistry(Options{})
		j, err := r.Start("x", func(context.Context, func(Progress)) (any, error) { return nil, nil })
		if err != nil {
			t.Fatal(err)
		}
		await(t, r, j.ID)
		if err := r.Close(late); err != nil {
			t.Fatal(err)
		}
	}
}
