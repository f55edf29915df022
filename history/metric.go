package history

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// A Metric is one of the process's Prometheus metrics that is kept, under its name.
type Metric struct {
	Name string
	Unit string // of its points
	// Lasting says that a counter outlives the process: it is a Total.
	Lasting bool
	Help    string // what a chart of it shows
}

// Metrics are those that the web page draws. All of their labels are kept.
// Histograms are kept as gauges with the label quantile, 0.5 and 0.99, each of
// what was observed since the sample before; without an observation there is
// no point.
var Metrics = []Metric{
	{Name: "millrace_collect_events_total", Unit: "events", Help: "Events by source and result: accepted, rejected, dropped."},
	{Name: "millrace_collect_bytes_total", Unit: "bytes", Help: "Size of the events appended, by source."},
	{Name: "millrace_collect_requests_total", Unit: "requests", Help: "Requests to intake by route and status."},
	{Name: "millrace_collect_refused_total", Unit: "requests", Help: "Requests refused, by source and reason."},
	{Name: "millrace_collect_append_seconds", Unit: "seconds", Help: "Time until the log had the events on disk."},
	{Name: "millrace_log_frame_seconds", Unit: "seconds", Help: "Time to bring a frame to the disk."},
	{Name: "millrace_log_written_bytes_total", Unit: "bytes", Help: "Size of the frames written."},
	{Name: "millrace_log_bytes", Unit: "bytes", Help: "Size of the log."},
	{Name: "millrace_log_disk_free_bytes", Unit: "bytes", Help: "Free space of the log's disk."},
	{Name: "millrace_log_disk_reserve_bytes", Unit: "bytes", Help: "Free space below which intake is refused."},
	{Name: "millrace_dedup_records_total", Unit: "records", Lasting: true, Help: "Records judged by source and verdict: distinct, duplicate."},
	{Name: "millrace_dedup_index_ids", Unit: "ids", Help: "IDs in the dedup index."},
	{Name: "millrace_dedup_index_bytes", Unit: "bytes", Help: "Size of the dedup index on disk."},
	{Name: "millrace_reader_lag_seconds", Unit: "seconds", Help: "How long the oldest record has waited for each reader."},
	{Name: "millrace_archive_records_total", Unit: "records", Help: "Records written to the archive."},
	{Name: "millrace_warehouse_rows_total", Unit: "rows", Help: "Rows written to tables of the warehouse."},
	{Name: "millrace_warehouse_discards_total", Unit: "values", Help: "Values and rows set aside."},
	{Name: "millrace_warehouse_commit_seconds", Unit: "seconds", Help: "Time that a step of the loader takes."},
	{Name: "millrace_duckdb_size_bytes", Unit: "bytes", Help: "Files of the warehouse."},
	{Name: "millrace_duckdb_resident_bytes", Unit: "bytes", Help: "Memory of the warehouse's process."},
	{Name: "millrace_duckdb_queries", Unit: "queries", Help: "Queries that run."},
	{Name: "millrace_duckdb_restarts_total", Unit: "restarts", Help: "How often the warehouse's process was restarted."},
	{Name: "millrace_api_requests_total", Unit: "requests", Help: "Requests to the API by route and status; queries are the route of /query."},
	{Name: "process_resident_memory_bytes", Unit: "bytes", Help: "Memory of the server's process."},
	{Name: "process_cpu_seconds_total", Unit: "seconds", Help: "Processor time of the server's process."},
}

// UnitOf is the unit of a series' points: that of the Metric of this name, or
// what the name ends with: bytes, seconds, ratio; otherwise empty.
func UnitOf(name string) string {
	for _, m := range Metrics {
		if m.Name == name {
			return m.Unit
		}
	}
	name = strings.TrimSuffix(name, "_total")
	for _, unit := range []string{"bytes", "seconds", "ratio"} {
		if strings.HasSuffix(name, "_"+unit) {
			return unit
		}
	}
	return ""
}

var quantiles = []float64{0.5, 0.99}

// Sampler returns a function for Run that samples metrics of a gatherer, such
// as the process's registry. What cannot be gathered has no sample. It remembers
// the histograms of the call before, so it must not be called twice at once.
func Sampler(from prometheus.Gatherer, metrics []Metric) func() []Sample {
	kept := map[string]Metric{}
	for _, m := range metrics {
		kept[m.Name] = m
	}
	before := map[string][]float64{}
	return func() (out []Sample) {
		families, _ := from.Gather() // with an error there are those that could be gathered
		for _, family := range families {
			metric, ok := kept[family.GetName()]
			if !ok {
				continue
			}
			for _, m := range family.GetMetric() {
				s := Sample{Name: metric.Name, Labels: map[string]string{}}
				for _, l := range m.GetLabel() {
					s.Labels[l.GetName()] = l.GetValue()
				}
				switch {
				case m.GetGauge() != nil:
					s.Value = m.GetGauge().GetValue()
					out = append(out, s)
				case m.GetCounter() != nil:
					s.Kind, s.Value = Counter, m.GetCounter().GetValue()
					if metric.Lasting {
						s.Kind = Total
					}
					out = append(out, s)
				case m.GetHistogram() != nil:
					var h histogram
					for _, b := range m.GetHistogram().GetBucket() {
						h.add(b.GetUpperBound(), b.GetCumulativeCount())
					}
					h.add(math.Inf(1), m.GetHistogram().GetSampleCount())
					key := string(appendKey(nil, Gauge, s.Name, s.Labels))
					out = append(out, h.since(before[key], s)...)
					before[key] = h.counts
				}
			}
		}
		return out
	}
}

// A histogram has how many observations are at most each bound; the last bound is infinite.
type histogram struct{ bounds, counts []float64 }

func (h *histogram) add(bound float64, count uint64) {
	if n := len(h.bounds); n > 0 && h.bounds[n-1] == bound {
		return
	}
	h.bounds, h.counts = append(h.bounds, bound), append(h.counts, float64(count))
}

// since are the quantiles of what was observed since the counts before.
func (h histogram) since(before []float64, s Sample) []Sample {
	counts := slices.Clone(h.counts)
	if len(before) == len(counts) && before[len(before)-1] <= counts[len(counts)-1] {
		for i := range counts {
			counts[i] -= before[i]
		}
	}
	all := counts[len(counts)-1]
	if all <= 0 {
		return nil
	}
	var out []Sample
	for _, q := range quantiles {
		one := Sample{Name: s.Name, Labels: maps.Clone(s.Labels), Value: h.quantile(counts, q*all)}
		one.Labels["quantile"] = strconv.FormatFloat(q, 'g', -1, 64)
		out = append(out, one)
	}
	return out
}

// quantile is where the rank lies, evenly within its bucket; above the last
// bound nothing is known but that.
func (h histogram) quantile(counts []float64, rank float64) float64 {
	i := slices.IndexFunc(counts, func(c float64) bool { return c >= rank })
	if i < 0 || i == len(counts)-1 {
		if len(h.bounds) < 2 {
			return math.NaN()
		}
		return h.bounds[len(h.bounds)-2]
	}
	low, below := 0.0, 0.0
	if i > 0 {
		low, below = h.bounds[i-1], counts[i-1]
	}
	if counts[i] == below {
		return h.bounds[i]
	}
	return low + (h.bounds[i]-low)*(rank-below)/(counts[i]-below)
}
