package history_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/history"
)

// recordEnv makes the test binary record into the file it names, until it is killed.
const recordEnv = "HISTORY_TEST_RECORD"

func TestMain(m *testing.M) {
	if file := os.Getenv(recordEnv); file != "" {
		fmt.Fprintln(os.Stderr, recordUntilKilled(file))
		os.Exit(1)
	}
	if file := os.Getenv(purgeEnv); file != "" {
		fmt.Fprintln(os.Stderr, purgeUntilKilled(file))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var killedStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// recordUntilKilled records a round for every ten minutes, so that an hour is
// packed at every sixth, and prints the number of each that is kept.
func recordUntilKilled(file string) error {
	s, err := history.Open(history.Options{File: file, Now: func() time.Time { return killedStart.AddDate(1, 0, 0) }})
	if err != nil {
		return err
	}
	_, n, err := keptRounds(context.Background(), s)
	if err != nil {
		return err
	}
	for made := 1; ; made++ {
		n++
		samples := []history.Sample{{Name: "n", Value: float64(n)}, {Name: "made", Kind: history.Counter, Value: float64(made)}, {Name: "all", Kind: history.Total, Value: float64(n)}}
		for i := range 30 {
			samples = append(samples, history.Sample{Name: "other", Labels: map[string]string{"i": strconv.Itoa(i)}, Value: rand.Float64()})
		}
		if err := s.Record(context.Background(), killedStart.Add(time.Duration(n)*10*time.Minute), samples); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

// keptRounds returns how many rounds there are, and the number of the last one.
func keptRounds(ctx context.Context, s *history.Store) (rounds, last int, err error) {
	all, err := s.Query(ctx, history.Query{Names: []string{"n", "made", "all"}, Step: time.Hour})
	if err != nil || len(all) == 0 {
		return 0, 0, err
	}
	total := 0.0
	for _, one := range all {
		for _, p := range one.Points {
			switch one.Name {
			case "n":
				last = int(p.Last)
			case "made":
				rounds += int(p.Value)
			default:
				total += p.Value
			}
		}
	}
	if total != float64(last-1) {
		return 0, 0, fmt.Errorf("the total grew by %v, want %d", total, last-1)
	}
	return rounds, last, nil
}

func TestKilled(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.db")
	acknowledged := 0
	for range 15 {
		acknowledged = max(acknowledged, recordAndKill(t, file))
		s, err := history.Open(history.Options{File: file, Now: func() time.Time { return killedStart.AddDate(1, 0, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		rounds, last, err := keptRounds(t.Context(), s)
		if err != nil || rounds != last || last < acknowledged || last > acknowledged+1 {
			t.Fatalf("%d rounds up to %d are kept, acknowledged were %d; %v", rounds, last, acknowledged, err)
		}
		acknowledged = last
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if acknowledged < 50 {
		t.Logf("only %d rounds were recorded", acknowledged)
	}
	if _, err := os.Stat(file + ".damaged"); err == nil {
		t.Error("a kill was taken for damage")
	}
}

// recordAndKill records in a process of its own and kills it. It returns the
// last round that was acknowledged.
func recordAndKill(t *testing.T, file string) (last int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), recordEnv+"="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scan, lines := bufio.NewScanner(out), 0
	for most := 1 + rand.IntN(40); scan.Scan(); {
		n, err := strconv.Atoi(scan.Text())
		if err != nil {
			break
		}
		last = n
		if lines++; lines == most {
			time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the recorder ended with %v", err)
	}
	return last
}
