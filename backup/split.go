package backup

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
)

// Sizes of chunks. Where a file is cut depends on its content alone, so that
// what is inserted or left out changes the chunks around it and no others.
const (
	minChunkBytes = 256 << 10
	maxChunkBytes = 4 << 20
	splitBits     = 20 // a cut about every 1 MiB behind the least
)

// A splitter cuts content into chunks.
type splitter struct {
	gear [256]uint64
}

func newSplitter(key [32]byte) *splitter {
	s := &splitter{}
	for i := range s.gear {
		h := hmac.New(sha256.New, key[:])
		h.Write([]byte{byte(i)})
		s.gear[i] = binary.LittleEndian.Uint64(h.Sum(nil))
	}
	return s
}

// cut returns where the first chunk of data ends: all of it when there is no cut.
func (s *splitter) cut(data []byte) int {
	if len(data) <= minChunkBytes {
		return len(data)
	}
	const mask = (1<<splitBits - 1) << (64 - splitBits)
	var hash uint64
	for i, c := range data[minChunkBytes-64 : min(len(data), maxChunkBytes)] {
		hash = hash<<1 + s.gear[c]
		if hash&mask == 0 && i >= 64 {
			return minChunkBytes - 64 + i + 1
		}
	}
	return min(len(data), maxChunkBytes)
}

// split gives the chunks of a reader, one after the other, in memory that is
// used again.
func (s *splitter) split(r io.Reader, give func(chunk []byte) error) error {
	in := bufio.NewReaderSize(r, 2*maxChunkBytes)
	for {
		data, err := in.Peek(maxChunkBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(data) == 0 {
			return nil
		}
		n := s.cut(data)
		if err := give(data[:n]); err != nil {
			return err
		}
		if _, err := in.Discard(n); err != nil {
			return err
		}
	}
}
