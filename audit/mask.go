package audit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// masked stands for what is secret.
const masked = "[secret]"

// secretWords are what names of fields are or end with that hold secrets, in
// lower case without - and _.
var secretWords = []string{
	"password", "passwd", "passphrase", "secret", "token", "tokens", "apikey", "privatekey", "accesskey", "signingkey",
	"masterkey", "datakey", "encryptionkey", "sharedkey", "accountkey", "authkey", "licensekey", "authorization", "cookie", "setcookie",
	"credential", "credentials", "connectionstring", "dsn", "otp", "pin", "salt", "signature", "sessionid", "recoverycodes", "plaintext", "ciphertext",
}

func secretName(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(name))
	return slices.ContainsFunc(secretWords, func(w string) bool {
		return name == w || len(w) > 3 && strings.HasSuffix(name, w)
	})
}

// keyText finds keys of Millrace, and the words after Bearer and Basic.
var keyText = regexp.MustCompile(`\bmr_[A-Za-z0-9_]{8,}|(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{6,}`)

// urlText finds addresses with a password in them.
var urlText = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s/@"']*:[^\s/@"']+@`)

// queryText finds the values in an address's query.
var queryText = regexp.MustCompile(`[?&][A-Za-z0-9_.-]+=[^&#\s"']+`)

// maskText masks what looks like a secret in a text that is none as a whole.
func maskText(s string) string {
	if strings.Contains(s, "://") {
		s = urlText.ReplaceAllStringFunc(s, func(found string) string {
			scheme, rest, _ := strings.Cut(found, "://")
			user, _, _ := strings.Cut(rest, ":")
			return scheme + "://" + user + ":" + masked + "@"
		})
		s = queryText.ReplaceAllStringFunc(s, func(found string) string {
			name, _, _ := strings.Cut(found, "=")
			if secretName(name[1:]) {
				return name + "=" + masked
			}
			return found
		})
	}
	return keyText.ReplaceAllStringFunc(s, func(found string) string {
		if i := strings.IndexAny(found, " \t"); i >= 0 {
			return found[:i+1] + masked
		}
		return masked
	})
}

// Masked returns v as JSON without what is secret in it: fields with the tag
// `audit:"secret"`, fields whose names are or end with password, token, secret,
// private_key and the like, the value beside such a name ({"name":
// "Authorization", "value": …}), passwords in addresses, and Millrace's own keys
// in any text. nil gives nil. It fails with Invalid when v has no JSON.
func Masked(v any) (json.RawMessage, error) {
	return masking(v, func(s string) string { return s })
}

// masking is Masked that masks more in texts.
func masking(v any, safe func(string) string) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		// The cause may quote the value.
		return nil, millrace.Errorf(millrace.Invalid, "what an audit entry says of the object, a %T, cannot be written as JSON", v)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "what an audit entry says of the object, a %T, is not JSON", v)
	}
	tree = maskMarked(reflect.ValueOf(v), tree)
	return encode(maskNamed(tree, func(s string) string { return safe(maskText(s)) }))
}

// encode writes JSON with sorted names and nothing escaped for HTML.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// hide masks a value that is secret as a whole. That there is none stays visible.
func hide(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		if v == "" {
			return v
		}
	case []any:
		if len(v) == 0 {
			return v
		}
	case map[string]any:
		if len(v) == 0 {
			return v
		}
	case bool:
		return v // that there is one: "password": true
	}
	return masked
}

// maskNamed masks by names, and in texts.
func maskNamed(v any, text func(string) string) any {
	switch v := v.(type) {
	case string:
		return text(v)
	case []any:
		for i := range v {
			v[i] = maskNamed(v[i], text)
		}
	case map[string]any:
		pair := slices.ContainsFunc([]string{"name", "key", "header"}, func(n string) bool {
			said, ok := v[n].(string)
			return ok && secretName(said)
		})
		out := make(map[string]any, len(v))
		for name, value := range v {
			if secretName(name) || pair && name == "value" {
				value = hide(value)
			} else {
				value = maskNamed(value, text)
			}
			out[maskText(name)] = value
		}
		return out
	}
	return v
}

// maskMarked masks the fields of structs with the tag, walking the value and
// its JSON side by side. Where the two differ, as a type with its own JSON does,
// the names have to do.
func maskMarked(r reflect.Value, node any) any {
	for r.IsValid() && (r.Kind() == reflect.Pointer || r.Kind() == reflect.Interface) {
		r = r.Elem()
	}
	if !r.IsValid() {
		return node
	}
	switch r.Kind() {
	case reflect.Struct:
		if object, ok := node.(map[string]any); ok {
			maskFields(r, object)
		}
	case reflect.Slice, reflect.Array:
		if list, ok := node.([]any); ok && len(list) == r.Len() {
			for i := range list {
				list[i] = maskMarked(r.Index(i), list[i])
			}
		}
	case reflect.Map:
		object, ok := node.(map[string]any)
		if !ok || r.Type().Key().Kind() != reflect.String {
			return node
		}
		for it := r.MapRange(); it.Next(); {
			if name := it.Key().String(); object[name] != nil {
				object[name] = maskMarked(it.Value(), object[name])
			}
		}
	}
	return node
}

func maskFields(r reflect.Value, object map[string]any) {
	for i := range r.NumField() {
		field := r.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case field.Anonymous && name == "":
			maskMarked(r.Field(i), object)
			continue
		case name == "":
			name = field.Name
		}
		value, ok := object[name]
		if !ok {
			continue
		}
		if field.Tag.Get("audit") == "secret" {
			object[name] = hide(value)
		} else {
			object[name] = maskMarked(r.Field(i), value)
		}
	}
}
