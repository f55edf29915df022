package plan

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/millrace/millrace/release/diff"
	"github.com/millrace/millrace/terminal"
)

const mostFieldsShown = 50

// Write writes the plan for a terminal. The zero Palette has no colours.
func (p *Plan) Write(w io.Writer, colors terminal.Palette) error {
	b := bufio.NewWriter(w)
	title := "against nothing, since no version runs yet"
	if p.From > 0 {
		title = fmt.Sprintf("against version %d", p.From)
	}
	if p.To > 0 {
		title = fmt.Sprintf("version %d %s", p.To, title)
	}
	if p.Environment != "" {
		title += " in " + terminal.Sanitize(p.Environment)
	}
	fmt.Fprintf(b, "Plan %s\n", colors.Bold(title))
	if p.Outcome == NoChange {
		fmt.Fprintf(b, "\nNo change.\n")
		return b.Flush()
	}
	for _, r := range p.Resources {
		fmt.Fprintf(b, "\n%s\n", line(colors, r.Op, colors.Bold(r.title())+r.kind()))
		for i, f := range r.Fields {
			if i == mostFieldsShown {
				fmt.Fprintf(b, "      … and %d more\n", len(r.Fields)-i)
				break
			}
			fmt.Fprintf(b, "    %s\n", line(colors, f.Op, f.text()))
		}
		p.effects(b, colors, r.key())
	}
	if len(p.Files) > 0 {
		fmt.Fprintf(b, "\n%s\n", colors.Bold("Other files"))
		for _, f := range p.Files {
			fmt.Fprintf(b, "%s\n", line(colors, f.Op, terminal.Sanitize(f.Path)))
		}
	}
	p.others(b, colors)
	fmt.Fprintf(b, "\n%s\n", p.Summary())
	return b.Flush()
}

// Summary is the plan in one line.
func (p *Plan) Summary() string {
	if p.Outcome == NoChange {
		return "No change."
	}
	ops := map[diff.Op]int64{}
	for _, r := range p.Resources {
		ops[r.Op]++
	}
	severities := map[Severity]int64{}
	for _, e := range p.Effects {
		severities[e.Severity]++
	}
	text := fmt.Sprintf("%d to add, %d to change, %d to remove", ops[diff.Added], ops[diff.Changed], ops[diff.Removed])
	if n := int64(len(p.Files)); n > 0 {
		text += ", " + terminal.Plural(n, "other file", "other files")
	}
	if n := severities[Breaking]; n > 0 {
		text += fmt.Sprintf("; %d breaking", n)
	}
	if n := severities[Careful]; n > 0 {
		text += fmt.Sprintf("; %d to be careful with", n)
	}
	return text + "."
}

func line(colors terminal.Palette, op diff.Op, text string) string {
	switch op {
	case diff.Added:
		return colors.Good("+") + " " + text
	case diff.Removed:
		return colors.Bad("-") + " " + text
	}
	return colors.Warning("~") + " " + text
}

func (r ResourceChange) title() string { return terminal.Sanitize(r.key()) }

func (r ResourceChange) key() string {
	if r.Folder == "" {
		return r.Name
	}
	return r.Folder + "/" + r.Name
}

func (r ResourceChange) kind() string {
	if r.Kind == "" {
		return ""
	}
	return " (" + terminal.Sanitize(r.Kind) + ")"
}

func (f FieldChange) text() string {
	path := terminal.Sanitize(f.Path)
	switch f.Op {
	case diff.Added:
		return path + ": " + terminal.Sanitize(written(f.New))
	case diff.Removed:
		return path + ": " + terminal.Sanitize(written(f.Old))
	}
	return path + ": " + terminal.Sanitize(written(f.Old)) + " → " + terminal.Sanitize(written(f.New))
}

// effects writes those of a resource.
func (p *Plan) effects(w io.Writer, colors terminal.Palette, key string) {
	for _, e := range p.Effects {
		if e.Resource == key || e.Resource == "" && !strings.Contains(key, "/") {
			e.write(w, colors, "    ")
		}
	}
}

// others writes effects on what is not changed itself.
func (p *Plan) others(w io.Writer, colors terminal.Palette) {
	shown := map[string]bool{}
	for _, r := range p.Resources {
		shown[r.key()] = true
		shown[""] = shown[""] || r.Folder == ""
	}
	head := false
	for _, e := range p.Effects {
		if shown[e.Resource] {
			continue
		}
		if !head {
			fmt.Fprintf(w, "\n%s\n", colors.Bold("What follows besides"))
			head = true
		}
		if e.Resource != "" {
			e.Message = e.Resource + ": " + e.Message
		}
		e.write(w, colors, "  ")
	}
}

func (e Effect) write(w io.Writer, colors terminal.Palette, indent string) {
	name := colors.Dim(string(e.Severity))
	switch e.Severity {
	case Careful:
		name = colors.Warning(string(e.Severity))
	case Breaking:
		name = colors.Bad(string(e.Severity))
	}
	text := terminal.Sanitize(e.Message)
	if e.Do != "" && e.Do != "Nothing." {
		text += " " + colors.Accent("→") + " " + terminal.Sanitize(e.Do)
	}
	fmt.Fprintf(w, "%s%s: %s\n", indent, name, text)
}
