package processor

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// TaskState is where a task stands in its life.
type TaskState string

// States of a task.
const (
	TaskCreated   TaskState = "CREATED"
	TaskRestoring TaskState = "RESTORING"
	TaskRunning   TaskState = "RUNNING"
	TaskSuspended TaskState = "SUSPENDED"
	TaskClosed    TaskState = "CLOSED"
	TaskFailed    TaskState = "FAILED"  // it was tried and gave up; the others go on
	TaskRefused   TaskState = "REFUSED" // the start-up proof said no
)

// task runs one partition: a goroutine that feeds fetched records to the core and hands sealed
// Effects to the instance. The instance talks to it through orders; all else in it belongs to its
// goroutine.
type task struct {
	in        *Instance
	partition int32
	name      string
	core      *core
	store     *statestore.Buffered
	fresh     record.Position // where to start without a position record

	checkpoints *checkpointer // nil when there are none
	spilling    sync.Mutex    // held while committed changes go to disk

	orders  chan order
	urgent  atomic.Int32 // orders waiting; looked at between records
	wake    chan struct{}
	stopped chan struct{}

	views views
	inbox inbox
	merge *merge
	ahead *ahead
	hot   *hotMeter // nil when keys are not to be shown

	closed atomic.Bool  // the instance is closing it; the fetcher must not start it again
	opened atomic.Int64 // when the open epoch's first record was taken, ns; 0: none
	dirty  atomic.Int64 // bytes of the open epoch
	idle   atomic.Bool  // nothing left to process
	cached atomic.Int64 // bytes of decoded state
	stored atomic.Int64 // bytes on disk, as of the last spill

	used     []int64 // bytes processed by input, not yet taken off inbox.bytes
	faulted  bool    // the open epoch is spoilt until the reset
	asking   bool    // waiting for a schema
	draining bool    // the task is being given up
	probing  bool    // looking whether an awaited input has content left
	waitedAt time.Time

	quietAt   time.Time // since when there has been no record
	quietFrom int64     // the watermark then
	tickedAt  time.Time // when an idle tick last moved it
}

// order is a request to the task's goroutine, run between two records.
type order func(ctx context.Context)

// sharedOrders is more than the instance ever has outstanding for one task.
const sharedOrders = 16

func (t *task) send(o order) {
	t.urgent.Add(1)
	select {
	case t.orders <- o:
	case <-t.stopped:
	}
}

func (t *task) nudge() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

const (
	// endWait is how long a task waits for records that the broker says exist before it looks at
	// the log itself.
	endWait = 500 * time.Millisecond
	// memoryPause is how long a task whose epoch is full sleeps between looks.
	memoryPause = 5 * time.Millisecond
)

// run is the task's goroutine.
func (t *task) run(ctx context.Context) {
	defer t.ahead.calls.Wait()
	defer close(t.stopped)
	for ctx.Err() == nil {
		if t.urgent.Load() > 0 {
			o := <-t.orders
			t.urgent.Add(-1)
			o(ctx)
			continue
		}
		wait := t.advance(ctx)
		if wait == 0 {
			// There is more to process. Without this, whoever asks for state over HTTP waits for a
			// processor until the scheduler takes this one away, up to 10 ms later.
			runtime.Gosched()
			continue
		}
		t.sleep(ctx, wait)
	}
}

// sleep waits for an order, for records, or for d (negative: no limit).
func (t *task) sleep(ctx context.Context, d time.Duration) {
	var timeout <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
	case o := <-t.orders:
		t.urgent.Add(-1)
		o(ctx)
	case <-t.wake:
	case <-timeout:
	}
}

// burst is how many records are processed between looks at the inbox and the orders.
const burst = 128

// advance processes records until there is a reason to pause; it returns how long to.
func (t *task) advance(ctx context.Context) time.Duration {
	if t.faulted || t.asking || t.draining || t.held() {
		return -1
	}
	if t.dirty.Load() > t.in.epochLimit() {
		t.in.poke()
		return memoryPause
	}
	t.collect()
	t.ahead.look(t.merge)
	before := t.core.uncommitted
	for range burst {
		c := t.merge.next()
		switch {
		case c.booted:
			if err := t.booted(); err != nil {
				t.fault(err)
				return -1
			}
			continue
		case c.rec == nil && c.waiting:
			t.dirty.Add(t.core.uncommitted - before)
			return t.awaitEnd(ctx, c.input)
		case c.rec == nil:
			t.dirty.Add(t.core.uncommitted - before)
			return t.quiet(ctx)
		}
		t.waitedAt, t.quietAt = time.Time{}, time.Time{}
		if err := t.process(c); err != nil {
			t.dirty.Add(t.core.uncommitted - before)
			return t.trouble(ctx, c, err)
		}
		if err := t.core.tripped; err != nil {
			t.fault(err)
			return -1
		}
		if t.urgent.Load() > 0 {
			break
		}
	}
	t.dirty.Add(t.core.uncommitted - before)
	t.resume()
	return 0
}

// process takes one record through the core.
func (t *task) process(c choice) error {
	pos := &t.core.position
	if c.rec.Attrs.IsControl() {
		t.core.skip(c.input, c.rec)
	} else {
		if err := t.ahead.prepare(t.core, c, t.merge.inputs[c.input].end); err != nil {
			return err
		}
		if err := t.step(c); err != nil {
			return err
		}
		t.ahead.take(c)
		t.hot.take(c.input, c.rec)
		if c.deviation { // once only: a step that has to wait is tried again
			if err := t.deviate(c); err != nil {
				return err
			}
		}
	}
	t.merge.take(c, pos)
	t.used[c.input] += recordBytes(c.rec)
	t.touch()
	t.release(c)
	return nil
}

// release gives the memory of a record back that was taken: nothing refers to it any more, unless
// an output shares it, or other tasks have the record as well.
func (t *task) release(c choice) {
	if !t.core.kept && !t.in.bind.inputs[c.input].global {
		c.rec.Recycle()
	}
}

// touch notes that the open epoch holds something to commit.
func (t *task) touch() {
	if t.opened.Load() == 0 {
		t.opened.Store(time.Now().UnixNano())
		t.idle.Store(false)
		t.in.poke()
		if t.in.ending.Load() {
			t.in.cfg.Point("overlapping")
		}
	}
}

func (t *task) setIdle() {
	t.resume()
	if !t.idle.Swap(true) && t.opened.Load() != 0 {
		t.in.poke()
	}
}

// booted logs how far the tables were read before the first record.
func (t *task) booted() error {
	c := t.core
	for i := range t.merge.inputs {
		if !t.merge.inputs[i].table {
			continue
		}
		in := &c.position.Inputs[i]
		if err := c.tick(record.Tick{Kind: record.TickBootstrap, Topic: in.Topic,
			Partition: in.Partition, Offset: in.Offset}); err != nil {
			return err
		}
	}
	c.position.Bootstrapped = true
	t.merge.boot = false
	t.touch()
	return nil
}

// deviate logs that c's record is taken after others it should have come before.
func (t *task) deviate(c choice) error {
	return t.core.tick(record.Tick{Kind: record.TickDeviation, Topic: c.rec.Topic,
		Partition: c.rec.Partition, Offset: c.rec.Offset, After: t.core.marks(c.input)})
}

// awaitEnd waits for records that the broker says exist on an input. When none come for a while, a
// look at the log itself tells whether there are any: it may end in batches without content, which
// no fetch ever shows.
func (t *task) awaitEnd(ctx context.Context, input int) time.Duration {
	t.setIdle()
	now := time.Now()
	if t.waitedAt.IsZero() {
		t.waitedAt = now
	}
	if left := endWait - now.Sub(t.waitedAt); left > 0 {
		return left
	}
	if t.probing {
		return -1
	}
	t.probing = true
	in, from := t.merge.inputs[input], t.in.bind.inputs[input]
	t.in.background(func() {
		empty, err := t.in.hollow(ctx, from, from.of(t.partition), in.next, in.end)
		if err != nil {
			t.in.waiting(t.name, fmt.Sprintf("records of %s from offset %d on: %v", from.topic,
				in.next, err), endWait)
		}
		t.send(func(context.Context) {
			t.probing, t.waitedAt = false, time.Time{}
			if m := &t.merge.inputs[input]; empty && m.next == in.next {
				m.waived = true
			}
		})
	})
	return -1
}

// trouble sorts a failed step: wait for registry or service, or give the epoch up.
func (t *task) trouble(ctx context.Context, c choice, err error) time.Duration {
	var unknown *schemas.UnknownIDError
	if errors.As(err, &unknown) && t.core.failure == nil {
		return t.awaitSchema(ctx, c, unknown.ID)
	}
	if errors.Is(err, errUnanswered) && t.core.failure == nil {
		return t.awaitAnswer(c)
	}
	t.fault(fmt.Errorf("input %s offset %d: %w", c.rec.Topic, c.rec.Offset, err))
	return -1
}

// awaitSchema asks the registry for an unknown writer schema, off the task's goroutine so that
// seals and revokes go on. While the registry cannot be reached the task waits; when it says that
// there is no such schema, the record is dead-lettered.
func (t *task) awaitSchema(ctx context.Context, c choice, id int32) time.Duration {
	t.asking = true
	t.setIdle()
	done := func(err error) {
		t.send(func(context.Context) {
			t.asking = false
			if errors.Is(err, schemas.ErrNotFound) {
				t.core.poison[place{c.input, c.rec.Offset}] = &RejectError{
					Exception: "UnknownSchema",
					Message:   fmt.Sprintf("the registry has no schema with id %d", id)}
			}
		})
	}
	t.in.background(func() {
		began := time.Now()
		for {
			err := t.in.bind.resolver.Fetch(ctx, id)
			if err == nil || errors.Is(err, schemas.ErrNotFound) || ctx.Err() != nil {
				done(err)
				return
			}
			t.in.tell(func(l *Listener) {
				if l.Waiting != nil {
					l.Waiting(WaitInfo{Task: t.name, For: time.Since(began),
						What: fmt.Sprintf("schema id %d from the registry: %v", id, err)})
				}
			})
			pause(ctx, schemaRetry)
		}
	})
	return -1
}

const schemaRetry = time.Second

// pause sleeps for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// fault stops the task at the failed record and reports it; the instance decides what follows.
func (t *task) fault(err error) {
	t.faulted = true
	t.idle.Store(true)
	at := int64(-1)
	if t.core != nil {
		at = offsetSum(t.core.position.Inputs)
	}
	t.in.post(func() { t.in.taskFault(t, at, err) })
}

// seal is an order: hand over the open epoch.
func (t *task) seal(writer string) order {
	return func(context.Context) {
		var fx *Effects
		var err error
		if t.opened.Load() != 0 && !t.faulted {
			fx, err = t.core.seal(writer)
		}
		switch {
		case err != nil:
			t.fault(err)
		case fx != nil:
			fx.owner = t
			t.opened.Store(0)
			t.dirty.Store(0)
		}
		t.in.post(func() { t.in.sealedBy(t, fx) })
	}
}

// drain is an order: take no more records, the task is being given up.
func (t *task) drain() order {
	return func(context.Context) { t.draining = true }
}

// applied is an order: the sealed epoch is in the store.
func (t *task) applied(fx *Effects) order {
	return func(context.Context) {
		t.ahead.forget(fx.Position.Inputs)
		t.core.applied(fx, t.in.cacheLimit())
		t.cached.Store(t.core.cacheBytes())
		t.hot.look(time.Now())
	}
}

// reset is an order: drop all that is not committed and read again from the store's position.
func (t *task) reset(poison *poisonError) order {
	return func(context.Context) {
		if poison != nil {
			t.core.poison[poison.at] = poison.why
		}
		if err := t.core.discard(t.fresh); err != nil {
			t.fault(err)
			return
		}
		t.inbox.Lock()
		t.inbox.gen++
		t.inbox.batches = nil
		clear(t.inbox.bytes)
		clear(t.inbox.paused)
		gen := t.inbox.gen
		t.inbox.Unlock()
		clear(t.used)
		t.merge.clear(&t.core.position)
		t.ahead.rewind(t.core.position.Inputs)
		t.quietAt = time.Time{}
		t.opened.Store(0)
		t.dirty.Store(0)
		t.faulted = false
		t.in.fetch.start(t, gen, t.core.position.Inputs)
	}
}
