package project

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/millrace/millrace"
)

const initConfig = `%s# The project. millrace check says what is wrong with it, and where.
name: %s

log:
  retention: 7d # then records are in the archive only

warehouse: duckdb # or postgres://…, as ${secret:warehouse_url}
archive: file:archive # in the data folder; or s3://bucket/prefix

# environments: # what differs; the files in sources may say so too
#   production:
#     warehouse: ${secret:warehouse_url}
#   staging:
`

const initSource = `%s# A website or app that sends events with a write key.
kind: http
write_keys:
  - %s # keys that begin with dev_ work in millrace dev only
browser: true

# environments: # keys of its own where a version runs in another environment
#   staging:
#     write_keys: [%s]
`

const initReadme = `# %s

A [Millrace](https://github.com/millrace/millrace) project: ` + "`millrace.yaml`" + ` and a file for each source in ` + "`sources/`" + `.

    millrace dev        # run it; edits are taken over when you save
    millrace check      # say what is wrong without running it

While it runs, open http://127.0.0.1:8080 in a browser: what comes in, live, the
tables with their SQL, and these files.

Send an event and ask for it:

    curl -u %s: http://127.0.0.1:8080/v1/track -H 'Content-Type: application/json' \
      -d '{"event": "Order Completed", "userId": "ada", "properties": {"total": 42}}'
    millrace query 'SELECT * FROM web.tracks'

Secrets are not in these files: ` + "`${secret:name}`" + ` is what
` + "`millrace secret set name`" + ` keeps in the server, or the environment variable
` + "`MILLRACE_SECRET_NAME`" + `, or the file ` + "`.secrets/name`" + `.
`

// initIgnore keeps data and secrets out of git.
const initIgnore = "/.millrace/\n/.secrets/\n"

// Init makes a project in dir that runs as it is, with one source and a key
// for it, and returns the files that it made, within dir. Files that are there
// stay as they are. It fails with Conflict when dir is a project already. An
// empty name is taken from the folder's.
func Init(dir, name string) (made []string, err error) {
	if name == "" {
		absolute, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		name = nameFrom(filepath.Base(absolute))
	}
	if !projectName.MatchString(name) {
		return nil, millrace.Errorf(millrace.Invalid, "a project cannot be called %.80q: use a-z, 0-9, _ and -, beginning with a letter", name)
	}
	if _, err := os.Lstat(filepath.Join(dir, ConfigFile)); err == nil {
		return nil, millrace.Errorf(millrace.Conflict, "%s is a project already: run it with: millrace dev %s", dir, dir)
	}
	key := "dev_" + strings.ToLower(rand.Text()[:20])
	for _, f := range []struct{ path, text string }{
		{filepath.Join(SecretsFolder, ".gitignore"), "*\n"},
		{".gitignore", initIgnore},
		{"README.md", fmt.Sprintf(initReadme, name, key)},
		{filepath.Join("sources", "web.yaml"), fmt.Sprintf(initSource, schemaLine("sources/web.yaml"), key, "staging_"+strings.ToLower(rand.Text()[:20]))},
		{ConfigFile, fmt.Sprintf(initConfig, schemaLine(ConfigFile), name)}, // last: from now on it is a project
	} {
		ok, err := create(filepath.Join(dir, f.path), f.text)
		if err != nil {
			return made, fmt.Errorf("the project is not complete: %w", err)
		}
		if ok {
			made = append(made, f.path)
		}
	}
	return made, nil
}

// create writes a new file, and reports false when there is one.
func create(path, text string) (bool, error) {
	mode := fs.FileMode(0o755)
	if filepath.Base(filepath.Dir(path)) == SecretsFolder {
		mode = 0o700
	}
	if err := os.MkdirAll(filepath.Dir(path), mode); err != nil {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) // #nosec G302 -- a project is for its team to read, and holds no secrets
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(text)
	return true, errors.Join(err, f.Close())
}

// nameFrom makes a project's name of a folder's.
func nameFrom(folder string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(folder) {
		switch {
		case c >= 'a' && c <= 'z', b.Len() > 0 && (c >= '0' && c <= '9' || c == '_' || c == '-'):
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 63 {
			break
		}
	}
	if name := strings.Trim(b.String(), "-_"); name != "" {
		return name
	}
	return "project"
}
