package project

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/secret"
)

// SecretsFolder is where the secrets of a project lie when nothing else is
// said: a folder in the project, kept out of git, with a file for each.
const SecretsFolder = ".secrets"

// A Vault has secrets that name who may use them. Both methods fail with the
// vault's errors; NotFound means that it has no such secret.
type Vault interface {
	// Peek returns a value so that it can be told where it would be sent: an
	// address has its host within it. It is not used before Use agreed.
	Peek(ref secret.Reference) (secret.Value, error)
	// Use refuses, as Forbidden, what may not use a secret.
	Use(ref secret.Reference, by secret.By) error
}

// Secrets finds the values of ${secret:path}: in the vault, then in the
// environment as MILLRACE_SECRET_PATH (in upper case, with __ for each slash),
// then in the file of that path in Dir. A newline at the end of the file does not
// count.
type Secrets struct {
	Vault    Vault                            // nil: there is none
	Getenv   func(name string) (string, bool) // default os.LookupEnv
	Dir      string                           // "" means no folder
	NoPlain  bool                             // neither environment nor Dir: they belong to another workspace
	Redactor *secret.Redactor                 // learns the values; nil: nobody does
	Address  string                           // of the space whose Vault that is, for commands; "": they need none
	// Withhold says which secrets are left out as if they were not asked for: what
	// needs their values is not checked, so that nothing is told of them. nil: none.
	Withhold func(path string) bool
	// Untold keeps from messages who may use a secret.
	Untold bool
	// Later leaves out secrets that are not found, for who cannot ask the vault
	// yet: what needs their values is not checked.
	Later bool
}

// plainWorkspace stands for the one whose environment variables and files are
// looked at.
const plainWorkspace = "project"

// Lookup returns a secret, and whether it is the vault's. NotFound names the
// places where it may be put. Errors never hold the value.
func (s Secrets) Lookup(ref secret.Reference) (value string, inVault bool, err error) {
	if s.Vault != nil {
		v, err := s.Vault.Peek(ref)
		if err == nil || millrace.KindOf(err) != millrace.NotFound {
			return v.Reveal(), true, err
		}
	}
	if s.NoPlain {
		return "", false, millrace.Errorf(millrace.NotFound, "secret %s is not set: set it with %s", ref, s.command(ref))
	}
	at := secret.Ref{Workspace: plainWorkspace, Reference: ref}
	v, err := secret.Backends{
		secret.Environment{Workspace: plainWorkspace, Getenv: s.Getenv, Redactor: s.Redactor},
		secret.Files{Workspace: plainWorkspace, Folder: s.Dir, Redactor: s.Redactor},
	}.Use(context.Background(), at, secret.By{})
	if err != nil && millrace.KindOf(err) == millrace.NotFound {
		err = s.missing(ref)
	}
	return v.Reveal(), false, err
}

// missing says how a secret is set.
func (s Secrets) missing(ref secret.Reference) error {
	hint := ", or set MILLRACE_SECRETS_DIR to a folder with a file " + ref.Path
	if s.Dir != "" {
		hint = ", or write it to the file " + filepath.Join(s.Dir, filepath.FromSlash(ref.Path))
	}
	set := "set"
	if s.Vault != nil {
		set = "set it with " + s.command(ref) + ", or set"
	}
	return millrace.Errorf(millrace.NotFound, "secret %s is not set: %s the environment variable %s%s", ref, set, secret.Variable(ref.Path), hint)
}

// command sets a secret.
func (s Secrets) command(ref secret.Reference) string {
	if s.Address == "" {
		return "millrace secret set " + ref.Path
	}
	return "millrace secret set " + ref.Path + " --workspace " + s.Address
}

// Names returns the names of the secrets that are set in the environment and in
// Dir, sorted: of those in the environment only when Getenv is nil, since it cannot
// be asked for all. With NoPlain there are none.
func (s Secrets) Names() []string {
	if s.NoPlain {
		return nil
	}
	var names []string
	if s.Getenv == nil {
		for _, variable := range os.Environ() {
			variable, _, _ = strings.Cut(variable, "=")
			if name, ok := strings.CutPrefix(variable, "MILLRACE_SECRET_"); ok {
				names = append(names, strings.ToLower(name))
			}
		}
	}
	if s.Dir != "" {
		entries, err := os.ReadDir(s.Dir)
		if err != nil {
			entries = nil // there are none, or they cannot be read
		}
		for _, e := range entries {
			if !e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !secretName.MatchString(n) })
	slices.Sort(names)
	return slices.Compact(names)
}

// Places of a secret's value.
const (
	SecretInside = "inside" // it does not leave the server: a signature is checked with it
	SecretSent   = "sent"   // it is sent to hosts
	SecretShown  = "shown"  // it is text like any other, which the page and the API show
	// SecretAnywhere is that of a reference in a file with mistakes: it may be any.
	SecretAnywhere = "anywhere"
)

// A SecretUse is a reference to a secret in a file of a project.
type SecretUse struct {
	secret.Reference
	Resource     string // sources/github, or of millrace.yaml the field: warehouse, archive …
	Field        string // path of the field in the file
	File         string
	Line, Column int
	Place        string   // SecretInside, SecretSent, SecretShown or SecretAnywhere
	Hosts        []string // to which it is sent; none when they are not known
	InVault      bool
	Missing      bool // it was not found, and Secrets.Later left that out
	hidden       bool // Hosts have the value of a secret in them
}

// Among says whether one of other uses is the same: of the same secret by the same
// resource in the same place, sent nowhere else.
func (u SecretUse) Among(others []SecretUse) bool {
	return slices.ContainsFunc(others, func(o SecretUse) bool {
		switch {
		case o.Path != u.Path || o.Resource != u.Resource:
			return false
		case u.Place == SecretAnywhere:
			return true
		case o.Place != u.Place || u.Place == SecretShown && o.Field != u.Field:
			return false
		case u.Place == SecretSent:
			return len(u.Hosts) > 0 && !slices.ContainsFunc(u.Hosts, func(h string) bool { return !slices.Contains(o.Hosts, h) })
		}
		return true
	})
}

// By returns who uses the secret, once for each host.
func (u SecretUse) By() []secret.By {
	if u.Place == SecretInside {
		return []secret.By{{Resource: u.Resource, Inside: true}}
	}
	all := make([]secret.By, len(u.Hosts))
	for i, h := range u.Hosts {
		all[i] = secret.By{Resource: u.Resource, Host: h, Hidden: u.hidden}
	}
	return all
}

// A resolver replaces ${secret:path} and remembers the values, so that no
// message shows one. A nil resolver changes nothing.
type resolver struct {
	secrets Secrets
	check   bool // references are checked, values are not looked up
	values  []string
	uses    []SecretUse
}

const redacted = secret.Redacted

// redact hides every resolved secret in a message.
func (s *resolver) redact(message string) string {
	if s == nil {
		return message
	}
	for _, v := range s.values {
		message = strings.ReplaceAll(message, v, redacted)
	}
	return message
}

// shownBytes is how much of a value is too much to be shown.
const shownBytes = 6

// partly says whether a message may show a part of a value that redact does not
// find: it was cut off, or written otherwise.
func (s *resolver) partly(message string) bool {
	if s == nil {
		return false
	}
	text := strings.ToLower(s.redact(message))
	for _, v := range s.values {
		v = strings.ToLower(v)
		if len(v) < shownBytes && text == strings.ToLower(message) {
			return true
		}
		for i := range len(text) - shownBytes + 1 {
			if strings.Contains(v, text[i:i+shownBytes]) {
				return true
			}
		}
	}
	return false
}

var secretName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// expand replaces the references in the text of a place. known is false when a
// value was left out because it is not looked up now.
func (s *resolver) expand(text string, at SecretUse) (expanded string, known bool, err error) {
	if s == nil || !strings.Contains(text, "${") {
		return text, true, nil
	}
	known = true
	var uses []SecretUse
	expanded, err = secret.Expand(text, func(ref secret.Reference) (string, error) {
		if s.check {
			known = false
			return "", nil
		}
		if s.secrets.Withhold != nil && s.secrets.Withhold(ref.Path) {
			known = false
			return "", nil
		}
		use, lookup := at, s.secrets
		use.Reference = ref
		if at.Resource == "catalog" { // it has the vault in it
			lookup.Vault, lookup.Later = nil, false
		}
		value, inVault, err := lookup.Lookup(ref)
		if lookup.Later && err != nil && millrace.KindOf(err) == millrace.NotFound {
			value, err, known, use.Missing = "", nil, false, true
		}
		use.InVault = inVault
		uses = append(uses, use)
		s.remember(value)
		return value, err
	})
	for i := range uses {
		if at.mailed() { // to whom is known when all of the settings are read
			break
		}
		if at.Place == SecretSent && known {
			uses[i].Hosts = hostsOf(expanded)
			uses[i].hidden = hostIsSecret(text, uses[i].Hosts)
		}
		if uses[i].InVault && err == nil {
			err = s.secrets.permitted(uses[i])
		}
	}
	s.uses = append(s.uses, uses...)
	if err != nil {
		return "", false, err
	}
	return expanded, known, nil
}

// permitted asks the vault for a use.
func (s Secrets) permitted(use SecretUse) error {
	all := use.By()
	if use.Place == SecretShown {
		return millrace.Errorf(millrace.Forbidden, "the secret %s may not stand here, where all who see the project would see it: fields that take secrets are signatures and addresses", use.Path)
	}
	if len(all) == 0 {
		return millrace.Errorf(millrace.Forbidden, "the secret %s may not stand here, since it cannot be told to which host it would be sent: write the host before the path of the address, and no host, port or service behind the ?", use.Path)
	}
	for _, by := range all {
		if err := s.Vault.Use(use.Reference, by); err != nil {
			if s.Untold && millrace.KindOf(err) == millrace.Forbidden {
				return millrace.Errorf(millrace.Forbidden, "%s may not use the secret %s so: someone with the permission %s has to allow it, with millrace secret allow %s --resource %s, and --host where it is sent; what may use it so far is told to who has the permission secret:list",
					use.Resource, use.Path, secret.PermissionUse, use.Path, use.Resource)
			}
			return err
		}
	}
	return nil
}

// hostIsSecret says whether the hosts of an address have the value of a secret in
// them, where one stands within it. That of an address that is a secret as a whole
// has to be known to whoever is to allow it.
func hostIsSecret(text string, hosts []string) bool {
	if whole := anyReference.FindString(text); whole == text {
		return false
	}
	without := anyReference.ReplaceAllString(text, "secret")
	return !slices.Equal(hostsOf(without), hosts)
}

// hostsOf are the hosts that an address leads to; none when that cannot be told.
func hostsOf(address string) (hosts []string) {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	q := u.Query()
	switch u.Scheme {
	case "postgres", "postgresql":
		for _, elsewhere := range []string{"host", "hostaddr", "port", "service", "servicefile"} {
			if q.Has(elsewhere) {
				return nil
			}
		}
		for host := range strings.SplitSeq(u.Host, ",") {
			if host == "" {
				return nil
			}
			if _, _, err := net.SplitHostPort(host); err != nil {
				host += ":5432"
			}
			hosts = append(hosts, host)
		}
	case "s3":
		endpoint := q.Get("endpoint")
		if endpoint == "" {
			return []string{"s3.amazonaws.com"}
		}
		if e, err := url.Parse(endpoint); err == nil && e.Host != "" {
			return []string{e.Host}
		}
	}
	return hosts
}

// mailed says whether a use is the password for mail, whose place says nothing of
// where it is sent to.
func (u SecretUse) mailed() bool { return u.Place == SecretSent && u.Resource == "smtp" }

// mailed notes to which server the password for mail is sent, and asks whether it
// may be. base is the server that the settings name, own where the uses of the
// chosen environment begin, address the server that holds.
func (l *loader) mailed(d *decoder, base string, own int, address string) {
	uses := l.secrets.uses
	if !slices.ContainsFunc(uses[own:], SecretUse.mailed) {
		base = address // with the password of the settings
	}
	for i := range uses {
		u, to := &uses[i], base
		if i >= own {
			to = address
		}
		if !u.mailed() || to == "" { // validate says that it is missing
			continue
		}
		u.Hosts = []string{to}
		if !u.InVault {
			continue
		}
		if err := l.options.Secrets.permitted(*u); err != nil {
			d.add(u.Line, u.Column, "%s: %v", u.Field, err)
		}
	}
}

func (s *resolver) remember(v string) {
	if len(v) > 0 && !slices.Contains(s.values, v) {
		s.values = append(s.values, v)
		slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	}
}

// resourceOf is who a field's value is for.
func resourceOf(file, field string) string {
	if file != ConfigFile {
		return strings.TrimSuffix(file, ".yaml")
	}
	parts := strings.Split(field, ".")
	if parts[0] == "environments" && len(parts) > 2 {
		parts = parts[2:]
	}
	name, _, _ := strings.Cut(parts[0], "[")
	if name == "query" { // the login that queries run under
		return "warehouse"
	}
	return name
}

var anyReference = regexp.MustCompile(`\$\{secret:([^}]*)\}`)

// SecretUses are the references to secrets of a project, also of one with
// mistakes: those of a file that cannot be read as it should may be anywhere in
// it. texts are in place of some files, as in Check. It asks the Vault for values, but not for a use.
func SecretUses(fsys fs.FS, texts map[string][]byte, kinds Kinds, options Options) []SecretUse {
	options.Secrets.Later = true
	if options.Secrets.Vault != nil {
		options.Secrets.Vault = anyUse{options.Secrets.Vault}
	}
	l := newLoader(overlay{fsys, texts}, kinds, options)
	_, err := l.load()
	var problems Problems
	if err == nil || !errors.As(err, &problems) {
		return l.secrets.uses
	}
	all := slices.Clone(l.secrets.uses)
	for i, p := range problems {
		if i > 0 && problems[i-1].File == p.File {
			continue
		}
		text, err := l.read(p.File)
		if err != nil {
			continue
		}
		for _, found := range anyReference.FindAllSubmatch(text, -1) {
			ref, err := secret.ParseReference(string(found[1]))
			if err == nil && !slices.ContainsFunc(l.secrets.uses, func(u SecretUse) bool { return u.File == p.File && u.Reference == ref }) {
				all = append(all, SecretUse{Reference: ref, Resource: resourceOf(p.File, "file"), File: p.File, Place: SecretAnywhere})
			}
		}
	}
	return all
}

// anyUse lets anyone use secrets.
type anyUse struct{ Vault }

func (anyUse) Use(secret.Reference, secret.By) error { return nil }
