package project

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An addressForm is how the address of a technology is written. The technology
// itself is not asked: a project can be checked where none is reachable.
type addressForm struct {
	example string
	check   func(form addressForm, address string) []string
}

var addressForms = map[string]addressForm{
	"duckdb":     {"duckdb", checkDuckDB},
	"postgres":   {"postgres://user@host:5432/database", checkPostgres},
	"postgresql": {"postgresql://user@host:5432/database", checkPostgres},
	"file":       {"file:archive", checkFile},
	"s3":         {"s3://bucket/prefix?region=eu-west-2", checkS3},
}

// s3Parameters are those that the address of a bucket may have.
var s3Parameters = []string{
	"accelerate", "anonymous", "awssdk", "disable_https", "dualstack", "endpoint", "fips", "hostname_immutable", "kmskeyid", "profile",
	"rate_limiter_capacity", "region", "request_checksum_calculation", "response_checksum_validation", "role", "s3ForcePathStyle", "ssetype", "use_path_style",
}

// addressProblems says what is wrong with an address: as it was written, and
// with its secrets in place. It never repeats a part of it, except the names
// of parameters.
func addressProblems(written, address string) []string {
	form, known := addressForms[Engine(address).Scheme()]
	if !known {
		return nil // who knows the engines says so
	}
	problems := form.check(form, address)
	if literalPassword(written) {
		problems = append(problems, "the password is written out, and this file lies in git: put the whole address into a secret, and write "+referenceExample("warehouse_url"))
	}
	return problems
}

// referenceExample shows a reference, and where its value is put.
func referenceExample(name string) string {
	return fmt.Sprintf("${secret:%s}, whose value is the environment variable MILLRACE_SECRET_%s or the file %s/%s", name, strings.ToUpper(name), SecretsFolder, name)
}

// secretNameFrom makes a name for a secret: that of its file, or of its field.
func secretNameFrom(file, field string) string {
	if name := strings.TrimSuffix(path.Base(file), ".yaml"); strings.Contains(file, "/") && secretName.MatchString(name) {
		return name
	}
	if secretName.MatchString(field) {
		return field
	}
	return "name"
}

var (
	secretReference = regexp.MustCompile(`(^|[^$])\$\{secret:[^}]*\}`)
	passwordParts   = []string{"password", "sslpassword"}
)

// isReference says whether text holds a reference to a secret.
func isReference(text string) bool { return secretReference.MatchString(text) }

// literalPassword says whether an address holds a password that is not a reference.
func literalPassword(written string) bool {
	scheme, rest, ok := strings.Cut(written, "://")
	if !ok || scheme != "postgres" && scheme != "postgresql" {
		return false
	}
	rest, query, _ := strings.Cut(rest, "?")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if _, password, _ := strings.Cut(rest[:i], ":"); password != "" && !isReference(password) {
			return true
		}
	}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if slices.Contains(passwordParts, name) && value != "" && !isReference(value) {
			return true
		}
	}
	return false
}

func checkDuckDB(form addressForm, address string) []string {
	if address != "duckdb" {
		return []string{"DuckDB has no address: write " + form.example + "; its files lie in the data folder"}
	}
	return nil
}

func checkPostgres(form addressForm, address string) []string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return []string{"is not an address: write " + form.example}
	}
	u, err := url.Parse(address)
	if err != nil {
		return []string{"cannot be read: write " + form.example + "; in the password, @ : / ? # and % are written as %40 %3A %2F %3F %23 and %25"}
	}
	if strings.Contains(u.Path, "@") {
		return []string{"has an @ behind the host: in the password, write / as %2F"}
	}
	if rest == "" || u.Host == "" && !u.Query().Has("host") && !u.Query().Has("service") {
		return []string{"the host is missing: write " + form.example}
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		_, port, has := strings.Cut(host[strings.LastIndexByte(host, ']')+1:], ":")
		if n, err := strconv.Atoi(port); has && (err != nil || n < 1 || n > 65535) {
			return []string{"the port is not a number from 1 to 65535: write " + form.example}
		}
	}
	return nil
}

func checkFile(form addressForm, address string) []string {
	folder := strings.TrimPrefix(strings.TrimPrefix(address, "file:"), "//")
	if path.IsAbs(folder) || !slices.Contains(strings.Split(folder, "/"), "..") {
		return nil
	}
	return []string{"the folder has .. in it and could lie outside the data folder: write a folder within it, such as " + form.example + ", or one from the root on, such as file:/srv/archive"}
}

func checkS3(form addressForm, address string) []string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Opaque != "":
		return []string{"is not an address of a bucket: write " + form.example}
	case u.Host == "":
		return []string{"the bucket is missing: write " + form.example}
	case u.User != nil:
		return []string{"holds credentials: take them out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return []string{"what follows the ? cannot be read: write name=value, with & between, and % as %25"}
	}
	var problems []string
	for name := range query {
		if !slices.Contains(s3Parameters, name) {
			problems = append(problems, clip(name)+": unknown parameter; "+didYouMean(name, s3Parameters))
		}
	}
	slices.Sort(problems)
	return problems
}
