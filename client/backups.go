package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// A Backup is one that the server knows of.
type Backup struct {
	ID          string    `json:"id"`
	Taken       time.Time `json:"taken"`
	Seconds     float64   `json:"seconds"`
	Version     string    `json:"version"`
	Files       int64     `json:"files"`
	SizeBytes   int64     `json:"size_bytes"`
	StoredBytes int64     `json:"stored_bytes"`
	Accepted    int64     `json:"accepted"`
	Problem     string    `json:"problem,omitempty"`
}

// Backups returns what the server says of its backups, and those that there are,
// the newest first.
func (c *Client) Backups(ctx context.Context) (raw json.RawMessage, all []Backup, err error) {
	if err := c.get(ctx, "/api/v1/backups", nil, &raw); err != nil {
		return nil, nil, err
	}
	var list struct {
		Backups []Backup `json:"backups"`
	}
	return raw, list.Backups, json.Unmarshal(raw, &list)
}

// StartBackup starts a job that takes a backup; request is "" or what was left
// in the server's data folder.
func (c *Client) StartBackup(ctx context.Context, request string) (Job, error) {
	return c.startJob(ctx, "/api/v1/backups", map[string]string{"request": request})
}

// StartBackupVerification starts a job that reads all of a backup.
func (c *Client) StartBackupVerification(ctx context.Context, id string) (Job, error) {
	return c.startJob(ctx, "/api/v1/backups/"+url.PathEscape(id)+"/verifications", nil)
}

// DeleteBackup deletes a backup.
func (c *Client) DeleteBackup(ctx context.Context, id string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: "/api/v1/backups/" + url.PathEscape(id)}, nil)
}
