package backup

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"

	"github.com/millrace/millrace"
)

// A pack is an object with chunks, and a directory of them at its end:
//
//	MLRBPCK1 | sealed chunks | sealed directory | bytes of the directory (4) | MLRBPEND
const (
	packHead     = "MLRBPCK1"
	packTail     = "MLRBPEND"
	packEndBytes = 4 + len(packTail)
	maxPackBytes = 256 << 20
)

func packKey(name string) string { return packPrefix + name[:2] + "/" + name }

func besidePack(name string) string { return "pack\n" + name + "\n" }

// A packer fills one pack after the other.
type packer struct {
	name string
	data []byte
	refs []chunkRef
}

// add seals a chunk into the pack, and says where it is.
func (p *packer) add(k *keys, id chunkID, content []byte) chunkRef {
	if p.name == "" {
		p.name, p.data, p.refs = randomName(26), []byte(packHead), nil
	}
	at := len(p.data)
	p.data = k.sealChunk(p.data, id, content)
	ref := chunkRef{Chunk: id, Pack: p.name, Offset: int64(at), Stored: int64(len(p.data) - at), Size: int64(len(content))}
	p.refs = append(p.refs, ref)
	return ref
}

// end returns the whole pack, and leaves the packer empty.
func (p *packer) end(k *keys) (name string, data []byte, err error) {
	directory, err := json.Marshal(p.refs)
	if err != nil {
		return "", nil, err
	}
	at := len(p.data)
	data = k.encrypt(p.data, directory, besidePack(p.name))
	data = binary.LittleEndian.AppendUint32(data, uint32(len(data)-at))
	data = append(data, packTail...)
	name = p.name
	*p = packer{}
	return name, data, nil
}

// directory returns what is in a pack.
func (s *Store) directory(ctx context.Context, name string) ([]chunkRef, error) {
	o, err := s.o.Bucket.Open(ctx, packKey(name))
	if err != nil {
		return nil, err
	}
	defer o.Close()
	end := make([]byte, packEndBytes)
	if o.Size() < int64(len(packHead)+packEndBytes) {
		return nil, errDamaged
	}
	if n, err := o.ReadAt(end, o.Size()-int64(len(end))); n < len(end) {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(end))
	at := o.Size() - int64(len(end)) - size
	if !bytes.Equal(end[4:], []byte(packTail)) || at < int64(len(packHead)) {
		return nil, errDamaged
	}
	sealed := make([]byte, size)
	if n, err := o.ReadAt(sealed, at); n < len(sealed) {
		return nil, err
	}
	text, err := s.keys.decrypt(sealed, besidePack(name))
	if err != nil {
		return nil, err
	}
	var refs []chunkRef
	return refs, json.Unmarshal(text, &refs)
}

// packsInMemory is how many packs a reader keeps: files lie one after the other
// in them.
const packsInMemory = 6

// A reader reads chunks, whole packs at a time.
type reader struct {
	store  *Store
	packs  map[string][]byte
	recent []string // of packs, the newest last
	bytes  int64    // read from the bucket
}

func (s *Store) reader() *reader { return &reader{store: s, packs: map[string][]byte{}} }

func (r *reader) pack(ctx context.Context, name string) ([]byte, error) {
	if data, ok := r.packs[name]; ok {
		return data, nil
	}
	if len(name) < 2 {
		return nil, errDamaged
	}
	data, err := r.store.read(ctx, packKey(name), maxPackBytes)
	if err != nil {
		return nil, err
	}
	r.bytes += int64(len(data))
	if len(r.recent) >= packsInMemory {
		delete(r.packs, r.recent[0])
		r.recent = r.recent[1:]
	}
	r.packs[name] = data
	r.recent = append(r.recent, name)
	return data, nil
}

// chunk returns the content of a chunk.
func (r *reader) chunk(ctx context.Context, ref chunkRef) ([]byte, error) {
	data, err := r.pack(ctx, ref.Pack)
	if millrace.KindOf(err) == millrace.NotFound {
		return nil, damaged(ref.Pack, true, "%s is missing", packKey(ref.Pack))
	}
	if err != nil {
		return nil, err
	}
	if ref.Offset < 0 || ref.Stored < 0 || ref.Offset+ref.Stored > int64(len(data)) {
		return nil, damaged(ref.Pack, false, "%s is shorter than it was", packKey(ref.Pack))
	}
	content, err := r.store.keys.openChunk(ref.Chunk, data[ref.Offset:ref.Offset+ref.Stored], ref.Size)
	if err != nil {
		return nil, damaged(ref.Pack, false, "%s is damaged at byte %d", packKey(ref.Pack), ref.Offset)
	}
	return content, nil
}
