package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Steering: an instance can be told to take no more records, to go on, and to process what its
// inputs hold now and then stop. Nothing of it is kept: a process that starts again goes on. Being
// paused changes nothing else: epochs end and are committed, tasks stay where they are, and those
// that come meanwhile are restored and proved.

// steering is what an instance was told.
type steering struct {
	mu       sync.Mutex // held while it changes
	paused   atomic.Bool
	draining atomic.Bool
}

// errDraining says that an instance on its way to the end cannot be held up.
var errDraining = errors.New("the instance drains: it processes what its inputs hold, and stops")

// Pause has the tasks take no more records once those in hand are processed, and the inputs fetched
// no more. What is open is committed. It lasts until Resume, or as long as the process does.
func (in *Instance) Pause() error {
	s := &in.steer
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return errDraining
	}
	in.hold(true)
	return nil
}

// Resume ends a pause.
func (in *Instance) Resume() error {
	in.steer.mu.Lock()
	defer in.steer.mu.Unlock()
	in.hold(false)
	return nil
}

// hold begins or ends a pause.
func (in *Instance) hold(paused bool) {
	if in.steer.paused.Swap(paused) == paused {
		return
	}
	in.fetch.hold(paused)
	in.post(func() {
		for _, s := range in.slots {
			if s.task != nil {
				s.task.nudge()
			}
		}
		if paused {
			in.notice("paused: no records are taken until it is resumed")
		} else {
			in.notice("resumed")
		}
	})
}

// hold stops fetching all inputs, or goes on.
func (f *fetcher) hold(paused bool) {
	topics := f.in.bind.topics(true)
	f.do(func() {
		if paused {
			f.cl.PauseFetchTopics(topics...)
		} else {
			f.cl.ResumeFetchTopics(topics...)
		}
	})
}

// held says that the task is to take no records. The time that passes is not one of quiet inputs.
func (t *task) held() bool {
	if !t.in.steer.paused.Load() {
		return false
	}
	t.waitedAt, t.quietAt = time.Time{}, time.Time{}
	t.setIdle()
	return true
}

const (
	drainLook  = 500 * time.Millisecond // between two looks at how far it is
	drainStuck = 2 * time.Second        // without progress, before the logs are looked into
)

// Drain has the whole application's inputs processed to the ends that they have now, and then stops
// the instance as Stop does. It ends a pause, and returns at once. What the group has committed
// decides, so that instances that all drain stop when all is done, and no task moves before that.
func (in *Instance) Drain(ctx context.Context) error {
	ends, err := in.adm.ListEndOffsets(ctx, in.bind.topics(true)...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("end offsets of the inputs: %w", err)
	}
	in.steer.mu.Lock()
	defer in.steer.mu.Unlock()
	if in.steer.draining.Swap(true) {
		return nil
	}
	in.hold(false)
	in.post(func() {
		in.notice("draining: stops when what the inputs hold now is processed")
		in.background(func() { in.drainTo(ends) })
	})
	return nil
}

// drainTo waits until everything before ends is committed, and stops the instance.
func (in *Instance) drainTo(ends kadm.ListedOffsets) {
	began, moved, last := time.Now(), time.Now(), int64(-1)
	for in.ctx.Err() == nil {
		left, err := in.undrained(ends, time.Since(moved) > drainStuck)
		switch {
		case err != nil:
			in.waiting("", fmt.Sprintf("how far it is to the inputs' ends: %v", err),
				time.Since(began))
		case left == 0:
			in.notice("drained")
			in.Stop()
			return
		case left != last:
			moved, last = time.Now(), left
			in.waiting("", fmt.Sprintf("the inputs' ends: %d records left", left),
				time.Since(began))
		}
		pause(in.ctx, drainLook)
	}
}

// undrained counts what is not committed before ends. Where logs end in batches without records no
// task gets to the end; deep looks for that.
func (in *Instance) undrained(ends kadm.ListedOffsets, deep bool) (left int64, err error) {
	ctx, cancel := context.WithTimeout(in.ctx, in.cfg.SessionTimeout)
	defer cancel()
	offsets, err := in.adm.FetchOffsets(ctx, in.cfg.ApplicationID)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return 0, err
	}
	starts, err := in.adm.ListStartOffsets(ctx, in.bind.topics(true)...)
	if err != nil {
		return 0, err
	}
	behind := func(b boundInput, partition int32, at int64) int64 {
		if start, ok := starts.Lookup(b.topic, partition); ok {
			at = max(at, start.Offset)
		}
		end, ok := ends.Lookup(b.topic, partition)
		if !ok || at >= end.Offset {
			return 0
		}
		if deep {
			if empty, err := in.hollow(ctx, b, partition, at, end.Offset); err == nil && empty {
				return 0
			}
		}
		return end.Offset - at
	}
	for i, b := range in.bind.inputs {
		if b.global {
			n, err := in.undrainedGlobal(i, behind)
			if err != nil {
				return 0, err
			}
			left += n
			continue
		}
		for p := range ends[b.topic] {
			at := int64(-1)
			if o, ok := offsets.Lookup(b.topic, p); ok {
				at = o.At
			}
			left += behind(b, p, at)
		}
	}
	return left, nil
}

// undrainedGlobal counts what the tasks of this instance have not committed of a global topic's
// partition, for which a group has no offsets.
func (in *Instance) undrainedGlobal(input int,
	behind func(b boundInput, partition int32, at int64) int64) (left int64, err error) {
	in.statusMu.Lock()
	tasks := slices.Collect(maps.Keys(in.statuses))
	in.statusMu.Unlock()
	for _, p := range tasks {
		err := in.View(p, nil, func(v *StateView) error {
			b := in.bind.inputs[input]
			left += behind(b, b.partition, v.Position.Inputs[input].Offset)
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return left, nil
}
