package history

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A bucket is what is known of a series in one step. Of a counter only sum counts.
type bucket struct {
	start               int64 // seconds since 1970
	count               float64
	last, min, max, sum float64
}

func sampled(start int64, v float64) bucket {
	return bucket{start: start, count: 1, last: v, min: v, max: v, sum: v}
}

// buckets are in order of time, one a step.
type buckets []bucket

// add adds what was recorded after everything that is there. When the clock was
// set back it belongs to a step that has something already.
func (bs *buckets) add(b bucket) {
	at := len(*bs)
	if at > 0 && (*bs)[at-1].start >= b.start {
		var found bool
		at, found = slices.BinarySearchFunc(*bs, b.start, func(one bucket, start int64) int { return int(one.start - start) })
		if found {
			have := &(*bs)[at]
			have.count += b.count
			have.sum += b.sum
			have.last = b.last
			have.min, have.max = min(have.min, b.min), max(have.max, b.max)
			return
		}
	}
	if at == len(*bs) {
		*bs = append(*bs, b)
		return
	}
	*bs = slices.Insert(*bs, at, b)
}

// roll returns what the buckets are in longer steps.
func (bs buckets) roll(step int64) buckets {
	var out buckets
	for _, b := range bs {
		b.start = floor(b.start, step)
		out.add(b)
	}
	return out
}

// floor rounds a time down to a multiple of step, also before 1970.
func floor(at, step int64) int64 {
	rest := at % step
	if rest < 0 {
		rest += step
	}
	return at - rest
}

// maxChunk is how many buckets a chunk may have: more than any span has steps.
const maxChunk = 4096

// appendChunk appends the buckets of a span: how many, whether they are a
// gauge's, then column by column.
func appendChunk(out []byte, bs buckets, start, step int64, gauge bool) []byte {
	out = binary.AppendUvarint(out, uint64(len(bs)))
	if gauge {
		out = append(out, 1)
	} else {
		out = append(out, 0)
	}
	column := func(ref []float64, get func(b *bucket) float64) []float64 {
		values := make([]float64, len(bs))
		for i := range bs {
			values[i] = get(&bs[i])
		}
		out = appendColumn(out, values, ref)
		return values
	}
	column(nil, func(b *bucket) float64 { return float64((b.start - start) / step) })
	if !gauge {
		column(nil, func(b *bucket) float64 { return b.sum })
		return out
	}
	column(nil, func(b *bucket) float64 { return b.count })
	last := column(nil, func(b *bucket) float64 { return b.last })
	column(last, func(b *bucket) float64 { return b.min })
	column(last, func(b *bucket) float64 { return b.max })
	column(last, func(b *bucket) float64 { return b.sum })
	return out
}

// decodeChunk returns the buckets of a chunk.
func decodeChunk(data []byte, start, step int64) (buckets, error) {
	n, used := binary.Uvarint(data)
	if used <= 0 || n > maxChunk || len(data) < used+1 || data[used] > 1 {
		return nil, fmt.Errorf("%w: a chunk begins wrongly", errDamaged)
	}
	gauge := data[used] == 1
	data = data[used+1:]
	bs := make(buckets, n)
	var err error
	column := func(ref []float64, set func(b *bucket, v float64)) []float64 {
		if err != nil {
			return nil
		}
		var values []float64
		if values, data, err = decodeColumn(data, int(n), ref); err != nil {
			return nil
		}
		for i, v := range values {
			set(&bs[i], v)
		}
		return values
	}
	column(nil, func(b *bucket, v float64) {
		if !(v >= 0 && v < maxChunk) {
			err = fmt.Errorf("%w: a chunk has a step outside of its span", errDamaged)
			return
		}
		b.start = start + int64(v)*step
	})
	if !gauge {
		column(nil, func(b *bucket, v float64) {
			if b.sum = v; !finite(v) {
				err = fmt.Errorf("%w: a chunk has a counter that is not a number", errDamaged)
			}
		})
		return bs, err
	}
	column(nil, func(b *bucket, v float64) { b.count = v })
	last := column(nil, func(b *bucket, v float64) { b.last = v })
	column(last, func(b *bucket, v float64) { b.min = v })
	column(last, func(b *bucket, v float64) { b.max = v })
	column(last, func(b *bucket, v float64) { b.sum = v })
	for _, b := range bs {
		if err == nil && !(b.count >= 1 && finite(b.last+b.min+b.max+b.sum)) {
			err = fmt.Errorf("%w: a chunk has a gauge that is not a number", errDamaged)
		}
	}
	return bs, err
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// How a column is written, in its first byte.
const (
	columnSame     = iota // as the column of the last values
	columnConstant        // one number
	columnLine            // whole numbers: the first, and the difference between all
	columnDeltas          // whole numbers: the differences
	columnMixed           // bits that differ from the number before
	columnPlain           // eight bytes each
)

// whole is a number below which float64 holds whole ones and their differences exactly.
const whole = 1 << 52

// appendColumn writes numbers in the shortest of the ways.
func appendColumn(out []byte, values, ref []float64) []byte {
	if len(values) == 0 {
		return append(out, columnConstant)
	}
	if ref != nil && slices.Equal(values, ref) {
		return append(out, columnSame)
	}
	constant, ints, line := true, true, true
	for i, v := range values {
		constant = constant && v == values[0]
		ints = ints && v == math.Trunc(v) && math.Abs(v) < whole
		line = line && ints && (i < 2 || v-values[i-1] == values[1]-values[0])
	}
	switch {
	case constant:
		return binary.LittleEndian.AppendUint64(append(out, columnConstant), math.Float64bits(values[0]))
	case line:
		out = binary.AppendVarint(append(out, columnLine), int64(values[0]))
		return binary.AppendVarint(out, int64(values[1])-int64(values[0]))
	}
	begin, plain := len(out), 1+8*len(values)
	if ints {
		out = append(out, columnDeltas)
		var before int64
		for _, v := range values {
			out = binary.AppendVarint(out, int64(v)-before)
			before = int64(v)
		}
	} else {
		out = append(out, columnMixed)
		var before uint64
		for _, v := range values {
			out = binary.AppendUvarint(out, bits.ReverseBytes64(math.Float64bits(v)^before))
			before = math.Float64bits(v)
		}
	}
	if len(out)-begin <= plain {
		return out
	}
	out = append(out[:begin], columnPlain)
	for _, v := range values {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return out
}

// decodeColumn reads n numbers and returns what follows them.
func decodeColumn(data []byte, n int, ref []float64) ([]float64, []byte, error) {
	cut := fmt.Errorf("%w: a chunk ends in the middle", errDamaged)
	if len(data) == 0 {
		return nil, nil, cut
	}
	how, data := data[0], data[1:]
	values := make([]float64, n)
	switch how {
	case columnSame:
		if len(ref) != n {
			return nil, nil, fmt.Errorf("%w: a chunk repeats what is not there", errDamaged)
		}
		return ref, data, nil
	case columnConstant:
		if n == 0 {
			return values, data, nil
		}
		if len(data) < 8 {
			return nil, nil, cut
		}
		v := math.Float64frombits(binary.LittleEndian.Uint64(data))
		for i := range values {
			values[i] = v
		}
		return values, data[8:], nil
	case columnLine:
		first, used := binary.Varint(data)
		if used <= 0 {
			return nil, nil, cut
		}
		delta, more := binary.Varint(data[used:])
		if more <= 0 {
			return nil, nil, cut
		}
		for i := range values {
			values[i] = float64(first + int64(i)*delta)
		}
		return values, data[used+more:], nil
	case columnPlain:
		if len(data) < 8*n {
			return nil, nil, cut
		}
		for i := range values {
			values[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
		return values, data[8*n:], nil
	case columnDeltas, columnMixed:
		return decodeVarints(data, values, how == columnDeltas, cut)
	}
	return nil, nil, fmt.Errorf("%w: a chunk has a column of kind %d", errDamaged, how)
}

func decodeVarints(data []byte, values []float64, deltas bool, cut error) ([]float64, []byte, error) {
	var sum int64
	var before uint64
	for i := range values {
		used := 0
		if deltas {
			var d int64
			d, used = binary.Varint(data)
			sum += d
			values[i] = float64(sum)
		} else {
			var x uint64
			x, used = binary.Uvarint(data)
			before ^= bits.ReverseBytes64(x)
			values[i] = math.Float64frombits(before)
		}
		if used <= 0 {
			return nil, nil, cut
		}
		data = data[used:]
	}
	return values, data, nil
}
