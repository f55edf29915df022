package history

import (
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestColumnsComeBack(t *testing.T) {
	t.Parallel()
	number := rapid.OneOf(
		rapid.Float64Range(-maxValue, maxValue), rapid.Map(rapid.Int64Range(-whole, whole), func(v int64) float64 { return float64(v) }),
		rapid.SampledFrom([]float64{0, 1, 2, 3, 0.1, -1, math.MaxInt32, whole - 1, whole, -whole, maxValue}))
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(number, 1, 400).Draw(t, "values")
		if rapid.Bool().Draw(t, "line") {
			for i := range values {
				values[i] = values[0] + float64(i)*7
			}
		}
		ref := rapid.SampledFrom([][]float64{nil, values}).Draw(t, "ref")
		data := appendColumn(nil, values, ref)
		if ref != nil && len(data) != 1 {
			t.Errorf("a column that is the same takes %d bytes", len(data))
		}
		got, rest, err := decodeColumn(append(data, 'x'), len(values), ref)
		if err != nil || len(rest) != 1 || !reflect.DeepEqual(got, values) {
			t.Fatalf("%v %v: got %v, want %v", rest, err, got, values)
		}
		for cut := range data {
			if got, _, err := decodeColumn(data[:cut], len(values), ref); err == nil {
				t.Fatalf("cut at %d of %d it is %v", cut, len(data), got)
			}
		}
	})
}

func TestColumnSizes(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value func(i int) float64
		most  int
	}{
		"idle":          {func(int) float64 { return 0 }, 9},
		"steady":        {func(int) float64 { return 0.25 }, 9},
		"each step":     {func(i int) float64 { return float64(i) }, 4},
		"few events":    {func(i int) float64 { return float64(i % 7) }, 61},
		"some hundreds": {func(i int) float64 { return float64(500 + i*37%91) }, 140},
		"gigabytes":     {func(i int) float64 { return 1e9 + float64(i*7919%5000)*4096 }, 61 * 5},
		"any":           {func(i int) float64 { return math.Sqrt(float64(i + 2)) }, 1 + 60*8},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := make([]float64, 60)
			for i := range values {
				values[i] = test.value(i)
			}
			if n := len(appendColumn(nil, values, nil)); n > test.most {
				t.Errorf("60 numbers take %d bytes, more than %d", n, test.most)
			}
		})
	}
}

func TestChunksComeBack(t *testing.T) {
	t.Parallel()
	for name, gauge := range map[string]bool{"gauge": true, "counter": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				const start, step = 1_700_000_000 / hour * hour, 10
				var bs buckets
				for _, slot := range rapid.SliceOfN(rapid.Int64Range(0, hour/step-1), 1, 400).Draw(t, "slots") {
					b := sampled(start+slot*step, rapid.Float64Range(-1e9, 1e9).Draw(t, "value"))
					if !gauge {
						b = bucket{start: b.start, sum: b.sum}
					}
					bs.add(b)
				}
				got, err := decodeChunk(appendChunk(nil, bs, start, step, gauge), start, step)
				if err != nil || !reflect.DeepEqual(got, bs) {
					t.Fatalf("%v: got %v, want %v", err, got, bs)
				}
			})
		})
	}
}

func FuzzDecodeChunk(f *testing.F) {
	var bs buckets
	for i := range int64(60) {
		bs.add(sampled(i*60, float64(i*i)))
		bs.add(sampled(i*60, 0.1))
	}
	f.Add(appendChunk(nil, bs, 0, 60, true))
	f.Add(appendChunk(nil, bs, 0, 60, false))
	f.Add(appendChunk(nil, nil, 0, 60, true))
	f.Add([]byte{0xff, 0x1f, 1, columnLine, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		bs, err := decodeChunk(data, 0, 60)
		if err != nil {
			return
		}
		for _, p := range bs.roll(hour).points(Gauge) {
			if len(bs) > 0 && len(data) > 1 && data[1] == 1 && !finite(p.Min+p.Max) {
				t.Fatalf("%v is a point of %x", p, data)
			}
		}
	})
}

func FuzzDecodeRound(f *testing.F) {
	f.Add(appendRound(nil, []entry{{id: 1, value: 2.5}, {id: 900, total: true, value: 3, absolute: 100}, {id: 2, value: -1}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []entry
		if err := decodeRound(data, func(e entry) { all = append(all, e) }); err != nil {
			return
		}
		again := appendRound(nil, all)
		var same []entry
		if err := decodeRound(again, func(e entry) { same = append(same, e) }); err != nil || len(same) != len(all) {
			t.Fatalf("%v: %v, want %v", err, same, all)
		}
	})
}

func TestFloorBefore1970(t *testing.T) {
	t.Parallel()
	for at, want := range map[int64]int64{0: 0, 9: 0, 10: 10, -1: -10, -10: -10, -11: -20} {
		if got := floor(at, 10); got != want {
			t.Errorf("floor of %d is %d, want %d", at, got, want)
		}
	}
}
