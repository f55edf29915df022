package release

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/release/tree"
)

func testContent(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	b := tree.NewBuilder(tree.Limits{})
	for path, data := range map[string][]byte{"millrace.yaml": []byte("name: shop\n"), "empty": {}, "bin": {0, 255, 1}, "twice": {0, 255, 1}, "large": bytes.Repeat([]byte("x"), 8<<20), "large2": bytes.Repeat([]byte("y"), 8<<20), "run.sh": []byte("#!/bin/sh\n")} {
		if err := b.Add(path, data, path == "run.sh"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 600 {
		if err := b.Add(fmt.Sprintf("many/%d.md", i), []byte(fmt.Sprint(i)), false); err != nil {
			t.Fatal(err)
		}
	}
	made := b.Tree()
	d := s.mustDeploy(production, 0, made, "")
	got, err := s.Tree(ctx, "w_shop", d.Version)
	if err != nil || got.Hash() != made.Hash() {
		t.Fatalf("%v", err)
	}
	if f, _ := got.File("run.sh"); !f.Executable {
		t.Error("it cannot be run any more")
	}
	count := func(sql string) (n int) {
		t.Helper()
		if err := c.View(ctx, func(tx catalog.Tx) (err error) { n, err = catalog.One[int](ctx, tx, sql); return err }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count("SELECT count(*) FROM release_blob"); n != 606 {
		t.Errorf("%d files are stored", n)
	}
	next, err := made.With(map[string][]byte{"empty": []byte("x")}, tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s.mustDeploy(production, 1, next, "")
	if n := count("SELECT count(*) FROM release_blob"); n != 607 {
		t.Errorf("%d files are stored", n)
	}
	if err := c.Update(ctx, func(tx catalog.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE release_blob SET data = $1 WHERE size = 3", []byte{1, 2, 3})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tree(ctx, "w_shop", 1); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damage is not found: %v", err)
	}
}

func testPrune(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	now := time.Now()
	s.o.Now = func() time.Time { return now }
	version := func(i int) *tree.Tree {
		return files(t, map[string]string{"n.md": fmt.Sprint(i), "all.md": "the same"})
	}
	s.mustDeploy(staging, 0, version(0), "") // 1 runs in staging
	s.mustDeploy(production, 0, version(1), "")
	for i := range 20 {
		now = now.Add(24 * time.Hour)
		s.mustDeploy(production, int64(i+2), version(i+2), "")
	}
	if trees, blobs, err := s.Prune(ctx, "w_shop", PruneOptions{}); trees+blobs > 0 || err != nil {
		t.Errorf("%d, %d, %v", trees, blobs, err)
	}
	now = now.Add(2 * time.Hour)
	trees, blobs, err := s.Prune(ctx, "w_shop", PruneOptions{Versions: 1, For: time.Hour}) // at least 10
	if err != nil || trees != 11 || blobs != 11 {
		t.Errorf("%d, %d, %v", trees, blobs, err)
	}
	if _, err := s.Tree(ctx, "w_shop", 2); millrace.KindOf(err) != millrace.Gone {
		t.Errorf("%v", err)
	}
	if v, err := s.Version(ctx, "w_shop", 2); err != nil || v.Number != 2 {
		t.Errorf("%v", err)
	}
	for _, number := range []int64{1, 13, 22} {
		if _, err := s.Tree(ctx, "w_shop", number); err != nil {
			t.Errorf("version %d: %v", number, err)
		}
	}
	_, err = s.Rollback(ctx, production, 3, 0, ada, "", s.sw())
	wantKind(t, err, millrace.Gone)
	// What was put a moment ago is left for its deployment.
	if err := s.Put(ctx, "w_shop", version(99)); err != nil {
		t.Fatal(err)
	}
	if trees, blobs, err = s.Prune(ctx, "w_shop", PruneOptions{Versions: 1, For: time.Hour}); trees+blobs > 0 || err != nil {
		t.Errorf("%d, %d, %v", trees, blobs, err)
	}
	now = now.Add(2 * time.Hour)
	if trees, blobs, err = s.Prune(ctx, "w_shop", PruneOptions{Versions: 1, For: time.Hour}); trees != 1 || blobs != 1 || err != nil {
		t.Errorf("%d, %d, %v", trees, blobs, err)
	}
	// A proposal that began from a version that was pruned conflicts wherever both differ.
	_, err = s.deploy(production, 3, version(100), ben, "")
	wantKind(t, err, millrace.Conflict)
}

func TestCompareFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state FolderState
		step  FolderStep
		base  int64
		say   string
	}{
		"the first start":                       {FolderState{Folder: "a"}, FolderDeploy, 0, ""},
		"as it runs":                            {FolderState{Folder: "a", LastVersion: 1, LastTree: "a", Running: 1, RunningTree: "a"}, FolderSame, 0, ""},
		"pulled":                                {FolderState{Folder: "b", LastVersion: 1, LastTree: "a", Running: 2, RunningTree: "b"}, FolderSame, 0, ""},
		"as it runs, of an installation before": {FolderState{Folder: "a", Running: 1, RunningTree: "a"}, FolderSame, 0, ""},
		"edited":                                {FolderState{Folder: "b", LastVersion: 1, LastTree: "a", Running: 1, RunningTree: "a"}, FolderDeploy, 1, ""},
		"edited, and deployed to and fro":       {FolderState{Folder: "b", LastVersion: 1, LastTree: "a", Running: 3, RunningTree: "a"}, FolderDeploy, 3, ""},
		"deployed since":                        {FolderState{Folder: "a", LastVersion: 1, LastTree: "a", Running: 2, RunningTree: "b", RunningBy: "Ada", RunningOrigin: FromPage}, FolderBehind, 0, "version 2 (page) by Ada was deployed since the folder was version 1, and goes on: bring the folder up to it with `millrace pull`"},
		"rolled back since":                     {FolderState{Folder: "b", LastVersion: 2, LastTree: "b", Running: 3, RunningTree: "a", RunningBy: "Ada", RunningOrigin: FromRollback}, FolderBehind, 0, "version 3, a rollback by Ada"},
		"deployed since and edited":             {FolderState{Folder: "c", LastVersion: 1, LastTree: "a", Running: 2, RunningTree: "b"}, FolderApart, 0, "brings both together"},
		"another folder":                        {FolderState{Folder: "c", Running: 2, RunningTree: "b"}, FolderUnknown, 0, "another project"},
	} {
		if got := CompareFolder(c.state); got.Step != c.step || got.Base != c.base || !strings.Contains(got.Say, c.say) || (got.Say == "") != (c.say == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func testFolder(t *testing.T, c catalog.Catalog) {
	ctx, s := t.Context(), newServer(t, c)
	look := func(files *tree.Tree, want FolderStep) FolderDecision {
		t.Helper()
		d, err := s.LookAtFolder(ctx, production, files)
		if err != nil || d.Step != want {
			t.Fatalf("%+v, %v, want %s", d, err, want)
		}
		return d
	}
	folder := func(d FolderDecision, files *tree.Tree) {
		t.Helper()
		if _, err := s.Deploy(ctx, Proposal{Target: production, Base: d.Base, Tree: files, Origin: FromFolder, By: ada}, s.sw()); err != nil {
			t.Fatal(err)
		}
	}
	one, two, three := files(t, nil), files(t, map[string]string{"a.md": "2"}), files(t, map[string]string{"a.md": "3"})
	folder(look(one, FolderDeploy), one)
	look(one, FolderSame)
	folder(look(two, FolderDeploy), two)
	s.mustDeploy(production, 2, three, "from the page")
	look(two, FolderBehind)
	look(one, FolderApart)
	look(three, FolderSame) // pulled
	folder(look(one, FolderDeploy), one)
	s.mustDeploy(production, 4, two, "")
	if _, err := s.Rollback(ctx, production, 4, 0, ada, "", s.sw()); err != nil {
		t.Fatal(err)
	}
	folder(look(three, FolderDeploy), three)
	s.runs(7, "shop: web 7d")
}
