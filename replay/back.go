package replay

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"pawl/schemas/record"
	"pawl/statestore"
)

// PlanBack says what Back would do, and changes nothing.
func PlanBack(ctx context.Context, o Options) (*Plan, error) {
	return planned(ctx, o, ModeInPlace, true)
}

// Back takes the application, which must be stopped, back to the nearest state at or before the
// point. Whatever it processes again then is put out again, with the next incarnation in the
// header pawl.src.
func Back(ctx context.Context, o Options) (done *Turned, err error) {
	began := time.Now()
	s, err := reach(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.hold(); err != nil {
		return nil, err
	}
	if err := s.stopped(ctx); err != nil {
		return nil, err
	}
	if err := s.choose(ctx, true); err != nil {
		return nil, err
	}
	done = &Turned{Plan: s.plan(ModeInPlace)}
	done.Changes, err = s.turn(ctx, func(t *task) (*statestore.Pebble, record.Position, error) {
		store, err := s.build(ctx, t, &t.start, t.name+pointSuffix)
		return store, t.start.position, err
	})
	done.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	for _, t := range s.tasks {
		err = errors.Join(err, s.env.Remove(filepath.Join(s.dir, t.name+pointSuffix)))
	}
	return done, err
}

// pointSuffix ends the folder of the state that a task is taken back to.
const pointSuffix = ".point"

// turn moves all tasks to what target gives of each.
func (s *session) turn(ctx context.Context,
	target func(*task) (*statestore.Pebble, record.Position, error)) (changes map[string]int64,
	err error) {
	u, err := s.newTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, m := range u.moves {
			err = errors.Join(err, m.to.Close())
		}
	}()
	for _, t := range s.tasks {
		if t.last == nil {
			continue
		}
		store, position, err := target(t)
		if err != nil {
			return nil, err
		}
		u.moves = append(u.moves, &move{t: t, to: store, position: position})
	}
	if len(u.moves) == 0 {
		return nil, fmt.Errorf("application %s has committed nothing yet: there is nothing to "+
			"take back", s.o.Config.ApplicationID)
	}
	return u.run(ctx)
}
