package apptest_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/apptest"
	"github.com/millrace/millrace/testserver"
)

// TestPowerLoss traces the whole server, its child too, through four lives.
// SIGKILL does not lose what the kernel holds, a power cut does, so the disk
// that it would leave is computed at each step, and looked at when something
// is built on it: an answer on the log; a verdict on the log; the archive's
// manifest on the log, the verdicts and the archive's files; a warehouse commit
// on log and verdicts; a removal on what replaces the removed.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	trace := filepath.Join(t.TempDir(), "trace")
	root := t.TempDir()
	clock := apptest.NewClock(t)
	s := apptest.New(t, apptest.Options{
		Data: filepath.Join(root, "data"), Clock: clock,
		Files: map[string]string{
			"millrace.yaml":    "name: test\narchive_interval: 300ms\n",
			"sources/web.yaml": "kind: http\nwrite_keys: [dev_web]\ndedup: forever\n",
		},
		Wrap: []string{testserver.Strace(t), "-DD", "--seccomp-bpf", "-f", "-y", "-xx", "-s", "16384", "-A", "-o", trace,
			"-e", "trace=write,writev,pwrite64,pwritev,pwritev2,ftruncate,fallocate,sendfile,copy_file_range,fsync,fdatasync,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat"}})
	answered := 0
	life := func(use func(l *load)) {
		s.Run()
		s.WaitReady(time.Minute)
		pid := s.Pid()
		l := startLoad(t, s, "dev_web", 3, answered)
		use(l)
		s.Kill()
		l.stop()
		answered += l.answers()
		apptest.Eventually(t, 20*time.Second, func() error { return ended(trace, pid) })
	}
	life(func(l *load) {
		l.more(20)
		clock.Move(2 * time.Hour) // an hour is published
		l.more(20)
		clock.Move(time.Hour) // and what it was made of is removed
		l.more(20)
		l.stop()
		fold(t, s)
		stored(t, s)
		clock.Move(time.Hour)
		published(t, s)
	})
	quiet := lines(t, trace)           // everything was stored
	life(func(l *load) { l.more(10) }) // killed at work
	life(func(l *load) {               // stopped at work: the checkpoints of a stop
		l.more(10)
		s.Signal(syscall.SIGTERM)
		s.Exited(30 * time.Second)
	})
	seqs := map[string]uint64{}
	life(func(l *load) {
		l.more(10)
		l.stop()
		for _, row := range s.Query("SELECT id, _seq FROM web.tracks", l.last(t)).Rows {
			n, err := row[1].(json.Number).Int64()
			if err != nil {
				t.Fatal(err)
			}
			seqs[fmt.Sprint(row[0])] = uint64(n)
		}
	})
	p := newPower(t, root, s.Data, seqs)
	began := time.Now()
	p.readTrace(trace, quiet)
	t.Logf("%d lines read in %v", p.line, time.Since(began))
	t.Logf("%d answers, %d verdicts, %d manifests with %d published hours, %d rows in commits, %d removals, %d of DuckDB's checkpoints, %d of the index of IDs", p.answers, len(p.verdicts), p.manifests, p.hours, p.rows, p.removals, p.folded, p.indexed)
	if p.answers < answered || len(p.verdicts) < 10 || p.manifests < 10 || p.hours == 0 || p.rows < answered || p.removals == 0 || p.folded == 0 || p.indexed == 0 {
		t.Errorf("the test sees too little: %d answers were counted by the senders: is the trace read rightly?", answered)
	}
}

// fold sends so much that DuckDB folds its write-ahead file into the database.
func fold(t *testing.T, s *apptest.Server) {
	t.Helper()
	large := strings.Repeat("large ", 5000)
	for i := range 72 {
		var events []string
		for j := range 10 {
			events = append(events, fmt.Sprintf(`{"type":"track","messageId":"large-%d-%d","userId":"large","event":"Large","properties":{"text":"%s"}}`, i, j, large))
		}
		if _, err := s.Post("/v1/batch", "dev_web", `{"batch":[`+strings.Join(events, ",")+`]}`, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	grown := false
	apptest.Eventually(t, time.Minute, func() error {
		info, err := os.Stat(filepath.Join(s.Data, "warehouse", "default.duckdb.wal"))
		if err == nil && info.Size() > 16<<20 {
			grown = true
		}
		if grown && (errors.Is(err, os.ErrNotExist) || err == nil && info.Size() < 16<<20) {
			return nil
		}
		return errors.New("the write-ahead file is not folded")
	})
}

// lines counts those of a file.
func lines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

// ended says whether the trace ends with the end of the process.
func ended(trace string, pid int) error {
	f, err := os.Open(trace)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	text := make([]byte, min(size, 100_000))
	if _, err := f.ReadAt(text, size-int64(len(text))); err != nil {
		return err
	}
	if !regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\+\+\+ `, pid)).Match(text) {
		return errors.New("the tracer has not seen the end")
	}
	return nil
}

// A power checks what is built on what.
type power struct {
	*disk
	data   string
	seqs   map[string]uint64 // frame of each event in the warehouse
	frames map[uint64]place  // by sequence
	// verdicts are those written, and marks up to where a verdict file judges,
	// by file and end of a block.
	verdicts []verdict
	marks    map[string]map[int64]uint64
	faults   map[string]bool

	answers, manifests, hours, rows, removals, folded, indexed int
}

// A place is a write to a file.
type place struct {
	file  string
	wrote int
}

type verdict struct {
	through uint64
	place
}

func newPower(t *testing.T, root, data string, seqs map[string]uint64) *power {
	p := &power{disk: newDisk(t, root), data: data, seqs: seqs, frames: map[uint64]place{}, marks: map[string]map[int64]uint64{}, faults: map[string]bool{}}
	p.wrote, p.renamed, p.removed, p.sent = p.onWrite, p.onRename, p.onRemove, p.onSend
	p.kept = func(path string) bool { return p.in(path, "archive/.tmp") }
	return p
}

// readTrace reads the whole trace; after the line quiet nothing was under way.
func (p *power) readTrace(path string, quiet int) {
	f, err := os.Open(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		p.read(lines.Text())
		if p.line == quiet {
			p.onQuiet()
		}
	}
	if err := lines.Err(); err != nil {
		p.t.Fatal(err)
	}
}

// fault reports what is wrong, each kind of it once.
func (p *power) fault(kind, format string, args ...any) {
	if !p.faults[kind] {
		p.faults[kind] = true
		p.t.Errorf("line %d of the trace: %s: %s", p.line, kind, fmt.Sprintf(format, args...))
	}
}

func (p *power) in(path, folder string) bool {
	return strings.HasPrefix(path, filepath.Join(p.data, folder)+"/")
}

// logged says why the log would not have a frame after a power cut, "" if it would.
func (p *power) logged(seq uint64) string {
	f, ok := p.frames[seq]
	if !ok {
		return fmt.Sprintf("frame %d is not written", seq)
	}
	for _, at := range []place{f, {filepath.Join(p.data, "log", "log.json"), 0}} {
		if missing := p.missing(at.file, at.wrote); missing != "" {
			return missing
		}
	}
	return ""
}

// judged says why the verdicts up to a frame would not be there after a power cut.
func (p *power) judged(seq uint64) string {
	why := fmt.Sprintf("no verdict covers frame %d", seq)
	for _, v := range slices.Backward(p.verdicts) {
		if v.through < seq {
			break
		}
		if why = p.missing(v.file, v.wrote); why == "" {
			return ""
		}
	}
	return why
}

var answer = regexp.MustCompile(`(?i)^HTTP/1\.1 200 OK\r\n(?s:.*)\r\nMillrace-Position: \d+-(\d+)-\d+\r\n`)

// onSend: an answer says that the frame survives.
func (p *power) onSend(data []byte) {
	m := answer.FindSubmatch(data)
	if m == nil {
		return
	}
	p.answers++
	if missing := p.logged(uint64(atoi(string(m[1])))); missing != "" {
		p.fault("an answer left before its frame was safe", "%s", missing)
	}
}

var messageID = regexp.MustCompile(`load\d+x\d+-\d+`)

func (p *power) onWrite(path string, offset int64, data []byte) {
	switch {
	case p.in(path, "log") && strings.HasSuffix(path, ".blk"):
		for len(data) >= 12 {
			size := int(binary.LittleEndian.Uint32(data) &^ (1 << 31))
			if seq := binary.LittleEndian.Uint64(data[4:]); p.frames[seq].file == "" {
				p.frames[seq] = place{path, p.line}
			}
			data = data[min(max(size, 12), len(data)):]
		}
	case strings.HasSuffix(strings.TrimSuffix(path, ".tmp"), ".verdicts"):
		p.onVerdict(strings.TrimSuffix(path, ".tmp"), offset, data)
	case strings.HasSuffix(path, ".duckdb.wal"):
		for _, id := range messageID.FindAll(data, -1) {
			if seq, ok := p.seqs[string(id)]; ok {
				p.rows++
				if missing := strings.TrimSpace(p.logged(seq) + " " + p.judged(seq)); missing != "" {
					p.fault("the warehouse stores a row before what it stands on was safe", "%s of frame %d: %s", id, seq, missing)
				}
			}
		}
	}
}

// onVerdict reads the header of a verdict file, or its blocks; see docs/format/verdicts.md.
func (p *power) onVerdict(path string, offset int64, data []byte) {
	if offset == 0 {
		if len(data) < 28 {
			return
		}
		p.marks[path] = map[int64]uint64{int64(len(data)): binary.LittleEndian.Uint64(data[20:])}
		return
	}
	for len(data) > 8 {
		size := int64(binary.LittleEndian.Uint32(data)) + 8
		delta, n := binary.Uvarint(data[8:])
		mark, ok := p.marks[path][offset]
		if size > int64(len(data)) || n <= 0 || !ok {
			p.fault("a verdict cannot be read", "%s at %d", path, offset)
			return
		}
		mark, offset, data = mark+delta, offset+size, data[size:]
		p.marks[path][offset] = mark
		if missing := p.logged(mark); missing != "" {
			p.fault("a verdict was stored before the frame was safe", "%s", missing)
		}
		p.verdicts = append(p.verdicts, verdict{mark, place{path, p.line}})
	}
}

// onRename: what gets its name has its bytes, and what it names is there.
func (p *power) onRename(from, to string) {
	if f := p.files[from]; f != nil && f.dirty() {
		p.fault("a file is put into place before it is synced", "%s: %s", to, f.last)
	}
	switch {
	case p.in(to, "archive/_manifest/log"):
		p.onManifest(from, to)
	case strings.HasSuffix(to, "/index/manifest"):
		p.indexed++
		p.wantAll(filepath.Dir(to), "the index of IDs is checkpointed before its runs are safe", from)
	}
}

// wantAll wants everything in a folder to be safe, but for what is being put into place.
func (p *power) wantAll(folder, kind, but string) {
	for path, f := range p.files {
		if strings.HasPrefix(path, folder+"/") && path != but && f.dirty() {
			p.fault(kind, "%s is not synced since %s", path, f.last)
		}
	}
	for path := range p.fresh {
		if strings.HasPrefix(path, folder+"/") && path != but {
			p.fault(kind, "the folder of %s is not synced", path)
		}
	}
	if name := p.unnamed(folder); name != "" {
		p.fault(kind, "the folder of %s is not synced", name)
	}
}

// onManifest: the archive says what it holds, and up to where.
func (p *power) onManifest(from, to string) {
	p.manifests++
	archive := filepath.Join(p.data, "archive")
	names := p.fresh
	if strings.HasSuffix(to, "-base.json") { // it says itself what steps before it said
		p.fresh = maps.Clone(names)
		maps.DeleteFunc(p.fresh, func(path string, _ int) bool { return p.in(path, "archive/_manifest/log") })
	}
	p.wantAll(archive, "the archive's manifest is stored before its files are safe", from)
	p.fresh = names
	_, content, _ := bytes.Cut(p.files[from].data, []byte("\n"))
	type span struct {
		After, Through millrace.Position
		Files          []struct{ Workspace string }
	}
	var said struct {
		Through   millrace.Position
		Begin     *struct{ Span span }
		Cut       *span
		Advance   *span
		Published *struct {
			Day struct{ Key string }
		}
	}
	if err := json.Unmarshal(content, &said); err != nil {
		p.fault("a manifest cannot be read", "%s: %v: %s", to, err, content)
		return
	}
	through := said.Through.Seq
	switch {
	case said.Begin != nil:
		through = said.Begin.Span.Through.Seq
	case said.Advance != nil:
		through = said.Advance.Through.Seq
	case said.Cut != nil:
		through = said.Cut.Through.Seq
		for _, f := range said.Cut.Files {
			name := fmt.Sprintf("_fresh/%s/%d-%d_%d-%d.parquet", f.Workspace, said.Cut.After.Epoch, said.Cut.After.Seq, said.Cut.Through.Epoch, said.Cut.Through.Seq)
			if missing := p.missing(filepath.Join(archive, name), p.line); p.files[filepath.Join(archive, name)] == nil {
				p.fault("the archive's manifest names a file that is not there", "%s", missing)
			}
		}
	case said.Published != nil:
		p.hours++
		if key := filepath.Join(archive, said.Published.Day.Key); p.files[key] == nil {
			p.fault("the archive's manifest names a file that is not there", "%s", key)
		}
	}
	if through == 0 {
		return
	}
	if missing := strings.TrimSpace(p.logged(through) + " " + p.judged(through)); missing != "" {
		p.fault("the archive's manifest is stored before what it stands on was safe", "through frame %d: %s", through, missing)
	}
}

// onRemove: what replaces the removed is safe.
func (p *power) onRemove(path string) {
	f := p.files[path]
	if f == nil {
		return
	}
	switch {
	case strings.HasSuffix(path, ".duckdb.wal"):
		p.folded++
		if db := p.files[strings.TrimSuffix(path, ".wal")]; db == nil || db.dirty() {
			p.fault("DuckDB removes its write-ahead file before the database is synced", "%s", path)
		}
	case p.in(path, "archive/.tmp"): // what a killed process left
	case p.in(path, "archive"):
		p.removals++
		p.wantAll(filepath.Join(p.data, "archive"), "a file of the archive is removed before what replaces it is safe", path)
	case p.in(path, "dedup"):
		p.wantAll(filepath.Dir(path), "a file of the verdicts is removed before what replaces it is safe", path)
	}
}

// onQuiet: nothing is under way, so everything is safe, but for what may go.
func (p *power) onQuiet() {
	// What may go: the note of who holds the lock; the index that SQLite makes anew
	// at each opening; and names that DuckDB makes,
	// since it syncs no folder. Rows and checkpoint are in one file, so the
	// warehouse falls back as a whole, and log and archive have what follows.
	names := regexp.MustCompile(`/data/warehouse(/spill.*|/default\.duckdb(\.wal)?)?$`)
	may := func(path string) bool {
		return path == filepath.Join(p.data, "lock") || path == filepath.Join(p.data, "history.db-shm") || path == filepath.Join(p.data, "catalog.db-shm")
	}
	for _, path := range slices.Sorted(maps.Keys(p.files)) {
		if f := p.files[path]; f.dirty() && !may(path) {
			p.fault(path+" is left without a sync", "%s", f.last)
		}
	}
	for path := range p.fresh {
		if !may(path) && !names.MatchString(path) {
			p.fault("the folder of "+path+" is left without a sync", "it is new")
		}
	}
}
