// Package browser holds the published browser library that collect serves. Its
// files are filled into dist by `npm ci && node build.mjs` in this folder;
// without that, dist holds a placeholder only.
package browser

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// Dist returns the files of the library: standalone.js and its bundles, or
// only a placeholder when they have not been built in.
func Dist() fs.FS {
	sub, err := fs.Sub(files, "dist")
	if err != nil { // dist is embedded: it is there
		panic(err)
	}
	return sub
}
