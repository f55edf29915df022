package nats_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/eventlogtest"
	"github.com/millrace/millrace/eventlog/nats"
)

// childRole makes the test binary a process that others kill or trace.
const childRole = "MILLRACE_TEST_CHILD"

// childRoll is its nats.Options.RollBytes.
const childRoll = "MILLRACE_TEST_ROLL"

// childCheck makes "fill" check the newest blocks.
const childCheck = "MILLRACE_TEST_CHECK"

func TestMain(m *testing.M) {
	switch role := os.Getenv(childRole); role {
	case "":
		os.Exit(m.Run())
	case "crash":
		crashChild(os.Args[1], os.Args[2])
	case "power":
		powerChild(os.Args[1])
	case "fill":
		fillChild(os.Args[1], os.Args[2])
	default:
		panic("unknown role " + role)
	}
}

// child returns the command that runs this binary in that role.
func child(role string, wrap []string, args ...string) *exec.Cmd {
	args = append(append(wrap, os.Args[0]), args...)
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), childRole+"="+role)
	c.Stderr = os.Stderr
	return c
}

func childLog(dir string, check bool) *nats.Log {
	roll, err := strconv.ParseInt(cmp.Or(os.Getenv(childRoll), "0"), 10, 64)
	if err != nil {
		panic(err)
	}
	o := nats.Options{Dir: dir, ReserveBytes: 1, RollBytes: roll}
	if !check {
		o.CheckBytes = -1
	}
	log, err := nats.Open(context.Background(), o)
	if err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
	return log
}

// crashChild appends from several goroutines, and trims, until it is killed.
// It says "ack ID POSITION" after, and "trim POSITION" before.
func crashChild(dir, round string) {
	log := childLog(dir, true)
	ctx := context.Background()
	for w := range 6 {
		go func() {
			for i := 0; ; i++ {
				rs := eventlogtest.Records(fmt.Sprintf("%s-%d-%d", round, w, i), 1+rand.IntN(5))
				for k := range rs {
					rs[k].Body = make([]byte, rand.IntN(20_000))
				}
				last, err := log.Append(ctx, rs)
				if err != nil {
					fmt.Println("FAIL", err)
					return
				}
				for k := range rs {
					p := last
					p.Index -= uint32(len(rs) - 1 - k)
					fmt.Printf("ack %s %v\n", rs[k].ID, p)
				}
			}
		}()
	}
	for {
		time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		_, last, err := log.Bounds(ctx)
		if err != nil || last.Seq <= 200 {
			continue
		}
		last.Seq -= 200
		fmt.Printf("trim %v\n", last)
		if err := log.Trim(ctx, last); err != nil {
			fmt.Println("FAIL", err)
		}
	}
}

// TestCrash kills a process that appends and trims, again and again, and
// checks that everything it acknowledged is there, in its place.
func TestCrash(t *testing.T) {
	t.Parallel()
	for name, roll := range map[string]int64{"one stream": 0, "rolling": 20_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testCrash(t, roll)
		})
	}
}

func testCrash(t *testing.T, roll int64) {
	const rounds = 25
	dir := t.TempDir()
	acked := map[string]millrace.Position{}
	var trimmed millrace.Position
	for round := 0; round < rounds || trimmed.IsZero() && round < 10*rounds; round++ { // a slow machine does little before it is killed
		c := child("crash", nil, dir, fmt.Sprint(round))
		c.Env = append(c.Env, fmt.Sprintf("%s=%d", childRoll, roll))
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var p millrace.Position
			f := strings.Fields(lines.Text())
			if len(f) < 2 || f[0] == "FAIL" || p.UnmarshalText([]byte(f[len(f)-1])) != nil {
				if f != nil && f[0] == "FAIL" {
					t.Fatalf("round %d: %s", round, lines.Text())
				}
				continue // the last line, cut short
			}
			switch f[0] {
			case "ack":
				acked[f[1]] = p
			case "trim":
				trimmed = p
			}
			once.Do(func() { // kill it some time after its first answer
				time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { _ = c.Process.Kill() })
			})
		}
		_ = c.Wait() // killed
	}
	log := open(t, nats.Options{Dir: dir, Logger: logger(t)})
	if n := countStreams(t, dir); roll > 0 && n < 5 {
		t.Errorf("%d streams: it did not roll", n)
	}
	first, _, err := log.Bounds(eventlogtest.Context(t))
	if err != nil || first.Seq > trimmed.Seq+1 {
		t.Fatalf("the log begins at %v, %v, it was trimmed through %v", first, err, trimmed)
	}
	for id, p := range acked {
		if p.Before(first) {
			delete(acked, id)
		}
	}
	after := first
	after.Seq, after.Index = first.Seq-1, millrace.EndOfFrame
	checkAcked(t, eventlogtest.Open(t, log, after, eventlog.Filter{}), acked)
	if v, err := log.Verify(eventlogtest.Context(t), nil); err != nil || v.Broken != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if len(acked) == 0 || trimmed.IsZero() {
		t.Errorf("%d acknowledged, trimmed through %v: too little happened", len(acked), trimmed)
	}
}
