package nats_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/testserver"
)

// powerChild appends from several goroutines, enough for several block files,
// and says "ACK POSITION" in one write for each answer.
func powerChild(dir string) {
	log := childLog(dir, true)
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 20 {
				p, err := log.Append(context.Background(), []millrace.Record{noise(fmt.Sprintf("%d-%d", w, i), 100_000+rand.IntN(500_000))})
				if err != nil {
					fmt.Println("FAIL", err)
					os.Exit(1)
				}
				_, _ = os.Stdout.WriteString("ACK " + p.String() + "\n")
			}
		})
	}
	wg.Wait()
	// No Close: what was acknowledged needs none.
	os.Exit(0)
}

// TestPowerLoss traces the system calls of a process that appends: no answer
// leaves before the frame's bytes were fsynced, nor before the folder was in
// which the file is new.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for name, roll := range map[string]int64{"one stream": 0, "rolling": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testPowerLoss(t, roll)
		})
	}
}

func testPowerLoss(t *testing.T, roll int64) {
	dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	wrap := []string{testserver.Strace(t), "-f", "-y", "-xx", "-s", "64", "-o", trace,
		"-e", "trace=pwrite64,write,fsync,fdatasync,openat,mkdir,mkdirat,rename,renameat,renameat2"}
	c := child("power", wrap, filepath.Join(dir, "data", "log"))
	c.Env = append(c.Env, fmt.Sprintf("%s=%d", childRoll, roll))
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s\nthis test traces system calls: run it where ptrace is allowed (docker run --cap-add SYS_PTRACE)", err, out.String())
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	k := &kernel{t: t, pending: map[string]string{}, writes: map[string]int{}, synced: map[string]int{}, syncing: map[string]int{}, fresh: map[string]bool{}, frames: map[uint64]storedFrame{}}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		k.line(lines.Text())
	}
	if n := countStreams(t, filepath.Join(dir, "data", "log")); roll > 0 && n < 5 {
		t.Errorf("%d streams: it did not roll", n)
	}
	if k.acks != 60 || k.blocks < 2 || k.identities == 0 {
		t.Errorf("%d answers, %d block files, %d identities in the trace: the test sees too little", k.acks, k.blocks, k.identities)
	}
}

// A kernel follows what a power loss would take away.
type kernel struct {
	t       *testing.T
	pending map[string]string      // by thread: the beginning of an unfinished call
	writes  map[string]int         // by file: how many writes began
	synced  map[string]int         // by file: how many of them an fsync has covered
	syncing map[string]int         // by thread: how many an fsync that began will cover
	fresh   map[string]bool        // files and folders made or renamed since the last fsync of the folder they are in
	frames  map[uint64]storedFrame // by sequence

	acks, blocks, identities int
}

// A storedFrame is where a frame was written.
type storedFrame struct {
	file  string
	write int // number of the write in its file, from 1
}

var (
	unfinished = regexp.MustCompile(`^(\d+) +(.*) <unfinished \.\.\.>$`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)$`)
	call       = regexp.MustCompile(`^\d+ +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?`)
	fdPath     = regexp.MustCompile(`^\d+<((?:[^<>]|\\x..)*)>`)
	text       = regexp.MustCompile(`"((?:\\x..)*)"`)
)

// unhex decodes what -xx printed.
func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

// line takes one line of the trace. A write counts from its beginning, an fsync
// only for what was written before it began.
func (k *kernel) line(s string) {
	thread, _, _ := strings.Cut(s, " ")
	if m := unfinished.FindStringSubmatch(s); m != nil {
		k.pending[thread] = s[:len(s)-len(" <unfinished ...>")]
		k.begin(thread, m[2])
		return
	}
	if m := resumed.FindStringSubmatch(s); m != nil {
		s = k.pending[thread] + m[2]
		delete(k.pending, thread)
	} else if m := call.FindStringSubmatch(s); m != nil {
		k.begin(thread, m[1]+"("+m[2])
	}
	if m := call.FindStringSubmatch(s); m != nil && !strings.HasPrefix(m[3], "-") {
		k.end(thread, m[1], m[2])
	}
}

// path returns the file that a call is about.
func path(t *testing.T, args string) string {
	m := fdPath.FindStringSubmatch(args)
	if m == nil {
		return ""
	}
	if strings.HasPrefix(m[1], `\x`) {
		return string(unhex(t, m[1]))
	}
	return m[1]
}

func (k *kernel) begin(thread, s string) {
	name, args, _ := strings.Cut(s, "(")
	file := path(k.t, args)
	switch name {
	case "fsync", "fdatasync":
		k.syncing[thread] = k.writes[file]
	case "write", "pwrite64":
		m := text.FindStringSubmatch(args)
		if m == nil {
			return
		}
		data := unhex(k.t, m[1])
		if bytes.HasPrefix(data, []byte("ACK ")) {
			k.ack(string(bytes.TrimSpace(data[4:])))
			return
		}
		k.writes[file]++
		if strings.HasSuffix(file, ".blk") && len(data) > 12 {
			seq := binary.LittleEndian.Uint64(data[4:])
			if _, ok := k.frames[seq]; !ok { // or it is the marker of the next stream
				k.frames[seq] = storedFrame{file, k.writes[file]}
			}
		}
	}
}

func (k *kernel) end(thread, name, args string) {
	switch name {
	case "fsync", "fdatasync":
		file := path(k.t, args)
		k.synced[file] = max(k.synced[file], k.syncing[thread])
		for fresh := range k.fresh {
			if filepath.Dir(fresh) == file {
				delete(k.fresh, fresh)
			}
		}
	case "openat":
		if m := text.FindStringSubmatch(args); m != nil && strings.Contains(args, "O_CREAT") {
			if file := string(unhex(k.t, m[1])); strings.HasSuffix(file, ".blk") {
				k.fresh[file] = true
				k.blocks++
			}
		}
	case "rename", "renameat", "renameat2":
		m := text.FindAllStringSubmatch(args, 2)
		from, to := string(unhex(k.t, m[0][1])), string(unhex(k.t, m[1][1]))
		k.move(from, to)
		if strings.HasSuffix(to, "log.json") {
			k.identities++
			if k.synced[to] < k.writes[to] {
				k.t.Errorf("%s was renamed before it was synced", from)
			}
		}
	case "mkdir", "mkdirat":
		if m := text.FindStringSubmatch(args); m != nil {
			k.fresh[string(unhex(k.t, m[1]))] = true
		}
	}
}

// move gives what is known of a file, or of all files in a folder, another name.
func (k *kernel) move(from, to string) {
	moved := func(path string) (string, bool) {
		if path == from {
			return to, true
		}
		rest, ok := strings.CutPrefix(path, from+"/")
		return to + "/" + rest, ok
	}
	for _, counts := range []map[string]int{k.writes, k.synced} {
		for path := range counts {
			if path == to || strings.HasPrefix(path, to+"/") {
				delete(counts, path) // it is replaced
			}
		}
		for path, n := range maps.Clone(counts) {
			if next, ok := moved(path); ok {
				delete(counts, path)
				counts[next] = n
			}
		}
	}
	for path := range maps.Clone(k.fresh) {
		if next, ok := moved(path); ok {
			delete(k.fresh, path)
			k.fresh[next] = true
		}
	}
	k.fresh[to] = true
	for seq, f := range k.frames {
		if next, ok := moved(f.file); ok {
			f.file = next
			k.frames[seq] = f
		}
	}
}

// ack checks that the frame of an answer would survive.
func (k *kernel) ack(position string) {
	k.acks++
	p, err := millrace.ParsePosition(position)
	if err != nil {
		k.t.Fatal(err)
	}
	f, ok := k.frames[p.Seq]
	switch {
	case !ok:
		k.t.Errorf("%s was answered before frame %d was written", position, p.Seq)
	case k.synced[f.file] < f.write:
		k.t.Errorf("%s was answered before %s was synced", position, f.file)
	}
	for fresh := range k.fresh {
		if fresh == f.file || strings.HasPrefix(f.file, fresh+"/") || strings.HasSuffix(fresh, "log.json") {
			k.t.Errorf("%s was answered before the folder of %s was synced", position, fresh)
		}
	}
}
