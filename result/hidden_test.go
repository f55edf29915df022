package result

// CachedBytes is the size of the windows in memory, for tests.
func (s *Store) CachedBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.windowed
}
