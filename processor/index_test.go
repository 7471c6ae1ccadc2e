package processor

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestIndex adds and removes keys of which many have the same hash, short ones and long ones, and
// compares with a map.
func TestIndex(t *testing.T) {
	t.Parallel()
	x := newIndex[int]()
	x.mask = 0x3FF
	model := make(map[string]*entry[int])
	rnd := rand.New(rand.NewPCG(3, 4))
	key := func(i int) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(i))
		return append(b, strings.Repeat("x", i%(2*shortKey))...)
	}
	const keys = 4_000
	for round := range 20 {
		for i := range keys {
			k := key(i)
			have := x.get(k)
			if have != model[string(k)] {
				t.Fatalf("round %d, key %d: %v, want %v", round, i, have, model[string(k)])
			}
			switch {
			case have == nil:
				e := newEntry[int](k)
				clear(k) // the entry has its own
				k = key(i)
				x.add(e)
				model[string(k)] = e
			case rnd.IntN(2) == 0:
				x.remove(have)
				delete(model, string(k))
			}
		}
		if x.n != len(model) {
			t.Fatalf("it says %d keys, want %d", x.n, len(model))
		}
	}
}
