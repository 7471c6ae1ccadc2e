package processor_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
	"pawl/schemas/record"
)

// TestSilentGroupEndsReads: an instance hears nothing of its group any more → the group gives it up
// → its task goes on elsewhere. Before that it no longer answers for the task, and never says
// less than the new owner has.
func TestSilentGroupEndsReads(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var silent atomic.Bool
	kafka := b.cluster.Kafka()
	kafka.ControlKey(-1, func(r kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		var who *string
		switch r := r.(type) {
		case *kmsg.HeartbeatRequest:
			who = r.InstanceID
		case *kmsg.JoinGroupRequest:
			who = r.InstanceID
		}
		return nil, nil, silent.Load() && who != nil && *who == "a"
	})
	first := b.start("a", counting(nil))
	b.produce(10, 1)
	at := func(n int64) func(record.Position) bool {
		return func(p record.Position) bool { return p.Inputs[0].Offset == n }
	}
	wait(t, first, 0, at(10))
	silent.Store(true)
	second := b.start("b", counting(nil))
	var unconfirmed *processor.NotHereError
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		sum, _, err := sumOf(first, "k0")
		if errors.As(err, &unconfirmed) {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("it still answers a minute after its last heartbeat")
		}
		newer, _, elsewhere := sumOf(second, "k0")
		if err != nil || sum != 10 || elsewhere == nil && newer != sum {
			t.Fatalf("sum %d: %v; the other instance: %d, %v", sum, err, newer, elsewhere)
		}
	}
	if unconfirmed.State != processor.TaskRunning || unconfirmed.Unconfirmed != 2*time.Second {
		t.Errorf("%+v", unconfirmed)
	}
	t.Log(unconfirmed)
	b.produce(10, 1)
	wait(t, second, 0, at(20))
	if sum, _, err := sumOf(first, "k0"); !errors.As(err, &unconfirmed) {
		t.Errorf("after the task went on elsewhere: %d, %v", sum, err)
	}
	silent.Store(false)
	stop(t, second)
	wait(t, first, 0, at(20))
	stop(t, first)
}
