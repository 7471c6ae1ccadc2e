package statestore

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/tidwall/btree"

	"pawl/internal/mutant"
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
	spare   *generation // the last one written, emptied: its map need not grow again
	mark    Mark
	spills  int64 // generations that began to be written
}

// NewBuffered buffers changes for base.
func NewBuffered(base Store) *Buffered {
	return &Buffered{base: base, mark: base.Mark(), active: newGeneration()}
}

// Get implements Store.
func (s *Buffered) Get(key []byte) ([]byte, bool, error) {
	if value, ok := s.buffered(key); ok {
		return value, value != nil, nil
	}
	return s.base.Get(key)
}

// buffered returns a copy: Apply writes over what it has.
func (s *Buffered) buffered(key []byte) (value []byte, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok = s.active.get(key)
	if !ok && s.writing != nil {
		value, ok = s.writing.get(key)
	}
	return bytes.Clone(value), ok
}

// Apply implements Store.
func (s *Buffered) Apply(changes []Change, m Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.active
	for _, c := range changes {
		g.set(c)
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

// DiskBytes is the size of the store below where it knows it, else 0. It must be open.
func (s *Buffered) DiskBytes() int64 {
	if sized, ok := s.base.(interface{ DiskBytes() int64 }); ok {
		return sized.DiskBytes()
	}
	return 0
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
	if len(g.at) == 0 && g.mark.Offset == 0 {
		s.mu.Unlock()
		return nil
	}
	s.writing, s.active, s.spare = g, s.spare, nil
	s.spills++
	if s.active == nil {
		s.active = newGeneration()
	}
	s.mu.Unlock()

	changes := make([]Change, len(g.cells))
	for i := range g.cells {
		c := &g.cells[i]
		changes[i] = Change{Key: unsafe.Slice(unsafe.StringData(c.key), len(c.key)),
			Value: c.read()}
	}
	var err error
	if mutant.Is(mutant.SplitApply) {
		err = errors.Join(s.base.Apply(nil, g.mark), s.base.Flush())
	}
	err = errors.Join(err, s.base.Apply(changes, g.mark))
	if err != nil {
		return fmt.Errorf("spill %d state changes: %w", len(changes), err)
	}
	s.mu.Lock()
	s.writing = nil
	s.mu.Unlock()
	s.spare = g.emptied() // Spill's own: nobody reads g any more
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
	g  *generation
	it btree.MapIter[string, int32]
	to []byte
	ok bool
}

func newCursor(g *generation, from, to []byte) *cursor {
	c := &cursor{g: g, it: g.ordered.Iter(), to: to}
	c.ok = c.it.Seek(string(from))
	c.check()
	return c
}

func (c *cursor) check() { c.ok = c.ok && bytes.Compare([]byte(c.it.Key()), c.to) < 0 }

// least returns the smallest key of the layers; on a tie the first layer's value.
func least(layers []*cursor) (key string, value []byte, ok bool) {
	for _, c := range layers {
		if c.ok && (!ok || c.it.Key() < key) {
			key, value, ok = c.it.Key(), c.g.cells[c.it.Value()].read(), true
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
