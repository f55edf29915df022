package postgres

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace"
)

// Times and dates of Postgres may be infinity and -infinity, which a time in
// Arrow cannot be. A column that has one in its first rows is given as text.

// timeLayouts are how times are written in such a column, as answers in JSON
// have them in others.
var timeLayouts = map[uint32]string{
	oidDate: time.DateOnly, oidTimestamp: "2006-01-02T15:04:05.999999", oidTimestampTZ: "2006-01-02T15:04:05.999999Z",
}

var errLateInfinity = millrace.Errorf(millrace.Invalid, "a column of times holds infinity behind its first rows, where the answer has times: cast the column to text, or leave those rows out with isfinite()")

// endless is infinity or -infinity when a time or date in binary form is that.
func endless(v []byte) string {
	switch {
	case len(v) == 8 && int64(binary.BigEndian.Uint64(v)) == math.MaxInt64, len(v) == 4 && int32(binary.BigEndian.Uint32(v)) == math.MaxInt32:
		return "infinity"
	case len(v) == 8 && int64(binary.BigEndian.Uint64(v)) == math.MinInt64, len(v) == 4 && int32(binary.BigEndian.Uint32(v)) == math.MinInt32:
		return "-infinity"
	}
	return ""
}

// anyEndless says whether a column has infinity among the rows that wait.
func (r *rows) anyEndless(i int) bool {
	for row := range r.count {
		if endless(r.fetched[row*len(r.fields)+i]) != "" {
			return true
		}
	}
	return false
}

func endlessColumn(layout string) column {
	return column{textColumn.typ, func(b array.Builder, v []byte) error {
		text := endless(v)
		switch {
		case text != "":
		case len(v) == 4:
			text = time.Unix(0, 0).UTC().AddDate(0, 0, int(int32(binary.BigEndian.Uint32(v)))+epochDays).Format(layout)
		default:
			text = time.UnixMicro(int64(binary.BigEndian.Uint64(v)) + epochMicros).UTC().Format(layout)
		}
		b.(*array.StringBuilder).Append(text)
		return nil
	}}
}
