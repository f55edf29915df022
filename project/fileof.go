package project

import (
	"strings"

	"github.com/millrace/millrace"
)

// FileOf describes a file of a project that lies in no folder, by its bytes.
func FileOf(name string, data []byte) File {
	file := File{Path: name, SizeBytes: int64(len(data))}
	if folder, _, ok := strings.Cut(name, "/"); ok {
		file.Folder = folder
	}
	if CheckText(name, data) == nil {
		file.Editable, file.ETag, file.Kind = true, ETagOf(data), kindOfText(name)
	}
	return file
}

// CheckText refuses what is no text that people edit in a project, or has a path
// that is never shown.
func CheckText(name string, data []byte) error {
	if err := checkPath(name); err != nil {
		return err
	}
	if why := Private(name); why != "" {
		return millrace.Errorf(millrace.Forbidden, "%s: %s are not shown or edited here", clip(name), why)
	}
	if err := checkText(data); err != nil {
		return fileError(name, err)
	}
	return nil
}
