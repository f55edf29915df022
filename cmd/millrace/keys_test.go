package main

import (
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/client"
)

// TestKeyTable: keys of the same name are told apart by where they work, and one
// that has no end does not look as if it were over.
func TestKeyTable(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 2, 51, 0, 0, time.UTC)
	table := keyTable([]client.Key{
		{ID: "k_1", Name: "ci", EnvironmentName: "staging", Environment: "1q7p", Role: "editor"},
		{ID: "k_2", Name: "ci", AllEnvironments: true, Permissions: []string{"query:run", "table:read"}, Expires: &at, Tokens: []client.KeyToken{{Begins: "mr_key_4f"}}},
		{ID: "k_3", Name: "metrics", Server: true, Permissions: []string{"server:read"}, Revoked: &at, LastUsed: &at, LastAddress: "192.0.2.7"},
		{ID: "k_4", Name: "ci", Environment: "1q7p", Role: "viewer"},
	})
	for i, want := range [][]string{
		{"ci", "staging", "editor", "", "never", "no end", "k_1"},
		{"ci", "all environments", "query:run table:read", "mr_key_4f", "never", "2026-11-22 02:51", "k_2"},
		{"metrics", "the server", "server:read", "", "2026-11-22 02:51 from 192.0.2.7", "revoked 2026-11-22 02:51", "k_3"},
		{"ci", "1q7p", "viewer", "", "never", "no end", "k_4"},
	} {
		if !slices.Equal(table.Rows[i], want) || len(table.Columns) != len(want) {
			t.Errorf("%q, want %q", table.Rows[i], want)
		}
	}
}
