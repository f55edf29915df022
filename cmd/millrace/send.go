package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/send"
	"github.com/millrace/millrace/terminal"
)

const sendLong = `Send the rows of files as track events, one event a row, in their order.

Files are CSV (RFC 4180, with a header), NDJSON, or JSON (an array of objects);
gzip is understood, and "-" is standard input. A row that cannot be sent is
reported with its line and does not stop the others.

Columns of CSV become properties. Their types are decided over the whole file
(of standard input: over the first 10,000 rows; a later value that does not fit
is sent as text): boolean (true, True, FALSE …), integer, double, or text.
Numbers with leading zeros, numbers that 64 bits cannot hold exactly, and dates
stay text; empty values are left out.

  --id     is the ID that counts a row once. Without it the ID is a hash of
           source, event, the row's bytes, and how many equal rows came before
           it in the file: the same file sent twice counts once, within the
           time that the source's dedup reaches back, and equal rows within it
           count each.
  --user   is who did it; 13085.0 becomes 13085. Rows without a user get their
           ID as anonymous ID.
  --time   is when it happened. How it is written is found out, unless two
           readings fit the whole file; say it with --time-format then: a
           pattern such as "M/D/YY H:MM" or "DD.MM.YYYY HH:mm:ss", strftime's
           "%d/%m/%Y", a Go layout, or rfc3339, iso8601, unix, unix_ms,
           unix_us, unix_ns. Times that name no zone are clocks of --time-zone.
           The property keeps the text as it is in the file.
           When clocks go back and a time occurs twice, it is the first; when
           they go forward and it does not occur, it is as much later as the
           clock skipped.

A column whose name tables use for themselves (id, user_id, timestamp, event …)
goes to discards, with a warning, unless it is given for --id, --user or --time.

Objects of JSON are sent as they are. A field may be a path: user.id.

Sending may be stopped at any time: the same command goes on where it stopped,
and a file that was sent whole is not sent again, as long as the server has the
same log (--again sends it from the beginning).`

func (p *program) sendCommand() *cobra.Command {
	var o send.Options
	var asJSON bool
	var delimiter string
	c := &cobra.Command{
		Use: "send FILE… --source NAME", GroupID: groupData, Args: atLeastOne("a file, or - for standard input"),
		Short: "Send the rows of CSV, NDJSON and JSON files as events",
		Long:  sendLong,
		Example: `  millrace send orders.csv --source shop --event 'Order Placed' --id invoice_id \
      --user customer_id --time invoice_date --time-format 'M/D/YY H:MM' --time-zone Europe/London
  zcat log.ndjson.gz | millrace send - --source app --event request
  millrace send jan.csv.gz feb.csv.gz --source shop --event 'Order Placed' --rate 1000`,
		RunE: func(c *cobra.Command, files []string) error {
			d, err := delimiterOf(delimiter)
			if err != nil {
				return err
			}
			o.Delimiter = d
			switch { // 0 means the default in send.Options
			case o.Batch == 0:
				return usagef("--batch is from 1 to 2500")
			case o.Parallel == 0:
				return usagef("--parallel is from 1 to 4")
			}
			return p.send(c.Context(), o, files, asJSON)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Source, "source", "", "source on the server that the rows belong to (required)")
	f.StringVar(&o.Event, "event", "", "name of the event (default: the file's name)")
	f.StringVar(&o.ID, "id", "", "field with the ID of a row (default: a hash of the row)")
	f.StringVar(&o.User, "user", "", "field with the user")
	f.StringVar(&o.Time, "time", "", "field with the time")
	f.StringVar(&o.TimeFormat, "time-format", "", "how the time is written (default: found out)")
	f.StringVar(&o.TimeZone, "time-zone", "", "zone of times that name none, such as Europe/London (default UTC)")
	f.IntVar(&o.Batch, "batch", 500, "rows of one request, 1 to 2500; a request is at most 480 KiB")
	f.Float64Var(&o.Rate, "rate", 0, "rows a second at most (default: no limit)")
	f.IntVar(&o.Parallel, "parallel", 1, "requests at once, 1 to 4; above 1 the order of rows is not kept")
	f.StringVar(&o.Format, "input-format", "", "csv, ndjson or json (default: by the ending of the file, else by content)")
	f.StringVar(&o.Encoding, "encoding", "utf-8", "of the file: utf-8, latin1 or windows-1252")
	f.StringVar(&delimiter, "delimiter", ",", `between the values of CSV: one character, or "tab"`)
	f.StringVar(&o.Key, "key", "", "write key (default: the first of the source, as the server says)")
	f.BoolVar(&o.Again, "again", false, "send from the beginning, also what was sent before")
	f.BoolVar(&asJSON, "json", false, "write the summary as JSON")
	p.completeSources(c, "source")
	completeWords(c, "input-format", send.FormatCSV, send.FormatNDJSON, send.FormatJSON)
	completeWords(c, "encoding", "utf-8", "latin1", "windows-1252")
	completeWords(c, "delimiter", ",", ";", "|", "tab")
	completeWords(c, "time-format", "iso8601", "rfc3339", "rfc1123", "unix", "unix_ms", "unix_us", "unix_ns", "M/D/YY H:MM", "DD.MM.YYYY HH:mm:ss")
	return c
}

func delimiterOf(text string) (byte, error) {
	switch {
	case text == "tab" || text == `\t`:
		return '\t', nil
	case len(text) == 1 && text[0] < 0x80 && text != "\"" && text != "\n" && text != "\r":
		return text[0], nil
	}
	return 0, usagef("--delimiter is one character, or tab; not %q", text)
}

func (p *program) send(ctx context.Context, o send.Options, files []string, asJSON bool) error {
	var err error
	if o.Client, err = p.client(); err != nil {
		return err
	}
	o.Screen, o.Stdin = p.screen(), p.stdin
	o.StateDir = send.DefaultStateDir(p.getenv)
	if err := o.Check(); err != nil {
		return usageError{err}
	}
	if slices.Contains(files, "-") && o.Event == "" {
		return usagef("rows of standard input have no name: say what they are with --event")
	}
	total := send.Result{Judged: true, Complete: true}
	var results []send.Result
	for _, file := range files {
		var r send.Result
		if r, err = send.File(ctx, o, file); err != nil && r.Rows == 0 {
			break
		}
		total.Add(r)
		results = append(results, r)
		if err != nil {
			break
		}
	}
	if asJSON {
		total.Input = strings.Join(files, " ")
		if err := p.writeJSON(struct {
			send.Result
			Inputs []send.Result `json:"inputs"`
		}{total, results}); err != nil {
			return err
		}
	} else {
		for _, r := range results {
			p.summary(o.Screen, r)
			hint(o, r)
		}
		if len(results) > 1 {
			total.Input, total.Faults = "in all", nil
			p.summary(o.Screen, total)
		}
	}
	if err != nil {
		return err
	}
	if total.Unsent > 0 || total.Rejected > 0 {
		return errSaid
	}
	return nil
}

func (p *program) writeJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// summary says what became of the rows of one input.
func (p *program) summary(s *terminal.Screen, r send.Result) {
	colors := s.Colors()
	parts := []string{
		"sent " + terminal.Count(r.Sent),
		colors.Good("accepted " + terminal.Count(r.Accepted)),
	}
	if r.Judged {
		parts = append(parts, "duplicate "+terminal.Count(r.Duplicates))
	} else {
		parts = append(parts, "duplicate not known")
	}
	rejected := "rejected " + terminal.Count(r.Rejected)
	if r.Rejected > 0 {
		rejected = colors.Bad(rejected)
	}
	parts = append(parts, rejected)
	if r.Unsent > 0 {
		parts = append(parts, colors.Bad("not sent "+terminal.Count(r.Unsent)))
	}
	took := ""
	if fresh := r.Rows - r.Earlier; fresh > 0 && r.Elapsed >= 100*time.Millisecond {
		took = fmt.Sprintf(" in %s (%s rows/s)", terminal.Duration(r.Elapsed.Round(100*time.Millisecond)),
			terminal.Count(int64(float64(fresh)/r.Elapsed.Seconds())))
	}
	input := r.Input
	if input == "-" {
		input = "standard input"
	}
	fmt.Fprintf(p.stdout, "%s: %s%s\n", terminal.Sanitize(input), strings.Join(parts, ", "), took)
	for _, f := range r.Faults {
		line := ""
		if f.Line > 0 {
			line = fmt.Sprintf(":%d", f.Line)
		}
		fmt.Fprintf(p.stderr, "  %s%s: %s\n", terminal.Sanitize(f.Input), line, terminal.Sanitize(f.Reason))
	}
	if more := r.Unsent + r.Rejected - int64(len(r.Faults)); more > 0 && len(r.Faults) > 0 {
		fmt.Fprintf(p.stderr, "  and %s more\n", terminal.Count(more))
	}
	if r.Rejected > 0 {
		s.Note("The server keeps rejected rows: see `millrace rejected list`.")
	}
	if r.Repeated > 0 {
		s.Note("%s were sent twice because an answer got lost; they may be counted as duplicates.", terminal.Plural(r.Repeated, "row", "rows"))
	}
}

// hint says why a result may not be what was meant.
func hint(o send.Options, r send.Result) {
	first := !o.Again && r.Earlier == 0 && r.Repeated == 0
	switch {
	case r.Rows == 0 && r.Complete:
		o.Screen.Note("There are no rows in it.")
	case first && r.Judged && r.Duplicates > 0 && r.Duplicates >= r.Sent-r.Sent/10:
		o.Screen.Note("Nearly all are duplicates: an ID counts once in its source, whatever the event is called. If these are other rows, name the field with --id that tells them apart, or send them to another source.")
	}
}

// stopped says whether err only means that the person wanted it to end.
func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || millrace.KindOf(err) == millrace.Canceled)
}
