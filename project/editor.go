package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// SchemaFolder is where a project has the JSON Schemas of its files, for
// editors that complete and check with them offline. It is made anew by
// WriteSchemas and is not in git.
const SchemaFolder = ".millrace/schema"

// SchemaFor returns the name, among Schemas, of the schema of a file, or "".
func SchemaFor(file string, kinds Kinds) string {
	folder, name := path.Split(file)
	folder = strings.TrimSuffix(folder, "/")
	switch _, known := kinds[folder]; {
	case file == ConfigFile:
		return "millrace.json"
	case known && path.Ext(name) == ".yaml":
		return folder + ".json"
	}
	return ""
}

// schemaLine is the comment by which editors find the schema of a file.
func schemaLine(file string) string {
	name := "millrace.json"
	if folder, _, ok := strings.Cut(file, "/"); ok {
		name = folder + ".json"
	}
	return "# yaml-language-server: $schema=" + strings.Repeat("../", strings.Count(file, "/")) + SchemaFolder + "/" + name + "\n"
}

// WriteSchemas writes the JSON Schemas of a project's files into its
// SchemaFolder, where they are not there or are another version's. The folder
// above it, which is the data folder, is private.
func WriteSchemas(dir string, kinds Kinds, docs Docs) error {
	schemas, err := Schemas(kinds, docs)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("the project's folder cannot be opened: %w", err)
	}
	defer root.Close()
	if err := root.MkdirAll(SchemaFolder, 0o700); err != nil {
		return schemasError(err)
	}
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		file := path.Join(SchemaFolder, name)
		if now, err := root.ReadFile(file); err == nil && bytes.Equal(now, schemas[name]) {
			continue
		}
		temporary, err := writeTemporary(root, file, schemas[name], nil)
		if err == nil {
			err = put(root, temporary, file, false)
		}
		if err != nil {
			return schemasError(err)
		}
	}
	return nil
}

func schemasError(err error) error {
	kind := millrace.Internal
	if errors.Is(err, fs.ErrPermission) {
		kind = millrace.Forbidden
	}
	return millrace.Errorf(kind, "the schemas for editors cannot be written to %s: %w", SchemaFolder, err)
}
