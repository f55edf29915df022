package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
)

var _ serve.ProjectFiles = (*projectFiles)(nil)

// projectFiles are the files of the project that is served, for the web page.
type projectFiles struct {
	*project.Folder
	app *App
}

func (a *App) openFiles() (*projectFiles, error) {
	secrets, err := filepath.Abs(secretsFolder(a.o.Dir))
	if err != nil {
		return nil, err
	}
	folder, err := project.NewFolder(a.o.Dir, a.dataWithin(), secrets)
	if err == nil && a.o.Mode == serve.Dev {
		if err := project.WriteSchemas(a.o.Dir, Kinds(), project.SourceDocs()); err != nil {
			a.o.Logger.Warn("editors do not complete the project's files", "error", err)
		}
	}
	return &projectFiles{folder, a}, err
}

// secretsFolder is where secrets are.
func secretsFolder(dir string) string {
	if named := os.Getenv("MILLRACE_SECRETS_DIR"); named != "" {
		return named
	}
	return filepath.Join(dir, project.SecretsFolder)
}

// Check is what millrace check finds.
func (f *projectFiles) Check(ctx context.Context, who access.Principal, texts map[string][]byte) []project.Problem {
	return f.app.home.check(ctx, who, os.DirFS(f.app.o.Dir), texts)
}

// CheckUses refuses changes by which a secret would be used as it is not yet, or the
// whole server be set up otherwise, when who makes them may not allow that. Nil is
// a file that is removed.
func (f *projectFiles) CheckUses(ctx context.Context, who access.Principal, texts map[string][]byte) error {
	a := f.app
	files, o := os.DirFS(a.o.Dir), a.home.lookingOptions()
	if next := project.SecretUses(files, texts, Kinds(), o); len(next) > 0 {
		old := append(project.SecretUses(files, nil, Kinds(), o), a.home.project.Load().Secrets...)
		if err := a.checkUses(ctx, who, a.home, old, next); err != nil {
			return err
		}
	}
	next, changed := texts[project.ConfigFile]
	if !changed {
		return nil
	}
	before, _, err := f.Read(project.ConfigFile)
	if err != nil && millrace.KindOf(err) != millrace.NotFound {
		return err
	}
	return a.checkSettings(who, a.home, before, next)
}

// Known are the resources of the project that runs, and the secrets there are.
func (f *projectFiles) Known(who access.Principal) project.Known { return f.app.home.known(who) }

// SchemaFor is the name of a file's schema.
func (f *projectFiles) SchemaFor(path string) string { return project.SchemaFor(path, Kinds()) }

// Schemas are those of all files.
func (f *projectFiles) Schemas() (map[string][]byte, error) {
	return project.Schemas(Kinds(), project.SourceDocs())
}

// Saved serves the project anew, where saved files are. The watch would do it a
// moment later.
func (f *projectFiles) Saved() {
	if f.app.o.Mode != serve.Dev {
		return
	}
	if err := f.app.reload(); err != nil {
		fmt.Fprintf(f.app.o.Stdout, "not reloaded, the last good version goes on:\n%v\n", err)
	}
}
