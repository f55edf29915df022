package dedup_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
)

// followEnv makes the test binary follow a made log in the folder it names,
// until it is killed.
const followEnv = "DEDUP_TEST_FOLLOW"

func TestMain(m *testing.M) {
	if dir := os.Getenv(followEnv); dir != "" {
		if err := followUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var killedLog = &maker{frames: 250, span: 70 * time.Hour}

func killedOptions(dir string) dedup.Options {
	return dedup.Options{
		Log: killedLog, Dir: dir, MemoryIDs: 4000, GroupInterval: time.Millisecond,
		Window: func(_, _ string) time.Duration { return 24 * time.Hour },
	}
}

// followUntilKilled prints how far it has judged, and how many duplicates that are.
func followUntilKilled(dir string) error {
	f, err := dedup.Open(killedOptions(dir))
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- f.Run(context.Background()) }()
	for {
		select {
		case err := <-done:
			return fmt.Errorf("Run ended: %w", err)
		case <-time.After(2 * time.Millisecond):
		}
		through := f.Through()
		dups, err := f.Duplicates(context.Background(), millrace.Position{}, through)
		if err != nil {
			return err
		}
		if _, err := fmt.Println(through.Seq, len(dups)); err != nil {
			return err
		}
	}
}

func TestKilled(t *testing.T) {
	t.Parallel()
	want := map[uint64]int{} // duplicates up to each frame
	var positions []millrace.Position
	seen := map[string]time.Time{}
	r := &makerReader{maker: killedLog}
	for seq := uint64(1); seq <= killedLog.frames; seq++ {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Records {
			if last, ok := seen[e.ID]; ok && e.Time.Sub(last) < 24*time.Hour {
				positions = append(positions, e.Position)
			}
			seen[e.ID] = e.Time
		}
		want[seq] = len(positions)
	}
	dir, kills := t.TempDir(), 0
	for range 20 {
		if reached := runAndKill(t, dir, want); reached > 0 {
			kills++
		}
	}
	if kills < 5 {
		t.Logf("only %d of 20 were killed after they had judged something", kills)
	}
	f, err := dedup.Open(killedOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	if err := f.Wait(t.Context(), millrace.Position{Epoch: 1, Seq: killedLog.frames}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Duplicates(t.Context(), millrace.Position{}, f.Through())
	if err != nil || !reflect.DeepEqual(got, positions) {
		t.Errorf("%d duplicates, want %d; %v", len(got), len(positions), err)
	}
	// The verdicts may all be there since before the last kill: the counts are
	// exact when the log was read up to there again.
	all := int64(killedLog.frames * madePerFrame)
	counts := f.Counts()
	for range 60_000 {
		if counts = f.Counts(); len(counts) == 1 && counts[0].Distinct+counts[0].Duplicates == all {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(counts) != 1 || counts[0].Duplicates != int64(len(positions)) || counts[0].Distinct+counts[0].Duplicates != all {
		t.Errorf("counts %+v, want %d duplicates of %d", counts, len(positions), all)
	}
}

// runAndKill follows in a process of its own, kills it, and checks what it had
// said. It returns how far that was.
func runAndKill(t *testing.T, dir string, want map[uint64]int) (reached uint64) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), followEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	lines := 0
	for most := rand.IntN(25); scan.Scan(); {
		f := strings.Fields(scan.Text())
		if len(f) != 2 { // cut off by the kill
			break
		}
		seq, err1 := strconv.ParseUint(f[0], 10, 64)
		n, err2 := strconv.Atoi(f[1])
		if err1 != nil || err2 != nil {
			break
		}
		if want[seq] != n {
			t.Errorf("%d duplicates up to frame %d, want %d", n, seq, want[seq])
		}
		reached = seq
		if lines++; lines == most+1 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the follower ended with %v", err)
	}
	return reached
}

var _ eventlog.Log = (*maker)(nil)
