// Package project reads a project folder: millrace.yaml and the files of its
// resources, one resource a file. Decoding is strict: everything that is wrong
// is said at once, each with its file, line and column. It edits these files
// too, so that they stay as people wrote them: see Edit, Folder, Check and
// Complete.
package project

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// ConfigFile is the file that makes a folder a project.
const ConfigFile = "millrace.yaml"

// Kinds are the configuration types of resources: folder ("sources") → kind
// ("http") → a function that returns a pointer to a new struct with its
// defaults. Fields are named by yaml tags; `doc`, `default` and `required`
// tags describe them for editors. The struct may be a Validator. A field
// tagged `ref:"sources"` (a string or a list of them) names resources of that
// folder, and they have to exist; one tagged `enum:"a,b"` (text, or a list or
// mapping of it) is completed with these words, one tagged `examples:"a,b"`
// offers these among others.
type Kinds map[string]map[string]func() any

// A Validator is a configuration that checks its own values. Errors are joined
// with errors.Join; one whose text begins with a field's path and ": ", such
// as "limits.event_size: …" or "write_keys[1]: …", is shown at that field.
type Validator interface {
	Validate() error
}

// Options of Load.
type Options struct {
	Environment string  // whose overrides apply; "" means none
	Own         string  // whose overrides in the files of resources apply where Environment is ""
	MayLack     bool    // an environment that millrace.yaml does not name has no overrides
	Secrets     Secrets // where ${secret:name} comes from
	// Warehouses, Archives and Catalogs are the known schemes, such as "duckdb";
	// empty means that any is taken.
	Warehouses, Archives, Catalogs []string
	// Cache remembers files between runs; nil reads each anew.
	Cache *Cache
}

// A Project is a folder that was read without a mistake.
type Project struct {
	Config      Config // with the environment's overrides
	Environment string
	Resources   []Resource // by folder and name
	Secrets     []SecretUse
}

// A Resource is one file of a folder.
type Resource struct {
	Folder string // "sources"
	Kind   string // "http"
	Name   string // the file's name without .yaml
	File   string // path within the project, with slashes
	Line   int    // of its first field, from 1
	Config any    // what the function of its kind returned, filled
	// Overridden are the fields that the file says for Environment apart, sorted.
	Environment string
	Overridden  []string
}

// In returns the resources of a folder, by name.
func (p *Project) In(folder string) []Resource {
	var out []Resource
	for _, r := range p.Resources {
		if r.Folder == folder {
			out = append(out, r)
		}
	}
	return out
}

// laterFolders are folders of resources that other versions know. What lies in
// dbt's folders (models, macros, seeds …) and in any others is left alone.
var laterFolders = []string{"sources", "destinations", "pipelines", "tracking-plans", "transforms", "features",
	"predictors", "experiments", "indexes", "dashboards", "alerts", "apis"}

// A loader is one run of Load.
type loader struct {
	fsys     fs.FS
	kinds    Kinds
	options  Options
	secrets  *resolver
	problems Problems
	files    int
	unique   map[string]string // what may be there once → where it is
	refs     []reference
	names    map[string][]string // by folder, of files with or without mistakes
	// environmentNames are those of millrace.yaml, sorted, when that could be read.
	environmentNames  []string
	environmentsKnown bool
}

type reference struct {
	report       *report
	at           fieldPlace
	path         string
	folder, name string
}

// Load reads a project folder. The error is Problems when files are wrong; no
// problem shows the value of a secret.
func Load(fsys fs.FS, kinds Kinds, options Options) (*Project, error) {
	return newLoader(fsys, kinds, options).load()
}

func newLoader(fsys fs.FS, kinds Kinds, options Options) *loader {
	return &loader{fsys: fsys, kinds: kinds, options: options, unique: map[string]string{}, names: map[string][]string{},
		secrets: &resolver{secrets: options.Secrets}}
}

func (l *loader) load() (*Project, error) {
	options := l.options
	p := &Project{Environment: options.Environment}
	l.config(&p.Config)
	for _, folder := range l.folders() {
		l.folder(folder, p)
	}
	l.references()
	if len(l.problems) > 0 {
		l.problems.sort()
		l.problems = slices.Compact(l.problems) // what is wrong in several environments
		return nil, l.problems
	}
	p.Secrets = l.secrets.uses
	return p, nil
}

func (l *loader) report(file string) *report { return &report{file: file, secrets: l.secrets} }

func (l *loader) problem(file, format string, args ...any) {
	l.problems = append(l.problems, Problem{File: file, Message: fmt.Sprintf(format, args...)})
}

// read returns a file's bytes, at most one more than is allowed.
func (l *loader) read(name string) ([]byte, error) {
	f, err := l.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFileSizeBytes+1))
}

// config reads millrace.yaml with the overrides of the environment.
func (l *loader) config(c *Config) {
	*c = DefaultConfig()
	data, err := l.read(ConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := fs.Stat(l.fsys, "millrace.yml"); err == nil {
			l.problem(ConfigFile, "there is no such file: rename millrace.yml to millrace.yaml")
			return
		}
		l.problem(ConfigFile, "there is no such file, so this folder is not a project: run millrace init, or name the project's folder")
		return
	}
	if err != nil {
		l.problem(ConfigFile, "cannot be read: %v", err)
		return
	}
	r := l.report(ConfigFile)
	defer func() { l.problems = append(l.problems, r.done()...) }()
	root, ok := l.options.Cache.parse(data, r)
	if !ok {
		return
	}
	if root == nil {
		root = &value{line: 1, column: 1, shape: shapeMap}
	}
	d := newDecoder(r)
	d.decode(root, reflect.ValueOf(c).Elem(), "")
	l.environments(d, c, root)
}

// environments checks every override and applies the chosen one.
func (l *loader) environments(d *decoder, c *Config, root *value) {
	chosen := l.options.Environment
	known := make([]string, 0, len(c.Environments))
	for name := range c.Environments {
		known = append(known, name)
	}
	slices.Sort(known)
	l.environmentNames, l.environmentsKnown = known, len(d.problems) == 0
	at := fieldPlace{root.line, root.column}
	for _, name := range known {
		v, path := c.Environments[name], "environments."+clip(name)
		if name == chosen {
			continue
		}
		check := newDecoder(&report{file: d.file, secrets: &resolver{check: true}})
		settings := DefaultConfig().Settings
		check.decode(v, reflect.ValueOf(&settings).Elem(), path)
		d.problems = append(d.problems, check.problems...)
	}
	server, own := c.SMTP.Address, len(l.secrets.uses)
	if chosen != "" {
		if v, ok := c.Environments[chosen]; ok {
			d.overlay(v, &c.Settings, "environments."+chosen)
		} else if !l.options.MayLack {
			if f := root.field("environments"); f != nil {
				at = fieldPlace{f.line, f.column}
			}
			d.add(at.line, at.column, "environments: there is no %s, which --env or MILLRACE_ENV asks for; %s", clip(chosen), didYouMean(chosen, known))
		}
	}
	l.mailed(d, server, own, c.SMTP.Address)
	d.validate(c, root)
	l.engine(d, root, "warehouse", c.Warehouse, l.options.Warehouses)
	l.engine(d, root, "archive", c.Archive, l.options.Archives)
	l.engine(d, root, "catalog", c.Catalog, l.options.Catalogs)
}

// overlay decodes an environment over the settings. The places of its fields
// take the place of those above, since it is they that count.
func (d *decoder) overlay(v *value, s *Settings, path string) {
	d.decode(v, reflect.ValueOf(s).Elem(), path)
	for at, p := range d.places {
		if rest, ok := strings.CutPrefix(at, path+"."); ok {
			d.places[rest] = p
		}
	}
	for _, at := range d.failed {
		if rest, ok := strings.CutPrefix(at, path+"."); ok {
			d.failed = append(d.failed, rest)
		}
	}
}

func (l *loader) engine(d *decoder, root *value, name string, e Engine, known []string) {
	if len(known) == 0 || slices.Contains(known, e.Scheme()) {
		return
	}
	known = slices.Sorted(slices.Values(known))
	at := d.place(name+": ", root)
	d.add(at.line, at.column, "%s: there is no engine of that name; %s", name, didYouMean(clip(e.Scheme()), known))
}

// folders returns the folders to read, and reports those it does not know.
func (l *loader) folders() []string {
	entries, err := fs.ReadDir(l.fsys, ".")
	if err != nil {
		l.problem(".", "cannot be read: %v", err)
		return nil
	}
	known := make([]string, 0, len(l.kinds))
	for folder := range l.kinds {
		known = append(known, folder)
	}
	slices.Sort(known)
	var read []string
	for _, e := range entries {
		name := e.Name()
		if _, ok := l.kinds[name]; ok {
			read = append(read, name)
			continue
		}
		later := slices.Contains(laterFolders, name)
		if e.IsDir() && (later || misspelt(name)) && l.holdsFiles(name) {
			hint := "known: " + strings.Join(known, ", ")
			if !later {
				hint = didYouMean(name, laterFolders)
			}
			l.problem(name, "this version does not know a folder of that name; %s", hint)
		}
	}
	return read
}

func misspelt(folder string) bool {
	return !strings.HasPrefix(folder, ".") && slices.ContainsFunc(laterFolders, func(k string) bool {
		return millrace.EditDistance(strings.ToLower(folder), k) == 1 || strings.EqualFold(folder, k)
	})
}

func (l *loader) holdsFiles(folder string) bool {
	entries, err := fs.ReadDir(l.fsys, folder)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".js", ".sql"}, path.Ext(e.Name())) && !strings.HasPrefix(e.Name(), ".")
	})
}

func (l *loader) folder(folder string, p *Project) {
	entries, err := fs.ReadDir(l.fsys, folder)
	if err != nil {
		l.problem(folder, "cannot be read as a folder: %v", err)
		return
	}
	for _, e := range entries {
		file := path.Join(folder, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."), strings.HasPrefix(e.Name(), "#"), strings.HasSuffix(e.Name(), "~"):
		case e.IsDir():
			if l.holdsFiles(file) {
				l.problem(file, "folders within %s are not read: move its files up", folder)
			}
		case strings.HasSuffix(e.Name(), ".yml"):
			l.problem(file, "rename it to end with .yaml")
		case strings.HasSuffix(e.Name(), ".yaml"):
			if l.files++; l.files > MaxFiles {
				l.problem(folder, "more than %d files", MaxFiles)
				return
			}
			if r, ok := l.resource(folder, file); ok {
				p.Resources = append(p.Resources, r)
			}
		}
	}
}

var (
	resourceName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	reservedNames = []string{"millrace", "main", "temp", "system", "public", "information_schema", "pg_catalog"}
)

// NameProblem says why a resource may not have this name, or "".
func NameProblem(name string) string {
	switch {
	case !resourceName.MatchString(name):
		return "use a-z, 0-9 and _, beginning with a letter, at most 63"
	case slices.Contains(reservedNames, name) || strings.HasPrefix(name, "pg_"):
		return "that name is reserved; choose another"
	}
	return ""
}

func (l *loader) resource(folder, file string) (Resource, bool) {
	name := strings.TrimSuffix(path.Base(file), ".yaml")
	r := l.report(file)
	defer func() { l.problems = append(l.problems, r.done()...) }()
	l.names[folder] = append(l.names[folder], name)
	if p := NameProblem(name); p != "" {
		r.add(0, 0, "a file's name is its resource's name, and %q cannot be one: %s", clip(name), p)
	}
	data, err := l.read(file)
	if err != nil {
		r.add(0, 0, "cannot be read: %v", err)
		return Resource{}, false
	}
	root, ok := l.options.Cache.parse(data, r)
	if !ok {
		return Resource{}, false
	}
	if root == nil {
		root = &value{line: 1, column: 1, shape: shapeMap}
	}
	if root.shape != shapeMap {
		r.add(root.line, root.column, "wants fields such as kind: …, not %s", root.shape)
		return Resource{}, false
	}
	kinds := make([]string, 0, len(l.kinds[folder]))
	for k := range l.kinds[folder] {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	kind := root.field("kind")
	if kind == nil || kind.value.shape != shapeString {
		for _, f := range root.fields {
			if f.name != "kind" && millrace.Nearest(f.name, []string{"kind"}) != "" {
				r.add(f.line, f.column, "%s: unknown field; did you mean kind?", clip(f.name))
				return Resource{}, false
			}
		}
		r.add(root.line, root.column, "kind: is missing; known: %s", strings.Join(kinds, ", "))
		return Resource{}, false
	}
	makeConfig, ok := l.kinds[folder][kind.value.text]
	if !ok {
		r.add(kind.value.line, kind.value.column, "kind: %q is not known; %s", clip(kind.value.text), didYouMean(kind.value.text, kinds))
		return Resource{}, false
	}
	d, chosen := newDecoder(r), l.options.Overrides()
	variants := l.variants(r, root)
	config, says := makeConfig(), variants.in(chosen)
	d.resource(says, config)
	d.validate(config, says)
	l.collectUnique(d, folder, variants)
	l.collectReferences(d, config)
	l.elsewhere(r, variants, chosen, makeConfig)
	return Resource{Folder: folder, Kind: kind.value.text, Name: name, File: file, Line: root.line, Config: config,
		Environment: chosen, Overridden: variants.overridden(chosen)}, true
}

// resource decodes a resource's file. `kind` is everyone's, whether or not the
// type has a field for it.
func (d *decoder) resource(root *value, config any) {
	into := reflect.ValueOf(config).Elem()
	if !slices.ContainsFunc(fieldsOf(into.Type()), func(f structField) bool { return f.name == "kind" }) {
		without := *root
		without.fields = slices.DeleteFunc(slices.Clone(root.fields), func(f field) bool { return f.name == "kind" })
		root = &without
	}
	d.decode(root, into, "")
}
