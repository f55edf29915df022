package access_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/catalog"
)

func asError(err error, e **millrace.Error) bool { return errors.As(err, e) }

// all reads from the store itself.
func all[T any](ctx context.Context, w *world, sql string, args ...any) (out []T, err error) {
	err = w.catalog.Catalog.View(ctx, func(tx catalog.Tx) (err error) {
		out, err = catalog.All[T](ctx, tx, sql, args...)
		return err
	})
	return out, err
}

// TestMain has rapid run few machines: -rapid.checks=1000 runs more.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "5"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
