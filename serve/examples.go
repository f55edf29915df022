package serve

import (
	"embed"
	"encoding/json"
	"io/fs"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// exampleFiles hold, by operation, an example of what it takes and answers.
//
//go:embed examples*.json
var exampleFiles embed.FS

type example struct {
	Request json.RawMessage `json:"request"`
	Answer  json.RawMessage `json:"answer"`
}

// sameExample are operations that take and answer what another does.
var sameExample = map[string]string{"import": "batch"}

// addExamples puts an example into everything that an operation takes or
// answers as text and that has none.
func (s *server) addExamples() {
	all := map[string]example{}
	names, err := fs.Glob(exampleFiles, "examples*.json")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	for _, name := range names {
		text, err := exampleFiles.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &all)
		}
		if err != nil {
			panic("serve: " + name + ": " + err.Error()) // a fault in the build, which every test finds
		}
	}
	for _, path := range s.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Patch, path.Delete} {
			if op == nil {
				continue
			}
			id := strings.TrimSuffix(op.OperationID, "-short")
			if same := sameExample[id]; same != "" {
				id = same
			}
			if op.RequestBody != nil {
				exemplifyMedia(op.RequestBody.Content, all[id].Request)
			}
			for status, answer := range op.Responses {
				if strings.HasPrefix(status, "2") {
					exemplifyMedia(answer.Content, all[id].Answer)
				}
			}
		}
	}
}

// exemplifyMedia sets the example of each medium: rows of text carry what JSON does.
func exemplifyMedia(content map[string]*huma.MediaType, value json.RawMessage) {
	for media, c := range content {
		switch {
		case value == nil || c.Example != nil || c.Examples != nil || c.Schema != nil && c.Schema.Format == "binary":
		case media == ndjsonMedia && c.Schema != nil && c.Schema.Type == "string": // of rows
			c.Example = lines(value)
		default:
			c.Example = value
		}
	}
}

// lines are the elements of a JSON array as NDJSON.
func lines(array json.RawMessage) string {
	var rows []json.RawMessage
	var b strings.Builder
	if json.Unmarshal(array, &rows) != nil {
		return string(array)
	}
	for _, row := range rows {
		b.Write(oneLine(row))
		b.WriteByte('\n')
	}
	return b.String()
}
