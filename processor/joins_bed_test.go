package processor_test

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// joins knows which static members wait for the answer to a join or a sync. kfake forgets that
// answer when it removes such a member, which Kafka does not, and the member waits for more than a
// minute.
type joins struct {
	generation map[string]int32 // by instance id: the last it spoke of
	under      map[string]int32 // the same, when it began to join
}

// note looks at a request, in kfake's own order.
func (j *joins) note(r kmsg.Request) {
	switch r := r.(type) {
	case *kmsg.JoinGroupRequest:
		if r.InstanceID != nil {
			j.under[*r.InstanceID] = j.generation[*r.InstanceID]
		}
	case *kmsg.SyncGroupRequest:
		if r.InstanceID != nil {
			j.generation[*r.InstanceID] = r.Generation
		}
	case *kmsg.HeartbeatRequest:
		if r.InstanceID == nil {
			return
		}
		j.generation[*r.InstanceID] = r.Generation
		if before, ok := j.under[*r.InstanceID]; ok && r.Generation > before {
			delete(j.under, *r.InstanceID) // it knows that it is in
		}
	}
}

// watchJoins makes the cluster refuse to remove a member that waits to be let in.
func watchJoins(kafka *kfake.Cluster) {
	j := &joins{make(map[string]int32), make(map[string]int32)}
	kafka.ControlKey(-1, func(r kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		j.note(r)
		leave, ok := r.(*kmsg.LeaveGroupRequest)
		if !ok || leave.Version < 3 || len(leave.Members) != 1 || leave.Members[0].MemberID != "" {
			return nil, nil, false // an instance that leaves by itself waits for nothing
		}
		if _, waits := j.under[*leave.Members[0].InstanceID]; !waits {
			return nil, nil, false
		}
		answer := leave.ResponseKind().(*kmsg.LeaveGroupResponse)
		answer.ErrorCode = kerr.RebalanceInProgress.Code
		return answer, nil, true
	})
}

// expel removes an instance from the group, as its session timeout would.
func (b *bed) expel(instance string) {
	b.t.Helper()
	waitFor(b.t, instance+" to be in the group", func() bool {
		_, err := b.adm.LeaveGroup(b.t.Context(), kadm.LeaveGroup("app").InstanceIDs(instance))
		if err != nil && !errors.Is(err, kerr.RebalanceInProgress) {
			b.t.Error(err)
		}
		return err == nil
	})
}
