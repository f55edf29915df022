package serve

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/result"
)

// An Attention is something that whoever runs the server should look at.
type Attention struct {
	ID       string     `json:"id" example:"rejected" doc:"What it is about, the same as long as it lasts."`
	Severity string     `json:"severity" enum:"bad,warning,info" doc:"bad: something does not work; warning: it will not, or something is lost to someone; info: to know."`
	Title    string     `json:"title" example:"41 records of web were rejected today" doc:"What is the matter."`
	Detail   string     `json:"detail,omitempty" doc:"More of it."`
	Do       string     `json:"do" doc:"What to do."`
	Room     string     `json:"room" enum:"home,sources,live,rejected,warehouse,project,status" doc:"Where in the page."`
	Source   string     `json:"source,omitempty" doc:"The source that it is about."`
	Since    *time.Time `json:"since,omitempty" doc:"Since when."`
	Until    *time.Time `json:"until,omitempty" doc:"When it will be too late, as it goes now: of a disk, when intake will be refused."`
}

const (
	lagWarning  = 5 * time.Minute
	fullWarning = 7 * 24 * time.Hour
	fullBad     = 24 * time.Hour
	// attentionPatience bounds asking the warehouse: it is what may be ill.
	attentionPatience = 2 * time.Second
)

// partAdvice says what to do about a part that does not work.
var partAdvice = map[string]string{
	"log":       "Make room on the disk of the data folder, or see the log for what is wrong with it.",
	"dedup":     "It starts again by itself; if it does not, see the log.",
	"archive":   "Bring its folder or bucket back; it goes on by itself. millrace archive verify names files that are missing.",
	"warehouse": "Bring its database back; it goes on by itself. What it lacks is in log and archive.",
}

// attention gathers what needs it, the gravest first.
func (s *server) attention(ctx context.Context) ([]Attention, error) {
	st, err := s.space(ctx).System.Status(ctx)
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	out := []Attention{}
	add := func(a ...Attention) { out = append(out, a...) }
	for _, part := range s.o.Parts(ctx) {
		if !part.Ready {
			a := Attention{ID: "part:" + part.Name, Severity: "bad", Title: part.Name + " does not work", Detail: part.Reason, Room: "status",
				Do: cmp.Or(partAdvice[part.Name], "See the server's log.")}
			if strings.HasPrefix(part.Reason, "paused") {
				a.Severity, a.Title, a.Do = "warning", part.Name+" is paused", "Resume it when what it waits for is done."
			}
			add(a)
		}
	}
	add(attentionOfDisk(st.Log, now)...)
	for _, r := range st.Readers {
		if r.State == "running" && r.LagSeconds > lagWarning.Seconds() {
			add(Attention{ID: "lag:" + r.Name, Severity: "warning", Title: fmt.Sprintf("%s is %s behind", r.Name, roundly(r.LagSeconds)), Room: "status",
				Do: "It catches up by itself. If it falls further behind, more comes in than it can take: see what it waits for in the log."})
		}
	}
	for _, source := range st.Sources {
		if source.Silent {
			add(Attention{ID: "silent:" + source.Name, Severity: "warning", Title: source.Name + " has fallen silent", Source: source.Name, Room: "sources", Since: source.LastReceived,
				Detail: "It used to receive more often.", Do: "See whether its sender still runs, and whether its key and address are right."})
		}
	}
	if st.Project != nil {
		for i, problem := range st.Project.Problems {
			add(Attention{ID: fmt.Sprintf("project:%d", i), Severity: "warning", Title: "The last edit of the project is not served", Detail: problem, Room: "project",
				Do: "Mend the file: the version before it goes on."})
		}
	}
	for i, notice := range st.Notices {
		if !slices.ContainsFunc(out, func(a Attention) bool { return a.Source != "" && strings.Contains(notice, a.Source+" used to receive") }) {
			add(Attention{ID: fmt.Sprintf("notice:%d", i), Severity: "info", Title: cutText(notice, 300), Room: "status", Do: "See whether it is meant to be so."})
		}
	}
	add(s.attentionOfRejected(ctx, now)...)
	order := map[string]int{"bad": 0, "warning": 1, "info": 2}
	slices.SortStableFunc(out, func(a, b Attention) int { return cmp.Compare(order[a.Severity], order[b.Severity]) })
	return out, nil
}

// attentionOfDisk tells of a disk that fills up.
func attentionOfDisk(l *LogStatus, now time.Time) []Attention {
	if l == nil || l.Refusing != "" || l.FullInSeconds <= 0 || l.FullInSeconds > fullWarning.Seconds() {
		return nil
	}
	until := now.Add(time.Duration(l.FullInSeconds * float64(time.Second))).UTC()
	a := Attention{ID: "disk", Severity: "warning", Title: "The disk is full in " + roundly(l.FullInSeconds), Room: "status", Until: &until,
		Detail: fmt.Sprintf("%d MiB are free, and intake is refused below %d MiB.", l.FreeBytes>>20, l.ReserveBytes>>20),
		Do:     "Make room or enlarge it; or keep less in the log: log.retention and log.size in millrace.yaml."}
	if l.FullInSeconds < fullBad.Seconds() {
		a.Severity = "bad"
	}
	return []Attention{a}
}

// roundly says a time in one unit.
func roundly(seconds float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{86400, "days"}, {3600, "hours"}, {60, "minutes"}} {
		if seconds >= 2*u.size {
			return fmt.Sprintf("%.0f %s", seconds/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f seconds", seconds)
}

// attentionOfRejected tells of what was rejected in the last day and not mended.
func (s *server) attentionOfRejected(ctx context.Context, now time.Time) (out []Attention) {
	ctx, cancel := context.WithTimeout(ctx, attentionPatience)
	defer cancel()
	c := rejectedFilter{open: true, from: now.Add(-24 * time.Hour)}.conditions()
	err := s.eachWithin(ctx, attentionPatience, fmt.Sprintf("SELECT r.source, count(*) AS n, max(r.reason) AS reason, min(r.received_at) AS first_at FROM millrace.rejected r %s%s GROUP BY 1 ORDER BY n DESC, 1 LIMIT 20",
		resentJoin, c), c.params, 20, func(columns []result.Cell, i int) error {
		var source, reason string
		var n int64
		var first *time.Time
		err := scan(columns, i, &source, &n, &reason, &first)
		records := "records"
		if n == 1 {
			records = "record"
		}
		out = append(out, Attention{ID: "rejected:" + source, Severity: "warning", Title: fmt.Sprintf("%d %s of %s rejected in the last day", n, records, source),
			Detail: cutText(reason, 300), Do: "Mend the sender, then the records, and send them again.", Room: "rejected", Source: source, Since: first})
		return err
	})
	if err != nil && millrace.KindOf(err) != millrace.Canceled {
		s.o.Logger.Debug("rejected records could not be counted", "error", err)
	}
	return out
}

func (s *server) registerAttention() {
	type attentionList struct {
		Items []Attention `json:"items" doc:"The gravest first; empty when all is well."`
	}
	register(s, operation{id: "get-attention", needs: access.StatusRead, method: http.MethodGet, path: "/api/v1/attention", tag: "status",
		summary: "What needs attention", description: "Parts that do not work, a disk that fills up and how long until it is full, sources that fell silent, what was rejected, with what to do about each."},
		func(ctx context.Context, _ *struct{}) (*bodyOf[attentionList], error) {
			all, err := s.attention(ctx)
			return &bodyOf[attentionList]{Body: attentionList{Items: list(all)}}, err
		})
}
