package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/client"
	"github.com/millrace/millrace/terminal"
)

type queryOptions struct {
	client.Query
	format, output, after string
	raw                   bool
	timeout               time.Duration
}

// Formats of a result.
var queryFormats = []string{"table", "csv", "json", "ndjson", "parquet"}

// tableRows is how many rows a table shows when no limit is given: it is held
// in memory to be aligned.
const (
	tableRows   = 1000
	exportRows  = 10_000_000 // the most that the server gives
	maxSQLBytes = 64 << 10
)

func (p *program) queryCommand() *cobra.Command {
	var o queryOptions
	var params []string
	c := &cobra.Command{
		Use: "query [SQL]", GroupID: groupData, Args: atMostOne("query", ": put the SQL in quotes, millrace query 'SELECT …'"),
		Short: "Ask the warehouse in SQL",
		Long: `Run one SELECT on the warehouse. Without SQL, or with "-", it is read from
standard input.

There is a schema for each source, with a table "tracks" of all its events and
one table for each event: SHOW TABLES lists them, DESCRIBE shop.tracks shows the
columns of one, SUMMARIZE shop.tracks what is in them. Reading is all a query
can do.

Tables are cut to the width of the terminal and to 1,000 rows; the other formats
give everything, up to 10,000,000 rows. In CSV, null is nothing and an empty
text is ""; in a single column null is "" too, since readers skip empty lines.
Text that a spreadsheet would run as a formula gets a ' before it, unless --raw.

--after waits until the answer holds everything up to a position of the log: one
from a Millrace-Position header, or "last" for all that is in the log now.`,
		Example: `  millrace query 'SHOW TABLES'
  millrace query 'SELECT event, count(*) FROM shop.tracks GROUP BY event'
  millrace query --format csv --output revenue.csv < revenue.sql
  millrace query --after last 'SELECT count(*) FROM shop.order_placed'
  millrace query --param ada --param 10 'SELECT * FROM shop.order_placed WHERE user_id = $1 AND total > $2'`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := atLeast(c, "limit", o.Limit, 1); err != nil {
				return err
			}
			for _, text := range params {
				o.Params = append(o.Params, paramOf(text))
			}
			return p.query(c.Context(), o, args)
		},
	}
	f := c.Flags()
	f.StringVar(&o.format, "format", "", "table, csv, json, ndjson or parquet (default: by the ending of --output, else table)")
	f.StringVarP(&o.output, "output", "o", "", "file to write (default: standard output)")
	f.BoolVar(&o.raw, "raw", false, "in CSV, leave text as it is that a spreadsheet would run")
	f.IntVar(&o.Limit, "limit", 0, "rows at most")
	f.Var(position{&o.after, []string{"last"}}, "after", `log position that the answer has to show, or "last"`)
	f.StringArrayVar(&params, "param", nil, "value of $1, then of $2 …: a number, true, false, null, or text ('\"7\"' is the text 7)")
	durationFlag(f, &o.timeout, "timeout", 0, "how long the query may take, such as 5m (default: as the server is set)")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(queryFormats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (p *program) query(ctx context.Context, o queryOptions, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	sql, err := p.sql(args)
	if err != nil {
		return err
	}
	o.SQL, o.TimeoutMS = sql, int64((o.timeout+time.Millisecond-1)/time.Millisecond)
	screen := p.screen()
	if o.Limit == 0 {
		o.Limit = exportRows
		if o.format == "table" {
			o.Limit = tableRows
		}
	}
	api, err := p.client()
	if err != nil {
		return err
	}
	if o.After = o.after; o.after == "last" {
		last, err := api.LastPosition(ctx)
		if err != nil {
			return err
		}
		o.After = last.Numbers()
	}
	if o.format == "parquet" && o.output == "" && screen.OutIsTerminal() {
		return usagef("parquet is not for a terminal: name a file with --output")
	}
	truncated := false
	run := func(w io.Writer) error {
		truncated, err = p.runQuery(ctx, api, o, screen, w)
		return err
	}
	if o.output == "" {
		err = run(screen.Out())
	} else {
		err = writeFile(o.output, run)
	}
	if err == nil && truncated {
		screen.Warn("There are more rows than the %s shown: give --limit, or narrow the query.", terminal.Count(int64(o.Limit)))
	}
	return err
}

func (o *queryOptions) check() error {
	if o.format == "" {
		o.format = "table"
		switch ext := strings.ToLower(strings.TrimPrefix(filepath.Ext(o.output), ".")); ext {
		case "csv", "json", "ndjson", "parquet":
			o.format = ext
		case "jsonl":
			o.format = "ndjson"
		case "", "txt":
		default:
			return usagef("the ending .%s of --output says no format: end it with .csv, .json, .ndjson, .parquet or .txt (a table), or give --format", ext)
		}
	}
	known := false
	for _, f := range queryFormats {
		known = known || f == o.format
	}
	switch {
	case !known:
		return usagef("--format is one of %s, not %q", strings.Join(queryFormats, ", "), o.format)
	case o.Limit > exportRows:
		return usagef("--limit is from 1 to %s", terminal.Count(exportRows))
	}
	return nil
}

// paramOf is the value that a text of the command line stands for.
func paramOf(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || d.More() {
		return text
	}
	switch v.(type) {
	case nil, bool, json.Number, string:
		return v
	}
	return text // an array or object is the text that it is
}

func (p *program) sql(args []string) (string, error) {
	sql := ""
	switch {
	case len(args) == 1 && args[0] != "-":
		sql = args[0]
	default:
		if len(args) == 0 && isTerminal(p.stdin) {
			return "", usagef("say what to ask: millrace query 'SELECT …', or give SQL on standard input")
		}
		data, err := io.ReadAll(io.LimitReader(p.stdin, maxSQLBytes+1))
		if err != nil {
			return "", millrace.Errorf(millrace.Invalid, "read SQL from standard input: %w", err)
		}
		sql = string(data)
	}
	if strings.TrimSpace(sql) == "" {
		return "", usagef("the SQL is empty")
	}
	if len(sql) > maxSQLBytes {
		return "", usagef("the SQL is over %s", terminal.Size(maxSQLBytes))
	}
	return sql, nil
}

// runQuery runs the query and writes its result to w.
func (p *program) runQuery(ctx context.Context, api *client.Client, o queryOptions, screen *terminal.Screen, w io.Writer) (truncated bool, err error) {
	toScreen := o.output == ""
	bar := screen.Progress(terminal.ProgressOptions{Label: "query", Unit: "rows"})
	defer bar.Finish()
	if o.format == "parquet" {
		return writeParquet(ctx, api, o.Query, w, bar)
	}
	result, err := api.Query(ctx, o.Query)
	if err != nil {
		return false, err
	}
	defer result.Close()
	out := resultWriter{result: result, bar: bar, w: w}
	if toScreen && screen.OutIsTerminal() && o.format != "table" {
		bar.Finish() // rows and a bar do not share a terminal
		safe := terminal.NewSafeWriter(w)
		defer func() { err = errors.Join(err, safe.Close()) }()
		out.w = safe
	}
	switch o.format {
	case "csv":
		err = out.csv(o.raw)
	case "json":
		err = out.json(true)
	case "ndjson":
		err = out.json(false)
	default:
		width := 0
		colors := terminal.Palette{}
		if toScreen {
			width, colors = screen.Width(), screen.Colors()
		}
		var cut int
		cut, err = out.table(width, colors)
		bar.Finish()
		if err == nil {
			screen.Note("(%s%s)", terminal.Plural(result.RowCount, "row", "rows"), elapsed(result.Elapsed))
			if cut > 0 {
				screen.Note("%s cut to the width of the terminal: --format ndjson shows them whole.", terminal.Plural(int64(cut), "value was", "values were"))
			}
		}
	}
	return result.Truncated, err
}

func elapsed(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return ", " + terminal.Duration(d)
}

// cannotRead says why a file, which holds what, was not read.
func cannotRead(what, path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return millrace.Errorf(millrace.Invalid, "cannot read %s from %s: %w", what, path, err)
}

// cannotWrite says why there is no file in a folder, without the name that it
// has while it is written.
func cannotWrite(path string, err error) error {
	var cause *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return millrace.Errorf(millrace.Invalid, "cannot write %s: there is no folder %s", path, filepath.Dir(path))
	case errors.As(err, &cause):
		return millrace.Errorf(millrace.Invalid, "cannot write %s: %w", path, cause.Err)
	}
	return millrace.Errorf(millrace.Invalid, "cannot write %s: %w", path, err)
}

// writeFile writes a file whole or not at all.
func writeFile(path string, write func(io.Writer) error) (err error) {
	if info, statErr := os.Stat(path); statErr == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // a pipe or a device
		if err != nil {
			return millrace.Errorf(millrace.Invalid, "cannot write %s: %w", path, err)
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return cannotWrite(path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err = write(f); err != nil {
		f.Close()
		return err
	}
	mode := os.FileMode(0o644)
	if info, statErr := os.Stat(path); statErr == nil {
		mode = info.Mode().Perm()
	}
	if err = errors.Join(f.Chmod(mode), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		var cause *os.LinkError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return millrace.Errorf(millrace.Invalid, "cannot write %s: %w", path, err)
	}
	return nil
}
