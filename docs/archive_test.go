package docs_test

import "strings"

// isArchiveQuery says whether a block reads the archive's files.
func isArchiveQuery(b block) bool { return strings.Contains(b.text, "read_parquet(") }
