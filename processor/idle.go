package processor

import (
	"context"
	"fmt"
	"time"
)

// idleTicks is the least time between two idle ticks: what falls due meanwhile shares one.
const idleTicks = time.Second

// quiet is what a task does when all inputs are read to their ends. After idle.timeout of that its
// event time moves on as the clock does, so that windows close although no record says so. It moves
// only when a timer waits for it. Each move is logged, because no record tells of it.
func (t *task) quiet(ctx context.Context) time.Duration {
	t.setIdle()
	timeout := t.in.cfg.IdleTimeout
	if timeout < 0 || t.core.watermark == noWatermark || t.probing {
		return -1
	}
	now := time.Now()
	if t.quietAt.IsZero() {
		t.quietAt, t.quietFrom = now, t.core.watermark
	}
	first, ok := t.core.earliest()
	if t.core.failure != nil {
		t.fault(t.core.failure)
		return -1
	}
	if !ok {
		return -1
	}
	ahead := min(first-t.quietFrom, time.Duration(1<<62).Milliseconds())
	due := t.quietAt.Add(max(timeout, time.Duration(ahead)*time.Millisecond))
	if next := t.tickedAt.Add(idleTicks); due.Before(next) {
		due = next
	}
	if wait := due.Sub(now); wait > 0 {
		return wait
	}
	t.tickedAt = now
	t.confirm(ctx)
	return -1
}

// confirm asks the broker whether the inputs really hold no more, and then moves event time. A
// broker out of reach looks like a quiet input, and its records must not become late for that.
func (t *task) confirm(ctx context.Context) {
	t.probing = true
	t.in.background(func() {
		listed, err := t.in.adm.ListCommittedOffsets(ctx, t.in.bind.topics(true)...)
		if err == nil {
			err = listed.Error()
		}
		if err != nil {
			t.in.waiting(t.name, fmt.Sprintf("the inputs' ends: %v", err), idleTicks)
		}
		t.send(func(context.Context) {
			t.probing = false
			if err != nil || t.faulted || t.draining || t.held() {
				return
			}
			for i, in := range t.in.bind.inputs {
				if end, ok := listed.Lookup(in.topic, in.of(t.partition)); ok {
					t.merge.push(i, nil, end.Offset)
				}
			}
			t.collect()
			if c := t.merge.next(); c.rec == nil && !c.waiting && !c.booted &&
				!t.quietAt.IsZero() {
				t.idleTick()
			}
		})
	})
}

// idleTick moves event time as far as the clock has come since the inputs went quiet.
func (t *task) idleTick() {
	before := t.core.uncommitted
	t.touch()
	err := t.core.idle(t.quietFrom + time.Since(t.quietAt).Milliseconds())
	t.dirty.Add(t.core.uncommitted - before)
	if err != nil {
		t.fault(fmt.Errorf("idle tick: %w", err))
	}
}
