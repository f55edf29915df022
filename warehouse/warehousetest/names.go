package warehousetest

import "testing"

// testEngineNames loads properties that are called like the columns that
// engines have without being asked.
func testEngineNames(t *testing.T, place Place) {
	b := open(t, place)
	b.apply(b.track(`{"ctid":"a","xmin":1,"xmax":2,"cmin":3,"cmax":4,"tableoid":5,"rowid":6,"oid":7,"a":{"ctid":8}}`)...)
	b.apply(b.track(`{"ctid":"b","ctid_property":"c"}`)...)
	for _, body := range []string{
		`{"userId":"u1","traits":{"rowid":70,"ctid":80,"plan":"free"}}`,
		`{"userId":"u2","traits":{"rowid":0,"plan":"pro"}}`,
		`{"userId":"u1","traits":{"rowid":null,"plan":"pro"}}`,
	} {
		b.apply(b.next("identify", body))
	}
	b.want(map[string]string{
		"SELECT ctid_property, xmin_property, xmax_property, cmin_property, cmax_property, tableoid_property, rowid_property, oid, a_ctid FROM web.a ORDER BY _seq LIMIT 1": "a 1 2 3 4 5 6 7 8",
		"SELECT value FROM web.discards WHERE column_name = 'ctid_property'":                                                                                                "c",
		"SELECT id, rowid_property, ctid_property, plan FROM web.users ORDER BY id":                                                                                         "u1 - 80 pro | u2 0 - pro",
		"SELECT DISTINCT original FROM millrace.names WHERE name = 'ctid_property' ORDER BY 1":                                                                              "properties.ctid | traits.ctid",
	})
}
