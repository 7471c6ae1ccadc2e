package processor

import (
	"hash/maphash"
	"math"
	"unsafe"

	"pawl/statestore"
)

// entry is a key's decoded value. Dirty and pinned entries hold what the store does not have yet
// and must not be evicted; after an abort they must be.
//
// What a look-up touches comes first and together: most entries are in none of the processor's
// caches, and each further line of memory costs as much as a hundred instructions.
type entry[V any] struct {
	key    string
	short  [shortKey]byte // what key consists of, where it fits
	live   bool
	dirty  bool
	pinned bool
	used   bool
	gone   bool // evicted; the ring drops it when the hand comes by
	val    V
	hash   uint64 // of key and value as last committed or sealed; 0 when absent
	size   int64
	next   *entry[V]        // of another key with the same hash in the index
	place  statestore.Place // where committed changes are buffered
}

// shortKey is the length up to which a key lies in its entry: that of a name of 19 bytes, or of one
// of 10 with a time.
const shortKey = 24

func newEntry[V any](key []byte) *entry[V] {
	e := new(entry[V])
	if len(key) > shortKey {
		e.key = string(key)
		return e
	}
	n := copy(e.short[:], key)
	e.key = unsafe.String(&e.short[0], n) // never written again
	return e
}

// index finds entries by key. A map of hashes does so with fewer looks at memory than one of
// strings, whose bytes lie elsewhere.
type index[V any] struct {
	seed  maphash.Seed // a secret: nobody can choose keys that have one hash
	mask  uint32       // the bits of a hash that count; few in a test
	first map[uint32]*entry[V]
	n     int
}

func newIndex[V any]() index[V] {
	return index[V]{seed: maphash.MakeSeed(), mask: math.MaxUint32,
		first: make(map[uint32]*entry[V])}
}

func (x *index[V]) get(key []byte) *entry[V] {
	e := x.first[uint32(maphash.Bytes(x.seed, key))&x.mask]
	for e != nil && e.key != string(key) {
		e = e.next
	}
	return e
}

// add takes an entry in whose key is not there.
func (x *index[V]) add(e *entry[V]) {
	hash := uint32(maphash.String(x.seed, e.key)) & x.mask
	e.next = x.first[hash]
	x.first[hash] = e
	x.n++
}

// remove takes an entry out that is there.
func (x *index[V]) remove(e *entry[V]) {
	hash := uint32(maphash.String(x.seed, e.key)) & x.mask
	first := x.first[hash]
	switch {
	case first != e:
		for first.next != e {
			first = first.next
		}
		first.next = e.next
	case e.next == nil:
		delete(x.first, hash)
	default:
		x.first[hash] = e.next
	}
	e.next = nil
	x.n--
}
