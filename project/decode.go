package project

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/unit"
)

// A decoder fills Go values from a file's values. It reports every mistake and
// goes on.
type decoder struct {
	*report
	left    int                   // values that may still be decoded: aliases share theirs
	places  map[string]fieldPlace // of each field's key, by path: "limits.event_size", "from[1]"
	unknown bool                  // a value is not there: a secret's, or what the file's parser refused
	failed  []string              // paths of fields that could not be decoded
	secret  []string              // paths of fields that have the value of a secret in them
	strange bool                  // there was a field of an unknown name
}

type fieldPlace struct{ line, column int }

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
	valueType    = reflect.TypeFor[*value]()
	secretType   = reflect.TypeFor[unit.Secret]()
	engineType   = reflect.TypeFor[Engine]()
)

func newDecoder(r *report) *decoder {
	return &decoder{report: r, left: maxValues, places: map[string]fieldPlace{}, unknown: len(r.problems) > 0}
}

// wrong reports a value of the wrong type.
func (d *decoder) wrong(v *value, path, want string) {
	got := v.shape.String()
	if v.shape > shapeNull && v.shape < shapeList {
		got = fmt.Sprintf("%q", clip(v.text))
	}
	d.add(v.line, v.column, "%swants %s, not %s", prefix(path), want, got)
}

func prefix(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

// decode fills into. A null leaves it as it is, so defaults stay.
func (d *decoder) decode(v *value, into reflect.Value, path string) {
	problems, failed := len(d.problems)+d.more, len(d.failed)
	d.fill(v, into, path)
	if len(d.problems)+d.more > problems && len(d.failed) == failed {
		d.failed = append(d.failed, path)
	}
}

func (d *decoder) fill(v *value, into reflect.Value, path string) {
	if d.left--; d.left <= 0 {
		if d.left == 0 {
			d.add(v.line, v.column, "more than %d values when aliases and merges are expanded", maxValues)
		}
		return
	}
	if into.Type() == valueType {
		into.Set(reflect.ValueOf(v))
		return
	}
	if v.shape == shapeNull {
		return
	}
	if into.Kind() == reflect.Pointer {
		if into.IsNil() {
			into.Set(reflect.New(into.Type().Elem()))
		}
		d.decode(v, into.Elem(), path)
		return
	}
	if reflect.PointerTo(into.Type()).Implements(textType) {
		d.text(v, into, path)
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.object(v, into, path)
	case reflect.Map:
		d.table(v, into, path)
	case reflect.Slice:
		d.list(v, into, path)
	case reflect.Interface:
		into.Set(reflect.ValueOf(d.any(v, path)))
	default:
		d.scalar(v, into, path)
	}
}

// expand returns a scalar's text with its secrets; ok is false when there is
// no value to go on with.
func (d *decoder) expand(v *value, path string) (text string, ok bool) {
	return d.expandFor(v, path, SecretShown)
}

// expandFor is expand for a place of a secret.
func (d *decoder) expandFor(v *value, path, place string) (text string, ok bool) {
	text, known, err := d.secrets.expand(v.text, SecretUse{Resource: resourceOf(d.file, path), Field: path, File: d.file, Line: v.line, Column: v.column, Place: place})
	if err != nil {
		d.add(v.line, v.column, "%s%v", prefix(path), err)
		return "", false
	}
	d.unknown = d.unknown || !known
	if isReference(v.text) {
		d.secret = append(d.secret, path)
	}
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\t' {
			d.add(v.line, v.column, "%shas a control character (%U): remove it", prefix(path), c)
			return "", false
		}
	}
	return text, known
}

func (d *decoder) text(v *value, into reflect.Value, path string) {
	if v.shape >= shapeList {
		d.wrong(v, path, "text")
		return
	}
	if into.Type() == secretType && !isReference(v.text) {
		name := path[strings.LastIndexByte(path, '.')+1:]
		d.add(v.line, v.column, "%sthe secret is written out, and this file lies in git: write %s", prefix(path), referenceExample(secretNameFrom(d.file, name)))
		return
	}
	place := SecretShown
	switch into.Type() {
	case secretType:
		place = SecretInside
		if d.file == ConfigFile { // the password of a server for mail
			place = SecretSent
		}
	case engineType:
		place = SecretSent
	}
	text, ok := d.expandFor(v, path, place)
	if !ok {
		return
	}
	if into.Type() == engineType {
		for _, problem := range addressProblems(v.text, text) {
			d.add(v.line, v.column, "%s", d.without(prefix(path)+problem))
		}
	}
	if err := into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		d.add(v.line, v.column, "%s", d.without(prefix(path)+err.Error()))
	}
}

func (d *decoder) scalar(v *value, into reflect.Value, path string) {
	switch {
	case into.Type() == durationType:
		var u unit.Duration
		d.text(v, reflect.ValueOf(&u).Elem(), path)
		into.SetInt(int64(u))
	case into.Kind() == reflect.String:
		switch v.shape {
		case shapeString:
			if text, ok := d.expand(v, path); ok {
				into.SetString(text)
			}
		case shapeBool, shapeInt, shapeFloat:
			d.add(v.line, v.column, "%swants text: write '%s' in quotes", prefix(path), clip(v.text))
		default:
			d.wrong(v, path, "text")
		}
	case into.Kind() == reflect.Bool:
		if v.shape != shapeBool {
			d.wrong(v, path, "true or false")
			return
		}
		into.SetBool(strings.EqualFold(v.text, "true"))
	default:
		d.number(v, into, path)
	}
}

func (d *decoder) number(v *value, into reflect.Value, path string) {
	if into.CanFloat() {
		f, err := strconv.ParseFloat(v.text, 64)
		if v.shape != shapeInt && v.shape != shapeFloat || err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			d.wrong(v, path, "a number")
			return
		}
		into.SetFloat(f)
		return
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if v.shape != shapeInt || err != nil {
		d.wrong(v, path, "a whole number")
		return
	}
	switch {
	case into.CanInt() && !into.OverflowInt(n):
		into.SetInt(n)
	case into.CanUint() && n >= 0 && !into.OverflowUint(uint64(n)):
		into.SetUint(uint64(n))
	default:
		d.add(v.line, v.column, "%s%s is out of range", prefix(path), clip(v.text))
	}
}

func (d *decoder) list(v *value, into reflect.Value, path string) {
	if v.shape != shapeList {
		d.wrong(v, path, "a list, such as [a, b]")
		return
	}
	out := reflect.MakeSlice(into.Type(), 0, min(len(v.items), 1024))
	for i, item := range v.items {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.places[at] = fieldPlace{item.line, item.column}
		if item.shape == shapeNull {
			d.add(item.line, item.column, "%s: is empty", at)
			d.failed = append(d.failed, path) // the numbers of those behind it are others
			continue
		}
		e := reflect.New(into.Type().Elem()).Elem()
		d.decode(item, e, at)
		out = reflect.Append(out, e)
	}
	into.Set(out)
}

func (d *decoder) table(v *value, into reflect.Value, path string) {
	if v.shape != shapeMap || into.Type().Key().Kind() != reflect.String {
		d.wrong(v, path, "a mapping of names to values")
		return
	}
	out := reflect.MakeMapWithSize(into.Type(), len(v.fields))
	for _, f := range v.fields {
		at := join(path, clip(f.name))
		d.places[at] = fieldPlace{f.line, f.column}
		e := reflect.New(into.Type().Elem()).Elem()
		d.decode(f.value, e, at)
		out.SetMapIndex(reflect.ValueOf(f.name).Convert(into.Type().Key()), e)
	}
	into.Set(out)
}

func (d *decoder) object(v *value, into reflect.Value, path string) {
	if v.shape != shapeMap {
		d.wrong(v, path, "a mapping of names to values")
		return
	}
	known := fieldsOf(into.Type())
	for _, f := range v.fields {
		at := join(path, clip(f.name))
		d.places[at] = fieldPlace{f.line, f.column}
		i := slices.IndexFunc(known, func(k structField) bool { return k.name == f.name })
		if i < 0 {
			d.add(f.line, f.column, "%s: unknown field; %s", at, didYouMean(f.name, names(known)))
			d.strange = true
			d.failed = append(d.failed, join(path, millrace.Nearest(f.name, names(known))))
			continue
		}
		d.decode(f.value, into.FieldByIndex(known[i].index), at)
	}
}

func (d *decoder) any(v *value, path string) any {
	switch v.shape {
	case shapeList:
		var out []any
		d.list(v, reflect.ValueOf(&out).Elem(), path)
		return out
	case shapeMap:
		var out map[string]any
		d.table(v, reflect.ValueOf(&out).Elem(), path)
		return out
	case shapeBool:
		return strings.EqualFold(v.text, "true")
	case shapeInt:
		if n, err := strconv.ParseInt(v.text, 0, 64); err == nil {
			return n
		}
	case shapeFloat:
		if f, err := strconv.ParseFloat(v.text, 64); err == nil {
			return f
		}
	}
	text, _ := d.expand(v, path)
	return text
}

// A structField is a field of a configuration type as a file names it.
type structField struct {
	name  string
	index []int
	field reflect.StructField
}

var knownFields sync.Map // reflect.Type → []structField

// fieldsOf lists the fields of a struct by their yaml tags; embedded structs
// without a name, and those tagged inline, count as the struct's own. The list
// is not to be changed.
func fieldsOf(t reflect.Type) []structField {
	if known, ok := knownFields.Load(t); ok {
		return known.([]structField)
	}
	out := readFields(t)
	knownFields.Store(t, out)
	return out
}

func readFields(t reflect.Type) []structField {
	var out []structField
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Type.Kind() == reflect.Struct && (options == "inline" || f.Anonymous && name == "") {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				out = append(out, inner)
			}
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		out = append(out, structField{name: name, index: []int{i}, field: f})
	}
	return out
}

func names(fields []structField) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	slices.Sort(out)
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// validate runs the Validate of a configuration and puts each of its errors at
// the field that it begins with.
func (d *decoder) validate(config any, root *value) {
	v, ok := config.(Validator)
	if !ok || d.unknown || d.left <= 0 {
		return
	}
	for _, err := range each(v.Validate()) {
		if d.follows(err.Error()) {
			continue
		}
		at := d.place(err.Error(), root)
		d.add(at.line, at.column, "%s", d.without(err.Error()))
	}
}

// without is what is wrong with a field. Of one that has a secret in it, or others
// around it, that is not said when it would show a part of the value.
func (d *decoder) without(message string) string {
	path, _, ok := strings.Cut(message, ": ")
	if ok && d.secrets.partly(message) && slices.ContainsFunc(d.secret, func(f string) bool { return within(path, f) || within(f, path) }) {
		return path + ": is not right; what is wrong is not told, since a secret stands there"
	}
	return message
}

// follows says whether a message of Validate may only be there since a field
// could not be decoded: it is about that field, or one within or around it, or
// about one that is missing and perhaps misspelt.
func (d *decoder) follows(message string) bool {
	if len(d.failed) == 0 {
		return false
	}
	path, _, ok := strings.Cut(message, ": ")
	if _, there := d.places[path]; !ok || !there && d.strange {
		return true
	}
	return slices.ContainsFunc(d.failed, func(f string) bool { return within(path, f) || within(f, path) })
}

// within says whether path is that of a field or lies in it.
func within(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return ok && (rest == "" || field == "" || rest[0] == '.' || rest[0] == '[')
}

// place finds the field that a message begins with, or the nearest above it.
func (d *decoder) place(message string, root *value) fieldPlace {
	path, _, ok := strings.Cut(message, ": ")
	for ok {
		if p, found := d.places[path]; found {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			break
		}
		path = path[:i]
	}
	return fieldPlace{root.line, root.column}
}

// each takes joined errors apart.
func each(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() { // several %w are one error
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, each(e)...)
	}
	return out
}
