package processor

import "slices"

// revoked gives partitions up, after a last epoch when seal is set.
func (in *Instance) revoked(parts []int32, seal bool, done chan struct{}) {
	if len(parts) == 0 {
		close(done)
		return
	}
	in.cfg.Point("revoking")
	in.leaves = append(in.leaves, &leave{parts: parts, done: func() { close(done) }})
	for _, p := range parts {
		s := in.slots[p]
		if s == nil {
			continue
		}
		s.leaving = true
		if s.task == nil || s.state != TaskRunning || !seal {
			s.sealedOut = !s.busy || !seal
			continue
		}
		s.task.send(s.task.drain())
	}
	in.poke()
}

// leave is a set of partitions being given up.
type leave struct {
	parts   []int32
	closing bool
	done    func()
}

// finishLeaves closes what has had its last epoch.
func (in *Instance) finishLeaves() {
	for _, l := range slices.Clone(in.leaves) {
		if l.closing || !in.ready(l) {
			continue
		}
		l.closing = true
		open := len(l.parts)
		for _, p := range l.parts {
			in.keepOpen(p)
			in.close(p, func() {
				if s := in.slots[p]; s != nil {
					in.taskState(p, TaskClosed, "", "")
					delete(in.slots, p)
					in.copies.closed(p)
					in.succeed(p, s)
				}
				if open--; open == 0 {
					in.left(l)
				}
			})
		}
	}
}

func (in *Instance) ready(l *leave) bool {
	for _, p := range l.parts {
		if s := in.slots[p]; s != nil && (!s.sealedOut || s.busy) {
			return false
		}
	}
	return true
}

func (in *Instance) left(l *leave) {
	for i, other := range in.leaves {
		if other == l {
			in.leaves = append(in.leaves[:i], in.leaves[i+1:]...)
			break
		}
	}
	in.running.Store(int64(len(in.slots)))
	in.setState()
	l.done()
	in.endIfNoneLeft()
}
