package statestore

import (
	"bytes"
	"fmt"
	"sync"
	"unsafe"

	"github.com/tidwall/btree"
)

// Buffered holds committed changes in memory until Spill writes them to the store below, so that a
// hot key costs the disk one write every few seconds instead of one every epoch. Losing the buffer
// costs a longer restore, nothing else: the changelog holds it all.
//
// At most two generations exist: the active one, which Apply fills, and the one being written.
type Buffered struct {
	base Store

	mu      sync.RWMutex
	active  *generation
	writing *generation // nil when Spill is not running
	mark    Mark
}

// generation is a set of committed changes, the newest per key. A nil value is a deletion.
type generation struct {
	all     map[string]change
	ordered btree.Map[string, []byte] // the keys of scanned tables once more, in order
	bytes   int64
	mark    Mark
}

type change struct {
	key   []byte
	value []byte
}

// NewBuffered buffers changes for base.
func NewBuffered(base Store) *Buffered {
	return &Buffered{base: base, mark: base.Mark(), active: newGeneration()}
}

func newGeneration() *generation { return &generation{all: make(map[string]change)} }

// Get implements Store.
func (s *Buffered) Get(key []byte) ([]byte, bool, error) {
	s.mu.RLock()
	c, ok := s.active.all[string(key)]
	if !ok && s.writing != nil {
		c, ok = s.writing.all[string(key)]
	}
	s.mu.RUnlock()
	if ok {
		return c.value, c.value != nil, nil
	}
	return s.base.Get(key)
}

// Apply implements Store. It keeps the changes' slices.
func (s *Buffered) Apply(changes []Change, m Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.active
	for _, c := range changes {
		key := unsafe.String(unsafe.SliceData(c.Key), len(c.Key)) // c.Key is ours and never changes
		g.all[key] = change{c.Key, c.Value}
		if c.Ordered {
			g.ordered.Set(key, c.Value)
		}
		g.bytes += int64(len(c.Key) + len(c.Value) + 64)
	}
	g.mark = m
	s.mark = m
	return nil
}

// Mark implements Store.
func (s *Buffered) Mark() Mark {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mark
}

// Bytes is the memory the buffered changes hold, in bytes.
func (s *Buffered) Bytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := s.active.bytes
	if s.writing != nil {
		n += s.writing.bytes
	}
	return n
}

// Spill writes what is buffered to the store below, as one atomic batch. Apply may go on meanwhile;
// a second Spill may not.
func (s *Buffered) Spill() error {
	s.mu.Lock()
	if s.writing != nil {
		s.mu.Unlock()
		return fmt.Errorf("spill state: two at once")
	}
	g := s.active
	if len(g.all) == 0 && g.mark.Offset == 0 {
		s.mu.Unlock()
		return nil
	}
	s.writing, s.active = g, newGeneration()
	s.mu.Unlock()

	changes := make([]Change, 0, len(g.all))
	for _, c := range g.all {
		changes = append(changes, Change{Key: c.key, Value: c.value})
	}
	err := s.base.Apply(changes, g.mark)
	if err != nil {
		return fmt.Errorf("spill %d state changes: %w", len(changes), err)
	}
	s.mu.Lock()
	s.writing = nil
	s.mu.Unlock()
	return nil
}

// Flush implements Store.
func (s *Buffered) Flush() error {
	if err := s.Spill(); err != nil {
		return err
	}
	return s.base.Flush()
}

// Close implements Store. It drops the buffer: call Flush first to keep it.
func (s *Buffered) Close() error { return s.base.Close() }

// Scan implements Store: a merge of both generations over the store below, the newest winning.
func (s *Buffered) Scan(from, to []byte, fn func(key, value []byte) bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	layers := []*cursor{newCursor(s.active, from, to)}
	if s.writing != nil {
		layers = append(layers, newCursor(s.writing, from, to))
	}
	stopped := false
	// emit gives fn the buffered keys below limit (nil: all that are left).
	emit := func(limit []byte) bool {
		for {
			key, value, ok := least(layers)
			if !ok || limit != nil && key >= string(limit) {
				return true
			}
			advance(layers, key)
			if value != nil && !fn([]byte(key), value) {
				return false
			}
		}
	}
	err := s.base.Scan(from, to, func(key, value []byte) bool {
		if !emit(key) {
			stopped = true
			return false
		}
		if k, v, ok := least(layers); ok && k == string(key) {
			advance(layers, k)
			if v == nil {
				return true
			}
			value = v
		}
		stopped = !fn(key, value)
		return !stopped
	})
	if err == nil && !stopped {
		emit(nil)
	}
	return err
}

// cursor walks one generation's ordered keys below to.
type cursor struct {
	it btree.MapIter[string, []byte]
	to []byte
	ok bool
}

func newCursor(g *generation, from, to []byte) *cursor {
	c := &cursor{it: g.ordered.Iter(), to: to}
	c.ok = c.it.Seek(string(from))
	c.check()
	return c
}

func (c *cursor) check() { c.ok = c.ok && bytes.Compare([]byte(c.it.Key()), c.to) < 0 }

// least returns the smallest key of the layers; on a tie the first layer's value.
func least(layers []*cursor) (key string, value []byte, ok bool) {
	for _, c := range layers {
		if c.ok && (!ok || c.it.Key() < key) {
			key, value, ok = c.it.Key(), c.it.Value(), true
		}
	}
	return key, value, ok
}

func advance(layers []*cursor, key string) {
	for _, c := range layers {
		if c.ok && c.it.Key() == key {
			c.ok = c.it.Next()
			c.check()
		}
	}
}
