package processor

import (
	"errors"
	"fmt"
	"time"

	"pawl/schemas/record"
)

// offsetSum is how far a task is, for telling whether it got past a failure.
func offsetSum(inputs []record.Input) int64 {
	var n int64
	for i := range inputs {
		n += inputs[i].Offset
	}
	return n
}

// taskAttempts is how often a failing task is tried before it is stopped alone.
const taskAttempts = 3

// taskFault decides what becomes of a task whose open epoch failed. What it has in flight is
// decided first: the retry starts from there.
func (in *Instance) taskFault(t *task, at int64, err error) {
	s := in.slots[t.partition]
	if s == nil || s.task != t || s.closing {
		return
	}
	if s.busy {
		s.after = func() { in.taskFault(t, at, err) }
		return
	}
	var poison *poisonError
	if errors.As(err, &poison) {
		t.send(t.reset(poison))
		return
	}
	var rate *DeadLetterRateError
	if errors.As(err, &rate) { // another attempt would end the same
		in.giveUp(s, t, TaskFailed, err, rate.Mend())
		in.tell(func(l *Listener) {
			if l.Tripped != nil {
				l.Tripped(TripInfo{Task: t.name, Topic: rate.Topic, Exception: rate.Exception})
			}
		})
		return
	}
	if at != s.faultAt {
		s.faults, s.faultAt = 0, at
	}
	s.faults++
	if s.faults >= taskAttempts {
		in.giveUp(s, t, TaskFailed, err, "mend the handler or the state, then restart the instance")
		return
	}
	in.taskState(t.partition, TaskSuspended, fmt.Sprintf("attempt %d of %d: %v", s.faults,
		taskAttempts, err), "it is tried again")
	in.after(time.Duration(s.faults)*time.Second, func() {
		if in.slots[t.partition] == s && s.task == t && !s.closing {
			in.taskState(t.partition, TaskRunning, "", "")
			t.send(t.reset(nil))
		}
	})
}

// refuse stops a task that the proof or the log refused.
func (in *Instance) refuse(t *task, err *RefusedError) {
	s := in.slots[t.partition]
	if s == nil || s.task != t || s.closing {
		return
	}
	in.giveUp(s, t, TaskRefused, err, err.Mend)
}

// giveUp stops one task for good; the others go on. With none left the instance ends.
func (in *Instance) giveUp(s *slot, t *task, state TaskState, err error, mend string) {
	s.err = err
	in.close(t.partition, func() {
		s.sealedOut = true
		in.taskState(t.partition, state, err.Error(), mend)
		in.setState()
		in.endIfNoneLeft()
	})
}

func (in *Instance) endIfNoneLeft() {
	var faults []error
	for _, s := range in.slots {
		if s.err == nil {
			return
		}
		faults = append(faults, s.err)
	}
	if len(faults) > 0 {
		in.die(fmt.Errorf("no task is left: %w", errors.Join(faults...)))
	}
}
