package millrace

import "time"

// An Op says what happened to the thing that a record is about.
type Op uint8

// The operations. Events are OpEvent; changes of database rows are the others.
const (
	OpEvent Op = iota
	OpInsert
	OpUpdate
	OpDelete
)

// String returns the name of the operation in lower case.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "unknown"
}

var opNames = [...]string{"event", "insert", "update", "delete"}

// A Record is one thing that happened: an event, or the change of a row. The
// body stays as it was received, byte for byte, from intake to sink.
type Record struct {
	// ID is the deduplication key within Workspace and Source: the messageId
	// of an event. Never empty once the record is in the log.
	ID        string
	Workspace string
	Source    string
	// Stream is what kind of record it is; see the Stream constants. Track
	// events carry their name: "track:Order Completed".
	Stream string
	Op     Op
	// Key orders: records with the same Key keep their order in every reader.
	// For events the userId, or else the anonymousId.
	Key string
	// Received is the server's time of receipt; Occurred is when it happened,
	// corrected for the sender's clock. Both have millisecond precision, UTC.
	Received, Occurred time.Time
	// Body is the JSON as it was received.
	Body []byte
	// Meta is a JSON object of what intake adds (messageId, type, sentAt,
	// context …), or nil. Readers merge it deeply under Body: what Body says wins.
	Meta []byte
}

// The streams of events. A stream "track:<event>" holds the track events of one
// name, "stream:<name>" what was posted to /v1/stream/<name>.
const (
	StreamTrack    = "track:"
	StreamCustom   = "stream:"
	StreamIdentify = "identify"
	StreamPage     = "page"
	StreamScreen   = "screen"
	StreamGroup    = "group"
	StreamAlias    = "alias"
	// StreamRejected holds what intake refused after it knew the source: Body
	// is an object {id, received_at, reason, field, type, raw, raw_base64,
	// truncated}. These records are never judged as duplicates of events: they
	// have made-up IDs of their own.
	StreamRejected = "rejected"
	// StreamResent says what became of a rejected record: Body is an object
	// {rejected_id, id, outcome, reason}.
	StreamResent = "resent"
)

// SourceMillrace is the built-in source of the platform's own events.
const SourceMillrace = "millrace"

// DefaultWorkspace is the one workspace of a project folder served by itself.
const DefaultWorkspace = "default"
