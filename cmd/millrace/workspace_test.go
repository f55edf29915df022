package main

import (
	"testing"
	"time"

	"github.com/millrace/millrace/client"
)

// TestUntilWhenItCanBeHadBack: what is deleted says so with a date and a time.
func TestUntilWhenItCanBeHadBack(t *testing.T) {
	t.Parallel()
	purge := time.Date(2026, 3, 9, 10, 0, 30, 0, time.FixedZone("CET", 3600))
	w := client.Workspace{Name: "acme", PurgeAfter: &purge, Environments: []client.Environment{{Name: "production", Space: "s1"}, {Name: "staging", Space: "s2", PurgeAfter: &purge}}}
	for got, want := range map[string]string{
		deletedWorkspace(w):              "acme is deleted: millrace workspace undelete acme has it back until 2026-03-09 09:00 UTC, when it is deleted for good.",
		deletedEnvironment(w, "staging"): "staging is deleted: millrace environment undelete staging has it back until 2026-03-09 09:00 UTC, when it is deleted for good.",
		deletedEnvironment(w, "s2"):      "staging is deleted: millrace environment undelete staging has it back until 2026-03-09 09:00 UTC, when it is deleted for good.",
		deletedEnvironment(w, "gone"):    "gone is deleted: millrace environment undelete gone has it back until it is deleted for good.",
	} {
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
