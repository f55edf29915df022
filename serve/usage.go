package serve

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/access"
	"github.com/millrace/millrace/workspace"
)

// A QuotaUse is how much of a quota is used.
type QuotaUse struct {
	Quota   string     `json:"quota" example:"events_per_day"`
	Used    float64    `json:"used" doc:"So far; of a day's quota, since 0:00 UTC, as of a second ago."`
	Limit   *int64     `json:"limit,omitempty" doc:"Absent: there is none."`
	Percent int64      `json:"percent,omitempty"`
	Warned  *time.Time `json:"warned,omitempty" doc:"When it was told today that 80 per cent are used."`
	UsedUp  *time.Time `json:"used_up,omitempty" doc:"When it was told today that all is used."`
}

// A QuotaNotice tells that much of a quota was used on a day.
type QuotaNotice struct {
	Quota   string    `json:"quota" example:"events_per_day"`
	Day     string    `json:"day" example:"2026-11-20" doc:"On which it was told: it is told anew each day."`
	Percent int64     `json:"percent" example:"80" doc:"So much of it: 80 or 100."`
	Told    time.Time `json:"told"`
}

// UsagePage is what a workspace used.
type UsagePage struct {
	Today []QuotaUse        `json:"today" doc:"Of the quotas that are used up by the day, and what is kept."`
	Told  []QuotaNotice     `json:"told" doc:"Of which quotas 80 or 100 per cent were used on the 30 days before today, the newest first."`
	Days  []workspace.Usage `json:"days" doc:"By day and environment, the oldest first. A day begins at 0:00 UTC."`
	Next  string            `json:"next" doc:"Give it as cursor for what follows; empty at the end."`
}

// UsageRange is the days that are asked for.
type UsageRange struct {
	WorkspacePath
	Environment string `query:"environment" maxLength:"80" doc:"Only of this one."`
	From        string `query:"from" example:"2026-11-01" maxLength:"10" doc:"The first day; 29 days before the last when absent."`
	To          string `query:"to" example:"2026-11-30" maxLength:"10" doc:"The last day; today when absent."`
}

func (s *server) usageOptions(ctx context.Context, in *UsageRange) (o workspace.UsageOptions, err error) {
	o.Workspace = subject(ctx)
	for text, to := range map[*string]*int64{&in.From: &o.From, &in.To: &o.To} {
		if *text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, *text)
		if err != nil {
			return o, millrace.Errorf(millrace.Invalid, "%.20q is no day: write it as 2026-11-30", *text)
		}
		*to = workspace.Day(day)
	}
	if o.To != 0 && o.From > o.To {
		return o, millrace.Errorf(millrace.Invalid, "from %s is after to %s: give the first day and the last", in.From, in.To)
	}
	if in.Environment != "" {
		o.Space, err = s.environmentOf(ctx, &EnvironmentPath{in.WorkspacePath, in.Environment})
	}
	return o, err
}

func (s *server) registerUsage() {
	register(s, operation{id: "get-usage", method: http.MethodGet, path: "/api/v1/workspaces/{workspace}/usage", tag: "workspaces", needs: access.UsageRead, or: access.WorkspaceList,
		summary: "What a workspace used, by day, and how much of its quotas", errors: []int{http.StatusBadRequest, http.StatusNotFound}},
		func(ctx context.Context, in *struct {
			UsageRange
			Limit  int    `query:"limit" default:"1000" minimum:"1" maximum:"10000" doc:"Most days of a page, each environment for itself."`
			Cursor string `query:"cursor" maxLength:"80" doc:"From the page before."`
		}) (*bodyOf[UsagePage], error) {
			o, err := s.usageOptions(ctx, &in.UsageRange)
			if err != nil {
				return nil, err
			}
			o.Limit = in.Limit
			if in.Cursor != "" {
				day, space, _ := strings.Cut(in.Cursor, ".")
				number, err := strconv.ParseInt(day, 10, 64)
				if err != nil {
					return nil, millrace.Errorf(millrace.Invalid, "the cursor is none: give what the page before answered as next")
				}
				o.After = &workspace.UsageCursor{Day: number, Space: space}
			}
			page, next, err := s.o.Workspaces.Usage(ctx, o)
			if err != nil {
				return nil, err
			}
			out := UsagePage{Days: list(page)}
			if next != nil {
				out.Next = strconv.FormatInt(next.Day, 10) + "." + next.Space
			}
			out.Today, out.Told, err = s.today(ctx, o.Workspace)
			return &bodyOf[UsagePage]{Body: out}, err
		})
	register(s, operation{id: "export-usage", method: http.MethodGet, path: "/api/v1/workspaces/{workspace}/usage/export", tag: "workspaces", needs: access.UsageRead, or: access.WorkspaceList,
		summary: "Download what a workspace used, by day", timeout: -1, errors: []int{http.StatusBadRequest, http.StatusNotFound},
		responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}}, "text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}}}}},
		func(ctx context.Context, in *struct {
			UsageRange
			Format string `query:"format" default:"csv" enum:"ndjson,csv" doc:"Lines of JSON, or CSV with a header."`
		}) (*huma.StreamResponse, error) {
			o, err := s.usageOptions(ctx, &in.UsageRange)
			if err != nil {
				return nil, err
			}
			o.Limit = 1000
			return &huma.StreamResponse{Body: func(hc huma.Context) {
				kind := map[string]string{workspace.NDJSON: "application/x-ndjson", workspace.CSV: "text/csv; charset=utf-8"}[in.Format]
				hc.SetHeader("Content-Type", kind)
				hc.SetHeader("Content-Disposition", `attachment; filename="usage.`+in.Format+`"`)
				out := bufio.NewWriter(hc.BodyWriter())
				if err := s.o.Workspaces.Export(ctx, out, in.Format, o); err != nil {
					s.o.Logger.Warn("an export of usage was cut short", "request", requestID(ctx), "error", err)
					panic(http.ErrAbortHandler) // so that nobody takes it for whole
				}
				_ = out.Flush() // the client is gone
			}}, nil
		})
}

// today is how much of its quotas a workspace has used, and what was told of that
// before.
func (s *server) today(ctx context.Context, id string) ([]QuotaUse, []QuotaNotice, error) {
	w, err := s.o.Workspaces.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	now := workspace.Day(s.o.Now())
	days, _, err := s.o.Workspaces.Usage(ctx, workspace.UsageOptions{Workspace: id, From: now - 1, To: now})
	if err != nil {
		return nil, nil, err
	}
	notices, err := s.o.Workspaces.Notices(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	used, stored, tables := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, d := range days {
		if d.StorageBytes != nil {
			stored[d.Space] = float64(*d.StorageBytes)
		}
		if d.EventTables != nil {
			tables[d.Space] = float64(*d.EventTables)
		}
		if d.Day != workspace.DayStart(now).Format(time.DateOnly) {
			continue
		}
		used[workspace.EventsPerDay] += float64(d.Events)
		used[workspace.BytesPerDay] += float64(d.Bytes)
		used[workspace.QuerySecondsPerDay] += d.QuerySeconds
	}
	for _, bytes := range stored {
		used[workspace.StorageBytes] += bytes
	}
	for _, n := range tables {
		used[workspace.EventTables] += n
	}
	var out []QuotaUse
	for _, quota := range []string{workspace.EventsPerDay, workspace.BytesPerDay, workspace.QuerySecondsPerDay, workspace.StorageBytes, workspace.EventTables} {
		q := QuotaUse{Quota: quota, Used: used[quota]}
		if limit, ok := w.Quotas.Of(quota); ok {
			q.Limit, q.Percent = &limit, 100
			if limit > 0 {
				q.Percent = int64(100 * q.Used / float64(limit))
			}
		}
		for _, n := range notices {
			if n.Quota == quota && n.Day == now && n.Percent == 80 {
				q.Warned = moment(n.Told)
			} else if n.Quota == quota && n.Day == now {
				q.UsedUp = moment(n.Told)
			}
		}
		out = append(out, q)
	}
	return out, toldBefore(notices, now), nil
}

// toldBefore are notices of the 30 days before a day.
func toldBefore(notices []workspace.Notice, today int64) []QuotaNotice {
	out := []QuotaNotice{}
	for _, n := range notices {
		if n.Day < today && n.Day >= today-30 {
			out = append(out, QuotaNotice{Quota: n.Quota, Day: workspace.DayStart(n.Day).Format(time.DateOnly), Percent: n.Percent, Told: n.Told.UTC()})
		}
	}
	return out
}
