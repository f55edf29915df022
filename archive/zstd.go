package archive

import (
	"sync"

	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// pageWindow is how far back, in bytes, a page is compressed with: no page is
// much larger. The library's own encoders keep 8 MiB each, and make new ones all
// the time.
const pageWindow = 1 << 20

// smallZstd is the library's codec with one encoder of a small window. It is
// safe for concurrent use.
type smallZstd struct {
	compress.ErrorCodec
	encoder *zstd.Encoder
}

// Encode compresses src.
func (c *smallZstd) Encode(dst, src []byte) []byte { return c.encoder.EncodeAll(src, dst[:0]) }

// EncodeLevel compresses src; everything here is written at one level.
func (c *smallZstd) EncodeLevel(dst, src []byte, _ int) []byte { return c.Encode(dst, src) }

// useSmallZstd makes this process write and read Parquet with smallZstd. It has
// to be called before the library is used.
var useSmallZstd = sync.OnceValue(func() error {
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		return err
	}
	known, ok := codec.(compress.ErrorCodec)
	if !ok {
		return nil // another one was registered: use that
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithZeroFrames(true), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithAllLitEntropyCompression(true), zstd.WithWindowSize(pageWindow))
	if err != nil {
		return err
	}
	compress.RegisterCodec(compress.Codecs.Zstd, &smallZstd{known, encoder})
	return nil
})
