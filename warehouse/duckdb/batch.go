package duckdb

import "github.com/millrace/millrace/warehouse"

// receiveBatch reads the entries that follow a request.
func receiveBatch(w *wire, req *request) (warehouse.Batch, error) {
	entries, err := w.receiveEntries(req.Workspace)
	return warehouse.Batch{Entries: entries, Through: req.Through, Flush: req.Flush, Spare: req.Spare, Reason: req.Reason}, err
}
