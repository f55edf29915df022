package app

// WithoutLogCheck returns options for a log whose blocks are not checked when
// it is opened, as older blocks are not.
func (o Options) WithoutLogCheck() Options {
	o.logCheckBytes = -1
	return o
}
