package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/warehouse"
	"github.com/millrace/millrace/warehouse/postgres"
)

// testIndexNames loads events that are called like the indexes of other tables
// would be by themselves, in a new warehouse, in one of before indexes had names
// of ours, and after rebuilds.
func testIndexNames(t *testing.T, url string) {
	ctx := context.Background()
	w := openURL(t, postgres.Options{URL: url})
	resume(t, w)
	n := 0
	send := func(names ...string) {
		t.Helper()
		for _, name := range names {
			n++
			e := event(n, name, `{"a":1}`)
			if name == "identify" {
				e.Stream, e.Body = name, []byte(`{"userId":"u","traits":{"a":1}}`)
			}
			apply(t, w, e)
		}
	}
	long := strings.Repeat("y", 70)
	send("Order", "Order Received At Idx", "identify", "Users Pkey", "Tracks Received At Idx", "Identifies Received At Idx",
		long, long+"x", long[:63], long[:63-len("_received_at_idx")]+"_received_at_idx")
	if got := exec(t, url, `SELECT count(*), count(DISTINCT event) FROM web.tracks`); got != "9 9" {
		t.Error(got)
	}
	unnamed := "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'i' AND nspname IN ('web', 'millrace') AND position(' (' in relname) = 0"
	if got := exec(t, url, unnamed); got != "0" {
		t.Errorf("%s indexes have other names", got)
	}
	// As it was: names of Postgres's choice.
	w.Close()
	exec(t, url, `ALTER INDEX web."order (received_at)" RENAME TO order_received_at_idx1; ALTER INDEX web."users (id)" RENAME TO users_pkey1;
		ALTER INDEX millrace."checkpoints (name)" RENAME TO checkpoints_pkey; ALTER INDEX millrace."pending (table)" RENAME TO pending_pkey`)
	w = openURL(t, postgres.Options{URL: url})
	resume(t, w)
	if got := exec(t, url, unnamed); got != "0" {
		t.Errorf("%s indexes of an older warehouse have other names", got)
	}
	send("Order Received At Idx 1", "Order Received At Idx1", "Users Pkey1", "Order")
	for _, o := range []warehouse.ShadowOptions{{}, {From: event(2, "", "").Time}, {From: event(3, "", "").Time}} {
		s, err := w.Shadow(ctx, "default", o)
		if err != nil {
			t.Fatal(err)
		}
		at := event(n, "", "").Position
		for i, name := range []string{"Order", "Order Received At Idx", "Sub Order"} {
			if _, err := s.Apply(ctx, warehouse.Batch{Entries: batch(event(i+1, name, `{"a":1}`)).Entries, Through: event(i+1, "", "").Position}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Apply(ctx, warehouse.Batch{Through: at, Flush: true}); err != nil {
			t.Fatal(err)
		}
		if err := s.Swap(ctx, at); err != nil {
			t.Fatal(err)
		}
		resume(t, w)
		if got := exec(t, url, unnamed); got != "0" {
			t.Errorf("%s indexes have other names after a rebuild of %+v", got, o)
		}
		send(fmt.Sprintf("Made %d", n), "Sub Order Received At Idx")
	}
	if got := exec(t, url, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'web' AND tablename = 'sub_order' AND indexdef LIKE '%brin%'"); got != "1" {
		t.Errorf("%s indexes on received_at", got)
	}
}
