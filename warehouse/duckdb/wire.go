package duckdb

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
	"github.com/millrace/millrace/warehouse"
)

// The protocol between parent and child. Every request has a connection of its
// own: the parent sends one request message, then its entries, then an end; the
// child answers with data messages and one result or failure. The parent
// cancels by closing its writing side. A message is its length (4 bytes, little
// endian, of what follows), its type (1 byte) and its payload.
const (
	wireVersion     = 1
	maxMessageBytes = 16 << 20
	// chunkBytes is about how much a message of entries or data holds; one
	// entry may be larger than that.
	chunkBytes = 256 << 10
)

type messageType byte

const (
	messageRequest messageType = iota + 1 // JSON of request
	messageEntries                        // entries, as appendEntry writes them
	messageEnd                            // no more entries
	messageData                           // bytes of an Arrow IPC stream
	messageResult                         // JSON of result: the last message
	messageFailure                        // JSON of failure: the last message
	messageHello                          // JSON of hello, on the control socket
)

// A request is what the parent asks of the child.
type request struct {
	Op        string
	Workspace string                   `json:",omitempty"`
	Settings  *warehouse.Settings      `json:",omitempty"`
	Through   millrace.Position        `json:",omitzero"`
	Flush     bool                     `json:",omitempty"`
	Query     *wireQuery               `json:",omitempty"`
	Shadow    *warehouse.ShadowOptions `json:",omitempty"`
	ShadowID  uint64                   `json:",omitempty"`
	Spare     warehouse.Spare          `json:",omitempty"`
	Reason    string                   `json:",omitempty"`
	File      string                   `json:",omitempty"` // of a stored result
}

// The operations of a request.
const (
	opPulse         = "pulse"
	opResume        = "resume"
	opConfigure     = "configure"
	opApply         = "apply"
	opQuery         = "query"
	opReadResult    = "read result"
	opSizes         = "sizes"
	opShadowBegin   = "shadow begin"
	opShadowApply   = "shadow apply"
	opShadowCompare = "shadow compare"
	opShadowSwap    = "shadow swap"
	opShadowDiscard = "shadow discard"
	opDrop          = "drop"
)

// A wireQuery is a warehouse.Query with its limits decided.
type wireQuery struct {
	SQL      string
	Params   []wireParam
	Limit    int
	MaxBytes int64
	Timeout  time.Duration
}

// A wireParam keeps an integer apart from a float.
type wireParam struct {
	Text   *string  `json:",omitempty"`
	Bool   *bool    `json:",omitempty"`
	Int    *int64   `json:",omitempty,string"`
	Double *float64 `json:",omitempty"`
	// Special is a float that JSON cannot hold: NaN, +Inf, -Inf.
	Special string `json:",omitempty"`
}

// A result ends a request that went well.
type result struct {
	After     millrace.Position      `json:",omitzero"`
	Progress  warehouse.Progress     `json:",omitzero"`
	Truncated bool                   `json:",omitempty"`
	Rows      int64                  `json:",omitempty"`
	Counts    []warehouse.TableCount `json:",omitempty"`
	ShadowID  uint64                 `json:",omitempty"`
	Sizes     []tableSize            `json:",omitempty"`
}

// A tableSize is how much of the file a table takes, about.
type tableSize struct {
	Schema, Table string
	Bytes         int64
}

// A failure ends a request that did not.
type failure struct {
	Kind    millrace.Kind
	Message string
	Suspect bool `json:",omitempty"` // the batch may be the cause
}

func (f failure) err() error {
	err := error(&millrace.Error{Kind: f.Kind, Message: f.Message})
	if f.Suspect {
		return warehouse.Suspect(err)
	}
	return err
}

// A suspectError is an error of the engine while it wrote a batch.
type suspectError struct{ error }

func (e suspectError) Unwrap() error { return e.error }

// hello is the first thing a child says.
type hello struct {
	Version int
	Engine  string // DuckDB's version
}

// A wire sends and receives messages on one connection. One goroutine may send
// while another receives.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	buf  []byte
}

func newWire(conn net.Conn) *wire {
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), out: bufio.NewWriterSize(conn, 64<<10)}
}

// send writes one message and leaves it in the buffer; flush sends it off.
func (w *wire) send(t messageType, payload []byte) error {
	if len(payload)+1 > maxMessageBytes {
		return fmt.Errorf("a message of %d bytes is over the limit of %d", len(payload), maxMessageBytes)
	}
	var head [5]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(payload)+1))
	head[4] = byte(t)
	if _, err := w.out.Write(head[:]); err != nil {
		return err
	}
	_, err := w.out.Write(payload)
	return err
}

func (w *wire) sendJSON(t messageType, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := w.send(t, payload); err != nil {
		return err
	}
	return w.out.Flush()
}

// receive reads one message. The payload is valid until the next receive.
func (w *wire) receive() (messageType, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 1 || n > maxMessageBytes {
		return 0, nil, fmt.Errorf("a message says it has %d bytes: the limit is %d", n, maxMessageBytes)
	}
	size := int(n) - 1
	if cap(w.buf) < size {
		w.buf = make([]byte, size)
	}
	payload := w.buf[:size]
	_, err := io.ReadFull(w.in, payload)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return messageType(head[4]), payload, err
}

// sendEntries writes entries in messages of about chunkBytes, then an end.
func (w *wire) sendEntries(entries []eventlog.Entry) error {
	var chunk []byte
	for i := range entries {
		chunk = appendEntry(chunk, &entries[i])
		if len(chunk) < chunkBytes && i < len(entries)-1 {
			continue
		}
		if err := w.send(messageEntries, chunk); err != nil {
			return err
		}
		chunk = chunk[:0]
	}
	if err := w.send(messageEnd, nil); err != nil {
		return err
	}
	return w.out.Flush()
}

// receiveEntries reads what sendEntries wrote, for one workspace.
func (w *wire) receiveEntries(workspace string) ([]eventlog.Entry, error) {
	var entries []eventlog.Entry
	for {
		t, payload, err := w.receive()
		switch {
		case err != nil:
			return nil, err
		case t == messageEnd:
			return entries, nil
		case t != messageEntries:
			return nil, fmt.Errorf("message of type %d among the entries", t)
		}
		// The entries refer to this memory.
		entries, err = decodeEntries(entries, append([]byte(nil), payload...), workspace)
		if err != nil {
			return nil, err
		}
	}
}

// parameters encodes a query's parameters; Invalid names one of a wrong type.
func parameters(params []any) ([]wireParam, error) {
	out := make([]wireParam, len(params))
	for i, p := range params {
		switch v := p.(type) {
		case nil:
		case string:
			if !utf8.ValidString(v) {
				return nil, millrace.Errorf(millrace.Invalid, "parameter %d is not UTF-8 text", i+1)
			}
			out[i].Text = &v
		case bool:
			out[i].Bool = &v
		case int64:
			out[i].Int = &v
		case int:
			n := int64(v)
			out[i].Int = &n
		case float64:
			if special := fmt.Sprint(v); special == "NaN" || special == "+Inf" || special == "-Inf" {
				out[i].Special = special
			} else {
				out[i].Double = &v
			}
		default:
			return nil, millrace.Errorf(millrace.Invalid, "parameter %d is a %T: give a text, a number, true, false or null", i+1, p)
		}
	}
	return out, nil
}
