package secret_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/millrace/millrace/project"
)

// byProject expands a text as a project does, and says whether its references
// are right: a warehouse's address may be wrong in other ways.
func byProject(text string) (expanded string, known, right bool) {
	files := fstest.MapFS{"millrace.yaml": &fstest.MapFile{Data: []byte("name: shop\nwarehouse: '" + strings.ReplaceAll(text, "'", "''") + "'\n")}}
	p, err := project.Load(files, project.Kinds{}, project.Options{Secrets: project.Secrets{Getenv: func(name string) (string, bool) {
		return "<" + strings.ToLower(strings.TrimPrefix(name, "MILLRACE_SECRET_")) + ">", true
	}}})
	if err != nil {
		return "", false, !strings.Contains(err.Error(), "is not a reference")
	}
	return string(p.Config.Warehouse), true, true
}

// What projects have meant until now they mean here too.
func TestAgreesWithProjects(t *testing.T) {
	t.Parallel()
	pieces := []string{"$", "{", "}", "${", "$${", "${{", "secret:", "a", "b_1", "x", "${secret:a}", "${secret:b_1}", "A", ":", "''"}
	var texts []string
	for _, a := range pieces {
		for _, b := range pieces {
			for _, c := range pieces {
				texts = append(texts, "x"+a+b+c, a+b+"y"+c)
			}
		}
	}
	agreed := 0
	for _, text := range texts {
		want, known, right := byProject(text)
		got, err := expand(text)
		if right != (err == nil) || known && got != want {
			t.Errorf("%s: %q, %v, want %q, %v", text, got, err, want, right)
		}
		if known {
			agreed++
		}
	}
	if agreed < len(texts)/4 {
		t.Errorf("only %d of %d texts were taken", agreed, len(texts))
	}
}
