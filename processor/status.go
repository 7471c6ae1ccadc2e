package processor

import (
	"pawl/schemas/record"
	"slices"
	"strings"
	"time"
)

// Status is a snapshot of an instance.
type Status struct {
	State           string
	Reason          string
	Promise         string // which exactly-once promise the cluster's version allows
	Tasks           []TaskStatus
	OpenTransaction time.Duration // age of the transaction in flight; 0 when there is none
	Standbys        []StandbyStatus
	Paused          bool // it was told to take no more records
	Draining        bool // it was told to stop at the inputs' ends
}

// TaskStatus is a snapshot of one task.
type TaskStatus struct {
	Name          string
	State         TaskState
	Reason        string
	Mend          string
	Epoch         int64
	Watermark     time.Time
	Inputs        []InputStatus
	OverlayBytes  int64
	CacheBytes    int64
	BufferedBytes int64   // committed state on its way to disk
	StoredBytes   int64   // size of the store on disk, as of its last write
	RestoreDone   float64 // share of the restore that is done, 0 to 1
	Rung          Rung    // what its state was restored from
	Checkpoint    CheckpointStatus
	HotKeys       []HotKey // up to 3, the hottest first; none long after the last commit
}

// CheckpointStatus is the newest checkpoint of a task, as far as its owner knows.
type CheckpointStatus struct {
	ID      string // empty when there is none
	Epoch   int64
	Created time.Time // when the copy was taken
}

// StandbyState is what becomes of a copy of a task that runs elsewhere.
type StandbyState string

// States of a standby.
const (
	StandbyFollowing StandbyState = "FOLLOWING" // it reads its changelog
	StandbyCaughtUp  StandbyState = "CAUGHT_UP" // within acceptable.recovery.lag
	StandbyHalted    StandbyState = "HALTED"    // it cannot go on; its store is left as it is
	StandbyStopped   StandbyState = "STOPPED"   // its task was assigned here, or it is elsewhere
)

// StandbyStatus is a snapshot of the copy of a task that runs elsewhere.
type StandbyStatus struct {
	Name     string
	State    StandbyState
	Reason   string // why it is HALTED
	Warmup   bool   // its task moves here when it has caught up
	Offset   int64  // next changelog offset
	Lag      int64  // records to the changelog's end as last seen; -1 while that is not known
	Verified int64  // the last epoch at which its digest was compared and right; 0: none yet
}

// InputStatus is how far a task has come on one input partition.
type InputStatus struct {
	Topic     string
	Partition int32
	Offset    int64 // committed; -1 before the task runs
	End       int64 // high watermark as last seen
	LSO       int64 // last stable offset as last seen
	// Watermark is that of the input's own records, as far as this process has committed them; zero
	// before the first one.
	Watermark time.Time
}

// Status returns a snapshot.
func (in *Instance) Status() Status {
	in.statusMu.Lock()
	defer in.statusMu.Unlock()
	st := Status{State: in.state.State, Reason: in.state.Reason, Promise: in.promise(),
		Paused: in.steer.paused.Load(), Draining: in.steer.draining.Load()}
	if opened := in.openedAt.Load(); opened != 0 {
		st.OpenTransaction = time.Since(time.Unix(0, opened))
	}
	for _, ts := range in.statuses {
		st.Tasks = append(st.Tasks, ts.snapshot())
	}
	for _, sb := range in.standbys.all() {
		if shown := sb.shown.Load(); shown != nil {
			st.Standbys = append(st.Standbys, *shown)
		}
	}
	slices.SortFunc(st.Tasks, func(a, b TaskStatus) int { return strings.Compare(a.Name, b.Name) })
	return st
}

// taskInfo is the published state of one assigned task. The loop, the fetcher and the task write
// it under statusMu, at most once per epoch or fetch.
type taskInfo struct {
	TaskStatus
	task *task
	pace pace
}

func (i *taskInfo) snapshot() TaskStatus {
	ts := i.TaskStatus
	ts.Inputs = slices.Clone(ts.Inputs)
	if i.task != nil {
		ts.OverlayBytes = i.task.dirty.Load()
		ts.CacheBytes = i.task.cached.Load()
		ts.StoredBytes = i.task.stored.Load()
		ts.HotKeys = i.task.hot.hot(time.Now())
		if ts.State == TaskRunning {
			ts.BufferedBytes = i.task.store.Bytes()
		}
	}
	return ts
}

// taskState publishes a task's state and tells the listeners.
func (in *Instance) taskState(p int32, state TaskState, reason, mend string) {
	name := taskName(in.pipe.name, p)
	in.statusMu.Lock()
	info := in.statuses[p]
	if info == nil {
		info = &taskInfo{TaskStatus: TaskStatus{Name: name}}
		for _, b := range in.bind.inputs {
			info.Inputs = append(info.Inputs, InputStatus{Topic: b.topic,
				Partition: b.of(p), Offset: -1, End: -1, LSO: -1})
		}
		in.statuses[p] = info
	}
	info.State, info.Reason, info.Mend = state, reason, mend
	info.task = nil
	if s := in.slots[p]; s != nil {
		s.state = state
		info.task = s.task
	}
	if state == TaskRunning {
		info.RestoreDone = 1
	}
	if state == TaskClosed {
		delete(in.statuses, p)
	}
	in.statusMu.Unlock()
	in.moves.wake()
	in.tell(func(l *Listener) {
		if l.TaskState != nil {
			l.TaskState(TaskStateInfo{Task: name, State: state, Reason: reason})
		}
	})
}

// restoring publishes a restore's progress.
func (in *Instance) restoring(p int32, r RestoreInfo) {
	in.statusMu.Lock()
	if info := in.statuses[p]; info != nil {
		info.RestoreDone = r.share()
		info.Rung = r.Rung
		info.Reason = r.WaitingFor
	}
	in.statusMu.Unlock()
	in.tell(func(l *Listener) {
		if l.Restore != nil {
			l.Restore(r)
		}
	})
}

// seen publishes the ends of an input partition as a fetch saw them.
func (in *Instance) seen(p int32, input int, end, lso int64) {
	in.statusMu.Lock()
	defer in.statusMu.Unlock()
	if info := in.statuses[p]; info != nil {
		info.Inputs[input].End, info.Inputs[input].LSO = end, lso
	}
}

// progress publishes what a committed share moved.
func (in *Instance) progress(p int32, fx *Effects) {
	defer in.moves.wake()
	in.statusMu.Lock()
	defer in.statusMu.Unlock()
	info := in.statuses[p]
	if info == nil {
		return
	}
	in.copies.set(replica{partition: p, kind: copyActive, offset: fx.last.Offset + 1})
	info.Epoch = fx.Position.Epoch
	info.Watermark = time.UnixMilli(fx.Position.Watermark)
	for i := range info.Inputs {
		info.Inputs[i].Offset = fx.Position.Inputs[i].Offset
		if at := fx.flow.reached[i]; at > 0 {
			mark := time.UnixMilli(at - in.bind.disorder)
			if mark.After(info.Inputs[i].Watermark) {
				info.Inputs[i].Watermark = mark
			}
		}
	}
	info.pace.add(time.Now(), &fx.flow)
}

// stands publishes where a task begins.
func (in *Instance) stands(p int32, at *record.Position) {
	in.statusMu.Lock()
	defer in.statusMu.Unlock()
	info := in.statuses[p]
	if info == nil {
		return
	}
	info.Epoch = at.Epoch
	if at.Watermark != noWatermark {
		info.Watermark = time.UnixMilli(at.Watermark)
	}
	for i := range info.Inputs {
		info.Inputs[i].Offset = at.Inputs[i].Offset
	}
}

// setState publishes the instance's state when it changed.
func (in *Instance) setState() {
	state := "RUNNING"
	switch {
	case in.stopping:
		state = "PENDING_SHUTDOWN"
	case in.recovering || len(in.leaves) > 0:
		state = "REBALANCING"
	default:
		for _, s := range in.slots {
			if s.state == TaskCreated || s.state == TaskRestoring {
				state = "REBALANCING"
			}
		}
	}
	in.statusMu.Lock()
	changed := in.state.State != state
	in.state = InstanceStateInfo{State: state}
	in.statusMu.Unlock()
	if changed {
		in.tell(func(l *Listener) {
			if l.InstanceState != nil {
				l.InstanceState(InstanceStateInfo{State: state, Instance: in.cfg.InstanceID})
			}
		})
	}
}

func (in *Instance) promise() string {
	if in.txnV2 {
		return "full: transactions v2 (KIP-890)"
	}
	return "transactions v1: exactly-once but for a request delayed past its transaction's end, " +
		"which brokers before Kafka 4.0 may take for the next one; upgrade to transaction.version=2"
}
