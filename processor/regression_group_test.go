package processor_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
)

// TestLostMembershipCommitsNothing: an epoch is flushed → the group expels the instance → its
// offsets are due. Without a membership they must not be sent, for a broker would check nothing.
func TestLostMembershipCommitsNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var armed, aborted atomic.Bool
	var bare atomic.Int64
	b.cluster.Kafka().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Observe: true,
		Count: -1, When: func(r kmsg.Request) bool {
			if r.(*kmsg.TxnOffsetCommitRequest).Generation < 0 {
				bare.Add(1)
			}
			return true
		}})
	cfg := b.config("a")
	cfg.SessionTimeout = time.Second
	cfg.Point = pointOnce("flushed", &armed, func() {
		b.expel("a")
		beats := b.cluster.Kafka().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat},
			Observe: true, Count: 1})
		waitUntil(func() bool { return beats.Hits() > 0 })
		time.Sleep(200 * time.Millisecond) // the answer arrives: the instance knows
	})
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		EpochAborted: func(processor.AbortInfo) { aborted.Store(true) }})
	in := b.startWith(cfg, counting(nil))
	b.produce(100, 10)
	b.outputs(100)
	armed.Store(true)
	b.produce(100, 10)
	waitFor(t, "the epoch's end", func() bool { return aborted.Load() || bare.Load() > 0 })
	b.outputs(200)
	if n := bare.Load(); n > 0 {
		t.Errorf("offsets were sent %d times without a membership", n)
	}
	stop(t, in)
}

// TestUpsetInstanceRecovers: an instance runs → the cluster forgets one of its identities, or both
// → more records. It takes them up by itself, and still stops in order.
func TestUpsetInstanceRecovers(t *testing.T) {
	t.Parallel()
	for name, upset := range map[string]func(*bed){
		"producer fenced": func(b *bed) { b.refence("a") },
		"member expelled": func(b *bed) { b.expel("a") },
		"member unknown":  func(b *bed) { b.fault(kmsg.TxnOffsetCommit, kerr.UnknownMemberID, 1) },
		"both":            func(b *bed) { b.expel("a"); b.refence("a") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2)
			in := b.start("a", counting(nil))
			b.produce(100, 10)
			b.outputs(100)
			b.drained("in")
			upset(b)
			b.produce(100, 10)
			b.outputs(200)
			waitFor(t, "state RUNNING", func() bool { return in.Status().State == "RUNNING" })
			in.Stop()
			ends(t, in)
		})
	}
}

// TestRebalancesUnderLoadLoseNothing: join, crash, rejoin, leave, rejoin, while records come.
func TestRebalancesUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, 4)
	total := 0
	feed := func() {
		for range 4 {
			b.produce(200, 10)
			total += 200
			time.Sleep(50 * time.Millisecond)
		}
	}
	first := b.start("a", counting(nil))
	feed()
	second := b.start("b", counting(nil))
	feed()
	second.Crash()
	feed()
	second = b.start("b", counting(nil))
	feed()
	first.Stop()
	ends(t, first)
	feed()
	first = b.start("a", counting(nil))
	feed()
	b.outputs(total)
	for _, in := range []*processor.Instance{first, second} {
		in.Stop()
		ends(t, in)
	}
}
