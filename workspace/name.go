package workspace

import (
	"crypto/rand"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/millrace/millrace"
)

// Bounds of names.
const (
	maxNameLength        = 40
	maxEnvironmentLength = 30
	maxTitleLength       = 100 // characters
	maxReasonLength      = 500
)

// reserved are names that would be taken for something else in a path, a
// hostname or a sentence.
var reserved = []string{
	"about", "account", "accounts", "admin", "administrator", "all", "anonymous", "api", "app", "assets", "audit", "auth", "backup", "backups",
	"billing", "blog", "catalog", "cdn", "collect", "config", "console", "dashboard", "default", "demo", "docs", "download", "events", "everyone", "example",
	"files", "ftp", "guest", "health", "help", "home", "host", "index", "install", "installation", "internal", "invite", "invitation", "legal", "local", "localhost",
	"login", "logout", "mail", "me", "metrics", "millrace", "my", "new", "nobody", "none", "null", "oauth", "official", "operator", "owner", "password", "postmaster",
	"privacy", "profile", "public", "query", "register", "root", "sdk", "secret", "secrets", "security", "self", "server", "session", "sessions", "settings",
	"setup", "share", "shared", "signin", "signout", "signup", "smtp", "source", "sources", "static", "status", "store", "support", "sys", "sysadmin", "system",
	"team", "teams", "terms", "test", "token", "tokens", "undefined", "update", "upload", "usage", "user", "users", "webhook", "webhooks", "webmaster",
	"workspace", "workspaces", "www",
}

var reservedLooks = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range reserved {
		all[looks(name)] = true
	}
	return all
}()

// CheckName says what is wrong with the name of a workspace: it has 2 to 40 of
// a-z, 0-9 and -, begins with a letter, and neither ends with - nor has two in a
// row. Ids of spaces begin with a digit, so that no name is one.
func CheckName(name string) error {
	if err := checkName("workspace", name, maxNameLength); err != nil {
		return err
	}
	if reservedLooks[looks(name)] {
		return millrace.Errorf(millrace.Invalid, "the name %s is reserved, or looks like one that is: choose another", name)
	}
	return nil
}

// CheckEnvironment says what is wrong with the name of an environment: as
// CheckName, with at most 30 characters.
func CheckEnvironment(name string) error {
	if err := checkName("environment", name, maxEnvironmentLength); err != nil {
		return err
	}
	if slices.Contains([]string{"default", "all", "none"}, name) {
		return millrace.Errorf(millrace.Invalid, "an environment cannot be called %s: choose another name", name)
	}
	return nil
}

func checkName(what, name string, most int) error {
	good := len(name) >= 2 && len(name) <= most && name[0] >= 'a' && name[0] <= 'z' && name[len(name)-1] != '-' && !strings.Contains(name, "--")
	for _, c := range []byte(name) {
		good = good && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-')
	}
	if !good {
		return millrace.Errorf(millrace.Invalid, "%.80q cannot be the name of a %s: it has 2 to %d of a-z, 0-9 and -, begins with a letter, and has a letter or digit before and after each -", name, what, most)
	}
	return nil
}

var (
	lookPairs  = strings.NewReplacer("rn", "m", "vv", "w")
	lookSingle = strings.NewReplacer("-", "", "0", "o", "1", "l", "i", "l", "2", "z", "5", "s", "8", "b")
)

// looks returns the same for names that people take for each other.
func looks(name string) string { return lookPairs.Replace(lookSingle.Replace(name)) }

// checkText says what is wrong with a title or a reason: it is for people, so it
// has no control characters, nothing that changes the direction of what follows,
// and no more than so many characters.
func checkText(what, text string, most int) error {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > most {
		return millrace.Errorf(millrace.Invalid, "a %s has at most %d characters", what, most)
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' || r == '\u2028' || r == '\u2029' {
			return millrace.Errorf(millrace.Invalid, "a %s cannot have control characters or invisible ones: %U is one", what, r)
		}
	}
	return nil
}

// newID returns an id of a workspace: 100 random bits behind w_.
func newID() string { return "w_" + strings.ToLower(rand.Text())[:20] }

// newSpace returns an id of a space: as many behind a digit, since no name
// begins with one.
func newSpace() string { return "1" + strings.ToLower(rand.Text())[:20] }

// Address is how people write a space: the name of the workspace, and behind @
// that of an environment which is not its default one.
func Address(workspace, environment string, isDefault bool) string {
	if isDefault {
		return workspace
	}
	return workspace + "@" + environment
}
