package warehouse

import (
	"slices"
	"strings"

	"github.com/millrace/millrace"
)

// fixed are the columns that tables have from the start.
type fixed uint8

const (
	fixedID fixed = iota
	fixedAnonymous
	fixedUser
	fixedEvent
	fixedEventText
	fixedReceived
	fixedSent
	fixedOriginal
	fixedTimestamp
	fixedUUID
	fixedGroup
	fixedPrevious
	fixedTableName
	fixedColumnName
	fixedValue
	fixedReason
	fixedRejected
	fixedSource
	fixedKind
	fixedOriginalName
	fixedName
	fixedMessage
	fixedField
	fixedType
	fixedRaw
	fixedRawBase64
	fixedTruncated
	fixedOutcome
	fixedCount
)

var fixedColumns = [fixedCount]Column{
	{"id", Text}, {"anonymous_id", Text}, {"user_id", Text}, {"event", Text}, {"event_text", Text},
	{"received_at", Timestamp}, {"sent_at", Timestamp}, {"original_timestamp", Timestamp}, {"timestamp", Timestamp},
	{"uuid_ts", Timestamp}, {"group_id", Text}, {"previous_id", Text},
	{"table_name", Text}, {"column_name", Text}, {"value", Text}, {"reason", Text},
	{"rejected_id", Text}, {"source", Text}, {"kind", Text}, {"original", Text}, {"name", Text}, {"message", Text},
	{"field", Text}, {"type", Text}, {"raw", Text}, {"raw_base64", Text}, {"truncated", Bool}, {"outcome", Text},
}

// overflowColumn keeps, as a JSON object, what a table has no columns for.
const overflowColumn = "properties_overflow"

// Which columns tables of a kind have, in the order in which a new table gets
// them; then come those of the position, then what records bring.
var (
	callColumns = []fixed{
		fixedID, fixedAnonymous, fixedUser, fixedReceived, fixedSent, fixedOriginal, fixedTimestamp, fixedUUID,
	}
	trackColumns    = with(callColumns, fixedEvent, fixedEventText)
	groupColumns    = with(callColumns, fixedGroup)
	aliasColumns    = with(callColumns, fixedPrevious)
	latestColumns   = []fixed{fixedID, fixedReceived, fixedUUID}
	streamColumns   = []fixed{fixedID, fixedReceived, fixedUUID}
	discardColumns  = []fixed{fixedID, fixedTableName, fixedColumnName, fixedValue, fixedReason, fixedReceived, fixedUUID}
	rejectedColumns = []fixed{
		fixedRejected, fixedSource, fixedReceived, fixedReason, fixedField, fixedType, fixedRaw, fixedRawBase64, fixedTruncated,
	}
	resentColumns = []fixed{fixedRejected, fixedID, fixedSource, fixedReceived, fixedOutcome, fixedReason}
	nameColumns   = []fixed{fixedSource, fixedKind, fixedOriginalName, fixedName, fixedReceived}
	noticeColumns = []fixed{fixedID, fixedSource, fixedKind, fixedTableName, fixedMessage, fixedReceived}
)

// with puts columns behind those that say who did it.
func with(columns []fixed, more ...fixed) []fixed {
	return slices.Insert(slices.Clone(columns), slices.Index(columns, fixedReceived), more...)
}

// A shapeKind is what calls have in common whose rows look alike.
type shapeKind struct {
	main    string // table of every call
	columns []fixed
	extra   string // users or accounts; an event table is the shape's own
	members string // properties or traits: what becomes columns without a prefix
	both    bool   // members go to main and extra, not to extra alone
	bare    bool   // all of the body is members
	system  bool   // a table of SystemSchema
}

var (
	kindTrack    = &shapeKind{main: "tracks", columns: trackColumns, members: "properties"}
	kindIdentify = &shapeKind{main: "identifies", columns: callColumns, extra: "users", members: "traits", both: true}
	kindGroup    = &shapeKind{main: "groups", columns: groupColumns, extra: "accounts", members: "traits", both: true}
	kindPage     = &shapeKind{main: "pages", columns: callColumns, members: "properties", both: true}
	kindScreen   = &shapeKind{main: "screens", columns: callColumns, members: "properties", both: true}
	kindAlias    = &shapeKind{main: "aliases", columns: aliasColumns, members: "traits", both: true}
	kindStream   = &shapeKind{columns: streamColumns, both: true, bare: true}
	kindRejected = &shapeKind{main: "rejected", columns: rejectedColumns, both: true, bare: true, system: true}
	kindResent   = &shapeKind{main: "resent", columns: resentColumns, both: true, bare: true, system: true}
)

// kindOf returns the kind of a stream, and the name behind its prefix. A
// stream that nobody knows is a custom one, so that nothing is lost.
func kindOf(stream string) (*shapeKind, string) {
	switch stream {
	case millrace.StreamIdentify:
		return kindIdentify, ""
	case millrace.StreamPage:
		return kindPage, ""
	case millrace.StreamScreen:
		return kindScreen, ""
	case millrace.StreamGroup:
		return kindGroup, ""
	case millrace.StreamAlias:
		return kindAlias, ""
	case millrace.StreamRejected:
		return kindRejected, ""
	case millrace.StreamResent:
		return kindResent, ""
	}
	if name, ok := strings.CutPrefix(stream, millrace.StreamTrack); ok {
		return kindTrack, name
	}
	return kindStream, strings.TrimPrefix(stream, millrace.StreamCustom)
}

// A shape is how records become rows of one or two tables. Streams whose names
// mean the same table share it.
type shape struct {
	*shapeKind
	source  *source
	main    *table
	extra   *table // event table, users or accounts; nil for none, or one too many
	noTable bool   // the source has as many event tables as it may

	root  *node // of a Segment call, and of Meta
	whole *node // of a body that is all members, or nil
	loose *node // of a body that is no object, or nil
	nodes int
	// Where the fields of a call are found.
	fields [fixedCount]*node
}

// A stream is a shape under one name.
type stream struct {
	*shape
	original, name string
}

// fieldNames are the members of a Segment call that have columns of their own.
var fieldNames = map[string]fixed{
	"anonymousId": fixedAnonymous, "userId": fixedUser, "event": fixedEvent, "groupId": fixedGroup,
	"previousId": fixedPrevious, "sentAt": fixedSent, "originalTimestamp": fixedOriginal, "timestamp": fixedTimestamp,
}

// ignoredNames are members that say nothing about what happened, or that the
// record itself says.
var ignoredNames = []string{
	"messageId", "madeId", "type", "receivedAt", "integrations", "writeKey", "version", "channel", "projectId", "_metadata",
	"webhook",
}

// reset makes the tries of a shape anew: at the start, and when hostile
// records have made them large.
func (sh *shape) reset() {
	sh.nodes = 0
	sh.root = &node{role: roleUnknown}
	for _, name := range ignoredNames {
		sh.root.add(name, roleIgnored)
	}
	for name, f := range fieldNames {
		sh.fields[f] = sh.root.add(name, roleField)
	}
	sh.root.add("context", roleContext).container = true
	if sh.members != "" {
		sh.root.add(sh.members, roleProperty).container = true
	}
	if sh.shapeKind == kindPage || sh.shapeKind == kindScreen {
		sh.root.add("name", roleProperty)
		sh.root.add("category", roleProperty)
	}
	sh.whole, sh.loose = nil, nil
	if sh.shapeKind == kindTrack || sh.bare {
		sh.whole = &node{role: roleProperty}
		sh.whole.add("context", roleContext)
		sh.loose = (&node{role: roleProperty}).add("value", roleProperty)
	}
	if sh.bare {
		sh.wholeField("id", fixedID)
	}
	if sh.shapeKind == kindRejected {
		sh.wholeField("id", fixedRejected)
	}
	if sh.system {
		sh.whole.add("received_at", roleIgnored)
	}
}

func (sh *shape) wholeField(name string, f fixed) {
	for _, c := range sh.whole.children {
		if c.key == name {
			c.role = roleField
			sh.fields[f] = c
			return
		}
	}
	sh.fields[f] = sh.whole.add(name, roleField)
}

// reserved says whether members may not have a column of that name.
func (sh *shape) reserved(name string) bool {
	if name == overflowColumn {
		return true
	}
	if sh.bare {
		return !sh.system && (name == "received_at" || name == "uuid_ts")
	}
	if strings.HasPrefix(name, "context_") {
		return true
	}
	for _, f := range sh.columns {
		if fixedColumns[f].Name == name {
			return true
		}
	}
	return false
}
