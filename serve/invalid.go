package serve

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// inputKey is where an operation keeps the type of what it is given.
const inputKey = "input"

// inOrder sorts what is wrong with a request in the order in which the fields are
// described: the library looks at some of them in the order of a map. What is not
// known comes last, by its name.
func inOrder(op *huma.Operation, errs []error) {
	if op == nil {
		return
	}
	input, ok := op.Metadata[inputKey].(reflect.Type)
	if !ok {
		return
	}
	place := func(err error) string {
		var d huma.ErrorDetailer
		if !errors.As(err, &d) {
			return ""
		}
		return placeOf(input, *d.ErrorDetail())
	}
	slices.SortStableFunc(errs, func(a, b error) int { return cmp.Compare(place(a), place(b)) })
}

const (
	missingBegin = "expected required property "
	missingEnd   = " to be present"
	unknown      = "9999 "
)

// placeOf is a text that sorts as the field stands in the input of an operation.
func placeOf(input reflect.Type, d huma.ErrorDetail) string {
	where, path, _ := strings.Cut(d.Location, ".")
	if name, ok := strings.CutPrefix(d.Message, missingBegin); ok { // told of what should have it
		path = strings.TrimPrefix(path+"."+strings.TrimSuffix(name, missingEnd), ".")
	}
	if where != "body" {
		return "0 " + where + step(input, where, path)
	}
	body, ok := input.FieldByName("Body")
	if !ok {
		return "1 " + path
	}
	return "1 " + within(body.Type, path)
}

// within is placeOf for a value of the body.
func within(t reflect.Type, path string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case path == "":
		return ""
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && path[0] == '[':
		at, rest, _ := strings.Cut(path[1:], "]")
		return fmt.Sprintf("/%06s", at) + within(t.Elem(), strings.TrimPrefix(rest, "."))
	case t.Kind() == reflect.Struct:
		return step(t, "json", path)
	}
	return "/" + path
}

// step goes into the field of a struct that a tag names so.
func step(t reflect.Type, tag, path string) string {
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	for i, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name != "" && strings.EqualFold(name, path[:end]) {
			return fmt.Sprintf("/%04d", i) + within(f.Type, strings.TrimPrefix(path[end:], "."))
		}
	}
	return "/" + unknown + path
}
