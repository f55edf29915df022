package release

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/project"
)

// testBackWithSecrets: the way back is the version before with its secrets as they
// are by now, not as they were when it was applied.
func testBackWithSecrets(t *testing.T, c catalog.Catalog) {
	s, value := newServer(t, c), "7d"
	w := s.sw()
	w.Load = func(_ context.Context, files fs.FS) (*project.Project, error) {
		return project.Load(files, kinds, project.Options{Secrets: project.Secrets{Getenv: func(string) (string, bool) { return value, true }}})
	}
	secret := files(t, map[string]string{"sources/web.yaml": strings.Replace(web, "7d", "${secret:window}", 1)})
	if _, err := s.Deploy(t.Context(), Proposal{Target: production, Tree: secret, Origin: FromDeploy, By: ada}, w); err != nil {
		t.Fatal(err)
	}
	value = "9d"
	ill := w
	ill.Healthy = func(context.Context, *project.Project) error { return errors.New("no") }
	if d, err := s.Deploy(t.Context(), Proposal{Target: production, Base: 1, Tree: files(t, nil), Origin: FromDeploy, By: ada}, ill); err == nil || d.State != RolledBack || s.now != "shop: web 9d" {
		t.Errorf("%+v, %v, %q", d, err, s.now)
	}
	// Where it cannot be read any more, it goes on as it was.
	broken := ill
	broken.Load = func(ctx context.Context, files fs.FS) (*project.Project, error) {
		p, err := w.Load(ctx, files)
		if err == nil && told(p) == "shop: web 9d" {
			err = errors.New("not at this moment")
		}
		return p, err
	}
	if d, err := s.Deploy(t.Context(), Proposal{Target: production, Base: 1, Tree: files(t, nil), Origin: FromDeploy, By: ada}, broken); err == nil || d.State != RolledBack || s.now != "shop: web 9d" {
		t.Errorf("%+v, %v, %q", d, err, s.now)
	}
}
