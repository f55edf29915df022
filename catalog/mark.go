package catalog

import (
	"context"
	"slices"
	"strings"
)

// A restore into a catalog leaves a mark in it, in the transaction of its rows: a
// lease that nobody holds, with the sum of what all leases have counted. Who uses a
// catalog takes a lease first, and counts. So as long as the sum is the same, all
// that is there is what the restore has put there.

const markPrefix = "restore "

// countLeases is the sum of all leases but of marks.
func countLeases(ctx context.Context, tx Tx) (int64, error) {
	all, err := All[leaseCount](ctx, tx, "SELECT name, token, beat FROM lease")
	sum := int64(0)
	for _, l := range all {
		if !strings.HasPrefix(l.Name, markPrefix) {
			sum += l.Token + l.Beat
		}
	}
	return sum, err
}

type leaseCount struct {
	Name        string
	Token, Beat int64
}

func setMark(ctx context.Context, tx Tx, mark string) error {
	sum, err := countLeases(ctx, tx)
	if err == nil {
		_, err = tx.Exec(ctx, "INSERT INTO lease (name, holder, token, beat, ttl, renewed) VALUES ($1, '', $2, 0, 0, 0)", markPrefix+mark, sum)
	}
	return err
}

// marked says whether a restore with this mark has filled the catalog, and nobody
// has used it since.
func marked(ctx context.Context, tx Tx, tables []Table, mark string) (bool, error) {
	if mark == "" || !slices.ContainsFunc(tables, func(t Table) bool { return t.Name == "lease" }) {
		return false, nil
	}
	then, found, err := Find[int64](ctx, tx, "SELECT token FROM lease WHERE name = $1", markPrefix+mark)
	if err != nil || !found {
		return false, err
	}
	now, err := countLeases(ctx, tx)
	return err == nil && now == then, err
}

// Unmark ends a restore: what it has put into the catalog stays.
func Unmark(ctx context.Context, c Catalog, mark string) error {
	return c.Update(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM lease WHERE name = $1", markPrefix+mark)
		return err
	})
}
