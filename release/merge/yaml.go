package merge

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/diff"
)

// mostLines is the longest YAML file that is merged: reading it takes longer than
// in proportion.
const mostLines = 5_000

// mergeYAML merges what both sides made of a YAML file. What the result says is
// computed from what the three say; the text comes from merging lines, then
// fields, and is taken only when it says that, and has every comment.
func mergeYAML(base, ours, theirs string) (string, []Conflict) {
	if max(strings.Count(base, "\n"), strings.Count(ours, "\n"), strings.Count(theirs, "\n")) > mostLines {
		return "", whole(base, ours, theirs, "both sides changed it, and it is too long to be merged by itself")
	}
	lines, clean := byLines(diff.Lines(base), diff.Lines(ours), diff.Lines(theirs))
	text := strings.Join(lines, "")
	o, errOurs := project.Values([]byte(ours))
	t, errTheirs := project.Values([]byte(theirs))
	if errOurs != nil || errTheirs != nil { // a side is no YAML: no result can be asked to be
		if !clean {
			return "", textConflicts(base, ours, theirs)
		}
		return text, nil
	}
	b, err := project.Values([]byte(base))
	if err != nil {
		if _, err := project.Values([]byte(text)); clean && err == nil {
			return text, nil
		}
		return "", whole(base, ours, theirs, "the version before cannot be read, and both sides changed it")
	}
	m := &meaning{}
	meant := m.merge(nil, b, o, t)
	if len(m.conflicts) > 0 {
		return "", located(ours, m.conflicts)
	}
	says := func(text string) bool {
		now, err := project.Values([]byte(text))
		return err == nil && same(now, meant) && commentsKept(base, ours, text) && commentsKept(base, theirs, text)
	}
	if clean && says(text) {
		return text, nil
	}
	if text, ok := woven(base, ours, theirs, [3]any{b, o, t}); ok && says(text) {
		return text, nil
	}
	if text, err := project.Edit([]byte(ours), m.changes...); err == nil && says(string(text)) {
		return string(text), nil
	}
	if !clean {
		return "", textConflicts(base, ours, theirs)
	}
	return "", whole(base, ours, theirs, "both sides changed it, and it is written in a way that only a person can merge")
}

func whole(base, ours, theirs, why string) []Conflict {
	return []Conflict{{Why: why, Base: &base, Ours: &ours, Theirs: &theirs}}
}

// mostConflicts is how many of a file are told.
const mostConflicts = 200

// located tells the conflicts with the lines of our text, if not too many.
func located(ours string, conflicts []Conflict) []Conflict {
	if n := len(conflicts) - mostConflicts; n > 0 {
		conflicts = conflicts[:mostConflicts]
		conflicts[mostConflicts-1].Why += fmt.Sprintf(", and %d more places", n)
	}
	_, places, _ := project.Read([]byte(ours))
	lines := make(map[string]int, len(places))
	for _, p := range places {
		lines[fieldPath(p.Path)] = p.Line
	}
	for i := range conflicts {
		conflicts[i].Line = lines[conflicts[i].Field]
	}
	return conflicts
}

// woven merges texts field by field.
func woven(base, ours, theirs string, meant [3]any) (string, bool) {
	w := &weaver{meant: meant}
	var blocks [3]block
	for i, text := range []string{base, ours, theirs} {
		s, ok := sheetOf(text)
		if !ok {
			return "", false
		}
		*[]**sheet{&w.base, &w.ours, &w.theirs}[i] = s
		if blocks[i], ok = s.block(nil, 0, len(s.lines), 0); !ok {
			return "", false
		}
	}
	lines, ok := w.weave(nil, blocks[0], blocks[1], blocks[2])
	if !ok {
		return "", false
	}
	text := strings.Join(lines, "")
	if len(w.changes) > 0 {
		edited, err := project.Edit([]byte(text), w.changes...)
		if err != nil {
			return "", false
		}
		text = string(edited)
	}
	if !strings.HasSuffix(ours, "\n") && !strings.HasSuffix(theirs, "\n") {
		text = strings.TrimSuffix(text, "\n")
	}
	return text, true
}

// commentsKept says whether what a side wrote behind # is in the result.
func commentsKept(base, side, result string) bool {
	had, now := comments(base), comments(result)
	for c, n := range comments(side) {
		if n > had[c] && now[c] < n-had[c] {
			return false
		}
	}
	return true
}

// comments counts them, each with the field on whose line it stands.
func comments(text string) map[string]int {
	count := map[string]int{}
	for line := range strings.Lines(text) {
		before, comment, ok := strings.Cut(line, "#")
		if ok {
			name, _, _ := strings.Cut(before, ":")
			count[strings.TrimSpace(name)+"#"+strings.TrimSpace(comment)]++
		}
	}
	return count
}
