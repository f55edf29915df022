package eventlog

import "github.com/millrace/millrace"

// MaxWorkspaceLength is how many bytes the name of a workspace may have.
const MaxWorkspaceLength = 255

// Size returns the bytes that r counts against MaxAppendSizeBytes: those of its
// strings, its body and its meta.
func Size(r *millrace.Record) int {
	return len(r.ID) + len(r.Workspace) + len(r.Source) + len(r.Stream) + len(r.Key) + len(r.Body) + len(r.Meta)
}

// CheckAppend returns what is wrong with the argument of an Append: Invalid
// when there are no records or one lacks ID or workspace, TooLarge when they
// are over the limits. Backends call it first.
func CheckAppend(records []millrace.Record) error {
	if len(records) == 0 {
		return millrace.Errorf(millrace.Invalid, "append of no records: pass at least one")
	}
	if len(records) > MaxAppendRecords {
		return millrace.Errorf(millrace.TooLarge, "append of %d records: at most %d go in one call, split them", len(records), MaxAppendRecords)
	}
	size := 0
	for i := range records {
		r := &records[i]
		if r.ID == "" {
			return millrace.Errorf(millrace.Invalid, "record %d of the append has no ID: make one before it is stored", i)
		}
		if r.Workspace == "" || len(r.Workspace) > MaxWorkspaceLength {
			return millrace.Errorf(millrace.Invalid, "record %d of the append: its workspace name has %d bytes, 1 to %d are allowed", i, len(r.Workspace), MaxWorkspaceLength)
		}
		if r.Op > millrace.OpDelete {
			return millrace.Errorf(millrace.Invalid, "record %d of the append has the unknown operation %d", i, r.Op)
		}
		size += Size(r)
	}
	if size > MaxAppendSizeBytes {
		return millrace.Errorf(millrace.TooLarge, "append of %d bytes: at most %d go in one call, split the records", size, MaxAppendSizeBytes)
	}
	return nil
}
