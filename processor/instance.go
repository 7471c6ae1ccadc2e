package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/statestore"
)

// Instance runs a pipeline in this process as one member of its application's group. One goroutine,
// the loop, owns all decisions: which tasks run, when an epoch is sealed, what follows a verdict.
// Everything that blocks runs elsewhere and posts its result to the loop.
type Instance struct {
	cfg        Config
	pipe       *Pipeline
	infos      func() []TableInfo // the pipeline's tables
	bind       *binding
	txnV2      bool
	tombstones time.Duration  // the changelog's delete.retention.ms
	limits     map[string]int // max.message.bytes by topic
	stateDir   string
	lock       *statestore.Lock
	env        *statestore.Env
	admin      *kgo.Client // requests only
	adm        *kadm.Client
	group      *group
	fetch      *fetcher
	copies     copies
	standbys   *standbys
	steer      steering
	startup    startup

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	err    error // why it ended; set before done is closed
	tasks  sync.WaitGroup

	inbox struct {
		sync.Mutex
		fns []func()
	}
	clients struct { // all that are open
		sync.Mutex
		m map[*kgo.Client]bool
	}
	wake     chan struct{}
	timer    *time.Timer
	running  atomic.Int64  // assigned tasks, for sharing out memory
	restores chan struct{} // a place for each restore at work while tasks run

	// owned by the loop
	slots      map[int32]*slot
	wanted     map[int32]following // tasks to keep a copy of
	claims     []*task             // opened, to be claimed in the next transaction
	leaves     []*leave
	cycle      cycle
	prod       *producer
	member     *kgo.Client
	recovering bool
	stopping   bool
	holdUntil  time.Time // no epoch is sealed before, after an abort
	retryDelay time.Duration

	uploading chan struct{} // has room for one: checkpoints are taken one at a time
	last      struct {      // checkpoints of a stop, to be uploaded
		sync.Mutex
		uploads []func(context.Context)
	}

	moves    moves
	openedAt atomic.Int64 // when the transaction in flight began, ns; 0: none
	ending   atomic.Bool  // its end is sent and not answered
	statusMu sync.Mutex   // guards what follows
	failure  error
	state    InstanceStateInfo
	statuses map[int32]*taskInfo
}

// Run starts the pipeline and blocks until ctx ends, then stops gracefully: seals, commits,
// flushes and leaves the group.
func Run(ctx context.Context, cfg Config, p *Pipeline) error {
	in, err := Start(ctx, cfg, p)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before there was anything to stop
		}
		return err
	}
	select {
	case <-ctx.Done():
		in.Stop()
	case <-in.done:
	}
	return in.Wait()
}

// Wait blocks until the instance has ended and says why; nil after a graceful stop.
func (in *Instance) Wait() error {
	<-in.done
	return in.err
}

// Done is closed when the instance has ended.
func (in *Instance) Done() <-chan struct{} { return in.done }

// Stop seals what is open, commits it, flushes the stores, leaves the group and ends the instance.
func (in *Instance) Stop() { in.post(in.stop) }

// Crash ends the instance as a kill would: nothing is sealed, committed, flushed or left. It is for
// tests and simulations; whoever means to end an instance calls Stop.
func (in *Instance) Crash() {
	in.cancel(errCrash)
	<-in.done
}

// post has the loop call fn. It never blocks, so that any goroutine may post at any time.
func (in *Instance) post(fn func()) {
	in.inbox.Lock()
	in.inbox.fns = append(in.inbox.fns, fn)
	in.inbox.Unlock()
	in.poke()
}

// poke has the loop look whether an epoch is due.
func (in *Instance) poke() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// alarm has the loop look again after d.
func (in *Instance) alarm(d time.Duration) { in.timer.Reset(d) }

// after posts fn after d.
func (in *Instance) after(d time.Duration, fn func()) {
	in.background(func() {
		pause(in.ctx, d)
		in.post(fn)
	})
}

// background runs fn in a goroutine that the instance waits for before it ends.
func (in *Instance) background(fn func()) {
	in.tasks.Add(1)
	go func() {
		defer in.tasks.Done()
		fn()
	}()
}

// loop runs posted functions and the epoch cycle until the instance ends.
func (in *Instance) loop() {
	for in.ctx.Err() == nil {
		select {
		case <-in.ctx.Done():
		case <-in.wake:
		case <-in.timer.C:
		}
		in.inbox.Lock()
		fns := in.inbox.fns
		in.inbox.fns = nil
		in.inbox.Unlock()
		for _, fn := range fns {
			if in.ctx.Err() == nil {
				fn()
			}
		}
		if in.ctx.Err() != nil {
			break
		}
		if wait := time.Until(in.holdUntil); wait > 0 {
			in.alarm(wait)
			continue
		}
		in.turn()
	}
	in.shutDown()
}

// die ends the instance with err: a restart is the repair.
func (in *Instance) die(err error) {
	in.statusMu.Lock()
	if in.failure == nil {
		in.failure = err
	}
	in.statusMu.Unlock()
	in.cancel(err)
}

// stop is the graceful end: every task gives its last epoch, then the instance leaves the group.
func (in *Instance) stop() {
	if in.stopping {
		return
	}
	in.stopping = true
	in.setState()
	var parts []int32
	for p := range in.slots {
		parts = append(parts, p)
	}
	done, member := make(chan struct{}), in.member
	in.revoked(parts, true, done)
	in.background(func() {
		limit := time.NewTimer(in.cfg.TransactionTimeout + in.cfg.SessionTimeout)
		defer limit.Stop()
		select {
		case <-limit.C:
			in.notice("the cluster does not answer: stopping without the last epoch, which the " +
				"next start processes again")
		case <-done:
			// First the client, which lets a join under way end: a broker may never answer the
			// join of a member that has left.
			in.closeClient(member)
			leave, cancel := context.WithTimeout(in.ctx, in.cfg.SessionTimeout)
			if err := in.leave(leave); err != nil {
				in.notice("%v; the group notices after session.timeout", err)
			}
			cancel()
			in.uploadLast()
		case <-in.ctx.Done():
		}
		in.cancel(nil)
	})
}

// shutDown waits for all that the instance started and gives back what it holds. After a crash
// (errCrash) nothing is written any more.
func (in *Instance) shutDown() {
	crash := errors.Is(context.Cause(in.ctx), errCrash)
	in.statusMu.Lock()
	failure := in.failure
	in.statusMu.Unlock()
	for _, s := range in.slots {
		if s.cancel != nil {
			s.cancel(errClosed)
		}
	}
	in.closeClients()
	in.tasks.Wait()
	in.closeClients() // those that were made meanwhile
	var errs []error
	for _, s := range in.slots {
		s.work.Wait()
		if s.task == nil {
			continue
		}
		t := s.task
		t.shutViews()
		s.handOn = false
		if crash || failure != nil {
			t = &task{} // nothing more is written
		}
		errs = append(errs, s.closeStore(t))
	}
	for _, sb := range in.standbys.all() {
		errs = append(errs, sb.close(!crash && failure == nil))
	}
	in.env.Close()
	errs = append(errs, in.lock.Release())
	in.statusMu.Lock()
	in.err = in.failure
	in.state = InstanceStateInfo{State: "NOT_RUNNING"}
	if in.failure != nil {
		in.state = InstanceStateInfo{State: "ERROR", Reason: in.failure.Error()}
	}
	state := in.state
	state.Instance = in.cfg.InstanceID
	in.statusMu.Unlock()
	if in.err == nil {
		in.err = errors.Join(errs...)
	}
	in.tell(func(l *Listener) {
		if l.InstanceState != nil {
			l.InstanceState(state)
		}
	})
	close(in.done)
}

// backoff keeps a cluster that refuses epochs from being flooded with them.
func (in *Instance) backoff() {
	in.retryDelay = min(max(2*in.retryDelay, 10*time.Millisecond), time.Second)
	in.holdUntil = time.Now().Add(in.retryDelay)
}

// recover is the restart path, inside the process: every task is closed, a new producer id settles
// whatever transaction was left, and the tasks are opened again: claim, restore, proof. Nothing is
// assumed about the epoch that was in flight.
func (in *Instance) recover(v verdict) {
	if in.recovering {
		return
	}
	in.recovering = true
	in.cycle.sealing, in.cycle.shares, in.claims = nil, nil, nil
	in.setState()
	open := 1
	next := func() {
		if open--; open == 0 {
			in.renew(v)
		}
	}
	for p, s := range in.slots {
		// Nothing is in flight any more, so whoever waits to give a task up may do so.
		s.busy = false
		s.sealedOut = s.sealedOut || s.leaving
		if s.task != nil && s.err == nil {
			open++
			in.close(p, next)
		}
	}
	next()
}

// renew replaces the producer. The group member stays: if the group has given it up, it learns so
// and rejoins by itself.
func (in *Instance) renew(v verdict) {
	if in.stopping {
		in.recovering = false // the next start settles the transaction
		in.poke()
		return
	}
	old := in.prod
	in.background(func() {
		in.closeClient(old.cl)
		if v.fenced && in.ask() {
			return
		}
		if prod := in.untilProducer(); prod != nil {
			in.post(func() { in.renewed(prod) })
		}
	})
}

// ask finds out, after the producer was fenced, whether another process runs under our instance
// id. If so, taking the transactional id back would go on for ever between the two.
func (in *Instance) ask() (displaced bool) {
	who, _ := in.group.membership()
	if who.generation < 0 {
		return false // the group gave us up itself and lets us in again
	}
	if !errors.Is(in.beat(in.ctx, who), kerr.FencedInstanceID) {
		return false
	}
	if now, _ := in.group.membership(); now.id != who.id {
		return false // it was we who took the instance id over, while the question was under way
	}
	in.displaced()
	return true
}

// untilProducer makes a producer, for as long as that takes.
func (in *Instance) untilProducer() *producer {
	for began := time.Now(); in.ctx.Err() == nil; {
		prod, err := newProducer(in.ctx, in)
		if err == nil {
			return prod
		}
		in.waiting("", err.Error(), time.Since(began))
		pause(in.ctx, time.Second)
	}
	return nil
}

// renewed opens the tasks again.
func (in *Instance) renewed(prod *producer) {
	in.prod = prod
	in.recovering = false
	for p, s := range in.slots {
		if !s.leaving && s.err == nil {
			in.open(p)
		}
	}
	in.setState()
}

func (in *Instance) transactionalID() string {
	return in.cfg.ApplicationID + "-" + in.cfg.InstanceID
}

// tell calls each listener.
func (in *Instance) tell(f func(*Listener)) {
	for i := range in.cfg.Listeners {
		f(&in.cfg.Listeners[i])
	}
}

func (in *Instance) notice(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	in.tell(func(l *Listener) {
		if l.Notice != nil {
			l.Notice(text)
		}
	})
}

// warn tells what an operator should look into, though the instance goes on.
func (in *Instance) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	in.tell(func(l *Listener) {
		switch {
		case l.Warning != nil:
			l.Warning(text)
		case l.Notice != nil:
			l.Notice(text)
		}
	})
}

func (in *Instance) waiting(task, what string, d time.Duration) {
	in.tell(func(l *Listener) {
		if l.Waiting != nil {
			l.Waiting(WaitInfo{Task: task, What: what, For: d})
		}
	})
}
