package processor_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/internal/faultnet"
	"pawl/processor"
)

// TestAbortedFirstEpochLosesNothing: a new task's first epoch is in flight → it processes records
// for the next → the first is aborted. The position that it goes back to must not have moved along.
func TestAbortedFirstEpochLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.produce(1000, 10)
	b.fault(kmsg.TxnOffsetCommit, kerr.TransactionAbortable, 1)
	var calls, transactions, aborts atomic.Int64
	cfg := b.config("a")
	cfg.Point = func(name string) {
		if name == "before-begin" && transactions.Add(1) == 2 { // the first is the claim
			waitUntil(func() bool { return calls.Load() > 0 })
		}
	}
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		EpochAborted: func(processor.AbortInfo) { aborts.Add(1) }})
	in := b.startWith(cfg, counting(func(*processor.Context, event, int64) error {
		calls.Add(1)
		return nil
	}))
	b.outputs(1000)
	if aborts.Load() != 1 || calls.Load() <= 1000 {
		t.Errorf("%d epochs aborted, %d calls of the handler", aborts.Load(), calls.Load())
	}
	if l := b.ledger(0); l.Processed != 1000 {
		t.Errorf("ledger: %+v", l)
	}
	stop(t, in)
}

// TestUnknownOutcomeDuringStop: Stop while an epoch is in flight → its EndTxn has no clear answer.
// The instance still leaves the group in order, long before it would lose patience.
func TestUnknownOutcomeDuringStop(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	cfg := b.config("a")
	var armed, impatient atomic.Bool
	var in *processor.Instance
	cfg.Point = pointOnce("offsets-pending", &armed, func() {
		b.fault(kmsg.EndTxn, kerr.InvalidTxnState, 1)
		in.Stop()
	})
	cfg.Listeners = append(cfg.Listeners, impatience(&impatient))
	in = b.startWith(cfg, counting(nil))
	b.produce(100, 10)
	b.outputs(100)
	armed.Store(true)
	b.produce(100, 10)
	ends(t, in)
	if impatient.Load() {
		t.Error("the last epoch was not decided, but waited for in vain")
	}
	if n := b.members(); n != 0 {
		t.Errorf("the group still has %d members", n)
	}
	in = b.start("a", counting(nil))
	b.outputs(200)
	stop(t, in)
}

// TestStopWithoutTasks: two instances, one task → stop the one that stands by.
func TestStopWithoutTasks(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	owner := b.start("a", counting(nil))
	b.produce(100, 10)
	b.outputs(100)
	standby := b.start("b", counting(nil))
	waitFor(t, "two members", func() bool { return b.members() == 2 })
	if tasks := standby.Status().Tasks; len(tasks) != 0 {
		t.Fatalf("the one task moved: %+v", tasks)
	}
	standby.Stop()
	ends(t, standby)
	if n := b.members(); n != 1 {
		t.Errorf("the group has %d members, want the owner alone", n)
	}
	b.produce(100, 10)
	b.outputs(200)
	stop(t, owner)
}

// TestStopDuringOutage: the network goes → Stop → the epoch in flight does not come to an end. The
// instance gives it up in the end, and the next start settles what it left.
func TestStopDuringOutage(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var net faultnet.Dialer
	var armed, impatient atomic.Bool
	cfg := b.config("a")
	cfg.Dialer = net.DialContext
	cfg.TransactionTimeout, cfg.SessionTimeout = time.Second, time.Second
	var in *processor.Instance
	cfg.Point = pointOnce("before-begin", &armed, func() {
		net.Cut(true)
		in.Stop()
		waitUntil(impatient.Load)
	})
	cfg.Listeners = append(cfg.Listeners, impatience(&impatient))
	in = b.startWith(cfg, counting(nil))
	b.produce(100, 10)
	b.outputs(100)
	armed.Store(true)
	b.produce(100, 10)
	ends(t, in)
	if !impatient.Load() {
		t.Error("Stop waited for the epoch without limit")
	}
	in = b.start("a", counting(nil))
	b.outputs(200)
	stop(t, in)
}
