package processortest

import (
	"math/rand/v2"

	"pawl/statestore"
)

// disk is what a task's store lies on, which outlives the process.
type disk interface {
	Open() (statestore.Store, error)
	Crash(chance *rand.Rand) error // what was not flushed may be lost
	Close() error
}

// memory is a disk that keeps all that reaches it. A task buffers before that, so a crash loses
// what was not spilled.
type memory struct{ store *statestore.Mem }

func newMemory() *memory { return &memory{statestore.NewMem()} }

func (m *memory) Open() (statestore.Store, error) { return m.store, nil }
func (m *memory) Crash(*rand.Rand) error          { return nil }
func (m *memory) Close() error                    { return nil }
