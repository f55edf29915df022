package project

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/millrace/millrace/unit"
)

// Config is what millrace.yaml says.
type Config struct {
	Name         string `yaml:"name" doc:"The project's name: a-z, 0-9, _ and -, beginning with a letter." required:"true"`
	Settings     `yaml:",inline"`
	Environments map[string]*value `yaml:"environments" doc:"Settings that differ by environment; --env or MILLRACE_ENV chooses one."`
}

// Settings are the part of millrace.yaml that an environment may override.
type Settings struct {
	Log       LogSettings `yaml:"log" doc:"The durable log that every record goes through first."`
	Warehouse Engine      `yaml:"warehouse" doc:"Where tables live: duckdb (a file in the data folder), or postgres://user@host/database. An address with a password is a secret as a whole: ${secret:warehouse_url}." default:"duckdb"`
	Archive   Engine      `yaml:"archive" doc:"Where records are kept for ever, as Parquet: file:FOLDER (within the data folder unless absolute), or s3://bucket/prefix." default:"file:archive"`
	Catalog   Engine      `yaml:"catalog" doc:"Where the server keeps what is about itself (workspaces, keys, secrets, versions, the audit trail): sqlite (a file in the data folder), or postgres://user@host/database, in a schema of its own, so that a standby on another machine can take over. An address with a password is a secret as a whole: ${secret:catalog_url}, from the environment or a file." default:"sqlite"`
	// ArchiveInterval is apart from Archive, so that an address stays one line.
	ArchiveInterval unit.Duration   `yaml:"archive_interval" doc:"How long a record waits at most until it is in the archive." default:"60s"`
	Collect         CollectSettings `yaml:"collect" doc:"Intake over HTTP, for all sources; a source's own limits win."`
	Query           QuerySettings   `yaml:"query" doc:"Limits of SQL queries."`
	SMTP            SMTPSettings    `yaml:"smtp" doc:"The server that takes mail: invitations, links that set a password. Without, nothing is sent, and links are passed on by people. Needs collect.public_url, to which links in mails lead."`
	AuditRetention  unit.Duration   `yaml:"audit_retention" doc:"How long the audit trail goes back. What is older is cut off, which the trail itself tells of. 0s: for ever." default:"0s"`
	Backup          BackupSettings  `yaml:"backup" doc:"Copies of everything, encrypted, in another place."`
}

// LogSettings are `log:`.
type LogSettings struct {
	Retention unit.Duration `yaml:"retention" doc:"How long records stay in the log after the archive has them." default:"7d"`
	Size      unit.Bytes    `yaml:"size" doc:"The size above which the oldest archived records leave the log earlier. 0B: as large as the disk's reserve allows." default:"0B"`
	Reserve   unit.Bytes    `yaml:"reserve" doc:"Free disk space below which intake is refused. 0B: 5 % of the disk, at least 2GiB." default:"0B"`
}

// CollectSettings are `collect:`. A zero in its limits means the stage's default.
type CollectSettings struct {
	Limits         CollectLimits `yaml:"limits" doc:"Limits for every source that has none of its own."`
	TrustedProxies []string      `yaml:"trusted_proxies" doc:"Addresses or networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8."`
	PublicURL      string        `yaml:"public_url" doc:"How browsers reach this server, such as https://events.example.com; needed behind a proxy that changes the host."`
}

// CollectLimits bound what intake takes; 0 means the default of collect.
type CollectLimits struct {
	EventSize   unit.Bytes `yaml:"event_size" doc:"Largest event." default:"32KiB"`
	BatchSize   unit.Bytes `yaml:"batch_size" doc:"Largest request body, decompressed." default:"500KiB"`
	BatchEvents int        `yaml:"batch_events" doc:"Most events in a request." default:"2500"`
	Depth       int        `yaml:"depth" doc:"Deepest nesting of an event."`
	KeyLength   int        `yaml:"key_length" doc:"Longest property name, in bytes."`
	Properties  int        `yaml:"properties" doc:"Most properties of an event."`
	Rate        float64    `yaml:"rate" doc:"Events a second for each write key; 0 is unlimited."`
	Burst       int        `yaml:"burst" doc:"Events at once for each write key above the rate."`
}

// QuerySettings are `query:`.
type QuerySettings struct {
	Timeout     unit.Duration `yaml:"timeout" doc:"Longest that a query may run." default:"60s"`
	Memory      unit.Bytes    `yaml:"memory" doc:"Resident memory of the warehouse's engine, DuckDB's whole process, with ordinary queries. DuckDB has 60 % of it for its buffers and spills to disk beyond. 0B: a quarter of the machine's." default:"0B"`
	Spill       unit.Bytes    `yaml:"spill" doc:"Disk that large queries may use for a while. 0B: what the log's reserve leaves." default:"0B"`
	Rows        int           `yaml:"rows" doc:"Rows of a result when the query sets no limit." default:"100000"`
	ResultSize  unit.Bytes    `yaml:"result_size" doc:"Largest result." default:"256MiB"`
	Login       Engine        `yaml:"login" doc:"On Postgres: the address with the login that queries run under, postgres://reader@host/database, when the warehouse's own user may not create roles. It must not own anything."`
	Concurrency int           `yaml:"concurrency" doc:"Queries that run at the same time." default:"4"`
}

// Within are the limits of an environment on a server that has limits of its own:
// those that are larger are the server's, and so is what holds for all
// environments together. other names the fields that are otherwise than they say.
func (q QuerySettings) Within(server QuerySettings) (bounded QuerySettings, other []string) {
	bounded = server // memory, spill, login and concurrency are the engine's
	within := func(field string, larger bool) bool {
		if larger {
			other = append(other, "query."+field)
		}
		return !larger
	}
	if within("timeout", q.Timeout > server.Timeout) {
		bounded.Timeout = q.Timeout
	}
	if within("rows", q.Rows > server.Rows) {
		bounded.Rows = q.Rows
	}
	if within("result_size", q.ResultSize > server.ResultSize) {
		bounded.ResultSize = q.ResultSize
	}
	within("memory", q.Memory != server.Memory)
	within("spill", q.Spill != server.Spill)
	within("login", q.Login != server.Login)
	within("concurrency", q.Concurrency != server.Concurrency)
	return bounded, other
}

// DefaultConfig returns what holds where millrace.yaml says nothing.
func DefaultConfig() Config {
	return Config{Settings: Settings{
		Log:             LogSettings{Retention: unit.Duration(7 * 24 * time.Hour)},
		Warehouse:       "duckdb",
		Archive:         "file:archive",
		Catalog:         "sqlite",
		ArchiveInterval: unit.Duration(time.Minute),
		Query: QuerySettings{
			Timeout: unit.Duration(time.Minute), Rows: 100_000, ResultSize: 256 << 20, Concurrency: 4,
		},
	}}
}

// An Engine says which technology and where: "duckdb", "file:archive",
// "postgres://…". It may hold a password, so its String leaves out who, and
// everything after "?".
type Engine string

// Scheme returns the technology: what stands before the first colon.
func (e Engine) Scheme() string {
	scheme, _, _ := strings.Cut(string(e), ":")
	return scheme
}

// Reveal returns the whole address, with its password.
func (e Engine) Reveal() string { return string(e) }

// String returns the address without anything that may be secret.
func (e Engine) String() string {
	if !strings.Contains(string(e), "://") {
		if strings.ContainsAny(string(e), "@=") {
			return e.Scheme() + ":…"
		}
		return string(e)
	}
	u, err := url.Parse(string(e))
	if err != nil {
		return e.Scheme() + "://…"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Format prints String whatever the verb.
func (e Engine) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.String()) }

// MarshalText writes String: an Engine never leaves whole.
func (e Engine) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads an address.
func (e *Engine) UnmarshalText(text []byte) error {
	*e = Engine(text)
	if e.Scheme() == "" {
		return errors.New("is empty: leave the field out for the default")
	}
	return nil
}

var projectName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// Validate returns what is wrong with the values, joined.
func (c *Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: is missing: give the project a name, such as shop"))
	} else if !projectName.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("name: %q: use a-z, 0-9, _ and -, beginning with a letter, at most 63", clip(c.Name)))
	}
	return errors.Join(append(errs, c.Settings.Validate())...)
}

// Validate returns what is wrong with the values, joined.
func (s *Settings) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(time.Duration(s.Log.Retention) < time.Hour, "log.retention: %s is too short: it is at least 1h", s.Log.Retention)
	wrong(s.Log.Size != 0 && s.Log.Size < 64<<20, "log.size: %s is too small: it is at least 64MiB", s.Log.Size)
	wrong(s.Log.Reserve != 0 && s.Log.Reserve < 16<<20, "log.reserve: %s is too small: it is at least 16MiB", s.Log.Reserve)
	wrong(s.ArchiveInterval < unit.Duration(100*time.Millisecond) || s.ArchiveInterval > unit.Duration(time.Hour), "archive_interval: %s is out of range: 100ms to 1h", s.ArchiveInterval)
	wrong(s.Query.Timeout <= 0, "query.timeout: has to be more than 0s")
	wrong(s.Query.Rows < 1 || s.Query.Rows > 10_000_000, "query.rows: %d is out of range: 1 to 10000000", s.Query.Rows)
	wrong(s.Query.Concurrency < 1 || s.Query.Concurrency > 1000, "query.concurrency: %d is out of range: 1 to 1000", s.Query.Concurrency)
	wrong(s.Query.ResultSize < 1<<10, "query.result_size: %s is too small: it is at least 1KiB", s.Query.ResultSize)
	wrong(s.Query.Memory != 0 && s.Query.Memory < 128<<20, "query.memory: %s is too small: it is at least 128MiB", s.Query.Memory)
	s.Collect.Limits.validate(wrong)
	s.Backup.validate(wrong)
	s.SMTP.validate(wrong, s.Collect.PublicURL)
	wrong(s.AuditRetention != 0 && s.AuditRetention < unit.Duration(30*24*time.Hour), "audit_retention: %s is too short: it is at least 30d, or 0s for ever", s.AuditRetention)
	for i, p := range s.Collect.TrustedProxies {
		_, errNet := netip.ParsePrefix(p)
		_, errAddr := netip.ParseAddr(p)
		wrong(errNet != nil && errAddr != nil, "collect.trusted_proxies[%d]: %q is neither an address nor a network such as 10.0.0.0/8", i, clip(p))
	}
	if u := s.Collect.PublicURL; u != "" {
		parsed, err := url.Parse(u)
		ok := err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https") && parsed.Host != "" && strings.Trim(parsed.Path, "/") == "" && parsed.RawQuery == ""
		wrong(!ok, "collect.public_url: %q: write scheme and host only, such as https://events.example.com", clip(u))
	}
	return errors.Join(errs...)
}

// Bounds of the limits of intake; a test compares them with what intake takes.
const (
	minBodyBytes   = 128
	maxBodyBytes   = 3 << 20
	maxBatchEvents = 10_000 / 2
	maxDepthLimit  = 500
	maxKeyLength   = 1 << 16
	maxProperties  = 1 << 20
)

// validate tells wrong what is out of range. 0 is the stage's default.
func (l CollectLimits) validate(wrong func(bad bool, format string, args ...any)) {
	for _, b := range []struct {
		field string
		size  unit.Bytes
	}{{"event_size", l.EventSize}, {"batch_size", l.BatchSize}} {
		low, high := unit.Bytes(minBodyBytes), unit.Bytes(maxBodyBytes)
		wrong(b.size != 0 && (b.size < low || b.size > high), "collect.limits.%s: %s is out of range: choose %s to %s", b.field, b.size, low, high)
	}
	for _, b := range []struct {
		field        string
		n, low, high int
	}{
		{"batch_events", l.BatchEvents, 1, maxBatchEvents}, {"depth", l.Depth, 4, maxDepthLimit},
		{"key_length", l.KeyLength, 16, maxKeyLength}, {"properties", l.Properties, 16, maxProperties},
	} {
		wrong(b.n != 0 && (b.n < b.low || b.n > b.high), "collect.limits.%s: %d is out of range: choose %d to %d", b.field, b.n, b.low, b.high)
	}
	wrong(l.BatchSize != 0 && l.EventSize > l.BatchSize, "collect.limits.event_size: an event (%s) cannot be larger than a batch (%s)", l.EventSize, l.BatchSize)
	wrong(l.Rate < 0, "collect.limits.rate: a rate cannot be negative: give events a second")
	wrong(l.Burst < 0, "collect.limits.burst: cannot be negative: give events at once")
}
