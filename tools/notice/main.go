// Command notice writes NOTICE: the licence of everything that is linked or
// embedded into the binary.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

const header = `Millrace
Copyright the Millrace authors

Millrace is licensed under the Apache License, Version 2.0 (see LICENSE).
The binary holds the following works of others, each under its own licence.
`

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)([-.].*)?$`)

type work struct {
	name, version, dir string
	declared           string // licence by name, of a package that comes without its text
}

func main() {
	check := flag.Bool("check", false, "say whether NOTICE is up to date instead of writing it")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	works, err := modules()
	if err != nil {
		return err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	works = append(works, work{name: "Go standard library", dir: strings.TrimSpace(string(goroot))})
	npm, err := browserPackages("collect/browser")
	if err != nil {
		return err
	}
	works = append(works, npm...)
	if npm, err = pagePackages("ui"); err != nil {
		return err
	}
	works = append(works, npm...)
	text, err := notice(works)
	if err != nil {
		return err
	}
	if check {
		have, err := os.ReadFile("NOTICE")
		if err != nil || !bytes.Equal(have, text) {
			return errors.New("NOTICE is out of date: run make notice")
		}
		return nil
	}
	return os.WriteFile("NOTICE", text, 0o644)
}

// notice groups the works that share a licence text to the letter.
func notice(works []work) ([]byte, error) {
	names := map[string][]string{}
	for _, w := range works {
		text, err := licence(w.dir)
		if err != nil && w.declared != "" {
			text, err = "Licence: "+w.declared, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		names[text] = append(names[text], strings.TrimSpace(w.name+" "+w.version))
	}
	texts := make([]string, 0, len(names))
	for text := range names {
		sort.Strings(names[text])
		texts = append(texts, text)
	}
	sort.Slice(texts, func(i, j int) bool { return names[texts[i]][0] < names[texts[j]][0] })
	var b bytes.Buffer
	b.WriteString(header)
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 72), strings.Join(names[text], "\n"), text)
	}
	return b.Bytes(), nil
}

// modules are those that have a package in the binary.
func modules() ([]work, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/millrace")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	seen := map[string]work{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && !p.Module.Main {
			seen[p.Module.Path] = work{name: p.Module.Path, version: p.Module.Version, dir: p.Module.Dir}
		}
	}
	all := make([]work, 0, len(seen))
	for _, w := range seen {
		all = append(all, w)
	}
	return all, nil
}

// browserPackages are the npm packages whose code the browser library holds.
func browserPackages(dir string) ([]work, error) {
	f, err := os.Open(filepath.Join(dir, "bundled.txt"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []work
	for s := bufio.NewScanner(f); s.Scan(); {
		name := strings.TrimSpace(s.Text())
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		w, err := npmPackage(name, filepath.Join(dir, "node_modules", name))
		if err != nil {
			return nil, fmt.Errorf("%w: run make browser first", err)
		}
		all = append(all, w)
	}
	return all, nil
}

// pagePackages are the npm packages that the page is made of: what its
// package.json depends on, and what that does.
func pagePackages(dir string) ([]work, error) {
	text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct{ Dev, Optional bool }
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, err
	}
	var all []work
	for path, p := range lock.Packages {
		if path == "" || p.Dev || p.Optional {
			continue
		}
		w, err := npmPackage(path[strings.LastIndex(path, "node_modules/")+len("node_modules/"):], filepath.Join(dir, path))
		if err != nil {
			return nil, fmt.Errorf("%w: run make page first", err)
		}
		all = append(all, w)
	}
	return all, nil
}

// npmPackage reads what a package says of itself.
func npmPackage(name, dir string) (work, error) {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return work{}, err
	}
	var p struct{ Version, License string }
	if err := json.Unmarshal(text, &p); err != nil {
		return work{}, fmt.Errorf("%s: %w", name, err)
	}
	return work{name: "npm " + name, dir: dir, version: p.Version, declared: p.License}, nil
}

// licence returns the licence and notice files of a folder, or of the nearest
// folder above it within the module.
func licence(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		parts = append(parts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
	}
	if len(parts) == 0 {
		return readmeLicence(dir)
	}
	return strings.Join(parts, "\n\n"), nil
}

// readmeLicence is the licence section of a readme, for works without a file.
func readmeLicence(dir string) (string, error) {
	readmes, err := filepath.Glob(filepath.Join(dir, "[Rr][Ee][Aa][Dd][Mm][Ee]*"))
	if err != nil {
		return "", err
	}
	for _, path := range readmes {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if _, section, ok := strings.Cut(string(text), "# License"); ok {
			section, _, _ = strings.Cut(section, "\n#")
			return "Licence, as its readme says: " + strings.TrimSpace(section), nil
		}
	}
	return "", errors.New("no licence file in " + dir)
}
