package warehouse

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace"
)

// A Notice is a row of millrace.notices: what was done with records otherwise
// than the sender may think, such as when a limit was reached.
type Notice struct {
	Source, Kind string
	Table        string // or table.column; may be ""
	Message      string // for people: what happened, and what to do
	Position     millrace.Position
	Received     time.Time
}

// maxNotices is how many notices LoaderStats has, the newest.
const maxNotices = 50

// noticesSQL leaves out columns that became wider, which is as it should be:
// whoever asks why a number is as it is sees them.
const noticesSQL = `SELECT source, kind, table_name, message, CAST(_epoch AS varchar), CAST(_seq AS varchar), CAST(_index AS varchar), received_at
	FROM millrace.notices WHERE kind <> '` + kindWidened + `' ORDER BY _epoch DESC, _seq DESC, _index DESC, id LIMIT ` // and maxNotices

// noticesTimeout bounds the query for them.
const noticesTimeout = 30 * time.Second

// readNotices asks for the newest notices, so that LoaderStats has them, and
// logs those that are new.
func (l *Loader) readNotices(ctx context.Context) {
	l.noticing.Lock()
	defer l.noticing.Unlock()
	notices, err := queryNotices(ctx, l.o.Warehouse, l.o.Workspace)
	if err != nil {
		if ctx.Err() == nil {
			l.log.Debug("reading the notices of the warehouse failed", "error", err)
		}
		l.noticed.Store(false) // the next session tries again
		return
	}
	var before []Notice
	l.update(func() { before, l.state.Notices = l.state.Notices, notices })
	for _, n := range slices.Backward(notices) {
		if n.Position.After(l.noticesFrom) && !slices.Contains(before, n) {
			l.log.Warn("the warehouse has a notice", "source", n.Source, "kind", n.Kind, "notice", n.Message)
		}
	}
}

func queryNotices(ctx context.Context, w Warehouse, workspace string) ([]Notice, error) {
	rows, err := w.Query(ctx, Query{Workspace: workspace, SQL: noticesSQL + strconv.Itoa(maxNotices), Timeout: noticesTimeout})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var notices []Notice
	for {
		batch, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return notices, nil
		}
		if err != nil {
			return nil, err
		}
		for row := range int(batch.NumRows()) {
			notices = append(notices, noticeOf(batch, row))
		}
		batch.Release()
	}
}

func noticeOf(batch arrow.RecordBatch, row int) (n Notice) {
	for i, to := range []*string{&n.Source, &n.Kind, &n.Table, &n.Message} {
		if c := batch.Column(i); !c.IsNull(row) {
			*to = c.ValueStr(row)
		}
	}
	at := batch.Column(4).ValueStr(row) + "-" + batch.Column(5).ValueStr(row) + "-" + batch.Column(6).ValueStr(row)
	if p, err := millrace.ParsePosition(at); err == nil {
		n.Position = p
	}
	if c, ok := batch.Column(7).(*array.Timestamp); ok && c.IsValid(row) {
		n.Received = c.Value(row).ToTime(c.DataType().(*arrow.TimestampType).Unit).UTC()
	}
	return n
}
