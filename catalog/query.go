package catalog

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"reflect"
	"time"

	"github.com/millrace/millrace"
)

// One returns the first row of a query, NotFound when there is none. T is a
// value that Scan takes, or a struct whose exported fields take the columns in
// their order.
func One[T any](ctx context.Context, tx Tx, sql string, args ...any) (T, error) {
	for v, err := range Each[T](ctx, tx, sql, args...) {
		return v, err
	}
	var none T
	return none, errNoRow
}

var errNoRow = millrace.Errorf(millrace.NotFound, "there is no such row in the catalog")

// Find is One, and says whether there was a row instead of failing.
func Find[T any](ctx context.Context, tx Tx, sql string, args ...any) (v T, found bool, err error) {
	v, err = One[T](ctx, tx, sql, args...)
	if errors.Is(err, errNoRow) {
		return v, false, nil
	}
	return v, err == nil, err
}

// All returns all rows of a query, nil when there is none. See One.
func All[T any](ctx context.Context, tx Tx, sql string, args ...any) ([]T, error) {
	var all []T
	for v, err := range Each[T](ctx, tx, sql, args...) {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Each yields the rows of a query one by one, and last an error if there was
// one. No other statement can run while it does. See One.
func Each[T any](ctx context.Context, tx Tx, sql string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			yield(none, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var v T
			if err := rows.Scan(targets(&v)...); err != nil {
				yield(none, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, err)
		}
	}
}

// targets returns what a row is scanned into: v itself, or its fields.
func targets(v any) []any {
	r := reflect.ValueOf(v).Elem()
	if r.Kind() != reflect.Struct {
		return []any{v}
	}
	switch v.(type) {
	case *time.Time, sql.Scanner:
		return []any{v}
	}
	var fields []any
	for i := range r.NumField() {
		if r.Type().Field(i).IsExported() {
			fields = append(fields, r.Field(i).Addr().Interface())
		}
	}
	return fields
}
