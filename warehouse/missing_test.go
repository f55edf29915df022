package warehouse_test

import (
	"errors"
	"testing"

	"github.com/millrace/millrace"
	"github.com/millrace/millrace/warehouse"
)

func TestNotThere(t *testing.T) {
	t.Parallel()
	has := []warehouse.TableName{{Schema: "web", Table: "tracks"}, {Schema: "web", Table: "order_completed"}, {Schema: "shop", Table: "orders"}}
	sources := map[string]string{"web": "web", "shop": "shop", "till": "till"}
	for _, named := range []warehouse.TableName{
		{Schema: "web", Table: "order_complete"}, {Schema: "web", Table: "orders"}, {Schema: "web", Table: "user"}, {Schema: "web", Table: "users"}, {Schema: "web", Table: "quite_another"},
		{Schema: "till", Table: "tracks"}, {Schema: "wbe", Table: "tracks"}, {Schema: "nowhere", Table: "orders"}, {Table: "order"}, {Table: "quite_another"},
	} {
		err := warehouse.Missing{TableName: named, Has: has, Sources: sources}.Explain()
		if !warehouse.NotThere(err) {
			t.Errorf("%s is not known as a table that is not there: %v", named, err)
		}
	}
	for _, err := range []error{
		nil, errors.New("there is no table web.orders"), millrace.Errorf(millrace.NotFound, "there is no table web.orders"),
		millrace.Errorf(millrace.Invalid, "there is no column colour"),
		warehouse.Missing{TableName: warehouse.TableName{Table: "orders"}, Has: has}.Explain(), // it is there, under another name
	} {
		if warehouse.NotThere(err) {
			t.Errorf("%v is taken for a table that is not there", err)
		}
	}
}
