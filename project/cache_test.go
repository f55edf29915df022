package project

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

// What a Cache remembers is what reading anew finds, mistakes too.
func TestCacheFindsTheSame(t *testing.T) {
	t.Parallel()
	type thing struct {
		Key  string         `yaml:"key"`
		More map[string]any `yaml:"more"`
	}
	kinds := Kinds{"sources": {"thing": func() any { return new(thing) }}}
	cache := &Cache{}
	for name, text := range map[string]string{
		"right": "kind: thing\nkey: a\nmore: {x: [1, 2], y: &a {z: 1}, w: *a}\n", "again": "kind: thing\nkey: a\n", "a secret": "kind: thing\nkey: ${secret:k}\n",
		"no YAML": "kind: [\n", "twice": "kind: thing\nkey: a\nkey: b\n", "unknown": "kind: thing\nkee: a\n", "empty": "",
	} {
		files := fstest.MapFS{ConfigFile: {Data: []byte("name: a\n")}, "sources/a.yaml": {Data: []byte(text)}}
		for i, secret := range []string{"one", "two"} {
			options := Options{Secrets: Secrets{Getenv: func(string) (string, bool) { return secret, true }}}
			want, wantErr := Load(files, kinds, options)
			options.Cache = cache
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					got, err := Load(files, kinds, options)
					if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(err, wantErr) {
						t.Errorf("%s, time %d: %+v, %v; want %+v, %v", name, i, got, err, want, wantErr)
					}
				})
			}
			all.Wait()
		}
		want, wantErr := Values([]byte(text))
		if got, err := cache.Values([]byte(text)); !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// The parser takes four times as long for twice as many fields: a file of the
// largest size has to be refused before.
func TestManyFieldsAreRefusedSoon(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for b.Len() < MaxFileSizeBytes-20 {
		fmt.Fprintf(&b, "k%d: 1\n", b.Len())
	}
	begun := time.Now()
	if _, err := Values([]byte(b.String())); err == nil || !strings.Contains(err.Error(), "more than 10000 fields") {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
