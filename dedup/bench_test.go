package dedup_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/dedup"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/eventlog/mem"
)

// A maker is a log that is made while it is read: frames of 1,000 records over
// the given span of log time, of which 1 % repeat the ID of an earlier one.
type maker struct {
	frames uint64
	span   time.Duration
	from   uint64 // frames before this one were trimmed
}

const madePerFrame = 1000

func (m *maker) Append(context.Context, []millrace.Record) (millrace.Position, error) {
	return millrace.Position{}, nil
}
func (m *maker) Trim(context.Context, millrace.Position) error { return nil }
func (m *maker) Close() error                                  { return nil }

func (m *maker) Bounds(context.Context) (first, last millrace.Position, err error) {
	return millrace.Position{Epoch: 1, Seq: 1 + m.from}, millrace.Position{Epoch: 1, Seq: m.frames, Index: millrace.EndOfFrame}, nil
}

func (m *maker) Open(_ context.Context, after millrace.Position, _ eventlog.Filter) (eventlog.Reader, error) {
	return &makerReader{m, after.Seq}, nil
}

type makerReader struct {
	*maker
	seq uint64
}

func (r *makerReader) Close() error { return nil }

func (r *makerReader) Next(ctx context.Context) (eventlog.Batch, error) {
	if r.seq >= r.frames {
		<-ctx.Done()
		return eventlog.Batch{}, ctx.Err()
	}
	r.seq++
	at := time.UnixMilli(1_700_000_000_000 + int64(float64(r.span.Milliseconds())*float64(r.seq)/float64(r.frames)))
	b := eventlog.Batch{
		Records: make([]eventlog.Entry, madePerFrame), Time: at, AtEnd: r.seq == r.frames,
		Through: millrace.Position{Epoch: 1, Seq: r.seq, Index: millrace.EndOfFrame},
	}
	var text strings.Builder // the IDs of a frame share one allocation, as in the log's reader
	text.Grow(madePerFrame * 36)
	for i := range b.Records {
		n := (r.seq-1)*madePerFrame + uint64(i)
		if i%100 == 99 {
			n = mix(n) % n
		}
		uuid(&text, n)
	}
	all := text.String()
	for i := range b.Records {
		b.Records[i] = eventlog.Entry{
			Position: millrace.Position{Epoch: 1, Seq: r.seq, Index: uint32(i)}, Time: at,
			Record: millrace.Record{ID: all[i*36 : i*36+36], Workspace: "default", Source: "web", Stream: "track:Order Completed"},
		}
	}
	return b, nil
}

// mix is splitmix64.
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

func uuid(out *strings.Builder, n uint64) {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:], mix(n))
	binary.LittleEndian.PutUint64(raw[8:], mix(^n))
	var b [36]byte
	hex.Encode(b[:8], raw[:4])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	hex.Encode(b[9:13], raw[4:6])
	hex.Encode(b[14:18], raw[6:8])
	hex.Encode(b[19:23], raw[8:10])
	hex.Encode(b[24:], raw[10:])
	out.Write(b[:])
}

// cpu returns the process's CPU time.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// anonymous returns the process's anonymous memory in bytes.
func anonymous() float64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
			kib, _ := strconv.ParseFloat(f[1], 64)
			return kib * 1024
		}
	}
	return 0
}

// BenchmarkFollow judges millions of IDs from end to end: hashing, index,
// verdicts with their fsyncs, checkpoints and merges; without the making of the
// records. DEDUP_BENCH_MILLIONS adds a size, as "50".
func BenchmarkFollow(b *testing.B) {
	sizes := []uint64{1, 10}
	if s := os.Getenv("DEDUP_BENCH_MILLIONS"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			b.Fatalf("DEDUP_BENCH_MILLIONS=%q is not a number", s)
		}
		sizes = append(sizes, n)
	}
	for _, millions := range sizes {
		for name, window := range map[string]time.Duration{"24h": 24 * time.Hour, "forever": dedup.Forever} {
			b.Run(strconv.FormatUint(millions, 10)+"M/"+name, func(b *testing.B) {
				for range b.N {
					follow(b, &maker{frames: millions * 1000, span: 30 * time.Hour}, window)
				}
			})
		}
	}
}

func follow(b *testing.B, log *maker, window time.Duration) {
	n := float64(log.frames * madePerFrame)
	began, r := cpu(), &makerReader{maker: log}
	sample := min(log.frames, 2000)
	for range sample {
		if _, err := r.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	making := float64(cpu()-began) / float64(sample*madePerFrame)
	f, err := dedup.Open(dedup.Options{Log: log, Dir: b.TempDir(), Window: func(_, _ string) time.Duration { return window }})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	began, wall := cpu(), time.Now()
	go func() { done <- f.Run(ctx) }()
	var most float64
	last := millrace.Position{Epoch: 1, Seq: log.frames}
	for f.Through().Before(last) {
		most = max(most, anonymous())
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(wall)
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	used := float64(cpu()-began)/n - making
	s, err := f.Status(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(used/1e3, "cpu-µs/id")
	b.ReportMetric(float64(took.Microseconds())/n, "wall-µs/id")
	b.ReportMetric(making/1e3, "making-µs/id")
	b.ReportMetric(most/1e6, "anon-MB")
	b.ReportMetric(float64(s.IndexBytes)/float64(s.IDs), "disk-B/id")
	b.ReportMetric(float64(s.Runs), "runs")
	b.ReportMetric(0, "ns/op")
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFreshness measures how long after its append a single record's
// verdict is durable: after a pause, and 200 times a second.
func BenchmarkFreshness(b *testing.B) {
	for name, pause := range map[string]time.Duration{"after-a-pause": 70 * time.Millisecond, "200-a-second": 5 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			log := mem.New(mem.Options{})
			f, err := dedup.Open(dedup.Options{Log: log, Dir: b.TempDir(), Window: func(_, _ string) time.Duration { return 0 }})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- f.Run(ctx) }()
			var took []time.Duration
			var mu sync.Mutex
			var all sync.WaitGroup
			for n := range 20 * b.N {
				time.Sleep(pause)
				began := time.Now()
				p, err := log.Append(b.Context(), events("web", strconv.Itoa(n)))
				if err != nil {
					b.Fatal(err)
				}
				all.Go(func() {
					if f.Wait(ctx, p) == nil {
						mu.Lock()
						defer mu.Unlock()
						took = append(took, time.Since(began))
					}
				})
			}
			all.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1e3, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1e3, "p99-ms")
			b.ReportMetric(0, "ns/op")
			cancel()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
