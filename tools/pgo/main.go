// Command pgo merges CPU profiles into one that go build -pgo reads, and leaves
// out what names a machine: where the binary lay, and comments.
//
//	pgo -o cmd/millrace/release.pgo PROFILE...
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/google/pprof/profile"
)

func main() {
	out := flag.String("o", "", "file to write (required)")
	flag.Parse()
	if *out == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: pgo -o FILE PROFILE...")
		os.Exit(2)
	}
	if err := merge(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pgo:", err)
		os.Exit(1)
	}
}

// merge gives each profile the same weight, however many samples it has.
func merge(out string, names []string) error {
	var all []*profile.Profile
	for _, name := range names {
		p, err := read(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, p)
	}
	merged, err := profile.Merge(all)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := merged.Write(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// weight is what the samples of a profile add up to, in nanoseconds.
const weight = 20e9

func read(name string) (*profile.Profile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, s := range p.Sample {
		total += s.Value[len(s.Value)-1]
		s.Label, s.NumLabel, s.NumUnit = nil, nil, nil
	}
	if total == 0 {
		return nil, fmt.Errorf("there are no samples in it")
	}
	p.Scale(weight / float64(total))
	for _, m := range p.Mapping {
		m.File, m.BuildID = "", ""
	}
	p.Comments, p.TimeNanos = nil, 0
	return p.Compact(), nil
}
