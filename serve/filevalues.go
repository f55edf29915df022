package serve

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/project"
)

// A FilePlace is where a value stands in a file.
type FilePlace struct {
	Path   []any `json:"path" doc:"Names of fields, and numbers of items from 0, down to the value."`
	Line   int   `json:"line" doc:"From 1."`
	Column int   `json:"column" doc:"In characters, from 1."`
	Shared bool  `json:"shared,omitempty" doc:"It is written once and repeated by an alias or merge: it is better changed in the text."`
}

// registerFileValues adds what reads the values of a text.
func (s *server) registerFileValues() {
	type valuesBody struct {
		Text string `json:"text" maxLength:"1048576" doc:"Of a YAML file."`
	}
	type fileValues struct {
		Values   json.RawMessage `json:"values" doc:"What it says, in its order, as it is written: references to secrets stay references. Empty when it cannot be read."`
		Places   []FilePlace     `json:"places" doc:"Where each value stands, in the order of the text."`
		Problems []FileProblem   `json:"problems" doc:"Why it cannot be read; empty when it can. What its values mean is not looked at: see check."`
	}
	register(s, operation{id: "read-values", needs: access.FileRead, method: http.MethodPost, path: "/api/v1/files/values", tag: "files", maxBodyBytes: 8 << 20,
		summary: "Read the values in a YAML text", description: "With their paths and places, for programs that show and edit them. Edit changes them.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge}},
		func(ctx context.Context, in *struct{ Body valuesBody }) (*bodyOf[fileValues], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			if len(in.Body.Text) > project.MaxFileSizeBytes {
				return nil, millrace.Errorf(millrace.TooLarge, "the text is larger than 1MiB")
			}
			out := fileValues{Values: json.RawMessage("{}"), Places: []FilePlace{}}
			values, places, problems := project.Read([]byte(in.Body.Text))
			out.Problems = fileProblems(problems)
			if len(problems) == 0 {
				var err error
				if out.Values, err = values.MarshalJSON(); err != nil {
					return nil, err
				}
			}
			for _, p := range places {
				out.Places = append(out.Places, FilePlace(p))
			}
			return &bodyOf[fileValues]{Body: out}, nil
		})
}
