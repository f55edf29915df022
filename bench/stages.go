package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// stages measures dedup and archive by themselves, with their packages' own
// benchmarks: within the server their work cannot be told from that of others.
func (b *bench) stages(ctx context.Context) (*section, error) {
	out := &section{
		title: "Archive and dedup by themselves",
		how: "`go test -bench` of the packages, in one process each. *Archive*: 200,000 events of 950 bytes to fresh files each minute, then the published hour, on a local folder with every file fsynced. " +
			"*Dedup*: IDs over 30 hours of log time with a window of 24 hours, of which 1 % repeat, from hashing to durable verdicts. Prototypes of the index took 0.95 µs an ID at 10 million and 0.99 at 50 million.",
	}
	b.say("archive")
	m, err := b.goBench(ctx, "./archive", "^BenchmarkArchive$")
	if err != nil {
		return nil, err
	}
	for _, r := range m {
		out.add("archive, CPU an event: fresh + published", fmt.Sprintf("%.1f + %.1f µs", r["fresh-cpu-µs/event"], r["publish-cpu-µs/event"]), "")
		out.add("archive, size", fmt.Sprintf("%.0f bytes/event", r["B/event"]), "")
		out.add("archive, reading back in order", perSecond(r["read-events/s"])+", "+perEvent(r["read-cpu-µs/event"])+" an event", "")
	}
	for _, millions := range pick(b, []int{10, 50}, []int{1}) {
		b.say("dedup of %d million IDs", millions)
		m, err := b.goBench(ctx, "./dedup", fmt.Sprintf("^BenchmarkFollow$/^%dM$/^24h$", millions), "DEDUP_BENCH_MILLIONS="+strconv.Itoa(millions))
		if err != nil {
			return nil, err
		}
		for _, r := range m {
			out.add(fmt.Sprintf("dedup, CPU an ID at %d million", millions), fmt.Sprintf("%.2f µs", r["cpu-µs/id"]), "")
			out.add("its memory, its size on disk", fmt.Sprintf("%.0f MB, %.0f bytes/ID", r["anon-MB"], r["disk-B/id"]), "")
		}
	}
	return out, nil
}

// goBench runs a package's benchmark once and returns its metrics by name.
func (b *bench) goBench(ctx context.Context, pkg, pattern string, env ...string) (map[string]map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", "1x", "-timeout", "20m", pkg)
	cmd.Env = append(os.Environ(), append(env, "TMPDIR="+b.dir)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text)
	}
	all := readMetrics(string(text))
	if len(all) == 0 {
		return nil, fmt.Errorf("%s measured nothing:\n%s", strings.Join(cmd.Args, " "), text)
	}
	return all, nil
}

// readMetrics reads what go test -bench prints.
func readMetrics(text string) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		metrics := map[string]float64{}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				metrics[f[i+1]] = v
			}
		}
		all[f[0]] = metrics
	}
	return all
}
