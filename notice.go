package millrace

import _ "embed"

// Notice is the licences of everything that the binary holds.
//
//go:embed NOTICE
var Notice string
