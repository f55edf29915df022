//go:build race

package archive

// crashStride: with the race detector every third step is enough; without it
// each one is tested.
const crashStride = 3
