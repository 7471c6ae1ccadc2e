package processor

import (
	"fmt"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// StoredState is a task's state in a store that nobody writes any more, such as a checkpoint's.
type StoredState struct {
	Task      string
	Partition int32
	Position  record.Position // of the store's mark
	Store     *statestore.Buffered
	Resolver  *schemas.Resolver // of the schemas its values are written with
}

// View calls fn with the ranges, as Instance.View does for a running task.
func (s *StoredState) View(ranges []StateRange, fn func(*StateView) error) (err error) {
	bounds := make([]statestore.Range, len(ranges))
	for i := range ranges {
		bounds[i] = ranges[i].bounds()
	}
	view, err := s.Store.View(bounds...)
	if err != nil {
		return fmt.Errorf("task %s: %w", s.Task, err)
	}
	defer func() {
		if closeErr := view.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("task %s: %w", s.Task, closeErr)
		}
	}()
	return fn(&StateView{Task: s.Task, Partition: s.Partition, Position: s.Position,
		resolver: s.Resolver, view: view, ranges: ranges, ended: func() bool { return false }})
}
