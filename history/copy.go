package history

import "context"

// Copy writes a copy of the file to another, which is not there yet, while
// others go on; samples wait for it, about a second for 100 MB.
func (s *Store) Copy(ctx context.Context, file string) error {
	s.files.RLock()
	defer s.files.RUnlock()
	if s.write == nil {
		return errClosed
	}
	if _, err := s.write.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return s.trouble("copying the charts", err)
	}
	return nil
}
