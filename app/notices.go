package app

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/collect"
	"github.com/millrace/millrace/project"
	"github.com/millrace/millrace/serve"
	"github.com/millrace/millrace/terminal"
	"github.com/millrace/millrace/warehouse"
)

const (
	// noticeRenewed is how long status tells that the log went on in a new epoch.
	noticeRenewed = 30 * 24 * time.Hour
	// noticeRefused is how long status tells that a source refused something.
	noticeRefused = 24 * time.Hour
	// noticeLoaded is how long status tells what the warehouse did otherwise
	// than a sender may think, and shownNotices how many of that.
	noticeLoaded = 7 * 24 * time.Hour
	shownNotices = 10
)

// notices are what an operator should know.
func (sp *space) notices(p *project.Project, all []serve.Source) (texts []string) {
	a := sp.app
	now := a.o.Now()
	for _, source := range all {
		if source.Silent {
			texts = append(texts, fmt.Sprintf("source %s used to receive and has been silent since %s", source.Name, source.LastReceived.Format(time.RFC3339)))
		}
	}
	texts = append(texts, a.deaf(p)...)
	texts = append(texts, refusalNotices(a.collect.RefusalsOf(sp.id), now)...)
	texts = append(texts, quotaNotices(a.workspaces.meter.Near(sp.id, now))...)
	texts = append(texts, warehouseNotices(sp.loader.Stats().Notices, now)...)
	for _, lost := range a.log.Lost() {
		if now.Sub(lost.At) < noticeRenewed {
			texts = append(texts, lost.String())
		}
	}
	if sp == a.home {
		texts = append(texts, a.backups.notices(now)...)
		texts = append(texts, a.revivedNotices()...)
		texts = append(texts, usageNotices(a.workspaces.meter.Stats().Gaps)...)
	}
	texts = append(texts, a.restored(now)...)
	for _, era := range a.log.Eras()[1:] {
		began := time.UnixMilli(int64(era.Epoch)).UTC()
		if now.Sub(began) < noticeRenewed && !a.restoredAt(began) {
			texts = append(texts, fmt.Sprintf("the log had lost frames, or was put back to an earlier state, on %s: it went on behind frame %d; what it held beyond is in the archive as far as that had come", began.Format(time.RFC3339), era.First-1))
		}
	}
	return texts
}

// warehouseNotices are the newest of the warehouse's.
func warehouseNotices(all []warehouse.Notice, now time.Time) (texts []string) {
	all = slices.DeleteFunc(slices.Clone(all), func(n warehouse.Notice) bool { return now.Sub(n.Received) > noticeLoaded })
	for _, n := range all[:min(len(all), shownNotices)] {
		text := "warehouse: " + n.Message
		if n.Source != "" {
			text = n.Source + ": " + n.Message
		}
		texts = append(texts, terminal.Sanitize(text))
	}
	if more := len(all) - shownNotices; more > 0 {
		texts = append(texts, fmt.Sprintf("%s more of the last 7 days: SELECT * FROM millrace.notices", terminal.Plural(int64(more), "notice", "notices")))
	}
	return texts
}

// refusalChecks are what to look at in a source's file, by the reason of a refusal.
var refusalChecks = map[string]string{
	"origin":         "check cors_origins",
	"no_key":         "check the address that the sender has: its key is one of write_keys",
	"unknown_key":    "check the key that the sender has, and write_keys",
	"no_signature":   "check whether the sender signs, and signature.header",
	"signature":      "check the secret",
	"signature_time": "check the clocks, and the signature's time and tolerance",
}

// refusalNotices say which sources refuse what is sent to them, of which nothing
// is kept.
func refusalNotices(all []collect.Refusal, now time.Time) (texts []string) {
	slices.SortFunc(all, func(a, b collect.Refusal) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Reason, b.Reason))
	})
	for _, r := range all {
		ago := now.Sub(r.Last)
		if ago > noticeRefused {
			continue
		}
		if ago >= time.Minute {
			ago = ago.Truncate(time.Minute)
		} else {
			ago = max(0, ago.Truncate(time.Second))
		}
		texts = append(texts, fmt.Sprintf("%s: %s, last %s ago: %s in sources/%s.yaml", r.Source, r, terminal.Duration(ago), refusalChecks[r.Reason], r.Source))
	}
	return texts
}
