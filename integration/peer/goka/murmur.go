package main

import (
	"encoding/binary"
	"hash"
)

// murmur2 is the hash of Kafka's default partitioner, positive as Kafka makes it, so that decisions
// and state stand on the partition of their transactions. goka's own is another.
type murmur2 struct{ key []byte }

func newMurmur2() hash.Hash32 { return new(murmur2) }

func (m *murmur2) Write(p []byte) (int, error) {
	m.key = append(m.key, p...)
	return len(p), nil
}

func (m *murmur2) Reset()         { m.key = m.key[:0] }
func (m *murmur2) Size() int      { return 4 }
func (m *murmur2) BlockSize() int { return 4 }

func (m *murmur2) Sum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, m.Sum32()) }

func (m *murmur2) Sum32() uint32 {
	const factor, seed = uint32(0x5bd1e995), uint32(0x9747b28c)
	h := seed ^ uint32(len(m.key))
	rest := m.key
	for ; len(rest) >= 4; rest = rest[4:] {
		k := binary.LittleEndian.Uint32(rest) * factor
		h = h*factor ^ (k^k>>24)*factor
	}
	if len(rest) > 0 {
		var tail [4]byte
		copy(tail[:], rest)
		h = (h ^ binary.LittleEndian.Uint32(tail[:])) * factor
	}
	h ^= h >> 13
	h *= factor
	h ^= h >> 15
	return h & 0x7fffffff
}
