package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	firstLoadKiB   = 250
	framesAim      = 55  // a second: as a screen of 60 Hz, but for a few
	blankAim       = 100 // milliseconds
	heapGrowthAim  = 1.1
	pageRuns       = 5
	pageQuickWatch = 10 * time.Second
)

// pageRooms are the rooms in the order in which they are visited.
var pageRooms = []string{"Sources", "Live", "Rejected", "Warehouse", "Project", "Status", "Home"}

// pageFound is what ui/e2e/measure.mjs writes. Times are in milliseconds.
type pageFound struct {
	Load, Slow struct{ Bytes, Painted, Seen, Requests float64 }
	Routes     map[string]struct{ First, Again float64 }
	Grid       struct{ Wheel, Jump, JumpMedian, PerSecond, Answered float64 }
	Live       struct {
		Drawn, Later struct{ PerSecond, P99, Worst float64 }
		Samples      []struct{ At, Heap, Resident float64 }
		Rate         float64
		Lost, Sent   float64
	}
}

// page opens the page in a real browser.
func (b *bench) page(ctx context.Context) (*section, error) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("chromium is missing: apt-get install chromium: %w", err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("node is missing: make bootstrap brings it: %w", err)
	}
	binary, err := filepath.Abs(b.binary)
	if err != nil {
		return nil, err
	}
	watch := pick(b, b.long, pageQuickWatch)
	told, err := json.Marshal(map[string]any{"long": watch.Seconds(), "runs": pick(b, pageRuns, 1), "chromium": chromium})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, node, filepath.Join("ui", "e2e", "measure.mjs"), string(told))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopPatience
	cmd.Env = append(os.Environ(), "MILLRACE_BINARY="+binary, "TMPDIR="+b.dir)
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("node ui/e2e/measure.mjs: %w", err)
	}
	var found pageFound
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		return nil, fmt.Errorf("what measure.mjs says is no JSON: %w", err)
	}
	return pageSection(found, watch)
}

const stopPatience = 30 * time.Second

// pageSection writes what was found as a section of the page.
func pageSection(f pageFound, watch time.Duration) (*section, error) {
	if len(f.Live.Samples) < 3 {
		return nil, fmt.Errorf("memory of the page was looked at %d times, not 3 or more", len(f.Live.Samples))
	}
	s := &section{
		title: "The page in a browser",
		how: "Chromium without a window on the same machine, with the orders of the example shop in the server; medians of " + fmt.Sprint(pageRuns) +
			" runs. *First load*: nothing in the cache, until the river of the first room is there. *Slow*: a processor four times as slow and a line of 10 Mbit/s with 40 ms. *Route change*: from the click until the room shows its data, the first time with its code, then again. *Live*: the room at 5,000 events/s, in a browser that shares the machine with server and sender. *Grid*: a result of a million rows, scrolled at 4,000 pixels a second and thrown to 40 places.",
	}
	s.judge("first load, as sent", fmt.Sprintf("%.0f KiB in %.0f requests", f.Load.Bytes/1024, f.Load.Requests), "", fmt.Sprintf("≤ %d KiB", firstLoadKiB), f.Load.Bytes <= firstLoadKiB*1024)
	s.add("first load, painted, then whole", fmt.Sprintf("%.0f ms, %.0f ms", f.Load.Painted, f.Load.Seen), "")
	s.add("slow: painted, then whole", fmt.Sprintf("%.1f s, %.1f s", f.Slow.Painted/1000, f.Slow.Seen/1000), "")
	for _, room := range pageRooms {
		r := f.Routes[room]
		s.add("route change to "+room+", first, again", fmt.Sprintf("%.0f ms, %.0f ms", r.First, r.Again), "")
	}
	first, last := f.Live.Samples[1], f.Live.Samples[len(f.Live.Samples)-1]
	s.judge("Live, frames at the beginning", frameText(f.Live.Drawn.PerSecond, f.Live.Drawn.P99, f.Live.Drawn.Worst), "60/s", fmt.Sprintf("≥ %d/s", framesAim), f.Live.Drawn.PerSecond >= framesAim)
	s.judge(fmt.Sprintf("Live, frames after %v", watch), frameText(f.Live.Later.PerSecond, f.Live.Later.P99, f.Live.Later.Worst), "60/s", fmt.Sprintf("≥ %d/s", framesAim), f.Live.Later.PerSecond >= framesAim)
	s.judge(fmt.Sprintf("Live, heap of the page after %.0f s, after %v", first.At, watch), fmt.Sprintf("%.1f MB, %.1f MB", first.Heap/1e6, last.Heap/1e6), "", fmt.Sprintf("flat: ≤ %.1f ×", heapGrowthAim), last.Heap <= heapGrowthAim*first.Heap)
	s.judge("Live, memory of the tab with its worker", fmt.Sprintf("%.0f MB, %.0f MB", first.Resident/1e6, last.Resident/1e6), "", fmt.Sprintf("flat: ≤ %.1f ×", heapGrowthAim), last.Resident <= heapGrowthAim*first.Resident)
	s.add("Live, events that the tab was too slow for", fmt.Sprintf("%.0f of %.0f (%.0f/s)", f.Live.Lost, f.Live.Sent, f.Live.Rate), "")
	s.judge("grid, longest blank while scrolling", fmt.Sprintf("%.0f ms", f.Grid.Wheel), "", fmt.Sprintf("≤ %d ms", blankAim), f.Grid.Wheel <= blankAim)
	s.judge("grid, blank after a throw: half, longest", fmt.Sprintf("%.0f ms, %.0f ms", f.Grid.JumpMedian, f.Grid.Jump), "", fmt.Sprintf("≤ %d ms", blankAim), f.Grid.Jump <= blankAim)
	s.add("grid, frames while scrolling", fmt.Sprintf("%.0f/s", f.Grid.PerSecond), "60/s")
	s.add("grid, from Run to the first rows", fmt.Sprintf("%.1f s", f.Grid.Answered/1000), "")
	return s, nil
}

func frameText(perSecond, p99, worst float64) string {
	return fmt.Sprintf("%.0f/s, p99 %.0f ms, longest %.0f ms", perSecond, p99, worst)
}
