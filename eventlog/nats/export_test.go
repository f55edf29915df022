package nats

// Dir returns the log's folder.
func (l *Log) Dir() string { return l.o.Dir }
