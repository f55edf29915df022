package app

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/millrace/millrace/history"
	"github.com/millrace/millrace/project"
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
	p, err := loadProject(a.o.Dir, a.o.Environment)
	if err == nil && len(old.problems) == 0 && reflect.DeepEqual(old.Project, p) {
		return nil
	}
	if err == nil {
		err = a.serveSources(a.home, p)
	}
	if err != nil {
		next := *old
		next.problems = problemTexts(err)
		a.home.project.Store(&next)
		a.logger("project").Info("the saved files have mistakes, the last good version goes on", "mistakes", len(next.problems))
		return err
	}
	a.home.project.Store(&served{Project: p, loaded: a.o.Now()})
	a.home.loader.Configure(settings(p))
	fmt.Fprintln(a.o.Stdout, "reloaded")
	a.logger("project").Info("the saved files are served", "sources", len(p.In("sources")))
	a.mark(history.MarkReload, "the project was saved")
	for _, field := range restartFields(old.Config.Settings, p.Config.Settings) {
		fmt.Fprintf(a.o.Stdout, "%s: %s was changed and takes effect when the server is started again\n", project.ConfigFile, field)
	}
	return nil
}

// restartFields names what a running server cannot change.
func restartFields(old, next project.Settings) []string {
	var fields []string
	for name, changed := range map[string]bool{
		"warehouse":   old.Warehouse != next.Warehouse,
		"archive":     old.Archive != next.Archive || old.ArchiveInterval != next.ArchiveInterval,
		"log.reserve": old.Log.Reserve != next.Log.Reserve,
		"collect":     !reflect.DeepEqual(old.Collect, next.Collect),
	} {
		if changed {
			fields = append(fields, name)
		}
	}
	return fields
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
