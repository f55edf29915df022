package release

import (
	"strings"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/release/tree"
)

// testAllowed asks about exactly what would be deployed, of every deployment, and
// what is refused leaves nothing behind.
func testAllowed(t *testing.T, c catalog.Catalog) {
	s := newServer(t, c)
	ctx := t.Context()
	s.mustDeploy(production, 0, files(t, nil), "")
	s.mustDeploy(production, 1, files(t, map[string]string{"a.md": "a"}), "")
	bad := files(t, map[string]string{"a.md": "bad"})
	s.mustDeploy(staging, 0, bad, "")
	s.refuse = func(running, next *tree.Tree) error {
		was, _ := running.Read("a.md")
		if text, _ := next.Read("a.md"); string(was) != "a" || string(text) != "a" {
			return millrace.Errorf(millrace.Forbidden, "%s instead of %s", text, was)
		}
		return nil
	}
	for name, try := range map[string]func() (Deploy, error){
		"deployed":    func() (Deploy, error) { return s.deploy(production, 2, bad, ada, "") },
		"stale":       func() (Deploy, error) { return s.deploy(production, 1, bad, ada, "") },
		"rolled back": func() (Deploy, error) { return s.Rollback(ctx, production, 0, 0, ada, "", s.sw()) },
		"promoted":    func() (Deploy, error) { return s.Promote(ctx, production, 3, ada, "", s.sw()) },
	} {
		if d, err := try(); millrace.KindOf(err) != millrace.Forbidden || d.ID != "" {
			t.Errorf("%s: %+v %v", name, d, err)
		}
	}
	if all, _, err := s.Deploys(ctx, production, "", 10); err != nil || len(all) != 2 {
		t.Errorf("%d deployments %v", len(all), err)
	}
	s.refuse = func(_, next *tree.Tree) error { // another is deployed while it is asked
		s.refuse = nil
		s.mustDeploy(production, 2, files(t, map[string]string{"a.md": "b"}), "")
		return nil
	}
	if d, err := s.deploy(production, 4, bad, ada, ""); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "deploy again") {
		t.Errorf("compared with another version than the one that runs: %+v %v", d, err)
	}
	w := s.sw()
	w.Allow = nil
	if _, err := s.Deploy(ctx, Proposal{Target: production, Base: 4, Tree: bad, Origin: FromDeploy, By: ada}, w); millrace.KindOf(err) != millrace.Invalid {
		t.Errorf("nobody is asked: %v", err)
	}
}
