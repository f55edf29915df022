package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/plan"
)

// watch serves each saved version of the project that has no mistakes. One
// that has keeps the last good version running, and is told.
func (a *App) watch(ctx context.Context) error {
	err := project.Watch(ctx, a.o.Dir, func() {
		if err := a.reload(); err != nil {
			fmt.Fprintf(a.o.Stdout, "not reloaded, the last good version goes on:\n%v\n", err)
		}
	})
	if err != nil { // serving goes on without
		fmt.Fprintf(a.o.Stdout, "saved files are not reloaded: %v\n", err)
	}
	return nil
}

// reload reads the project and puts it in the place of the one that runs, or
// changes nothing.
func (a *App) reload() error {
	a.spaces.changing.Lock() // one who saves and the watch may come together
	defer a.spaces.changing.Unlock()
	old := a.home.project.Load()
	p, err := project.Load(os.DirFS(a.o.Dir), Kinds(), a.home.projectOptions())
	if err == nil && len(old.problems) == 0 && reflect.DeepEqual(old.Project, p) {
		return nil
	}
	if err == nil {
		err = a.applyLocked(a.home, p)
	}
	if err != nil {
		next := *old
		next.problems = problemTexts(err)
		a.home.project.Store(&next)
		a.logger("project").Info("the saved files have mistakes, the last good version goes on", "mistakes", len(next.problems))
		return err
	}
	fmt.Fprintln(a.o.Stdout, "reloaded")
	a.logger("project").Info("the saved files are served", "sources", len(p.In("sources")))
	a.mark(history.MarkReload, "the project was saved")
	for _, field := range plan.NeedRestart(old.Config.Settings, p.Config.Settings) {
		fmt.Fprintf(a.o.Stdout, "%s: %s was changed and takes effect when the server is started again\n", project.ConfigFile, field)
	}
	return nil
}

func problemTexts(err error) []string {
	var problems project.Problems
	if !errors.As(err, &problems) {
		return []string{err.Error()}
	}
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.String()
	}
	return texts
}
