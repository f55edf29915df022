// Package send reads files of rows (CSV, NDJSON, JSON) and sends each row as a
// track event to a Millrace server, in order, so that stopping, repeating and
// sending again counts nothing twice.
package send

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

// Options say what is sent, where to, and how.
type Options struct {
	Client *client.Client   // required
	Screen *terminal.Screen // required: progress and notes
	Source string           // required: name of the source on the server
	Key    string           // write key; default the source's first, as the server says
	Event  string           // name of the event; default the file's name
	ID     string           // field that holds the ID of a row; default a hash
	User   string           // field that holds the user; default none
	Time   string           // field that holds when it happened; default none
	// TimeFormat is how Time is written, see newTimeFormat; default what fits
	// all values of the file.
	TimeFormat string
	TimeZone   string // IANA name, of times that name no zone; default UTC
	Format     string // FormatCSV, FormatNDJSON or FormatJSON; default by content
	Encoding   string // utf-8, latin1 or windows-1252; default utf-8
	Delimiter  byte   // between the values of CSV; default ','
	Batch      int    // rows of one request; default 500, at most 2,500
	Rate       float64
	// Parallel requests at once, 1 to 4; default 1. With more than one the
	// order of rows is not kept.
	Parallel int
	// StateDir holds how far a file has got, so that sending it again goes on
	// there; "" keeps nothing.
	StateDir string
	Again    bool          // send from the beginning whatever StateDir says
	Patience time.Duration // how long to wait for a server that is away; default 10 min
	Stdin    *os.File      // default os.Stdin
}

// Limits of a request. They lie below the defaults of the server.
const (
	defaultBatch = 500
	maxBatch     = 2500
	maxBodyBytes = 480 << 10
	maxParallel  = 4
)

// A Fault is a row that was not sent, or not taken, and why.
type Fault struct {
	Input  string `json:"input"`
	Line   int64  `json:"line"` // of the file, or the number of the item
	Reason string `json:"reason"`
}

// A Result says what became of the rows, of earlier runs that this one went on
// from included.
type Result struct {
	Input string `json:"input"`
	Rows  int64  `json:"rows"` // read so far
	// Sent = Accepted + Duplicates + Rejected, when Judged.
	Sent       int64 `json:"sent"`
	Accepted   int64 `json:"accepted"`   // stored and counted
	Duplicates int64 `json:"duplicates"` // of records that were there before
	Rejected   int64 `json:"rejected"`   // by the server, which keeps them
	Unsent     int64 `json:"unsent"`     // rows that cannot be sent
	// Judged says whether the server has said which are duplicates; if not,
	// they are counted as accepted.
	Judged bool `json:"judged"`
	// Repeated rows were sent twice because an answer got lost: when the first
	// did arrive, they are counted as duplicates.
	Repeated int64 `json:"repeated,omitempty"`
	// Earlier is how many rows an earlier run had sent.
	Earlier  int64             `json:"earlier,omitempty"`
	Complete bool              `json:"complete"` // to the end of the input
	Finished time.Time         `json:"finished,omitzero"`
	Elapsed  time.Duration     `json:"elapsed_ns"`
	Position millrace.Position `json:"position"` // where the last request ends in the log
	Faults   []Fault           `json:"faults,omitempty"`
}

// maxFaults is how many are kept to be shown.
const maxFaults = 10

func (r *Result) fault(f Fault) {
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// Add counts o's rows to r's.
func (r *Result) Add(o Result) {
	r.Rows += o.Rows
	r.Sent += o.Sent
	r.Accepted += o.Accepted
	r.Duplicates += o.Duplicates
	r.Rejected += o.Rejected
	r.Unsent += o.Unsent
	r.Repeated += o.Repeated
	r.Earlier += o.Earlier
	r.Elapsed += o.Elapsed
	r.Judged = r.Judged && o.Judged
	r.Complete = r.Complete && o.Complete
	if o.Position.After(r.Position) {
		r.Position = o.Position
	}
	for _, f := range o.Faults {
		r.fault(f)
	}
}

// Check refuses what is missing and fills in defaults. The error is Invalid.
func (o *Options) Check() error {
	if o.Client == nil || o.Screen == nil {
		return millrace.Errorf(millrace.Invalid, "send needs a client and a screen")
	}
	if o.Source == "" {
		return millrace.Errorf(millrace.Invalid, "say which source the rows are of: --source NAME")
	}
	if o.Batch == 0 {
		o.Batch = defaultBatch
	}
	if o.Batch < 1 || o.Batch > maxBatch {
		return millrace.Errorf(millrace.Invalid, "--batch is from 1 to %d", maxBatch)
	}
	if !(o.Rate >= 0 && o.Rate < math.MaxInt32) {
		return millrace.Errorf(millrace.Invalid, "--rate is above 0 rows a second")
	}
	if o.Parallel == 0 {
		o.Parallel = 1
	}
	if o.Parallel < 1 || o.Parallel > maxParallel {
		return millrace.Errorf(millrace.Invalid, "--parallel is from 1 to %d", maxParallel)
	}
	if o.Delimiter == 0 {
		o.Delimiter = ','
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Minute
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.TimeFormat != "" && o.Time == "" {
		return millrace.Errorf(millrace.Invalid, "--time-format says how a time is written: say with --time which field holds it")
	}
	switch o.Format {
	case "", FormatCSV, FormatNDJSON, FormatJSON:
	default:
		return millrace.Errorf(millrace.Invalid, "--input-format is csv, ndjson or json, not %.40q", o.Format)
	}
	if _, err := decoderOf(o.Encoding); err != nil {
		return err
	}
	zone, err := o.zone()
	if err == nil && o.TimeFormat != "" {
		_, err = newTimeFormat(o.TimeFormat, zone)
	}
	return err
}

func (o Options) zone() (*time.Location, error) {
	if o.TimeZone == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(o.TimeZone)
	if err != nil {
		return nil, millrace.Errorf(millrace.Invalid, "--time-zone: %.60q is not known: write it as in Europe/London", o.TimeZone)
	}
	return zone, nil
}

// File sends one file, or standard input when path is "-". The Result says how
// far it got also when there is an error.
func File(ctx context.Context, o Options, path string) (Result, error) {
	begin := time.Now()
	r := Result{Input: path}
	if err := o.Check(); err != nil {
		return r, err
	}
	zone, err := o.zone()
	if err != nil {
		return r, err
	}
	event := o.Event
	if event == "" {
		if path == "-" {
			return r, millrace.Errorf(millrace.Invalid, "rows of standard input have no name: say what they are with --event")
		}
		event = eventName(path)
	}
	in, err := openInput(path, o.Stdin)
	if err != nil {
		return r, err
	}
	defer in.Close()
	p := &plan{options: o, event: event, zone: zone, input: in}
	if err := p.survey(ctx); err != nil {
		return r, inInput(path, err)
	}
	s := &sender{options: o, plan: p, result: r, begin: begin}
	err = s.run(ctx)
	s.result.Elapsed = time.Since(begin)
	return s.result, inInput(path, err)
}

// inInput puts the name of the input before what is wrong with it.
func inInput(path string, err error) error {
	if err == nil || path == "" || millrace.KindOf(err) != millrace.Invalid || strings.Contains(err.Error(), path) || client.IsNoServer(err) {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// epoch asks the server for the epoch of its log: a file that was sent to one
// log has not been sent to another.
func epoch(ctx context.Context, c *client.Client) (uint64, error) {
	p, err := c.LastPosition(ctx)
	return p.Epoch, err
}

// writeKey returns the key to send with.
func writeKey(ctx context.Context, o Options) (string, error) {
	if o.Key != "" {
		return o.Key, nil
	}
	source, err := o.Client.Source(ctx, o.Source)
	if err == nil && len(source.WriteKeys) == 0 {
		return "", millrace.Errorf(millrace.Invalid, "source %q takes no write keys (its kind is %s): name a source of kind http", o.Source, source.Kind)
	}
	if err == nil {
		return source.WriteKeys[0], nil
	}
	if millrace.KindOf(err) != millrace.NotFound {
		return "", err
	}
	known := ""
	if all, listErr := o.Client.Sources(ctx); listErr == nil && len(all) > 0 {
		names := make([]string, len(all))
		for i, s := range all {
			names[i] = s.Name
		}
		known = "; " + terminal.ThereAre(names)
	}
	return "", millrace.Errorf(millrace.NotFound, "the server has no source %q%s", o.Source, known)
}

// fingerprint names what is sent and how, so that only the same thing goes on
// where it stopped.
func (p *plan) fingerprint(epoch uint64) string {
	o := p.options
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%q\n%q\n%q\n%q\n%q\n%q\n%q\n%q\n%q\n%d\n%x", epoch, o.Source, p.event, o.ID, o.User, o.Time,
		o.TimeFormat, o.TimeZone, p.format, strings.ToLower(o.Encoding), o.Delimiter, p.hash)
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

var errStopped = errors.New("stopped")
