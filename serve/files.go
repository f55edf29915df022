package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/audit"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/release/merge"
)

// ProjectFiles are the files of the project that is served.
type ProjectFiles interface {
	Files() (files []project.File, all bool, err error)
	Read(path string) (text []byte, etag string, err error)
	Save(path string, text []byte, etag string) (newETag string, err error)
	Remove(path, etag string) error
	Rename(from, to, etag string) error
	// Check finds what is wrong with the project with other texts in place of
	// some of its files; nil is a file that is removed. It tells nothing of secrets
	// that who asks may not allow to be used so.
	Check(ctx context.Context, who access.Principal, texts map[string][]byte) []project.Problem
	// CheckUses refuses texts by which a secret would be used as it is not yet, or the
	// whole server be set up otherwise, when who asks may not allow that.
	CheckUses(ctx context.Context, who access.Principal, texts map[string][]byte) error
	// Known is what completion offers to who asks, and SchemaFor the name of a file's
	// schema.
	Known(who access.Principal) project.Known
	SchemaFor(path string) string
	// Schemas are the JSON Schemas by name.
	Schemas() (map[string][]byte, error)
	// Saved is told of every change, so that it is served where saved files are.
	Saved()
}

// A ProjectFile is a file of the project.
type ProjectFile struct {
	Path     string `json:"path" example:"sources/web.yaml" doc:"Within the project."`
	Folder   string `json:"folder" example:"sources" doc:"Its first folder; empty for the project's own files."`
	Kind     string `json:"kind" example:"yaml" doc:"How its text is written; empty when it is not edited here."`
	Size     int64  `json:"size_bytes" doc:"How large it is."`
	Editable bool   `json:"editable" doc:"It is text that can be read and saved here."`
	ETag     string `json:"etag,omitempty" doc:"Of its content."`
	Schema   string `json:"schema,omitempty" example:"sources.json" doc:"The JSON Schema of its content, by name."`
}

// A FileText is a file with its text.
type FileText struct {
	Path string `json:"path" doc:"Within the project."`
	Text string `json:"text" doc:"Its text."`
	ETag string `json:"etag" doc:"Of its text: to be given when it is saved."`
	// Version is that of the project.
	Version int64 `json:"version,omitempty" doc:"The version that it is of, where changes are versions: to be given when it is saved."`
}

// A FileProblem is a mistake in a file.
type FileProblem struct {
	Path    string `json:"path" doc:"Of the file or folder."`
	Line    int    `json:"line" doc:"From 1; 0: it is of the file as a whole."`
	Column  int    `json:"column" doc:"In characters, from 1; 0 as line."`
	Message string `json:"message" doc:"What is wrong, and what to do."`
}

// A FileConflict is what is in the way of saving.
type FileConflict struct {
	Path string `json:"path" doc:"Of the file."`
	Text string `json:"text" doc:"What it says now."`
	ETag string `json:"etag,omitempty" doc:"Of that; absent when the file is gone."`
	// What follows is there when it is known from what both began.
	Merged    *string          `json:"merged,omitempty" doc:"Both changes, when they go together: look at it, and save it with this etag."`
	Marked    string           `json:"marked,omitempty" doc:"Both changes between marks, when they do not."`
	Conflicts []merge.Conflict `json:"conflicts,omitempty" doc:"Where they do not; ours is what was to be saved, theirs what the file says now."`
}

func fileProblems(all []project.Problem) []FileProblem {
	out := make([]FileProblem, len(all))
	for i, p := range all {
		out[i] = FileProblem{Path: p.File, Line: p.Line, Column: p.Column, Message: p.Message}
	}
	return out
}

// FilePath names a file in a query.
type FilePath struct {
	Path string `query:"path" required:"true" maxLength:"500" example:"sources/web.yaml" doc:"Of the file within the project."`
}

var errNoFiles = millrace.Errorf(millrace.NotFound, "this server does not show its project's files")

func (s *server) registerFiles() {
	type fileList struct {
		Files    []ProjectFile `json:"files" doc:"By path."`
		Complete bool          `json:"complete" doc:"Those are all; a project shows 10,000 at most."`
		Reloads  bool          `json:"reloads" doc:"What is saved is served at once; otherwise when the server is started again."`
		Version  int64         `json:"version,omitempty" doc:"The version that runs, where each change is one; absent where the files are those of a folder."`
	}
	register(s, operation{id: "list-files", needs: access.FileRead, method: http.MethodGet, path: "/api/v1/files", tag: "files",
		summary: "List the project's files", description: "Without secrets, hidden files and data.", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, _ *struct{}) (*bodyOf[fileList], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			files, all, err := s.space(ctx).Files.Files()
			if err != nil {
				return nil, err
			}
			out := fileList{Files: []ProjectFile{}, Complete: all, Reloads: s.o.Mode == Dev, Version: s.versionOf(ctx)}
			out.Reloads = out.Reloads || out.Version > 0
			for _, f := range files {
				out.Files = append(out.Files, ProjectFile{Path: f.Path, Folder: f.Folder, Kind: f.Kind, Size: f.SizeBytes, Editable: f.Editable, ETag: f.ETag, Schema: s.space(ctx).Files.SchemaFor(f.Path)})
			}
			return &bodyOf[fileList]{Body: out}, nil
		})
	register(s, operation{id: "read-file", needs: access.FileRead, method: http.MethodGet, path: "/api/v1/files/text", tag: "files",
		summary: "Read a file of the project", errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge}},
		func(ctx context.Context, in *FilePath) (*bodyOf[FileText], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			text, etag, err := s.space(ctx).Files.Read(in.Path)
			return &bodyOf[FileText]{Body: FileText{Path: in.Path, Text: string(text), ETag: etag, Version: s.versionOf(ctx)}}, err
		})
	s.registerFileChanges()
	s.registerEditor()
	s.registerFileValues()
	s.registerSchemas()
}

// saved is the answer to a change.
type savedFile struct {
	Path     string        `json:"path" doc:"Of the file."`
	ETag     string        `json:"etag" doc:"Of its text now; empty when it is gone."`
	Text     string        `json:"text,omitempty" doc:"Of edit: its text now."`
	Problems []FileProblem `json:"problems" doc:"What is wrong with the whole project now; while there is something, the version before goes on."`
	Version  int64         `json:"version,omitempty" doc:"The version that it made, where each change is one."`
}

func (s *server) saved(ctx context.Context, path, etag string) *bodyOf[savedFile] {
	s.space(ctx).Files.Saved()
	return &bodyOf[savedFile]{Body: savedFile{Path: path, ETag: etag, Problems: fileProblems(s.space(ctx).Files.Check(ctx, principal(ctx), nil)), Version: s.versionOf(ctx)}}
}

// tellFile writes down that a file was changed: its texts are known by their hashes.
func (s *server) tellFile(ctx context.Context, action, path, before, after string) {
	etag := func(of string) any {
		if of == "" {
			return nil
		}
		return map[string]string{"etag": of}
	}
	s.tell(ctx, action, audit.Object{Kind: "file", ID: path}, etag(before), etag(after))
}

// fileBodyBytes bounds a request with two texts, which in JSON may be several times as long.
const fileBodyBytes = 16 << 20

func (s *server) registerFileChanges() {
	type saveBody struct {
		Text   string  `json:"text" maxLength:"1048576" doc:"The whole text."`
		ETag   string  `json:"etag,omitempty" maxLength:"200" doc:"Of the text that it is in place of, as reading it said; absent for a new file."`
		Before *string `json:"before,omitempty" maxLength:"1048576" doc:"The text of that etag: with it, a conflict comes with both sides merged, also where files have no versions."`
		EditNote
	}
	conflicts := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge}
	register(s, operation{id: "save-file", needs: access.FileWrite, method: http.MethodPut, path: "/api/v1/files/text", tag: "files", timeout: deployPatience, maxBodyBytes: fileBodyBytes,
		summary: "Save a file of the project", description: "In millrace dev also with mistakes in it, which are told: then the version before goes on. In millrace serve it is a version, which needs release:deploy too and may have none: 400, with problems. 409, with what the file says now, when someone else has changed it meanwhile.",
		errors: conflicts},
		func(ctx context.Context, in *struct {
			FilePath
			Body saveBody
		}) (*bodyOf[savedFile], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			var before []byte
			if in.Body.Before != nil {
				before = append([]byte{}, *in.Body.Before...)
			}
			etag, err := s.saveFile(ctx, in.Path, []byte(in.Body.Text), before, in.Body.ETag, in.Body.EditNote)
			if err != nil {
				return nil, err
			}
			s.tellFile(ctx, "file.save", in.Path, in.Body.ETag, etag)
			return s.saved(ctx, in.Path, etag), nil
		})
	register(s, operation{id: "remove-file", needs: access.FileWrite, method: http.MethodDelete, path: "/api/v1/files/text", tag: "files", timeout: deployPatience, status: http.StatusOK,
		summary: "Remove a file of the project", errors: conflicts},
		func(ctx context.Context, in *struct {
			FilePath
			EditNote
			ETag string `query:"etag" required:"true" maxLength:"200" doc:"Of its text, as reading it said."`
		}) (*bodyOf[savedFile], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			if err := s.removeFile(ctx, in.Path, in.ETag, in.EditNote); err != nil {
				return nil, err
			}
			s.tellFile(ctx, "file.remove", in.Path, in.ETag, "")
			return s.saved(ctx, in.Path, ""), nil
		})
	type renameBody struct {
		From string `json:"from" maxLength:"500" doc:"Its path."`
		To   string `json:"to" maxLength:"500" doc:"Its new path, where there is none."`
		ETag string `json:"etag" maxLength:"200" doc:"Of its text, as reading it said."`
		EditNote
	}
	register(s, operation{id: "rename-file", needs: access.FileWrite, method: http.MethodPost, path: "/api/v1/files/rename", tag: "files", timeout: deployPatience,
		summary: "Rename a file of the project", description: "A source is called like its file, so that one that is renamed has other tables.", errors: conflicts},
		func(ctx context.Context, in *struct{ Body renameBody }) (*bodyOf[savedFile], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			if err := s.renameFile(ctx, in.Body.From, in.Body.To, in.Body.ETag, in.Body.EditNote); err != nil {
				return nil, err
			}
			s.tell(ctx, "file.rename", audit.Object{Kind: "file", ID: in.Body.From}, nil, map[string]string{"path": in.Body.To})
			return s.saved(ctx, in.Body.To, in.Body.ETag), nil
		})
	s.registerFileEdit(conflicts)
}

func (s *server) registerFileEdit(conflicts []int) {
	type editBody struct {
		Path    string       `json:"path" maxLength:"500" example:"sources/web.yaml" doc:"Of the file."`
		ETag    string       `json:"etag,omitempty" maxLength:"200" doc:"Of its text, as reading it said; absent for a new file."`
		Text    *string      `json:"text,omitempty" maxLength:"1048576" doc:"Changed in place of what the file says, such as what is being written; with dry only."`
		Changes []fileChange `json:"changes" maxItems:"200" doc:"One after another."`
		Dry     bool         `json:"dry,omitempty" doc:"Only answer the text and what would be wrong; save nothing."`
		EditNote
	}
	register(s, operation{id: "edit-file", needs: access.FileWrite, method: http.MethodPost, path: "/api/v1/files/edit", tag: "files", timeout: deployPatience, maxBodyBytes: fileBodyBytes,
		summary: "Change values in a YAML file of the project", description: "Comments, order and style stay as they are. What cannot be changed without changing another value, such as what an alias repeats, is refused.", errors: conflicts},
		func(ctx context.Context, in *struct{ Body editBody }) (*bodyOf[savedFile], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			b := in.Body
			switch {
			case b.Text != nil && !b.Dry:
				return nil, millrace.Errorf(millrace.Invalid, "a text is changed with dry only: save it with PUT /api/v1/files/text")
			case b.Text == nil && len(b.Changes) == 0:
				return nil, millrace.Errorf(millrace.Invalid, "changes: there is none")
			case b.Text != nil:
				return s.tryEdit(ctx, b.Path, b.ETag, []byte(*b.Text), b.Changes)
			}
			return s.editFile(ctx, b.Path, b.ETag, b.Changes, b.Dry, b.EditNote)
		})
}

// fileChange is one change of a YAML file.
type fileChange struct {
	Op    string `json:"op" enum:"set,append,remove" doc:"set gives a value; append adds to a list; remove takes a field or item away."`
	Path  []any  `json:"path" maxItems:"32" doc:"Names of fields, and numbers of items from 0, down to the value."`
	Value any    `json:"value,omitempty" doc:"What is set or appended."`
}

func (s *server) editFile(ctx context.Context, path, etag string, changes []fileChange, dry bool, note EditNote) (*bodyOf[savedFile], error) {
	var text []byte
	if etag != "" {
		has, current, err := s.space(ctx).Files.Read(path)
		if err != nil {
			return nil, err
		}
		if current != etag {
			return nil, fileError(ctx, &project.FileConflict{Path: path, Theirs: has, ETag: current})
		}
		text = has
	}
	if dry {
		return s.tryEdit(ctx, path, etag, text, changes)
	}
	edited, err := project.Edit(text, projectChanges(changes)...)
	if err != nil {
		return nil, err
	}
	newETag, err := s.saveFile(ctx, path, edited, text, etag, note)
	if err != nil {
		return nil, err
	}
	s.tellFile(ctx, "file.save", path, etag, newETag)
	out := s.saved(ctx, path, newETag)
	out.Body.Text = string(edited)
	return out, nil
}

func projectChanges(changes []fileChange) []project.Change {
	all := make([]project.Change, len(changes))
	for i, c := range changes {
		all[i] = project.Change{Op: c.Op, Path: c.Path, Value: c.Value}
	}
	return all
}

// tryEdit changes a text that is not saved, and says what would be wrong.
func (s *server) tryEdit(ctx context.Context, path, etag string, text []byte, changes []fileChange) (*bodyOf[savedFile], error) {
	edited, err := project.Edit(text, projectChanges(changes)...)
	if err != nil {
		return nil, err
	}
	return &bodyOf[savedFile]{Body: savedFile{Path: path, ETag: etag, Text: string(edited), Problems: fileProblems(s.space(ctx).Files.Check(ctx, principal(ctx), map[string][]byte{path: edited}))}}, nil
}

func (s *server) registerEditor() {
	type checkBody struct {
		Texts map[string]*string `json:"texts,omitempty" doc:"Texts that are not saved yet, by path; null: as if the file were removed."`
	}
	type checked struct {
		Problems []FileProblem `json:"problems" doc:"By file, line and column; empty when all is well."`
	}
	register(s, operation{id: "check-files", needs: access.FileRead, method: http.MethodPost, path: "/api/v1/files/check", tag: "files", maxBodyBytes: 8 << 20,
		summary: "Check the project with texts that are not saved yet", description: "The same checks as millrace check.", errors: []int{http.StatusBadRequest, http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			Body *checkBody `required:"false"`
		}) (*bodyOf[checked], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			texts := map[string][]byte{}
			if in.Body != nil {
				for path, text := range in.Body.Texts {
					if texts[path] = nil; text != nil {
						texts[path] = []byte(*text)
					}
				}
			}
			return &bodyOf[checked]{Body: checked{Problems: fileProblems(s.space(ctx).Files.Check(ctx, principal(ctx), texts))}}, nil
		})
	type completeBody struct {
		Path   string `json:"path" maxLength:"500" example:"sources/web.yaml" doc:"Of the file."`
		Text   string `json:"text" maxLength:"1048576" doc:"As it is now."`
		Line   int    `json:"line" minimum:"1" doc:"Where, from 1."`
		Column int    `json:"column" minimum:"1" doc:"Where, in characters, from 1."`
	}
	type completion struct {
		Label  string `json:"label" doc:"To be shown."`
		Insert string `json:"insert" doc:"To be written; may have several lines."`
		Doc    string `json:"doc" doc:"What it is, in a paragraph."`
		Kind   string `json:"kind" enum:"field,value,resource,secret" doc:"What it is."`
	}
	type completed struct {
		From  int          `json:"from" doc:"In place of the characters of the line from here, from 1."`
		To    int          `json:"to" doc:"Up to here, not including it."`
		Items []completion `json:"items" doc:"What may be written."`
	}
	register(s, operation{id: "complete-file", needs: access.FileRead, method: http.MethodPost, path: "/api/v1/files/complete", tag: "files", maxBodyBytes: 8 << 20,
		summary: "What may be written at a place of a file", description: "Fields, their values, names of resources and secrets. Nothing in files that have no schema.",
		errors: []int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge}},
		func(ctx context.Context, in *struct{ Body completeBody }) (*bodyOf[completed], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			out := completed{From: in.Body.Column, To: in.Body.Column, Items: []completion{}}
			name := s.space(ctx).Files.SchemaFor(in.Body.Path)
			if name == "" {
				return &bodyOf[completed]{Body: out}, nil
			}
			schemas, err := s.space(ctx).Files.Schemas()
			if err != nil {
				return nil, err
			}
			found, err := project.Complete(schemas[name], []byte(in.Body.Text), in.Body.Line, in.Body.Column, s.space(ctx).Files.Known(principal(ctx)))
			if err != nil {
				return nil, err
			}
			out.From, out.To = found.From, found.To
			for _, c := range found.Items {
				out.Items = append(out.Items, completion(c))
			}
			return &bodyOf[completed]{Body: out}, nil
		})
}

func (s *server) registerSchemas() {
	type schemaList struct {
		Schemas []string `json:"schemas" doc:"Their names."`
	}
	register(s, operation{id: "list-schemas", needs: access.FileRead, method: http.MethodGet, path: "/api/v1/schemas", tag: "files",
		summary: "List the JSON Schemas of the project's files", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, _ *struct{}) (*bodyOf[schemaList], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			all, err := s.space(ctx).Files.Schemas()
			return &bodyOf[schemaList]{Body: schemaList{Schemas: list(slices.Sorted(maps.Keys(all)))}}, err
		})
	register(s, operation{id: "get-schema", needs: access.FileRead, method: http.MethodGet, path: "/api/v1/schemas/{name}", tag: "files",
		summary: "Get the JSON Schema of files of the project", errors: []int{http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"100" example:"sources.json" doc:"Of the schema."`
		}) (*bodyOf[json.RawMessage], error) {
			if s.space(ctx).Files == nil {
				return nil, errNoFiles
			}
			all, err := s.space(ctx).Files.Schemas()
			if err != nil {
				return nil, err
			}
			text, ok := all[in.Name]
			if !ok {
				return nil, millrace.Errorf(millrace.NotFound, "there is no schema %.100q: there are %s", in.Name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
			}
			if !json.Valid(text) {
				return nil, fmt.Errorf("the schema %s is not JSON", in.Name)
			}
			return &bodyOf[json.RawMessage]{Body: text}, nil
		})
}
