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

// Promote lets the finished shadow of o.ID take the place of the application, which must be
// stopped: the shadow reads on to where the application stopped, and its state becomes the
// application's. What the application has put out stays. The options must be those of the shadow.
func Promote(ctx context.Context, o Options) (done *Turned, err error) {
	began := time.Now()
	s, err := reach(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.hold(); err != nil {
		return nil, err
	}
	if _, err := s.recall(); err != nil {
		return nil, err
	}
	if err := s.stopped(ctx); err != nil {
		return nil, err
	}
	k, err := s.newSink(nil)
	if err != nil {
		return nil, err
	}
	done = &Turned{}
	done.Changes, err = s.turn(ctx, func(t *task) (*statestore.Pebble, record.Position, error) {
		return s.readOn(ctx, t, k)
	})
	if err == nil {
		err = s.forget() // it is of an earlier incarnation now
	}
	done.Plan = s.plan(ModePromote)
	done.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	return done, err
}

// PlanPromote says what Promote would do, and changes nothing.
func PlanPromote(ctx context.Context, o Options) (p *Plan, err error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.hold(); err != nil {
		return nil, err
	}
	if _, err := s.recall(); err != nil {
		return nil, err
	}
	for _, t := range s.tasks {
		if t.last == nil {
			continue
		}
		err := s.env.Inspect(filepath.Join(s.dir, t.name), func(store *statestore.Pebble) error {
			return s.standsAt(ctx, t, store)
		})
		if err != nil {
			return nil, err
		}
	}
	return s.plan(ModePromote), nil
}

// standsAt makes a shadow's store the start of its task.
func (s *session) standsAt(ctx context.Context, t *task, store statestore.Store) error {
	p, err := s.positionIn(ctx, store)
	if err != nil {
		return err
	}
	if p.Incarnation != t.last.Incarnation {
		return fmt.Errorf("task %s was taken back since the shadow ran: it is of incarnation %d, "+
			"and the shadow of %d; run the shadow again", t.name, t.last.Incarnation,
			p.Incarnation)
	}
	t.start = start{position: p, known: true, label: "the shadow's", why: "it is finished"}
	return nil
}

// readOn takes a shadow's store to where its task stands, and leaves it open.
func (s *session) readOn(ctx context.Context, t *task, k *sink) (*statestore.Pebble,
	record.Position, error) {
	store, err := s.env.OpenPebble(filepath.Join(s.dir, t.name))
	if err != nil {
		return nil, record.Position{}, err
	}
	if err = s.standsAt(ctx, t, store); err == nil {
		err = s.rerun(ctx, t, store, t.start.position, t.last, k.of(ctx, t), func(n int64) {
			s.o.Progress("reading on", n, 0)
		})
	}
	if err == nil {
		err = k.end(ctx)
	}
	var p record.Position
	if err == nil {
		p, err = s.positionIn(ctx, store)
	}
	if err != nil {
		return nil, p, errors.Join(err, store.Close())
	}
	return store, p, nil
}
