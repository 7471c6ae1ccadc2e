package query

import (
	"context"
	"sync/atomic"
	"time"
)

// An instance that was asked may be slow, or frozen: then nothing says so, its connections stand.
// The group does, when it gives the tasks to others.
const (
	hopLook = 500 * time.Millisecond // between two looks whether its tasks are elsewhere
	hopMost = 5 * time.Second        // how long it is waited for if they stay
)

// patient is ctx for as long as it pays to wait for the instance at an address: until its tasks
// have another owner, then moved says so, or for hopMost and what the question wants to wait for
// an epoch. Whoever calls it calls end.
func (s *server) patient(ctx context.Context, q *question, address string, tasks []int32) (
	patient context.Context, moved *atomic.Bool, end func()) {
	most := hopMost
	if q.minAny > 0 || len(q.minEpoch) > 0 {
		most += q.wait
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	moved = new(atomic.Bool)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for rest(ctx, hopLook) {
			s.options.Directory.Doubt()
			for _, task := range tasks {
				if now, ok := s.options.Directory.Owner(ctx, task); ok && now != address {
					moved.Store(true)
					cancel()
					return
				}
			}
		}
	}()
	return ctx, moved, func() {
		cancel()
		<-done
	}
}
