package serve

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/eventlog"
)

// endless is a depot whose exports never end by themselves.
type endless struct{ depot }

func (endless) Records(context.Context, string, millrace.Position) (eventlog.Reader, error) {
	return endlessReader{}, nil
}

type endlessReader struct{}

func (endlessReader) Close() error { return nil }

func (endlessReader) Next(ctx context.Context) (eventlog.Batch, error) {
	<-ctx.Done()
	return eventlog.Batch{}, ctx.Err()
}

// TestStreamsOfASuspendedWorkspace: what is read of a workspace when it is suspended
// or deleted ends, and says why.
func TestStreamsOfASuspendedWorkspace(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct{ method, path, body, says string }{
		"suspended": {"POST", "/suspend", `{"reason":"unpaid"}`, `"detail":"workspace other is suspended (unpaid)`},
		"deleted":   {"DELETE", "", "", `"detail":"other was deleted, and is deleted for good after`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := newWorld().tenants(t)
			log := newLog(t)
			o.Log, o.Transfer = log, &endless{}
			s := start(t, o)
			_, key := madeKey(t, s.URL+"/api/v1/w/other/keys", `{"name":"reads","role":"owner","all_environments":true}`)
			ended := make(chan string, 4)
			for _, path := range []string{"/api/v1/w/other/tail?after=start", "/api/v1/tail", "/api/v1/w/other/export/records?until=99-1-0"} {
				r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", key)
				go func() {
					resp, err := http.DefaultClient.Do(r)
					if err != nil {
						ended <- path + ": " + err.Error()
						return
					}
					defer resp.Body.Close()
					text, err := io.ReadAll(resp.Body)
					if err != nil {
						text = append(text, err.Error()...)
					}
					ended <- path + ": " + string(text)
				}()
			}
			time.Sleep(lookAgain + lookAgain/4) // they go on as long as nothing is the matter
			select {
			case text := <-ended:
				t.Fatalf("ended by itself: %s", text)
			default:
			}
			if resp, text := call(t, end.method, s.URL+"/api/v1/workspaces/other"+end.path, end.body); resp.StatusCode != 200 {
				t.Fatalf("%d %s", resp.StatusCode, text)
			}
			for range 3 {
				select {
				case text := <-ended:
					if strings.Count(text, `{"error":{`) != 1 || !strings.Contains(text, end.says) {
						t.Errorf("the end is %s", text)
					}
				case <-time.After(30 * time.Second):
					t.Fatal("it goes on")
				}
			}
		})
	}
}

// TestAskedOfASuspendedWorkspace: nothing can be asked of it, and nobody let in; who
// has access can be seen, and lose it.
func TestAskedOfASuspendedWorkspace(t *testing.T) {
	t.Parallel()
	o, other := newWorld().tenants(t)
	s := start(t, o)
	at := s.URL + "/api/v1/w/other"
	_, owner := madeKey(t, at+"/keys", `{"name":"owner","role":"owner","all_environments":true}`)
	id, _ := madeKey(t, at+"/keys", `{"name":"leaked","role":"viewer"}`)
	resp, text := call(t, "POST", at+"/members/invitations", `{"role":"viewer"}`)
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	invitation := decode[NewInvitation](t, text).ID
	if _, err := o.Workspaces.Suspend(t.Context(), other.ID, "unpaid"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/audit", "", 403}, {"GET", "/audit/1", "", 403}, {"GET", "/audit/export", "", 403}, {"GET", "/export/audit", "", 403},
		{"POST", "/keys", `{"name":"another","role":"viewer"}`, 403}, {"POST", "/keys/" + id + "/rotate", `{}`, 403},
		{"POST", "/members/invitations", `{"role":"viewer"}`, 403}, {"PUT", "/members/p_nobody", `{"role":"viewer"}`, 403},
		{"GET", "/keys", "", 200}, {"DELETE", "/keys/" + id, "", 200}, {"GET", "/members", "", 200},
		{"GET", "/members/invitations", "", 200}, {"DELETE", "/members/invitations/" + invitation, "", 204},
	} {
		resp, text := call(t, step.method, at+step.path, step.body, headers(owner)...)
		if resp.StatusCode != step.status || step.status == 403 && !strings.Contains(text, "workspace other is suspended (unpaid)") {
			t.Errorf("%s %s: %d %s, want %d", step.method, step.path, resp.StatusCode, text, step.status)
		}
	}
	if resp, text := call(t, "GET", s.URL+"/api/v1/server/audit?action=key", ""); resp.StatusCode != 200 || !strings.Contains(text, "leaked") {
		t.Errorf("who runs the server reads its trail: %d %s", resp.StatusCode, text)
	}
}
