package merge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/tree"
)

const web = `# Our website.
kind: http
write_keys: [web_2026]

# An ID counts for a week.
dedup: 7d # since phones are offline

limits:
  # Maps are large.
  event_size: 64KiB
  rate: 100
types:
  order_completed.total: double
`

func edited(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("no %q in the text", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, base     string
		ours, theirs   []string // pairs of old and new pieces
		want           []string // likewise; nil: a conflict
		conflictFields []string
	}{
		"different fields": {ours: []string{"7d", "30d"}, theirs: []string{"rate: 100", "rate: 200"}, want: []string{"7d", "30d", "rate: 100", "rate: 200"}},
		"fields beside each other": {ours: []string{"event_size: 64KiB", "event_size: 32KiB"}, theirs: []string{"rate: 100", "rate: 200"},
			want: []string{"event_size: 64KiB\n  rate: 100", "event_size: 32KiB\n  rate: 200"}},
		"both add a field at the end": {ours: []string{"double\n", "double\n  order_completed.tax: double\n"}, theirs: []string{"double\n", "double\n  order_completed.id: text\n"},
			want: []string{"double\n", "double\n  order_completed.id: text\n  order_completed.tax: double\n"}},
		"both add a key": {ours: []string{"[web_2026]", "[web_2026, web_ada]"}, theirs: []string{"[web_2026]", "[web_2026, web_ben]"},
			want: []string{"[web_2026]", "[web_2026, web_ada, web_ben]"}},
		"one rotates, one adds": {ours: []string{"[web_2026]", "[web_2027]"}, theirs: []string{"[web_2026]", "[web_2026, web_ben]"},
			want: []string{"[web_2026]", "[web_2027, web_ben]"}},
		"both rotate":           {ours: []string{"[web_2026]", "[web_2027]"}, theirs: []string{"[web_2026]", "[web_2028]"}, conflictFields: []string{"write_keys"}},
		"the same change":       {ours: []string{"7d", "30d"}, theirs: []string{"7d", "30d"}, want: []string{"7d", "30d"}},
		"one field, two values": {ours: []string{"7d", "30d"}, theirs: []string{"7d", "forever"}, conflictFields: []string{"dedup"}},
		"removed and changed": {ours: []string{"dedup: 7d # since phones are offline\n", ""}, theirs: []string{"7d", "30d"},
			conflictFields: []string{"dedup"}},
		"a comment and a value on neighbouring lines": {ours: []string{"Maps are large", "Maps are very large"}, theirs: []string{"64KiB", "128KiB"},
			want: []string{"Maps are large", "Maps are very large", "64KiB", "128KiB"}},
		"a comment on the line of the value":    {ours: []string{"since phones", "as phones"}, theirs: []string{"7d", "30d"}, want: []string{"7d # since phones", "30d # as phones"}},
		"two comments on the line of the value": {ours: []string{"7d # since phones", "30d # as phones"}, theirs: []string{"# since phones", "# because phones"}, conflictFields: []string{""}},
		"the same new key twice":                {ours: []string{"kind: http\n", "kind: http\nbrowser: true\n"}, theirs: []string{"types:", "browser: false\ntypes:"}, conflictFields: []string{"browser"}},
		"the same new field in other places":    {ours: []string{"kind: http\n", "kind: http\nbrowser: true\n"}, theirs: []string{"types:", "browser: true\ntypes:"}, want: []string{"kind: http\n", "kind: http\nbrowser: true\n"}},
		"text by lines":                         {file: "notes.md", base: "a\nb\nc\nd\n", ours: []string{"a\n", "A\n"}, theirs: []string{"d\n", "D\n"}, want: []string{"a\n", "A\n", "d\n", "D\n"}},
		"text beside each other":                {file: "notes.md", base: "a\nb\n", ours: []string{"a\n", "A\n"}, theirs: []string{"b\n", "B\n"}, conflictFields: []string{""}},
		"a side that is no YAML":                {ours: []string{"kind: http", "kind: [http"}, theirs: []string{"rate: 100", "rate: 200"}, want: []string{"kind: http", "kind: [http", "rate: 100", "rate: 200"}},
		"brackets": {base: "kind: http\nlimits: {rate: 100, burst: 5}\n", ours: []string{"rate: 100", "rate: 200"}, theirs: []string{"burst: 5", "burst: 9"},
			want: []string{"rate: 100", "rate: 200", "burst: 5", "burst: 9"}},
		"windows' ends of lines": {base: "a: 1\r\nb: 2\r\n", ours: []string{"a: 1", "a: 3"}, theirs: []string{"b: 2", "b: 4"}, want: []string{"a: 1", "a: 3", "b: 2", "b: 4"}},
		"no last end of line":    {base: "a: 1\nb: 2", ours: []string{"a: 1", "a: 3"}, theirs: []string{"b: 2", "b: 4"}, want: []string{"a: 1", "a: 3", "b: 2", "b: 4"}},
		"a text behind a bar": {base: "a: |\n  # no comment\n  x\nb: 1\n", ours: []string{"  x\n", "  x\n  y\n"}, theirs: []string{"b: 1", "b: 2"},
			want: []string{"  x\n", "  x\n  y\n", "b: 1", "b: 2"}},
		"an anchor": {base: "a: &x\n  v: 1\nb: *x\nc: 1\n", ours: []string{"v: 1", "v: 2"}, theirs: []string{"b: *x", "b: {v: 3}"}, conflictFields: []string{"b.v"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.file == "" {
				c.file = "sources/web.yaml"
			}
			if c.base == "" {
				c.base = web
			}
			ours, theirs := edited(t, c.base, c.ours...), edited(t, c.base, c.theirs...)
			got, conflicts := Text(c.file, c.base, ours, theirs)
			if c.conflictFields == nil {
				if want := edited(t, c.base, c.want...); got != want || len(conflicts) > 0 {
					t.Fatalf("got\n%s\nwith %s, want\n%s", got, told(conflicts), want)
				}
				return
			}
			var fields []string
			for _, f := range conflicts {
				fields = append(fields, f.Field)
			}
			if !slices.Equal(fields, c.conflictFields) {
				t.Fatalf("got\n%s\nwith %s, want conflicts at %q", got, told(conflicts), c.conflictFields)
			}
		})
	}
}

func told(all []Conflict) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "[%s %s:%d %s]", c.Field, c.Path, c.Line, c.Why)
	}
	return b.String()
}

func TestTrees(t *testing.T) {
	t.Parallel()
	of := func(texts map[string]string) *tree.Tree {
		t.Helper()
		made, err := tree.Of(texts)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	base := of(map[string]string{"millrace.yaml": "name: shop\n", "a.md": "a\n", "b.md": "b\n", "c.md": "c\n", "sources/web.yaml": web})
	ours := of(map[string]string{"millrace.yaml": "name: shop\n", "a.md": "a2\n", "c.md": "c\n", "d.md": "d\n", "sources/web.yaml": strings.Replace(web, "7d", "30d", 1)})
	theirs := of(map[string]string{"millrace.yaml": "name: shop2\n", "a.md": "a\n", "b.md": "b\n", "d.md": "d\n", "sources/web.yaml": strings.Replace(web, "rate: 100", "rate: 9", 1)})
	r, err := Trees(base, ours, theirs, tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := of(map[string]string{"millrace.yaml": "name: shop2\n", "a.md": "a2\n", "d.md": "d\n",
		"sources/web.yaml": strings.NewReplacer("7d", "30d", "rate: 100", "rate: 9").Replace(web)})
	if r.Tree().Hash() != want.Hash() {
		t.Fatalf("merged to %s, with %s", r.Tree().Manifest(), told(r.Conflicts()))
	}
	hows := map[string]How{"millrace.yaml": Theirs, "a.md": Ours, "b.md": Ours, "c.md": Theirs, "d.md": Both, "sources/web.yaml": Merged}
	for _, f := range r.Files {
		if hows[f.Path] != f.How {
			t.Errorf("%s: %s, want %s", f.Path, f.How, hows[f.Path])
		}
	}
	if len(r.Files) != len(hows) {
		t.Errorf("%d files, want %d", len(r.Files), len(hows))
	}
}

func TestTreesInConflict(t *testing.T) {
	t.Parallel()
	of := func(texts map[string]string) *tree.Tree {
		made, err := tree.Of(texts)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	base := of(map[string]string{"a.md": "a\n", "b.md": "b\n", "bin.csv": "\x00"})
	ours := of(map[string]string{"a.md": "ours\n", "bin.csv": "\x00\x01", "new.yaml": "a: 1\n", "Case.md": ""})
	theirs := of(map[string]string{"a.md": "theirs\n", "b.md": "b2\n", "bin.csv": "\x00\x02", "new.yaml": "a: 2\n"})
	r, err := Trees(base, ours, theirs, tree.Limits{})
	if err != nil || r.Tree() != nil || len(r.Conflicts()) != 4 {
		t.Fatalf("%v, %s", err, told(r.Conflicts()))
	}
	for _, f := range r.Files {
		if f.Path == "a.md" && f.Marked != "<<<<<<< yours\nours\n||||||| before\na\n=======\ntheirs\n>>>>>>> theirs\n" {
			t.Errorf("marked as %q", f.Marked)
		}
	}
	if _, err := r.Resolve(map[string][]byte{"a.md": []byte("both\n")}); millrace.KindOf(err) != millrace.Conflict || !strings.Contains(err.Error(), "b.md, bin.csv, new.yaml") {
		t.Errorf("resolved a part: %v", err)
	}
	got, err := r.Resolve(map[string][]byte{"a.md": []byte("both\n"), "b.md": nil, "bin.csv": []byte("\x03"), "new.yaml": []byte("a: 3\n")})
	if err != nil {
		t.Fatal(err)
	}
	want := of(map[string]string{"a.md": "both\n", "bin.csv": "\x03", "new.yaml": "a: 3\n", "Case.md": ""})
	if got.Hash() != want.Hash() {
		t.Errorf("resolved to %s", got.Manifest())
	}
	// Two files that are one on some systems.
	r, err = Trees(base, of(map[string]string{"a.md": "a\n", "b.md": "b\n", "bin.csv": "\x00", "X.md": ""}), of(map[string]string{"a.md": "a\n", "b.md": "b\n", "bin.csv": "\x00", "x.md": ""}), tree.Limits{})
	if err != nil || r.Tree() != nil || len(r.Conflicts()) != 1 {
		t.Errorf("names that differ in case: %v, %s", err, told(r.Conflicts()))
	}
}

// someText makes texts that have much in common.
func someText(r *rapid.T, label string) string {
	lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "d\n", "\n", "# e\n"}), 0, 12).Draw(r, label)
	return strings.Join(lines, "")
}

func TestLinesKeepsBothSides(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		base, ours, theirs := someText(r, "base"), someText(r, "ours"), someText(r, "theirs")
		keepsBoth(r, "x.md", base, ours, theirs)
		if got, _ := Text("x.md", base, ours, base); got != ours {
			r.Fatalf("merge(base, a, base) = %q", got)
		}
		if got, _ := Text("x.md", base, ours, ours); got != ours {
			r.Fatalf("merge(base, a, a) = %q", got)
		}
		there, back := chunks(strings.SplitAfter(base, "\n"), strings.SplitAfter(ours, "\n"), strings.SplitAfter(theirs, "\n")), ""
		for _, c := range there {
			back += strings.Join(c.theirs, "")
		}
		if back != theirs {
			r.Fatalf("the chunks lack lines: %q", back)
		}
	})
}

// keepsBoth fails when a clean merge lacks a line that a side added.
func keepsBoth(r *rapid.T, file, base, ours, theirs string) string {
	got, conflicts := Text(file, base, ours, theirs)
	if len(conflicts) > 0 {
		return ""
	}
	count := func(text, line string) (n int) {
		for l := range strings.Lines(text) {
			if strings.TrimSuffix(l, "\n") == line {
				n++
			}
		}
		return n
	}
	for _, side := range []string{ours, theirs} {
		for l := range strings.Lines(side) {
			l = strings.TrimSuffix(l, "\n")
			if strings.TrimSpace(l) != "" && count(side, l) > count(base, l) && count(got, l) == 0 && !strings.Contains(l, "[") {
				r.Fatalf("%q of a side is not in %q", l, got)
			}
		}
	}
	return got
}

// mutate makes some changes as people do.
func mutate(r *rapid.T, label, text string) string {
	for range rapid.IntRange(0, 4).Draw(r, label) {
		seed := rapid.Uint64().Draw(r, label+" seed")
		rng := rand.New(rand.NewPCG(seed, 1))
		lines := strings.SplitAfter(text, "\n")
		at := rng.IntN(len(lines))
		switch rng.IntN(6) {
		case 0:
			lines = slices.Insert(lines, at, fmt.Sprintf("# note %d\n", rng.IntN(5)))
		case 1:
			lines = slices.Insert(lines, at, "\n")
		case 2:
			lines = slices.Delete(lines, at, min(at+1, len(lines)))
		case 3:
			lines = slices.Insert(lines, at, fmt.Sprintf("key%d: %d\n", rng.IntN(3), rng.IntN(3)))
		case 4:
			lines = slices.Insert(lines, at, fmt.Sprintf("  order.field%d: text # %d\n", rng.IntN(3), rng.IntN(3)))
		case 5:
			lines = strings.SplitAfter(strings.Replace(text, "[web_2026", fmt.Sprintf("[k%d, web_2026", rng.IntN(4)), 1), "\n")
		}
		if next := strings.Join(lines, ""); rng.IntN(8) == 0 || valid(next) {
			text = next
		}
	}
	return text
}

func valid(text string) bool {
	_, err := project.Values([]byte(text))
	return err == nil
}

func TestYAMLStaysYAML(t *testing.T) {
	t.Parallel()
	merged, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		base := mutate(r, "base", web)
		ours, theirs := mutate(r, "ours", base), mutate(r, "theirs", base)
		for _, c := range [][3]string{{base, ours, ours}, {base, ours, base}, {base, base, ours}} {
			if got, conflicts := Text("a.yaml", c[0], c[1], c[2]); got != ours || len(conflicts) > 0 {
				r.Fatalf("merge with one side only is %q, not %q", got, ours)
			}
		}
		got, conflicts := Text("a.yaml", base, ours, theirs)
		if len(conflicts) > 0 {
			refused++
			for _, c := range conflicts {
				if c.Ours == nil && c.Theirs == nil || c.Why == "" {
					r.Fatalf("a conflict without sides: %+v", c)
				}
			}
			return
		}
		merged++
		if valid(ours) && valid(theirs) && !valid(got) {
			r.Fatalf("from two files that can be read:\n%s\n---\n%s\n--- came one that cannot:\n%s", ours, theirs, got)
		}
		keepsBoth(r, "a.yaml", base, ours, theirs)
		// Whoever comes first, the file says the same.
		swapped, again := Text("a.yaml", base, theirs, ours)
		if len(again) == 0 && valid(ours) && valid(theirs) && valid(base) {
			a, _ := project.Values([]byte(got))
			b, _ := project.Values([]byte(swapped))
			if !sameButOrder(a, b) {
				r.Fatalf("the sides swapped say something else:\n%s\n---\n%s", got, swapped)
			}
		}
	})
	t.Logf("%d merged, %d in conflict", merged, refused)
}

// sameButOrder compares with lists of texts as sets, since ours come first.
func sameButOrder(a, b any) bool {
	f, ok := a.(project.Fields)
	if !ok {
		x, isX := setOf(a)
		y, isY := setOf(b)
		return isX && isY && len(x) == len(y) || same(a, b)
	}
	g, _ := b.(project.Fields)
	inG := index(g)
	for _, field := range f {
		if !sameButOrder(field.Value, get(inG, field.Name)) {
			return false
		}
	}
	return len(f) == len(g)
}

// Hostile sizes take a moment, not a server.
func TestLargeFilesEndSoon(t *testing.T) {
	t.Parallel()
	lines := func(suffix func(i int) string) string {
		var b strings.Builder
		for i := range 3_000 {
			fmt.Fprintf(&b, "k%d: %s\n", i, suffix(i))
		}
		return b.String()
	}
	for name, c := range map[string][3]func(i int) string{
		"other lines":         {func(int) string { return "1" }, func(i int) string { return fmt.Sprint(i % 2) }, func(i int) string { return fmt.Sprint(i % 3) }},
		"far from each other": {func(int) string { return "1" }, func(i int) string { return fmt.Sprint(1 + i/2_999) }, func(i int) string { return fmt.Sprint(1 - min(i, 1)) }},
	} {
		begun := time.Now()
		base, ours, theirs := lines(c[0]), lines(c[1]), lines(c[2])
		Text("a.yaml", base, ours, theirs)
		Text("a.yaml", base+base, ours+ours, theirs+theirs)
		Marked(base, ours, theirs)
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s: %s", name, took)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add(web, strings.Replace(web, "7d", "30d", 1), strings.Replace(web, "100", "9", 1))
	f.Add("a: 1\n", "a: 1\nb: [x]\n", "c: |\n  # x\n")
	f.Add("", "a: &x {b: 1}\nc: *x\n", "? a\n: b\n")
	f.Fuzz(func(t *testing.T, base, ours, theirs string) {
		got, conflicts := Text("a.yaml", base, ours, theirs)
		if len(conflicts) == 0 && valid(ours) && valid(theirs) && !valid(got) {
			t.Fatalf("%q cannot be read", got)
		}
		if got, conflicts := Text("a.yaml", base, ours, base); got != ours || len(conflicts) > 0 {
			t.Fatalf("one side alone became %q", got)
		}
		Marked(base, ours, theirs)
	})
}
