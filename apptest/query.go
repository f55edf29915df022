package apptest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// A Result is the answer to a query.
type Result struct {
	Columns []struct{ Name, Type string }
	Rows    [][]any // numbers as json.Number
}

// TryQuery asks in SQL, seeing at least the position after unless it is "".
func (s *Server) TryQuery(sql, after string) (*Result, error) {
	request := map[string]any{"sql": sql}
	if after != "" {
		request["after"] = after
	}
	status, body, err := s.Do("POST", "/api/v1/query", request)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("query answers %d: %s", status, body)
	}
	var answer struct {
		Result
		Error json.RawMessage
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&answer); err != nil {
		return nil, fmt.Errorf("query answers %s: %w", body, err)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("query failed: %s", answer.Error)
	}
	return &answer.Result, nil
}

// Query is TryQuery for a query that has to work.
func (s *Server) Query(sql, after string) *Result {
	s.t.Helper()
	r, err := s.TryQuery(sql, after)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return r
}

// Value is the one value that a query returns, as text.
func (s *Server) Value(sql, after string) string {
	s.t.Helper()
	r := s.Query(sql, after)
	if len(r.Rows) != 1 || len(r.Rows[0]) != 1 {
		s.t.Fatalf("%s returned %v, not one value", sql, r.Rows)
	}
	return fmt.Sprint(r.Rows[0][0])
}

// Post sends a body to a collect route and returns the log position of its
// last record, retrying as an SDK does while the server is away or refuses.
func (s *Server) Post(path, key, body string, timeout time.Duration) (position string, err error) {
	deadline := time.Now().Add(timeout)
	for {
		position, retry, err := s.post(path, key, body)
		if err == nil || !retry || time.Now().After(deadline) {
			return position, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (s *Server) post(path, key, body string) (position string, retry bool, err error) {
	req, err := http.NewRequest("POST", s.URL+path, strings.NewReader(body))
	if err != nil {
		return "", false, err
	}
	req.SetBasicAuth(key, "")
	client := http.Client{Timeout: 15 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return "", true, err
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		return "", true, err
	}
	if resp.StatusCode != http.StatusOK {
		return "", resp.StatusCode == 429 || resp.StatusCode >= 500, fmt.Errorf("%s answers %d: %s", path, resp.StatusCode, text.String())
	}
	return resp.Header.Get("Millrace-Position"), false, nil
}

// A TailRecord is a record as the tail shows it.
type TailRecord struct {
	ID, Source, Stream, Result string
	Position                   string
}

// Tail reads records until the one with the ID last.
func (s *Server) Tail(query, last string) []TailRecord {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/tail?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/x-ndjson")
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []TailRecord
	var end string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var record TailRecord
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			s.t.Fatalf("tail says %s: %v", lines.Text(), err)
		}
		end = lines.Text()
		all = append(all, record)
		if record.ID == last {
			return all
		}
	}
	s.t.Fatalf("the tail ended after %d records without %s: %s", len(all), last, end)
	return nil
}

// DoKey makes one request with a write key.
func (s *Server) DoKey(method, path, key, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.SetBasicAuth(key, "")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// Job starts a job and returns its result when it is done.
func (s *Server) Job(path string, body any) map[string]any {
	s.t.Helper()
	if body == nil {
		body = map[string]any{}
	}
	status, text, err := s.Do("POST", path, body)
	if err != nil || status != http.StatusAccepted {
		s.t.Fatalf("%s answers %d %s %v, want 202", path, status, text, err)
	}
	var job struct {
		ID, State, Error string
		Result           map[string]any
	}
	if err := json.Unmarshal(text, &job); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); job.State == "running"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("job %s is still running", job.ID)
		}
		if _, text, err = s.Do("GET", "/api/v1/jobs/"+job.ID, nil); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal(text, &job); err != nil {
			s.t.Fatal(err)
		}
	}
	if job.State != "done" {
		s.t.Fatalf("job %s: %s", job.State, job.Error)
	}
	return job.Result
}
