package processor

import (
	"context"
	"fmt"
	"math/bits"
	"time"

	"github.com/cespare/xxhash/v2"

	"pawl/internal/mutant"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// The epoch cycle of an instance: idle → sealing → committing → idle. While epoch n is sealing or
// committing, the tasks process n+1 into fresh overlays; n+1 cannot be sealed before n is decided,
// and a task whose share of n aborted drops its n+1 too.

// cycle is where the instance stands in it.
type cycle struct {
	sealing    map[*task]bool // asked to seal, not yet answered
	deadline   time.Time      // for the answers; who is late is left out of this epoch
	shares     []*Effects     // sealed and not yet decided
	committing bool
	epochs     int64
	began      time.Time
	ended      time.Time // the last transaction was answered; zero: and it is complete
	settling   bool      // that is being found out
}

// sealPatience is how long a seal waits for a task that is busy with one record.
const sealPatience = 250 * time.Millisecond

// turn starts the next epoch when there is reason to: group commit. Without load an epoch is
// sealed as soon as there is something in it, or has lingered; under load it grows to the commit
// interval.
func (in *Instance) turn() {
	c := &in.cycle
	if in.recovering {
		in.finishLeaves()
		return
	}
	if c.committing {
		return
	}
	if len(c.sealing) > 0 {
		if wait := time.Until(c.deadline); wait > 0 {
			in.alarm(wait)
			return
		}
		in.leaveOut()
		return
	}
	in.finishLeaves()
	if wait := in.due(); wait > 0 {
		in.alarm(wait)
		return
	} else if wait < 0 || !in.settled() {
		return
	}
	in.startSeal()
}

// due returns 0 when an epoch should be sealed now, -1 when there is nothing to seal, else how long
// it may still grow.
func (in *Instance) due() time.Duration {
	if len(in.claims) > 0 || len(in.cycle.shares) > 0 {
		return 0
	}
	var oldest, size int64
	busy := false
	for _, s := range in.slots {
		if s.leaving && !s.sealedOut {
			return 0
		}
		t := in.sealable(s)
		if t == nil {
			continue
		}
		opened := t.opened.Load()
		if oldest == 0 || opened < oldest {
			oldest = opened
		}
		size += t.dirty.Load()
		busy = busy || !t.idle.Load() || t.dirty.Load() > in.epochLimit()
	}
	if oldest == 0 {
		return -1
	}
	if size >= in.cfg.UncommittedMaxBytes/2 {
		return 0
	}
	grow := in.cfg.CommitInterval
	if !busy {
		grow = min(grow, in.linger())
	}
	return max(time.Duration(oldest+int64(grow)-time.Now().UnixNano()), 0)
}

// linger is how long an epoch waits for company although nothing is left to process.
func (in *Instance) linger() time.Duration {
	if in.cfg.CommitLinger == 0 {
		return in.pipe.linger
	}
	return max(in.cfg.CommitLinger, 0)
}

// sealable returns the slot's task when it has an open epoch.
func (in *Instance) sealable(s *slot) *task {
	if s.task == nil || s.closing || s.busy || s.state != TaskRunning ||
		s.task.opened.Load() == 0 {
		return nil
	}
	return s.task
}

// startSeal asks every task with an open epoch for its share.
func (in *Instance) startSeal() {
	c := &in.cycle
	c.began = time.Now()
	c.deadline = c.began.Add(sealPatience)
	c.sealing = make(map[*task]bool)
	for _, s := range in.slots {
		if t := in.sealable(s); t != nil {
			s.busy = true
			c.sealing[t] = true
			t.send(t.seal(in.transactionalID()))
		} else if s.leaving && !s.busy {
			s.sealedOut = true
		}
	}
	if len(c.sealing) == 0 {
		in.startCommit()
	}
}

// sealedBy takes a task's answer to a seal: its share, or nil when there is none.
func (in *Instance) sealedBy(t *task, fx *Effects) {
	c := &in.cycle
	s := in.slots[t.partition]
	if s == nil || s.task != t || in.recovering {
		return
	}
	if fx == nil {
		in.release(s)
	} else {
		c.shares = append(c.shares, fx)
	}
	if !c.sealing[t] {
		return // it was left out; its share goes with the next epoch
	}
	delete(c.sealing, t)
	if len(c.sealing) == 0 && !c.committing {
		in.startCommit()
	}
}

// release notes that a task has nothing in flight.
func (in *Instance) release(s *slot) {
	s.busy = false
	if s.leaving {
		s.sealedOut = true
	}
	if after := s.after; after != nil && !s.closing {
		s.after = nil
		after()
	}
}

// leaveOut goes on without the tasks that did not answer in time.
func (in *Instance) leaveOut() {
	in.cycle.sealing = nil
	if len(in.cycle.shares) > 0 || len(in.claims) > 0 {
		in.startCommit()
		return
	}
	in.alarm(sealPatience)
}

// startCommit runs the transaction of all shares, off the loop.
func (in *Instance) startCommit() {
	c := &in.cycle
	shares := c.shares
	c.shares = nil
	for _, t := range in.claims {
		if s := in.slots[t.partition]; s != nil && s.task == t && !s.closing {
			fx, err := in.claimShare(t)
			if err != nil {
				in.die(err)
				return
			}
			s.busy = true
			shares = append(shares, fx)
		}
	}
	in.claims = nil
	if len(shares) == 0 {
		in.finishLeaves()
		return
	}
	c.committing = true
	done := in.traced(shares)
	in.background(func() {
		began := time.Now()
		v := in.prod.commit(in.ctx, shares)
		if in.ctx.Err() != nil && context.Cause(in.ctx) == errCrash {
			return
		}
		done(v.err)
		var err error
		if v.outcome == committed {
			err = in.apply(shares)
		}
		in.post(func() {
			c.committing, c.ended = false, time.Now()
			if err != nil {
				in.die(err)
				return
			}
			in.decided(shares, v, began)
		})
	})
}

// claimShare is the claim record of a task that was opened.
func (in *Instance) claimShare(t *task) (*Effects, error) {
	enc := schemas.NewEncoder(record.ClaimType(), in.bind.claimID)
	b, err := enc.Append(nil, &record.Claim{Writer: in.transactionalID()})
	if err != nil {
		return nil, fmt.Errorf("encode claim: %w", err)
	}
	return &Effects{Task: t.name, owner: t, claim: true, position: b}, nil
}

// apply brings a committed epoch into the stores.
func (in *Instance) apply(shares []*Effects) error {
	in.cfg.Point("applying")
	now := time.Now().UnixMilli()
	for _, fx := range shares {
		if fx.claim {
			continue
		}
		mark := statestore.Mark{Position: fx.position, Offset: fx.last.Offset + 1, Time: now,
			Topic: in.bind.changelogID}
		if err := fx.owner.store.Apply(fx.Changes, mark); err != nil {
			return fmt.Errorf("task %s: %w", fx.Task, err)
		}
	}
	in.cfg.Point("applied")
	return nil
}

// decided goes on after a transaction: the one place where epochs end.
func (in *Instance) decided(shares []*Effects, v verdict, began time.Time) {
	switch v.outcome {
	case committed:
		in.cycle.epochs++
		in.report(shares, began)
	default:
		info := AbortInfo{Reason: v.reason, Err: v.err, Epoch: in.cycle.epochs + 1,
			Unconfirmed: v.outcome == unknown}
		for _, fx := range shares {
			info.Tasks = append(info.Tasks, fx.Task)
		}
		in.tell(func(l *Listener) {
			if l.EpochAborted != nil {
				l.EpochAborted(info)
			}
		})
		if d := denial(v.err); d != nil {
			in.waiting("", d.Error(), 0)
		}
	}
	if v.outcome == unknown {
		in.recover(v)
		return
	}
	for _, fx := range shares {
		s := in.slots[fx.owner.partition]
		if s == nil || s.task != fx.owner {
			continue
		}
		switch {
		case fx.claim && v.outcome == aborted:
			in.claims = append(in.claims, fx.owner)
		case fx.claim:
			in.claimed(fx.owner, fx.last.Offset)
		case v.outcome == aborted && v.culprit == fx.owner:
			s.busy = false
			in.taskFault(fx.owner, offsetSum(fx.Position.Inputs), v.err)
		case v.outcome == aborted:
			if !mutant.Is(mutant.CommitAfterAbort) {
				fx.owner.send(fx.owner.reset(nil))
			}
		default:
			if offsetSum(fx.Position.Inputs) > s.faultAt {
				s.faults = 0
			}
			in.progress(fx.owner.partition, fx)
			fx.owner.send(fx.owner.applied(fx))
		}
		in.release(s)
	}
	if v.outcome == aborted {
		in.backoff()
	} else {
		in.retryDelay = 0
	}
}

// report tells the listeners of a committed epoch.
func (in *Instance) report(shares []*Effects, began time.Time) {
	now := time.Now()
	info := EpochInfo{Epoch: in.cycle.epochs, Duration: now.Sub(began),
		Open: now.Sub(in.cycle.began)}
	for _, fx := range shares {
		if fx.claim {
			continue
		}
		info.Tasks++
		info.Records += fx.Records
		info.Outputs += int64(len(fx.Outputs))
		info.Changes += int64(len(fx.Changes))
		info.Bytes += fx.Bytes
		d := fx.delta
		d.Watermark, d.Epoch = time.UnixMilli(fx.Position.Watermark), fx.Position.Epoch
		d.Counted = fx.counted(in.pipe)
		for _, at := range fx.times {
			age := uint64(max(now.UnixMilli()-at, 0))
			d.Latencies[min(bits.Len64(age), len(d.Latencies)-1)]++
		}
		info.PerTask = append(info.PerTask, d)
		for _, dead := range fx.dead {
			dead.Epoch = d.Epoch
			in.tell(func(l *Listener) {
				if l.DeadLettered != nil {
					l.DeadLettered(dead)
				}
			})
		}
	}
	if info.Tasks == 0 {
		return
	}
	if info.Records > 0 {
		in.started()
	}
	in.tell(func(l *Listener) {
		if l.EpochCommitted != nil {
			l.EpochCommitted(info)
		}
	})
}

const (
	spillEvery = 5 * time.Second
	flushEvery = 30 * time.Second
)

// spill moves committed state from memory to disk while the task runs.
func (t *task) spill(ctx context.Context) {
	tick := time.NewTicker(spillEvery / 8)
	defer tick.Stop()
	t.stored.Store(t.store.DiskBytes())
	// Tasks that start together would go to disk together ever after, and records would wait.
	part := float64(xxhash.Sum64String(t.in.transactionalID()+t.name)%1024) / 1024
	now := time.Now()
	spilled := now.Add(-time.Duration(part * float64(spillEvery)))
	flushed := now.Add(-time.Duration(part * float64(flushEvery)))
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			write := t.store.Spill
			switch {
			case now.Sub(flushed) > flushEvery:
				write, flushed = t.store.Flush, now
			case now.Sub(spilled) <= spillEvery && t.store.Bytes() <= t.in.spillLimit():
				continue
			}
			spilled = now
			t.in.cfg.Point("spilling")
			err := t.write(write)
			t.in.cfg.Point("spilled")
			if err != nil {
				t.in.die(err)
				return
			}
			t.stored.Store(t.store.DiskBytes())
		}
	}
}

// write spills or flushes the store, which two may not do at once.
func (t *task) write(act func() error) error {
	t.spilling.Lock()
	defer t.spilling.Unlock()
	return act()
}
