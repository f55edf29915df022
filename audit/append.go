package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

const (
	maxNameBytes   = 500      // of each name, id and address
	maxNoteBytes   = 4 << 10  // of a note
	maxObjectBytes = 64 << 10 // of Before and of After; more is left out
	saltBytes      = 16
)

var actionText = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

// appendEntry numbers an entry, hashes it and stores it.
func appendEntry(ctx context.Context, tx catalog.Tx, e Entry, redact func(workspace, text string) string) (seq int64, err error) {
	b, err := prepare(e, redact)
	if err != nil {
		return 0, err
	}
	whole, err := take(ctx, tx, "")
	if err != nil {
		return 0, err
	}
	b.Seq = whole.Number
	part := Link{Number: whole.Number} // without a workspace the two are one
	if b.Workspace != "" {
		if part, err = take(ctx, tx, b.Workspace); err != nil {
			return 0, err
		}
		b.WorkspaceSeq = part.Number
	}
	raw, err := encode(b)
	if err != nil {
		return 0, err
	}
	d := digest(raw)
	whole.Hash = link("", whole.Number, whole.Previous, d)
	var partPrevious, partHash []byte
	if b.Workspace != "" {
		part.Hash = link(b.Workspace, part.Number, part.Previous, d)
		partPrevious, partHash = part.Previous[:], part.Hash[:]
	}
	if _, err := tx.Exec(ctx, "INSERT INTO audit_entry (seq, body) VALUES ($1, $2)", b.Seq, string(raw)); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO audit_chain (seq, previous, hash, workspace, number, workspace_previous, workspace_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, b.Seq, whole.Previous[:], whole.Hash[:], b.Workspace, part.Number, partPrevious, partHash); err != nil {
		return 0, err
	}
	if err := put(ctx, tx, "", whole.Hash); err != nil {
		return 0, err
	}
	if b.Workspace != "" {
		err = put(ctx, tx, b.Workspace, part.Hash)
	}
	return b.Seq, err
}

// take takes the next number of a chain. No other transaction can before this
// one has ended.
func take(ctx context.Context, tx catalog.Tx, chain string) (Link, error) {
	n, err := tx.Exec(ctx, "UPDATE audit_head SET number = number + 1 WHERE workspace = $1", chain)
	if err != nil {
		return Link{}, err
	}
	if n == 0 {
		var none Hash
		_, err := tx.Exec(ctx, "INSERT INTO audit_head (workspace, number, hash) VALUES ($1, 1, $2)", chain, none[:])
		return Link{Number: 1}, err
	}
	at, _, err := headOf(ctx, tx, chain)
	return Link{Number: at.Number, Previous: at.Hash}, err
}

func put(ctx context.Context, tx catalog.Tx, chain string, h Hash) error {
	_, err := tx.Exec(ctx, "UPDATE audit_head SET hash = $2 WHERE workspace = $1", chain, h[:])
	return err
}

// prepare checks and masks an entry. Numbers are missing yet.
func prepare(e Entry, redact func(workspace, text string) string) (*body, error) {
	switch {
	case !actionText.MatchString(e.Action):
		return nil, millrace.Errorf(millrace.Invalid, "%.60q is no action of an audit entry: write noun.verb", e.Action)
	case e.Actor.Kind != Person && e.Actor.Kind != Key && e.Actor.Kind != Local && e.Actor.Kind != System:
		return nil, millrace.Errorf(millrace.Invalid, "%.60q did %s: an audit entry needs a person, a key, local or system", e.Actor.Kind, e.Action)
	case len(e.Workspace) > maxNameBytes || len(e.Environment) > maxNameBytes || !clean(e.Workspace) || !clean(e.Environment):
		return nil, millrace.Errorf(millrace.Invalid, "the workspace %.60q or the environment %.60q of an audit entry is no id", e.Workspace, e.Environment)
	}
	safe := func(s string) string {
		if redact == nil || plainWord(s) {
			return s
		}
		return redact(e.Workspace, s)
	}
	text := func(s string, limit int) string { return clip(safe(maskText(s)), limit) }
	id := func(s string) string { return clip(maskText(s), maxNameBytes) }
	var salt [saltBytes]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, err
	}
	before, err := object(e.Before, safe)
	if err != nil {
		return nil, err
	}
	after, err := object(e.After, safe)
	if err != nil {
		return nil, err
	}
	return &body{
		Time:      e.Time.UTC().Truncate(time.Microsecond),
		Actor:     Actor{e.Actor.Kind, id(e.Actor.ID), id(e.Actor.Name)},
		Action:    e.Action,
		Object:    Object{id(e.Object.Kind), id(e.Object.ID), text(e.Object.Name, maxNameBytes)},
		Workspace: e.Workspace, Environment: e.Environment,
		From:   From{id(e.From.Address), text(e.From.Agent, maxNameBytes), id(e.From.Request)},
		Before: before, After: after, Note: text(e.Note, maxNoteBytes), Salt: hex.EncodeToString(salt[:]),
	}, nil
}

// object is Before or After as it is stored.
func object(v any, safe func(string) string) (json.RawMessage, error) {
	j, err := masking(v, safe)
	if err != nil || j == nil {
		return nil, err
	}
	if len(j) > maxObjectBytes {
		return encode(map[string]any{"left_out": "too large", "bytes": len(j), "sha256": digest(j)})
	}
	return j, nil
}

// plainWord says whether a text is one short word of small letters.
func plainWord(s string) bool {
	return len(s) <= 12 && !strings.ContainsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' })
}

func clean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// clip makes a text valid UTF-8 of at most n bytes.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
