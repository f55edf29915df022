package plan

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/project"
)

// TestServerSettings: which settings are the whole server's, wherever they stand.
func TestServerSettings(t *testing.T) {
	t.Parallel()
	const old = "name: shop\narchive: file:archive\nenvironments: {production: {query: {rows: 7}}}\n"
	for next, want := range map[string][]string{
		old:                             nil,
		"name: other\n":                 {"archive", "query.rows"}, // taken out
		old + "query: {rows: 9}\n":      nil,
		old + "query: {memory: 1GiB}\n": {"query.memory"},
		old + "query: {timeout: 1ms}\n": {"query.timeout"},
		old + "smtp: {address: 'mail.example:25', from: a@b.example}\n":             {"smtp.address", "smtp.from"},
		old + "log: {retention: 1d}\n":                                              {"log.retention"},
		"name: shop\narchive: s3://b\n":                                             {"archive", "query.rows"},
		"name: shop\narchive: file:archive\nenvironments: {production: {smtp: {}}}": {"query.rows", "smtp"},
		"name: shop\narchive: file:archive\nenvironments: {staging: {smtp: {}}}":    {"query.rows"},
		"name: [": nil,
	} {
		if got := ServerSettings([]byte(old), []byte(next), "production"); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
	if got := ServerSettings(nil, []byte(old), ""); !slices.Equal(got, []string{"archive"}) {
		t.Errorf("of nothing: %q", got)
	}
}

// whose says of every setting of millrace.yaml in the server's own workspace whether
// it is the whole server's, so that only who may set that up changes it, or the
// workspace's. A new setting has to be put here.
var whose = map[string]string{
	"name":         "workspace", // nobody else sees it; passwords that have it in them are refused
	"environments": "workspace", // what they say is looked at in the one that the server runs as

	"log.retention": "server", "log.size": "server", "log.reserve": "server", // one log has the records of all
	"warehouse": "server", "archive": "server", "catalog": "server", "archive_interval": "server", // what all is kept in
	"collect.limits.event_size": "server", "collect.limits.batch_size": "server", "collect.limits.batch_events": "server", "collect.limits.depth": "server",
	"collect.limits.key_length": "server", "collect.limits.properties": "server", "collect.limits.rate": "server", "collect.limits.burst": "server", // intake is one
	"collect.trusted_proxies": "server", "collect.public_url": "server", // links in mails to all lead there
	"query.timeout": "server", "query.rows": "server", "query.result_size": "server", // nobody has larger ones
	"query.memory": "server", "query.spill": "server", "query.login": "server", "query.concurrency": "server", // the engine's
	"smtp.address": "server", "smtp.from": "server", "smtp.user": "server", "smtp.password": "server", "smtp.encryption": "server", // mails to all
	"audit_retention": "server", // the trail of all
	"backup.to":       "server", "backup.key_file": "server", "backup.every": "server", "backup.keep.last": "server", "backup.keep.daily": "server", "backup.keep.weekly": "server", "backup.keep.monthly": "server",
}

// TestWhoseSettings: every setting is of the server or of the workspace.
func TestWhoseSettings(t *testing.T) {
	t.Parallel()
	all := settingsOf(reflect.TypeFor[project.Config](), "")
	for _, path := range all {
		text, indent := "", ""
		for name := range strings.SplitSeq(path, ".") {
			text, indent = text+"\n"+indent+name+":", indent+"  "
		}
		fields := ServerSettings([]byte("other: x\n"), []byte("other: x"+text+" y\n"), "")
		switch whose[path] {
		case "server":
			if !slices.Equal(fields, []string{path}) {
				t.Errorf("%s is the whole server's, and whoever edits the project may change it", path)
			}
		case "workspace":
			if len(fields) > 0 {
				t.Errorf("%s is the workspace's, and needs who runs the server to be changed", path)
			}
		default:
			t.Errorf("%s: say in this test whether it is the whole server's or the workspace's", path)
		}
	}
	for path := range maps.Keys(whose) {
		if !slices.Contains(all, path) {
			t.Errorf("there is no setting %s", path)
		}
	}
}

// settingsOf are the paths of the settings in a struct.
func settingsOf(of reflect.Type, path string) (all []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		at := join(path, name)
		if options == "inline" {
			at = path
		}
		if f.Type.Kind() == reflect.Struct {
			all = append(all, settingsOf(f.Type, at)...)
		} else {
			all = append(all, at)
		}
	}
	return all
}
