package collect

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/unit"
)

// A Window is how long an ID keeps later records with the same ID from being
// counted: at least 24h, or Forever. Its text form is a duration, or "forever".
type Window time.Duration

// Forever never ends; DefaultWindow is what a source has that says nothing.
const (
	Forever       Window = math.MaxInt64
	DefaultWindow Window = Window(24 * time.Hour)
)

// UnmarshalText reads "forever" or a duration such as 24h or 7d.
func (w *Window) UnmarshalText(text []byte) error {
	if strings.TrimSpace(string(text)) == "forever" {
		*w = Forever
		return nil
	}
	var d unit.Duration
	if err := d.UnmarshalText(text); err != nil {
		return err
	}
	*w = Window(d)
	return nil
}

// MarshalText writes the form that UnmarshalText reads.
func (w Window) MarshalText() ([]byte, error) {
	if w == Forever {
		return []byte("forever"), nil
	}
	return unit.Duration(w).MarshalText()
}

// OrDefault returns w, or DefaultWindow when it is not set.
func (w Window) OrDefault() Window {
	if w == 0 {
		return DefaultWindow
	}
	return w
}

// Limits bound what one source takes. Zero means the default of the handler,
// and where that is zero too, the default named here.
type Limits struct {
	EventSize    unit.Bytes `yaml:"event_size" default:"32KiB"`  // one event; default 32KiB
	BatchSize    unit.Bytes `yaml:"batch_size" default:"500KiB"` // a whole body, decompressed; default 500KiB
	BatchEvents  int        `yaml:"batch_events" default:"2500"` // events of one batch; default 2500
	Depth        int        `yaml:"depth" default:"32"`          // nested objects and arrays; default 32
	KeyLength    int        `yaml:"key_length" default:"512"`    // bytes of a key; default 512
	Properties   int        `yaml:"properties" default:"2000"`   // members of all objects of an event; default 2000
	Rate         float64    `yaml:"rate"`                        // events a second of one write key; default: no limit
	Burst        int        `yaml:"burst"`                       // events at once; default two seconds of rate
	RejectedRate float64    `yaml:"rejected_rate" default:"100"` // rejected records a second that are kept; default 100
	Columns      int        `yaml:"columns" default:"400"`       // of a table in the warehouse; default 400
	EventTables  int        `yaml:"event_tables" default:"200"`  // in the warehouse; default 200
}

var defaultLimits = Limits{
	EventSize: 32 << 10, BatchSize: 500 << 10, BatchEvents: 2500,
	Depth: 32, KeyLength: 512, Properties: 2000, RejectedRate: 100,
}

// maxBodySizeBytes leaves room for what intake adds below the size of one append.
const maxBodySizeBytes = eventlog.MaxAppendSizeBytes * 3 / 4

// or fills what is not set from d.
func (l Limits) or(d Limits) Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	if l.EventSize == 0 {
		l.EventSize = d.EventSize
	}
	if l.BatchSize == 0 {
		l.BatchSize = max(d.BatchSize, l.EventSize)
	}
	if l.Rate == 0 {
		l.Rate = d.Rate
	}
	if l.RejectedRate == 0 {
		l.RejectedRate = d.RejectedRate
	}
	set(&l.BatchEvents, d.BatchEvents)
	set(&l.Depth, d.Depth)
	set(&l.KeyLength, d.KeyLength)
	set(&l.Properties, d.Properties)
	set(&l.Burst, d.Burst)
	set(&l.Columns, d.Columns)
	set(&l.EventTables, d.EventTables)
	return l
}

// An HTTPSource is a source of kind http: a website, an app or a server that
// sends events with a write key.
type HTTPSource struct {
	Kind string `yaml:"kind"` // "http"
	// WriteKeys are public; more than one during a rotation. Those that begin
	// with dev_ work where AllowDevKeys is set only.
	WriteKeys []string          `yaml:"write_keys"`
	Dedup     Window            `yaml:"dedup" default:"24h" examples:"24h,7d,30d,forever"`
	Types     map[string]string `yaml:"types" enum:"bool,bigint,double,timestamptz,text,json"` // "table.column" to a column type
	Limits    Limits            `yaml:"limits"`                                                //
	// Addresses says whether the addresses of clients are stored; default true.
	// When false, context.ip is overwritten with null in the bodies too.
	Addresses *bool `yaml:"addresses" default:"true"`
	// Browser says that the requests come from the users' own devices, so that
	// address and user agent of the request are theirs; default false.
	Browser bool `yaml:"browser" default:"false"`
	// CORSOrigins are the web origins that may send; default all. A leading
	// "https://*." matches every name below.
	CORSOrigins []string `yaml:"cors_origins" examples:"https://www.example.com,https://*.example.com"`
}

// A WebhookSource is a source of kind webhook: the JSON that a vendor posts.
type WebhookSource struct {
	Kind      string            `yaml:"kind"`                         // "webhook"
	WriteKeys []string          `yaml:"write_keys"`                   // or Signature
	Signature *Signature        `yaml:"signature"`                    // or WriteKeys
	Event     string            `yaml:"event" examples:"body.type"`   // expression; default the source's name
	ID        string            `yaml:"id" examples:"body.id"`        // expression; default Idempotency-Key or made
	User      string            `yaml:"user" examples:"body.user.id"` // expression; default none
	Time      string            `yaml:"time" examples:"body.created"` // expression; default the time of receipt
	Dedup     Window            `yaml:"dedup" default:"24h" examples:"24h,7d,30d,forever"`
	Types     map[string]string `yaml:"types" enum:"bool,bigint,double,timestamptz,text,json"`
	Limits    Limits            `yaml:"limits"`
}

// A FieldError is something wrong in the configuration of a source.
type FieldError struct {
	Field   string // as in the file: "limits.depth", "write_keys[1]"
	Message string
}

// Error returns the field, a colon and the message.
func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// FieldPath returns the field that the error is about.
func (e *FieldError) FieldPath() string { return e.Field }

type fieldErrors []error

func (f *fieldErrors) add(field, format string, args ...any) {
	*f = append(*f, &FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
}

// Validate returns all that is wrong, as FieldErrors joined, or nil.
func (c *HTTPSource) Validate() error {
	var errs fieldErrors
	if len(c.WriteKeys) == 0 {
		errs.add("write_keys", "at least one write key is needed: add one, such as [web_2026]")
	}
	validateKeys(&errs, c.WriteKeys)
	validateWindow(&errs, c.Dedup)
	validateTypes(&errs, c.Types)
	c.Limits.validate(&errs, "limits.")
	for i, origin := range c.CORSOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
			errs.add(fmt.Sprintf("cors_origins[%d]", i), "%.60q is not an origin: write scheme and host only, such as https://www.example.com or https://*.example.com", origin)
		}
	}
	return errors.Join(errs...)
}

// Validate returns all that is wrong, as FieldErrors joined, or nil.
func (c *WebhookSource) Validate() error {
	var errs fieldErrors
	switch {
	case len(c.WriteKeys) == 0 && c.Signature == nil:
		errs.add("write_keys", "a webhook needs write_keys or a signature: otherwise anybody could send to it")
	case len(c.WriteKeys) > 0 && c.Signature != nil:
		errs.add("signature", "give write_keys or a signature, not both")
	}
	validateKeys(&errs, c.WriteKeys)
	if c.Signature != nil {
		c.Signature.validate(&errs)
	}
	validateWindow(&errs, c.Dedup)
	validateTypes(&errs, c.Types)
	c.Limits.validate(&errs, "limits.")
	compileExpressions(&hook{config: c}, &errs)
	return errors.Join(errs...)
}

// Validate returns all that is wrong, as FieldErrors joined, or nil. The field
// names are those of the limits themselves.
func (l Limits) Validate() error {
	var errs fieldErrors
	l.validate(&errs, "")
	return errors.Join(errs...)
}

func (l Limits) validate(errs *fieldErrors, prefix string) {
	between := func(field string, v, low, high int64) {
		if v != 0 && (v < low || v > high) {
			errs.add(prefix+field, "%d is out of range: choose %d to %d", v, low, high)
		}
	}
	size := func(field string, v unit.Bytes) {
		if low, high := unit.Bytes(128), unit.Bytes(maxBodySizeBytes); v != 0 && (v < low || v > high) {
			errs.add(prefix+field, "%s is out of range: choose %s to %s", v, low, high)
		}
	}
	size("event_size", l.EventSize)
	size("batch_size", l.BatchSize)
	between("batch_events", int64(l.BatchEvents), 1, maxBatchEvents)
	between("depth", int64(l.Depth), 4, maxDepth)
	between("key_length", int64(l.KeyLength), 16, maxKeyLength)
	between("properties", int64(l.Properties), 16, maxProperties)
	between("burst", int64(l.Burst), 1, 1<<40)
	between("columns", int64(l.Columns), 1, 100_000)
	between("event_tables", int64(l.EventTables), 1, 100_000)
	if l.Rate < 0 || math.IsNaN(l.Rate) {
		errs.add(prefix+"rate", "a rate cannot be negative: give events a second")
	}
	if l.RejectedRate < 0 || math.IsNaN(l.RejectedRate) {
		errs.add(prefix+"rejected_rate", "a rate cannot be negative: give records a second")
	}
	if l.BatchSize != 0 && l.EventSize > l.BatchSize {
		errs.add(prefix+"event_size", "an event (%s) cannot be larger than a batch (%s)", l.EventSize, l.BatchSize)
	}
}

func validateKeys(errs *fieldErrors, keys []string) {
	seen := map[string]bool{}
	for i, key := range keys {
		field := fmt.Sprintf("write_keys[%d]", i)
		if !validKey(key) {
			errs.add(field, "a write key has 4 to 128 letters, digits, _ and -")
		}
		if seen[key] {
			errs.add(field, "this key is there twice: keep one of them")
		}
		seen[key] = true
	}
}

// validKey says whether key may be a write key. Such a key is safe in a script and a path.
func validKey(key string) bool {
	if len(key) < 4 || len(key) > 128 {
		return false
	}
	for i := 0; i < len(key); i++ {
		c := key[i]
		if !digit(c) && c != '_' && c != '-' && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

func validateWindow(errs *fieldErrors, w Window) {
	if w != 0 && w < DefaultWindow {
		errs.add("dedup", "%s is too short: SDKs retry for hours, so give at least 24h, or forever", unit.Duration(w))
	}
}

// Columns that the warehouse makes: in every table, and in those of calls.
var (
	everyTable = []string{"id", "received_at", "uuid_ts", "properties_overflow", "_epoch", "_seq", "_index"}
	callTable  = []string{"anonymous_id", "user_id", "sent_at", "original_timestamp", "timestamp"}
	callTables = map[string][]string{
		"tracks": {"event", "event_text"}, "identifies": nil, "pages": nil, "screens": nil,
		"groups": {"group_id"}, "aliases": {"previous_id"},
	}
)

// fixedColumn says whether no setting changes the type of that column.
func fixedColumn(table, column string) bool {
	own, isCall := callTables[table]
	return slices.Contains(everyTable, column) || isCall && (slices.Contains(callTable, column) || slices.Contains(own, column))
}

var columnTypes = []string{"bool", "bigint", "double", "timestamptz", "text", "json"}

func validateTypes(errs *fieldErrors, types map[string]string) {
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		table, column, ok := strings.Cut(name, ".")
		if !ok || table == "" || column == "" {
			errs.add("types."+name, "write the column as table.column, such as order_completed.total")
		} else if fixedColumn(table, column) {
			errs.add("types."+name, "%s has a type of its own in %.60q: types are for columns that events bring, such as order_completed.total", column, table)
		}
		known := false
		for _, t := range columnTypes {
			known = known || t == types[name]
		}
		if !known {
			errs.add("types."+name, "%.40q is not a column type: choose %s", types[name], strings.Join(columnTypes, ", "))
		}
	}
}
