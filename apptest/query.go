package apptest

import (
	"bytes"
	"encoding/json"
	"fmt"
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
