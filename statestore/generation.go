package statestore

import (
	"unsafe"

	"github.com/tidwall/btree"
)

// generation is a set of committed changes, the newest per key, in memory of its own: a key that
// changes again takes the place it has, so what a generation holds grows with the keys, not with
// the changes.
type generation struct {
	id      *generationID
	at      map[string]int32 // index into cells
	cells   []cell
	ordered btree.Map[string, int32] // the keys of scanned tables once more, in order
	chunks  [][]byte                 // what keys and values lie in; the last one is being filled
	free    [][]byte                 // chunks to be used again
	bytes   int64
	mark    Mark
	largest int // number of keys that at has ever held
}

// generationID tells a generation from all others, also when it is gone.
type generationID struct{ _ byte }

type cell struct {
	key     string
	value   []byte // with room to grow
	deleted bool
}

const (
	chunkSize = 64 << 10
	cellCost  = 96 // memory of a cell beside its bytes: map, slice and, where ordered, tree
)

func newGeneration() *generation {
	return &generation{id: new(generationID), at: make(map[string]int32)}
}

// get returns the value of key, nil when it is deleted; it is valid until the next set.
func (g *generation) get(key []byte) (value []byte, ok bool) {
	i, ok := g.at[string(key)]
	if !ok {
		return nil, false
	}
	return g.cells[i].read(), true
}

func (c *cell) read() []byte {
	if c.deleted {
		return nil
	}
	return c.value
}

func (g *generation) set(c Change) {
	i, known := g.find(c)
	if !known {
		i = int32(len(g.cells))
		kept := g.keep(c.Key, len(c.Key))
		key := unsafe.String(unsafe.SliceData(kept), len(kept)) // never written again
		g.cells = append(g.cells, cell{key: key})
		g.at[key] = i
		if c.Ordered {
			g.ordered.Set(key, i)
		}
		g.bytes += cellCost
	}
	if c.Place != nil {
		*c.Place = Place{g.id, i}
	}
	at := &g.cells[i]
	at.deleted = c.Value == nil
	if at.value == nil || len(c.Value) > cap(at.value) {
		at.value = g.keep(c.Value, len(c.Value)+len(c.Value)/4)
		return
	}
	at.value = append(at.value[:0], c.Value...)
}

// find looks for the cell of a change where it was last, or the map says that it is.
func (g *generation) find(c Change) (i int32, known bool) {
	if c.Place != nil && c.Place.of == g.id {
		return c.Place.cell, true
	}
	i, known = g.at[string(c.Key)]
	return i, known
}

// keep copies b to memory with room for size bytes.
func (g *generation) keep(b []byte, size int) []byte {
	g.bytes += int64(size)
	if size > chunkSize/8 {
		return append(make([]byte, 0, size), b...)
	}
	last := len(g.chunks) - 1
	if last < 0 || cap(g.chunks[last])-len(g.chunks[last]) < size {
		g.turn()
		last = len(g.chunks) - 1
	}
	chunk := g.chunks[last]
	from := len(chunk)
	g.chunks[last] = chunk[:from+size]
	return append(chunk[from:from:from+size], b...)
}

func (g *generation) turn() {
	if n := len(g.free); n > 0 {
		g.chunks, g.free = append(g.chunks, g.free[n-1][:0]), g.free[:n-1]
		return
	}
	g.chunks = append(g.chunks, make([]byte, 0, chunkSize))
}

// emptied is g for another round, or nil when g is so much smaller than it once was that its
// memory is better given back: a map never shrinks.
func (g *generation) emptied() *generation {
	largest := max(g.largest, len(g.at))
	if len(g.at) < largest/4 {
		return nil
	}
	clear(g.at)
	clear(g.cells)
	return &generation{id: new(generationID), at: g.at, cells: g.cells[:0],
		free: append(g.free, g.chunks...), largest: largest}
}
