package app

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
)

// showingOptions are lookingOptions for what is shown to someone.
func (sp *space) showingOptions(who access.Principal) project.Options {
	o := sp.lookingOptions()
	o.Secrets.Untold = !who.Can(access.SecretList, sp.tenant(), sp.id)
	return o
}

// known are the resources of what runs in the space, and for who may see secrets
// those of the environment and of files, when they are the workspace's.
func (sp *space) known(who access.Principal) project.Known {
	known := project.Known{Names: map[string][]string{}}
	if who.Can(access.SecretList, sp.tenant(), sp.id) {
		known.Secrets = sp.lookingOptions().Secrets.Names()
	}
	p := sp.project.Load()
	known.Names["environments"] = environmentsOf(p.Project)
	for _, r := range p.Resources {
		known.Names[r.Folder] = append(known.Names[r.Folder], r.Name)
	}
	return known
}

// refusedUses are the uses of secrets that someone who only looks at files could not
// deploy. withhold says which secrets they are told nothing of: those, and all that
// are in neither. uses are those of what runs and of the files.
func (sp *space) refusedUses(ctx context.Context, who access.Principal, uses func() (old, next []project.SecretUse)) (refused []project.SecretUse, withhold func(path string) bool) {
	if who.Can(access.SecretUse, sp.tenant(), sp.id) {
		return nil, nil
	}
	// What the vault allows is told to who could find it out by deploying, or may see it.
	asks := who.Can(access.ReleaseDeploy, sp.tenant(), sp.id) || who.Can(access.SecretList, sp.tenant(), sp.id)
	told := map[string]bool{}
	old, next := uses()
	for _, use := range slices.Concat(old, next) {
		told[use.Path] = true
	}
	for _, use := range next {
		if use.Among(old) || asks && use.InVault && sp.app.allowed(ctx, sp, use) {
			continue
		}
		refused = append(refused, use)
		told[use.Path] = false
	}
	return refused, func(path string) bool { return !told[path] }
}

// check is what is wrong with files of the space, with other texts in place of
// some. Of new uses of secrets that who asks may not allow it is said that they are,
// and nothing else.
func (sp *space) check(ctx context.Context, who access.Principal, files fs.FS, texts map[string][]byte) []project.Problem {
	o := sp.showingOptions(who)
	refused, withhold := sp.refusedUses(ctx, who, func() (old, next []project.SecretUse) {
		return project.SecretUses(files, nil, Kinds(), o), project.SecretUses(files, texts, Kinds(), o)
	})
	o.Secrets.Withhold = withhold
	problems := project.Check(files, texts, Kinds(), o)
	for _, use := range refused {
		problems = append(problems, project.Problem{File: use.File, Line: use.Line, Column: use.Column,
			Message: fmt.Sprintf("this is a new use of the secret %s by %s: who lacks the permission %s is refused to save it, unless the vault allows it; someone who has that may allow it, with millrace secret allow %s --resource %s",
				use.Path, use.Resource, access.SecretUse, use.Path, use.Resource)})
	}
	slices.SortStableFunc(problems, func(a, b project.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return problems
}
