package nats_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
)

// fillChild opens a log, says how long that took and how many bytes were read
// for it, appends that many frames of 1 MB, says so, and waits to be killed.
func fillChild(dir, frames string) {
	before := readBytes()
	start := time.Now()
	log := childLog(dir, os.Getenv(childCheck) != "")
	fmt.Println("open", time.Since(start).Microseconds(), readBytes()-before)
	n, err := strconv.Atoi(frames)
	if err != nil {
		panic(err)
	}
	var left sync.WaitGroup
	for range 2 {
		left.Go(func() {
			for i := range (n + 1) / 2 {
				if _, err := log.Append(context.Background(), []millrace.Record{noise(fmt.Sprint(i), 1_000_000)}); err != nil {
					fmt.Println("FAIL", err)
					return
				}
			}
		})
	}
	left.Wait()
	fmt.Println("filled")
	select {}
}

// readBytes returns how much this process has read from files.
func readBytes() (n int64) {
	text, err := os.ReadFile("/proc/self/io")
	if err == nil {
		_, err = fmt.Sscanf(string(text), "rchar: %d", &n)
	}
	if err != nil {
		panic(err)
	}
	return n
}

// fill runs a process that opens the log, appends and is killed.
func fill(tb testing.TB, dir string, roll int64, frames int, check bool) (took time.Duration, read int64) {
	tb.Helper()
	c := child("fill", nil, dir, fmt.Sprint(frames))
	c.Env = append(c.Env, fmt.Sprintf("%s=%d", childRoll, roll))
	if check {
		c.Env = append(c.Env, childCheck+"=yes")
	}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var micros int64
		switch text := lines.Text(); {
		case text == "filled":
			if err := c.Process.Kill(); err != nil {
				tb.Fatal(err)
			}
		case strings.HasPrefix(text, "open"):
			if _, err := fmt.Sscanf(text, "open %d %d", &micros, &read); err != nil {
				tb.Fatal(err)
			}
			took = time.Duration(micros) * time.Microsecond
		default:
			tb.Fatal(text)
		}
	}
	_ = c.Wait() // killed
	return took, read
}

// BenchmarkOpenAfterKill opens a log whose process was killed: in one stream,
// as it was before, and in streams of the usual size.
func BenchmarkOpenAfterKill(b *testing.B) {
	for _, megabytes := range []int{300, 1500} {
		for name, roll := range map[string]int64{"one": 1 << 60, "rolled": 0} {
			b.Run(fmt.Sprintf("MB=%d/streams=%s", megabytes, name), func(b *testing.B) {
				dir := filepath.Join(b.TempDir(), "log")
				fill(b, dir, roll, megabytes, true)
				var took time.Duration
				var read int64
				b.ResetTimer()
				for range b.N {
					t, n := fill(b, dir, roll, 1, true)
					took, read = took+t, read+n
				}
				b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "open-ms")
				b.ReportMetric(float64(read)/float64(b.N)/1e6, "MB-read")
			})
		}
	}
}
