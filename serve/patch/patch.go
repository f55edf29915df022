// Package patch changes JSON documents by JSON merge patches (RFC 7396).
package patch

import (
	"bytes"
	"encoding/json"

	"github.com/millrace/millrace"
)

// MaxDepth is how deeply a patch may be nested.
const MaxDepth = 64

// Merge returns the document with the patch applied: a member of the patch
// replaces the document's, null takes it away, objects are merged. Numbers keep
// all their digits; the members of an object that is changed come in the order
// of their names. Invalid when one of the two is not JSON, or nested too deeply.
func Merge(document, patch []byte) ([]byte, error) {
	d, err := decode(document, "the document")
	if err != nil {
		return nil, err
	}
	p, err := decode(patch, "the patch")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(merge(d, p)); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func decode(data []byte, what string) (any, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || d.More() {
		return nil, millrace.Errorf(millrace.Invalid, "%s is not one JSON value", what)
	}
	if depth(v) > MaxDepth {
		return nil, millrace.Errorf(millrace.Invalid, "%s is nested more than %d deep", what, MaxDepth)
	}
	return v, nil
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			deepest = max(deepest, depth(child))
		}
	case []any:
		for _, child := range v {
			deepest = max(deepest, depth(child))
		}
	default:
		return 0
	}
	return deepest + 1
}

func merge(document, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	d, ok := document.(map[string]any)
	if !ok {
		d = map[string]any{}
	}
	for name, v := range p {
		if v == nil {
			delete(d, name)
			continue
		}
		d[name] = merge(d[name], v)
	}
	return d
}
