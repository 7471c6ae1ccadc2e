package processor_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pawl/processor"
)

// restores records what an instance read to take tasks over.
type restores struct {
	mu   sync.Mutex
	done []processor.RestoreInfo
}

func (r *restores) listener() processor.Listener {
	return processor.Listener{Restore: func(i processor.RestoreInfo) {
		if i.Done {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.done = append(r.done, i)
		}
	}}
}

func (r *restores) list() []processor.RestoreInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.done)
}

// startCopy starts an instance of an application with one standby per task.
func (b *bed) startCopy(name string, change func(*processor.Config)) (*processor.Instance,
	*restores) {
	b.t.Helper()
	cfg := b.config(name)
	cfg.Standbys = 1
	cfg.AcceptableLag = 50
	log := &restores{}
	cfg.Listeners = append(cfg.Listeners, log.listener(), processor.Listener{
		Standby: func(s processor.StandbyStatus) {
			b.t.Logf("%s %s: standby %+v", time.Now().Format("05.000"), name, s)
		}})
	if change != nil {
		change(&cfg)
	}
	return b.startWith(cfg, counting(nil)), log
}

// runs waits until the instance runs n tasks.
func runs(t *testing.T, in *processor.Instance, n int) {
	t.Helper()
	waitFor(t, "tasks to run", func() bool {
		tasks := in.Status().Tasks
		for _, ts := range tasks {
			if ts.State != processor.TaskRunning {
				return false
			}
		}
		return len(tasks) == n
	})
}

// follows waits until the instance has n standbys at the end of what is committed.
func (b *bed) follows(in *processor.Instance, n int) {
	b.t.Helper()
	waitFor(b.t, "standbys to catch up", func() bool {
		ends, err := b.adm.ListCommittedOffsets(b.t.Context(), changelog)
		if err != nil {
			return false
		}
		level := 0
		for _, sb := range in.Status().Standbys {
			for p, end := range ends[changelog] {
				if sb.Name == fmt.Sprintf("counting-%d", p) && sb.Offset >= end.Offset {
					level++
				}
			}
		}
		return level == n
	})
}

// TestStandbyTakesOver: one instance runs a task, the other follows it; the first dies, and the
// second goes on having read nothing but the end.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	b := newBed(t, 4)
	first, _ := b.startCopy("a", nil)
	runs(t, first, 4)
	b.produce(4000, 10)
	b.outputs(4000)
	second, log := b.startCopy("b", nil)
	runs(t, second, 2)
	b.follows(second, 2)
	b.follows(first, 2)
	b.produce(1000, 10)
	b.outputs(5000)
	b.follows(second, 2)
	before := len(log.list())
	first.Crash()
	runs(t, second, 4)
	for _, r := range log.list()[before:] {
		if r.Records > 10 || !r.FromLocalDisk {
			t.Errorf("the takeover read more than the end: %+v", r)
		}
	}
	if n := len(log.list()) - before; n != 2 {
		t.Errorf("%d restores, want 2", n)
	}
	b.produce(1000, 10)
	b.outputs(6000)
	stop(t, second)
}
