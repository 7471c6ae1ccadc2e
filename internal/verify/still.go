package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// ErrMoving says that the application was writing while Check looked where its logs end. Nothing is
// known then: ask again.
var ErrMoving = errors.New("the application is writing")

// Still is a Source for the logs of an application that may not stand still. What it answers on
// ends and committed offsets is asked for once more before the first log is read, and must be the
// same: as all of these only grow, there was a moment between at which all of them held.
func Still(s Source) Source {
	return &still{Source: s, bounds: make(map[string][]Bounds),
		committed: make(map[string][]int64)}
}

type still struct {
	Source

	mu        sync.Mutex
	bounds    map[string][]Bounds
	committed map[string][]int64
	sure      bool
}

// Bounds implements Source.
func (s *still) Bounds(ctx context.Context, topic string) ([]Bounds, error) {
	b, err := s.Source.Bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bounds[topic] = slices.Clone(b) // Check moves what it gets
	return b, nil
}

// Committed implements Source.
func (s *still) Committed(ctx context.Context, topic string) ([]int64, error) {
	c, err := s.Source.Committed(ctx, topic)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.committed[topic] = slices.Clone(c)
	return c, nil
}

// Open implements Source.
func (s *still) Open(ctx context.Context, topic string, partition int32, b Bounds) (Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sure {
		if err := s.askAgain(ctx); err != nil {
			return nil, err
		}
		s.sure = true
	}
	return s.Source.Open(ctx, topic, partition, b)
}

func (s *still) askAgain(ctx context.Context) error {
	for topic, was := range s.bounds {
		now, err := s.Source.Bounds(ctx, topic)
		if err != nil {
			return err
		}
		// Where a log begins is for retention to move, not for the application.
		same := slices.EqualFunc(was, now, func(a, b Bounds) bool { return a.To == b.To })
		if !same {
			return fmt.Errorf("topic %s: %w", topic, ErrMoving)
		}
	}
	for topic, was := range s.committed {
		now, err := s.Source.Committed(ctx, topic)
		if err != nil {
			return err
		}
		if !slices.Equal(was, now) {
			return fmt.Errorf("committed offsets of topic %s: %w", topic, ErrMoving)
		}
	}
	return nil
}
