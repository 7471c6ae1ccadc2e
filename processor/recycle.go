package processor

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// recycler has fetched records' memory used again: franz-go fetches into it, and gets it back with
// the last Recycle of a batch's records. A record that something still refers to is not recycled,
// and its batch left to the garbage collector.
type recycler struct {
	records sizes[kgo.Record]
	bytes   sizes[byte]
}

// GetRecords implements kgo.PoolRecords.
func (r *recycler) GetRecords(n int) []kgo.Record { return r.records.get(n) }

// PutRecords implements kgo.PoolRecords.
func (r *recycler) PutRecords(s []kgo.Record) { r.records.put(s) }

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (r *recycler) GetDecompressBytes(b []byte, codec kgo.CompressionCodecType) []byte {
	return r.bytes.get(decompressed(b, codec))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (r *recycler) PutDecompressBytes(b []byte) { r.bytes.put(b) }

// decompressed guesses the size of what b holds. A guess too low costs an allocation.
func decompressed(b []byte, codec kgo.CompressionCodecType) int {
	const factor, most = 4, 64
	if codec == kgo.CodecSnappy && !bytes.HasPrefix(b, []byte("\x82SNAPPY\x00")) { // not Java's
		if n, used := binary.Uvarint(b); used > 0 && n <= uint64(most*len(b)) {
			return int(n)
		}
	}
	return factor * len(b)
}

// sizes are pools by capacity, four to a doubling, so that at most a fifth of a slice is idle.
type sizes[T any] struct {
	pools [4 * bits.UintSize]sync.Pool
}

// get returns a slice with room for n.
func (s *sizes[T]) get(n int) []T {
	class, room := above(n)
	if p, ok := s.pools[class].Get().(*[]T); ok {
		return (*p)[:0]
	}
	return make([]T, 0, room)
}

// put takes a slice back that nobody refers to any more.
func (s *sizes[T]) put(b []T) {
	class, room := above(cap(b))
	if room > cap(b) {
		class-- // of those with less room
	}
	b = b[:0]
	s.pools[max(class, 0)].Put(&b)
}

// above is the least class whose slices have room for n, and their room.
func above(n int) (class, room int) {
	n = max(n, 4)
	doubling := bits.Len(uint(n-1)) - 1 // 2^doubling < n <= 2^(doubling+1), and 4 is the end of one
	quarter := 1 << max(doubling-2, 0)
	steps := (n - 1<<doubling + quarter - 1) / quarter
	return 4*doubling + steps, 1<<doubling + steps*quarter
}
