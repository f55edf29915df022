package audit

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/result"
)

// Formats are what entries can be exported as.
var Formats = []string{"ndjson", "csv"}

// Export writes the entries that a filter matches, oldest first, in one of
// Formats, with what it takes to verify them (docs/format/audit.md): of a filter
// with a Workspace the links of its chain, else those of the installation's.
// With no other filter than a Workspace the export is a whole chain. In CSV no
// text is a formula; the column entry holds the JSON that is hashed.
func (l *Log) Export(ctx context.Context, w io.Writer, f Filter, format string) error {
	out := bufio.NewWriterSize(w, 64<<10)
	var write func(*exported) error
	var csvOut *csv.Writer
	switch format {
	case "ndjson":
		write = func(e *exported) error { return e.ndjson(out) }
	case "csv":
		csvOut = csv.NewWriter(out)
		if err := csvOut.Write(csvColumns); err != nil {
			return err
		}
		write = func(e *exported) error { return csvOut.Write(e.csv()) }
	default:
		return millrace.Errorf(millrace.Invalid, "%.40q is no format of an export of the audit log: ask for ndjson or csv", format)
	}
	whole := f == Filter{Workspace: f.Workspace}
	q := newQuery(f)
	for after, more := int64(0), true; more; {
		page, err := l.exportPage(ctx, f.Workspace, after)
		if err != nil {
			return err
		}
		for i := range page {
			e := &page[i]
			after = e.kept.Seq
			if !whole && (e.kept.Erased() || !q.matches(&e.kept.Entry)) {
				continue
			}
			if err := write(e); err != nil {
				return err
			}
		}
		more = len(page) == MaxPage
	}
	if csvOut != nil {
		csvOut.Flush()
		if err := csvOut.Error(); err != nil {
			return err
		}
	}
	return out.Flush()
}

// An exported entry has its place in the chain that is exported.
type exported struct {
	chain  string
	link   Link
	digest Hash
	kept   *Kept
}

func (l *Log) exportPage(ctx context.Context, chain string, after int64) (page []exported, err error) {
	where := " WHERE c.seq > $1 AND $2 = '' ORDER BY c.seq LIMIT $3"
	if chain != "" {
		where = " WHERE c.seq > $1 AND c.workspace = $2 ORDER BY c.seq LIMIT $3"
	}
	err = l.o.Catalog.View(ctx, func(tx catalog.Tx) error {
		page = nil
		cut, err := anchorOf(ctx, tx, "")
		if err != nil {
			return err
		}
		for r, err := range catalog.Each[row](ctx, tx, rows+where, max(after, cut.Number), chain, MaxPage) {
			if err != nil {
				return err
			}
			k, err := r.kept()
			if err != nil {
				return err
			}
			d, _ := r.digest()
			e := exported{chain, k.Link, d, k}
			if chain != "" {
				e.link = k.WorkspaceLink
			}
			page = append(page, e)
		}
		return nil
	})
	return page, err
}

// ndjson writes a line. The entry is its last field, as it was hashed: it begins
// after `,"entry":` and ends before the last brace.
func (e *exported) ndjson(out *bufio.Writer) error {
	chain, err := json.Marshal(e.chain)
	if err != nil {
		return err
	}
	b := append(out.AvailableBuffer(), `{"chain":`...)
	b = append(b, chain...)
	b = append(b, `,"number":`...)
	b = strconv.AppendInt(b, e.link.Number, 10)
	b = append(b, `,"previous":"`...)
	b = append(b, e.link.Previous.String()...)
	b = append(b, `","hash":"`...)
	b = append(b, e.link.Hash.String()...)
	b = append(b, `","digest":"`...)
	b = append(b, e.digest.String()...)
	b = append(b, `","entry":`...)
	if e.kept.Erased() {
		b = append(b, "null"...)
	}
	b = append(b, e.kept.Raw...)
	_, err = out.Write(append(b, '}', '\n'))
	return err
}

var csvColumns = []string{"chain", "number", "time", "actor_kind", "actor", "actor_name", "action", "object_kind", "object", "object_name",
	"workspace", "environment", "address", "agent", "request", "before", "after", "note", "previous", "hash", "digest", "entry"}

// csv returns a line for people, harmless in a spreadsheet, and last what was hashed.
func (e *exported) csv() []string {
	k := e.kept
	text := func(v any) string {
		if raw, ok := v.(json.RawMessage); ok {
			return string(raw)
		}
		return ""
	}
	at := ""
	if !k.Erased() {
		at = k.Time.Format(time.RFC3339Nano)
	}
	line := []string{e.chain, strconv.FormatInt(e.link.Number, 10), at, k.Actor.Kind, k.Actor.ID, k.Actor.Name, k.Action,
		k.Object.Kind, k.Object.ID, k.Object.Name, k.Workspace, k.Environment, k.From.Address, k.From.Agent, k.From.Request,
		text(k.Before), text(k.After), k.Note, e.link.Previous.String(), e.link.Hash.String(), e.digest.String(), string(k.Raw)}
	for i := range line[:len(line)-1] {
		line[i] = result.HarmlessCSV(line[i])
	}
	return line
}
