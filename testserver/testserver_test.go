package testserver_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/testserver"
)

func TestPostgresKeepsItsDataThroughACrash(t *testing.T) {
	t.Parallel()
	s := testserver.Postgres(t)
	ctx := context.Background()
	query := func(sql string) (n int) {
		conn, err := pgx.Connect(ctx, s.Database("d"+sql[len(sql)-1:]))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := query("SELECT 1"); got != 1 {
		t.Errorf("got %d", got)
	}
	s.Kill()
	s.Start()
	if got := query("SELECT 2"); got != 2 {
		t.Errorf("got %d", got)
	}
}
