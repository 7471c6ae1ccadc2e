package processor_test

import (
	"strings"
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

// TestStopDuringOutage: an epoch begins → the network goes → Stop. It ends all the same, and the
// next start settles what it left.
func TestStopDuringOutage(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var net faultnet.Dialer
	var armed atomic.Bool
	cfg := b.config("a")
	cfg.Dialer = net.DialContext
	cfg.TransactionTimeout, cfg.SessionTimeout = 2*time.Second, time.Second
	var in *processor.Instance
	cfg.Point = pointOnce("before-begin", &armed, func() { net.Cut(true); in.Stop() })
	in = b.startWith(cfg, counting(nil))
	b.produce(100, 10)
	b.outputs(100)
	armed.Store(true)
	b.produce(100, 10)
	ends(t, in)
	in = b.start("a", counting(nil))
	b.outputs(200)
	stop(t, in)
}

// TestOversizedLateRecordIsDeadLettered: two tasks share a transaction → one meets a late record
// that compression let into the input and that the late topic refuses. Neither may stick to it.
func TestOversizedLateRecordIsDeadLettered(t *testing.T) {
	t.Parallel()
	b := strictBed(t, 2)
	b.topic("app-win-late", 2, nil)
	late := b.order(0, order{Key: "k", At: noon - 3_600_000, Pad: strings.Repeat("x", 2<<20)})
	b.put(b.good(0), late, b.good(0), b.good(1))
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		EpochAborted: func(i processor.AbortInfo) { t.Errorf("an epoch was lost: %+v", i) }})
	in := b.startWith(cfg, strict())
	b.drained("in")
	if recs := b.records("app-win-late"); len(recs) != 0 {
		t.Errorf("%d late records", len(recs))
	}
	recs := b.records("app-dlq")
	if len(recs) != 1 || header(recs[0], "__streams.errors.exception") != "RecordTooLarge" {
		t.Errorf("dead letters: %d", len(recs))
	}
	b.ledger(0)
	b.ledger(1)
	stop(t, in)
}
