package blob

import "context"

// A Pruner is a Bucket that keeps more of a deleted object than its content
// for a while, such as the folder that it was in.
type Pruner interface {
	// Prune removes what is left of objects that were deleted: it makes it
	// durable that those below the prefix, which is a folder and ends with a
	// slash, are gone, and removes the folders in which no object is left.
	Prune(ctx context.Context, prefix string) error
}
