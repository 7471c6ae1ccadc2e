package statestore

import (
	"bytes"
	"slices"
	"sync"

	"github.com/tidwall/btree"
)

// Mem is the model Store: a sorted map. What is applied is flushed.
type Mem struct {
	mu   sync.RWMutex
	data btree.Map[string, []byte]
	mark Mark
}

// NewMem returns an empty Mem.
func NewMem() *Mem { return &Mem{} }

// Get implements Store.
func (s *Mem) Get(key []byte) ([]byte, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.data.Get(string(key))
	return v, ok, nil
}

// Scan implements Store.
func (s *Mem) Scan(from, to []byte, fn func(key, value []byte) bool) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.data.Ascend(string(from), func(k string, v []byte) bool {
		return bytes.Compare([]byte(k), to) < 0 && fn([]byte(k), v)
	})
	return nil
}

// Apply implements Store.
func (s *Mem) Apply(changes []Change, m Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if c.Value == nil {
			s.data.Delete(string(c.Key))
			continue
		}
		s.data.Set(string(c.Key), slices.Clone(c.Value))
	}
	s.mark = m
	return nil
}

// Mark implements Store.
func (s *Mem) Mark() Mark {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mark
}

// Flush implements Store.
func (s *Mem) Flush() error { return nil }

// Close implements Store.
func (s *Mem) Close() error { return nil }
