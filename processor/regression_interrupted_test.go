package processor_test

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestInterruptedMembership: the group gives an instance up → its task runs elsewhere → the
// instance, which has heard of nothing, is told to rejoin, and gets another member id. Its client
// then revokes, or keeps, what it had, as if it had never been away. What the instance did
// meanwhile must not be committed under the new membership.
func TestInterruptedMembership(t *testing.T) {
	t.Parallel()
	for name, partitions := range map[string]int32{"revoked": 1, "kept": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, partitions)
			var deaf, rejoin atomic.Bool
			b.cluster.Kafka().ControlKey(int16(kmsg.Heartbeat),
				func(r kmsg.Request) (kmsg.Response, error, bool) {
					b.cluster.Kafka().KeepControl()
					beat := r.(*kmsg.HeartbeatRequest)
					if beat.InstanceID == nil || *beat.InstanceID != "a" || !deaf.Load() {
						return nil, nil, false
					}
					answer := beat.ResponseKind().(*kmsg.HeartbeatResponse)
					if rejoin.Load() {
						answer.ErrorCode = kerr.RebalanceInProgress.Code
					}
					return answer, nil, true
				})
			b.cluster.Kafka().ControlKey(int16(kmsg.JoinGroup),
				func(r kmsg.Request) (kmsg.Response, error, bool) {
					b.cluster.Kafka().KeepControl()
					join := r.(*kmsg.JoinGroupRequest)
					if rejoin.Load() && join.InstanceID != nil && *join.InstanceID == "a" {
						deaf.Store(false)
					}
					return nil, nil, false
				})
			first := b.start("a", counting(nil))
			b.produce(100, 10)
			b.outputs(100)
			second := b.start("b", counting(nil))
			waitFor(t, "two members", func() bool { return b.members() == 2 })
			b.produce(100, 10)
			b.outputs(200)
			deaf.Store(true)
			b.expel("a")
			waitFor(t, "one member", func() bool { return b.members() == 1 })
			b.produce(100, 10)
			b.outputs(300)
			rejoin.Store(true)
			waitFor(t, "two members again", func() bool { return b.members() == 2 })
			b.produce(100, 10)
			b.outputs(400)
			stop(t, first)
			stop(t, second)
			b.outputs(400)
		})
	}
}
