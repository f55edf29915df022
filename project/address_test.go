package project

import (
	"context"
	"strings"
	"testing"

	"github.com/millrace/millrace/blob/s3"
	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/unit"
)

// Addresses are checked without asking anybody, and never shown.
func TestAddresses(t *testing.T) {
	t.Parallel()
	const (
		noHost    = "the host is missing: write postgres://user@host:5432/database"
		badPort   = "the port is not a number from 1 to 65535: write postgres://user@host:5432/database"
		plainPass = "the password is written out, and this file lies in git: put the whole address into a secret, and write ${secret:warehouse_url}, whose value is the environment variable MILLRACE_SECRET_WAREHOUSE_URL or the file .secrets/warehouse_url"
		unread    = "cannot be read: write postgres://user@host:5432/database; in the password, @ : / ? # and % are written as %40 %3A %2F %3F %23 and %25"
		dots      = "the folder has .. in it and could lie outside the data folder: write a folder within it, such as file:archive, or one from the root on, such as file:/srv/archive"
	)
	for written, want := range map[string][]string{
		"duckdb": nil, "duckdb:x.db": {"DuckDB has no address: write duckdb; its files lie in the data folder"},
		"postgres://h": nil, "postgres://u@h:5432/db?sslmode=require": nil, "postgresql://u@[::1]:5432/db": nil,
		"postgres://h1:5432,h2:5433/db": nil, "postgres:///db?host=/run/postgresql": nil,
		"${secret:warehouse_url}": nil, "postgres://u:${secret:short}@h/db": nil,
		"postgres://u:hunter2@h:99999/db":   {badPort, plainPass},
		"postgres://u@h1:5432,h2:0/db":      {badPort},
		"postgres://foo:hunter2@":           {noHost, plainPass},
		"postgres://":                       {noHost},
		"postgres:h":                        {"is not an address: write postgres://user@host:5432/database"},
		"postgresql://":                     {"the host is missing: write postgresql://user@host:5432/database"},
		"postgres://u:hunter2%zz@h/db":      {unread, plainPass},
		"postgres://u:hunter2/hunter2@h/db": {unread, plainPass},
		"postgres://u:12345/hunter2@h/db":   {"has an @ behind the host: in the password, write / as %2F", plainPass},
		"postgres://h/db?password=hunter2":  {plainPass},
		"postgres://u:$${secret:hunter2}@h": {unread, plainPass},
		"file:archive":                      nil, "file:": nil, "file:/srv/../archive": nil, "file:a/..b": nil, "file:///srv": nil,
		"file:../../etc": {dots}, "file:a/../b": {dots}, "file://..": {dots},
		"s3://bucket/prefix?region=eu-west-2": nil, "s3://b?endpoint=http://127.0.0.1:9000": nil,
		"s3://":                          {"the bucket is missing: write s3://bucket/prefix?region=eu-west-2"},
		"s3:bucket":                      {"is not an address of a bucket: write s3://bucket/prefix?region=eu-west-2"},
		"s3://key:hunter2@bucket":        {"holds credentials: take them out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"},
		"s3://b?regoin=x&zzzzzz=hunter2": {"regoin: unknown parameter; did you mean region?", "zzzzzz: unknown parameter; known: " + strings.Join(s3Parameters, ", ")},
		"s3://b?a=%zz":                   {"what follows the ? cannot be read: write name=value, with & between, and % as %25"},
		"other://u:p@":                   nil,
	} {
		options := testOptions()
		text, _, err := (&resolver{secrets: options.Secrets}).expand(written, SecretUse{})
		if err != nil {
			t.Fatal(err)
		}
		got := addressProblems(written, text)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %q", written, got)
		}
		if strings.Contains(strings.Join(got, ""), "hunter2") {
			t.Errorf("%s: a password is shown: %q", written, got)
		}
	}
}

// Addresses are checked where they stand, in environments too.
func TestAddressPlaces(t *testing.T) {
	t.Parallel()
	_, err := Load(files("millrace.yaml", "name: shop\nwarehouse: \"postgres://foo@\"\narchive: file:../../etc\nquery: {login: \"postgres://h:0/db\"}\nenvironments:\n  e2e: {archive: 's3://'}\n"), testKinds, testOptions())
	want := []string{"millrace.yaml:2:12: warehouse: the host is missing", "millrace.yaml:3:10: archive: the folder has ..", "millrace.yaml:4:16: query.login: the port is not", "millrace.yaml:6:18: environments.e2e.archive: the bucket is missing"}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatal(err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("%s", line)
		}
	}
}

// The parameters are those that a bucket understands.
func TestS3Parameters(t *testing.T) {
	t.Parallel()
	for _, name := range append([]string{"regoin"}, s3Parameters...) {
		address := "s3://bucket?"
		if name != "region" {
			address += "region=eu-west-2&"
		}
		b, err := s3.Open(context.Background(), address+name+"=true")
		if err == nil {
			err = b.Close()
		}
		unknown := err != nil && strings.Contains(err.Error(), "unknown")
		if unknown != (name == "regoin") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A secret is a reference; what is written out is refused and not shown.
func TestLiteralSecret(t *testing.T) {
	t.Parallel()
	for text, wrong := range map[string]bool{"hunter2": true, "'$${secret:short}hunter2'": true, "${secret:short}": false, "v1,${secret:short}": false, "77hunter2": true, "12345": true} {
		_, err := Load(files("millrace.yaml", plain, "sources/github.yaml", "kind: http\nwrite_keys: [web_2026]\ntoken: "+text+"\n"), testKinds, testOptions())
		want := "sources/github.yaml:3:8: token: the secret is written out, and this file lies in git: write ${secret:github}, whose value is the environment variable MILLRACE_SECRET_GITHUB or the file .secrets/github"
		if got := err; (got != nil) != wrong || wrong && got.Error() != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A key that is there twice in one file is told once, by the source itself.
func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	_, err := Load(files("millrace.yaml", plain, "sources/a.yaml", "kind: http\nwrite_keys: [same_2026, same_2026]\n", "sources/b.yaml", "kind: http\nwrite_keys: [same_2026]\n"), testKinds, testOptions())
	if want := "sources/b.yaml:2:14: write_keys[0]: sources/a.yaml:2 already has this write key: make a new one"; err == nil || err.Error() != want {
		t.Error(err)
	}
}

// The limits that a project may set are those that intake takes.
func TestCollectLimits(t *testing.T) {
	t.Parallel()
	for _, low := range []int{-1, 0, 1, 3, 4, 15, 16, 127, 128, 499, 500, 501, 4999, 5000, 5001, 1 << 16, 1<<16 + 1, 1 << 20, 1<<20 + 1, 3 << 20, 3<<20 + 1} {
		for field, l := range map[string]CollectLimits{
			"event_size": {EventSize: unit.Bytes(low)}, "batch_size": {BatchSize: unit.Bytes(low)}, "batch_events": {BatchEvents: low},
			"depth": {Depth: low}, "key_length": {KeyLength: low}, "properties": {Properties: low}, "rate": {Rate: float64(low)},
		} {
			s := DefaultConfig().Settings
			s.Collect.Limits = l
			got, want := s.Validate(), collect.Limits{
				EventSize: l.EventSize, BatchSize: l.BatchSize, BatchEvents: l.BatchEvents, Depth: l.Depth,
				KeyLength: l.KeyLength, Properties: l.Properties, Rate: l.Rate,
			}.Validate()
			if (got == nil) != (want == nil) || got != nil && each(got)[0].Error() != "collect.limits."+each(want)[0].Error() {
				t.Errorf("%s %d: %v, want %v", field, low, got, want)
			}
		}
	}
}
