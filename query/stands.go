package query

import (
	"sync"

	"pawl/schemas/record"
)

// stands keeps how the tasks' places are shown, each once an epoch: all who read the same epoch get
// the same. What it gives must not be changed. nil keeps nothing.
type stands struct {
	mu   sync.Mutex
	last map[int32]standing
}

func newStands() *stands { return &stands{last: make(map[int32]standing)} }

// of is where a task of this instance stands.
func (s *stands) of(q *question, task int32, at record.Position) standing {
	if s == nil {
		return standingOf(taskName(q.shape.Pipeline, task), q.shape.Instance, task, at)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.last[task]
	if ok && known.Epoch == at.Epoch && known.Claim == at.Claim {
		return known
	}
	now := standingOf(taskName(q.shape.Pipeline, task), q.shape.Instance, task, at)
	if at.Epoch == 0 {
		return now // no commit has said where that is: it may be elsewhere next time
	}
	now.text = now.append(nil)
	now.tag = etagPart(&now)
	s.last[task] = now
	return now
}
